//! Work on other machines, by Apache DataFusion Ballista.
//!
//! A task is a short text. A worker calls one function of its own with it; what that did lies in storage both sides see,
//! so nothing comes back but the end of the job. Ballista is used for what it is good at: knowing which workers live,
//! handing a task to a free one, and handing it out again when that one dies.
//!
//! A job is a union of one-row projections, a partition each, of a function that is known to workers by name. So a job
//! needs no file that scheduler and workers would both have to reach, and the plan has one stage and no shuffle.

mod client;
mod scheduler;
mod worker;

use std::fmt;
use std::sync::Arc;

use ballista_core::extension::SessionConfigExt;
use ballista_core::registry::BallistaFunctionRegistry;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionConfig;

pub use self::client::{Client, JobStatus};
pub use self::scheduler::{SchedulerParams, serve_scheduler};
pub use self::worker::{WorkerParams, serve_worker};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An address, or a scheduler that is none.
    #[error("{0}")]
    Refused(String),
    /// A scheduler that cannot be used.
    #[error("the scheduler at {endpoint} cannot be used: {why}")]
    Unusable {
        /// Where it should be.
        endpoint: Endpoint,
        /// What it said, or what the network did.
        why: String,
    },
    /// Anything else.
    #[error("{0}")]
    Internal(String),
}

/// What a fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Fault>;

/// Host and port of a scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Tasks that a worker has at once: one computes while the next is read and decoded.
pub const DEFAULT_SLOTS: usize = 2;
/// Name of the function that workers know.
const FUNCTION: &str = "fruits_run_task";
/// Where the text of a failed task begins in what Ballista says of its job.
const FAULT: &str = "fruits-task-fault: ";
/// Largest message: the plan of a job of 64 tasks takes 40 kB, so this is Ballista's own.
const MESSAGE_BYTES: usize = 16 << 20;

/// What a worker does with a task. The error ends the whole job: it would meet any other worker, too.
pub type Kernel = Arc<dyn Fn(&str) -> std::result::Result<(), String> + Send + Sync>;

/// The function as Ballista sees it: a text in, the same text out.
struct RunTask {
    signature: Signature,
    /// Absent in the scheduler and the client, which only plan.
    kernel: Option<Kernel>,
}

impl RunTask {
    fn new(kernel: Option<Kernel>) -> Self {
        Self {
            // Volatile: never folded into a constant while planning.
            signature: Signature::exact(vec![DataType::Utf8], Volatility::Volatile),
            kernel,
        }
    }

    fn call(&self, text: &str) -> std::result::Result<(), DataFusionError> {
        let Some(kernel) = self.kernel.clone() else {
            return Err(DataFusionError::Internal(
                "only workers run tasks".to_owned(),
            ));
        };
        let text = text.to_owned();
        // A thread without a runtime: the kernel waits for runtimes of its own, which tokio forbids on a thread of another.
        let done = std::thread::Builder::new()
            .name("fruits-task".to_owned())
            .spawn(move || kernel(&text))
            .map(std::thread::JoinHandle::join);
        let fault = match done {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(fault))) => fault,
            Ok(Err(_)) => "the task panicked; this is a fault of fruits".to_owned(),
            Err(e) => format!("no thread for a task: {e}"),
        };
        Err(DataFusionError::Execution(format!("{FAULT}{fault}\n")))
    }
}

impl fmt::Debug for RunTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FUNCTION)
    }
}

impl PartialEq for RunTask {
    fn eq(&self, other: &Self) -> bool {
        self.kernel.is_some() == other.kernel.is_some()
    }
}

impl Eq for RunTask {}

impl std::hash::Hash for RunTask {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        FUNCTION.hash(state);
    }
}

impl ScalarUDFImpl for RunTask {
    fn name(&self) -> &str {
        FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)))) => self.call(text)?,
            Some(ColumnarValue::Array(array)) => {
                let texts = array.as_any().downcast_ref::<StringArray>();
                for text in texts.into_iter().flatten().flatten() {
                    self.call(text)?;
                }
            }
            _ => {}
        }
        args.args
            .into_iter()
            .next()
            .ok_or_else(|| DataFusionError::Internal("a task without a text".to_owned()))
    }
}

fn function(kernel: Option<Kernel>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(RunTask::new(kernel)))
}

/// Ballista's functions and ours.
fn registry(kernel: Option<Kernel>) -> BallistaFunctionRegistry {
    let mut registry = BallistaFunctionRegistry::default();
    let ours = function(kernel);
    registry.scalar_functions.insert(FUNCTION.to_owned(), ours);
    registry
}

/// A task a partition, planned as written.
const SETTINGS: [(&str, &str); 2] = [
    ("ballista.scheduler.max_partitions_per_task", "1"),
    ("ballista.planner.adaptive.enabled", "false"),
];

fn config() -> SessionConfig {
    SETTINGS.into_iter().fold(
        SessionConfig::new_with_ballista(),
        |config, (key, value)| config.set_str(key, value),
    )
}

/// A runtime for the networking of a member; tasks have threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fruits-engine")
        .enable_all()
        .build()
        .map_err(|e| Fault::Internal(format!("no runtime for the network: {e}")))
}
