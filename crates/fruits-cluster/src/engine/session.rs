//! What all members have in common: the function that runs a task, by its name, and how plans with it are taken.

use std::fmt;
use std::sync::Arc;

use ballista_core::extension::SessionConfigExt;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::utils::default_session_builder;
use ballista_scheduler::scheduler_server::SessionBuilder;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionConfig;
use fruits::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Name of the function that workers know.
pub const FUNCTION: &str = "fruits_run_task";
/// Where the text of a failed task begins in what Ballista says of its job.
pub const FAULT: &str = "fruits-task-fault: ";
/// Largest message: the plan of a job of 64 tasks takes 40 kB, so this is Ballista's own.
pub const MESSAGE_BYTES: usize = 16 << 20;

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

pub fn function(kernel: Option<Kernel>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(RunTask::new(kernel)))
}

/// Ballista's functions and ours.
pub fn registry(kernel: Option<Kernel>) -> BallistaFunctionRegistry {
    let mut registry = BallistaFunctionRegistry::default();
    let ours = function(kernel);
    registry.scalar_functions.insert(FUNCTION.to_owned(), ours);
    registry
}

/// A task a partition, planned as written.
pub const SETTINGS: [(&str, &str); 2] = [
    ("ballista.scheduler.max_partitions_per_task", "1"),
    ("ballista.planner.adaptive.enabled", "false"),
];

pub fn config() -> SessionConfig {
    SETTINGS.into_iter().fold(
        SessionConfig::new_with_ballista(),
        |config, (key, value)| config.set_str(key, value),
    )
}

/// A runtime for the networking of a member; tasks have threads of their own.
pub fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fruits-engine")
        .enable_all()
        .build()
        .map_err(|e| internal(format!("no runtime for the network: {e}")))
}

/// Sessions that know our function, so that plans with it can be read.
pub fn session_builder() -> SessionBuilder {
    Arc::new(|config| {
        let mut state = default_session_builder(config)?;
        state.register_udf(function(None))?;
        Ok(state)
    })
}

/// What Ballista says, as a fault of this crate.
pub fn internal(error: impl fmt::Display) -> Error {
    Error::Internal(format!("the engine failed: {error}"))
}
