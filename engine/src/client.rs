//! The member that asks for work.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::serde::BallistaCodec;
use ballista_core::serde::BallistaPhysicalExtensionCodec;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams, KeyValuePair,
    execute_query_result, job_status,
};
use ballista_core::version::insert_version_header;
use ballista_executor::new_standalone_executor_from_builder;
use ballista_scheduler::standalone::new_standalone_scheduler_with_builder;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions::Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::scheduler::{internal, session_builder};
use super::{
    FAULT, FUNCTION, Kernel, MESSAGE_BYTES, SETTINGS, config, function, registry, runtime,
};
use crate::Endpoint;
use crate::{Fault, Result};

/// Longest wait for an answer of the scheduler.
const ANSWER: Duration = Duration::from_secs(20);

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatus {
    /// Not at its end.
    Running,
    /// All tasks came to their end.
    Done,
    /// A task ended it: what that said, or what the engine says.
    Failed(String),
    /// The scheduler does not know it; it was started anew.
    Unknown,
}

/// A way to a scheduler.
pub struct Client {
    runtime: Runtime,
    endpoint: Endpoint,
    /// In this very process, with its worker.
    in_process: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.endpoint)
    }
}

impl Client {
    /// A scheduler elsewhere. It is not asked yet.
    ///
    /// # Errors
    /// [`Fault::Internal`].
    pub fn new(endpoint: Endpoint) -> Result<Self> {
        Ok(Self {
            runtime: runtime()?,
            endpoint,
            in_process: false,
        })
    }

    /// A scheduler and a worker of `slots` tasks at once in this process.
    ///
    /// # Errors
    /// [`Fault::Internal`].
    pub fn in_process(slots: usize, kernel: Kernel) -> Result<Self> {
        let runtime = runtime()?;
        let address = runtime.block_on(async {
            let address = new_standalone_scheduler_with_builder(
                session_builder(),
                Arc::new(config),
                BallistaCodec::default(),
            );
            let address = address.await.map_err(internal)?;
            let scheduler = SchedulerGrpcClient::connect(format!("http://{address}"));
            let environment = RuntimeEnvBuilder::new().build_arc().map_err(internal)?;
            new_standalone_executor_from_builder(
                scheduler.await.map_err(internal)?,
                slots,
                Arc::new(config),
                Arc::new(move |_| Ok(environment.clone())),
                BallistaCodec::default(),
                registry(Some(kernel)),
            )
            .await
            .map_err(internal)?;
            Ok::<_, Fault>(address)
        })?;
        Ok(Self {
            runtime,
            endpoint: Endpoint {
                host: address.ip().to_string(),
                port: address.port(),
            },
            in_process: true,
        })
    }

    /// Where the scheduler is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for a task a text; gives the job's name.
    ///
    /// # Errors
    /// [`Fault::Unusable`] if the scheduler does not answer or refuses.
    pub fn submit(&self, texts: &[String]) -> Result<String> {
        let plan = plan(texts).map_err(internal)?;
        let node = PhysicalPlanNode::try_from_physical_plan(
            plan,
            &BallistaPhysicalExtensionCodec::default(),
        );
        let mut bytes = Vec::new();
        node.and_then(|node| node.try_encode(&mut bytes))
            .map_err(internal)?;
        let settings = SETTINGS.map(|(key, value)| KeyValuePair {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        });
        let query = ExecuteQueryParams {
            session_id: FUNCTION.to_owned(),
            settings: settings.to_vec(),
            operation_id: String::new(),
            query: Some(Query::PhysicalPlan(bytes)),
        };
        self.ask(async |scheduler| {
            let mut request = tonic::Request::new(query.clone());
            insert_version_header(request.metadata_mut());
            let answer = scheduler.execute_query(request).await?.into_inner();
            match answer.result {
                Some(execute_query_result::Result::Success(job)) => Ok(job.job_id),
                other => Err(tonic::Status::invalid_argument(format!("{other:?}"))),
            }
        })
    }

    /// How a job stands.
    ///
    /// # Errors
    /// [`Fault::Unusable`] if the scheduler does not answer.
    pub fn status(&self, job: &str) -> Result<JobStatus> {
        let answer = self.ask(async |scheduler| {
            let job_id = job.to_owned();
            let answer = scheduler
                .get_job_status(GetJobStatusParams { job_id })
                .await?;
            Ok(answer.into_inner().status)
        })?;
        Ok(match answer.map(|status| status.status) {
            None => JobStatus::Unknown,
            Some(Some(job_status::Status::Successful(_))) => JobStatus::Done,
            Some(Some(job_status::Status::Failed(failed))) => {
                JobStatus::Failed(fault(&failed.error))
            }
            Some(_) => JobStatus::Running,
        })
    }

    /// Gives a job up, and with it what the engine keeps of it. Tasks that run come to their end.
    pub fn cancel(&self, job: &str) {
        let job_id = job.to_owned();
        // Whether it hears this or not: nothing depends on it.
        let _ = self.ask(async |scheduler| {
            let job_id = job_id.clone();
            scheduler.cancel_job(CancelJobParams { job_id }).await
        });
    }

    /// Lets the scheduler and the workers forget a job that ended.
    pub fn forget(&self, job: &str) {
        let job_id = job.to_owned();
        let _ = self.ask(async |scheduler| {
            let job_id = job_id.clone();
            scheduler
                .clean_job_data(CleanJobDataParams {
                    job_id,
                    remove_stage_ids: Vec::new(),
                })
                .await
        });
    }

    /// Workers that the scheduler counts as alive; absent if it does not say.
    #[must_use]
    pub fn n_workers(&self) -> Option<usize> {
        if self.in_process {
            return Some(1);
        }
        let Endpoint { host, port } = &self.endpoint;
        let asked = async {
            let mut stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
            let request =
                format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(ANSWER, asked).await })
            .ok()?
            .ok()?;
        count(&answer)
    }

    fn ask<T>(
        &self,
        call: impl AsyncFn(&mut SchedulerGrpcClient<Channel>) -> std::result::Result<T, tonic::Status>,
    ) -> Result<T> {
        let asked = async {
            let url = format!("http://{}", self.endpoint);
            let channel = Channel::from_shared(url)
                .map_err(|e| e.to_string())?
                .connect_timeout(ANSWER)
                .connect()
                .await
                .map_err(|e| e.to_string())?;
            let mut scheduler = SchedulerGrpcClient::new(channel)
                .max_encoding_message_size(MESSAGE_BYTES)
                .max_decoding_message_size(MESSAGE_BYTES);
            call(&mut scheduler)
                .await
                .map_err(|e| e.message().to_owned())
        };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(ANSWER, asked).await });
        let why = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        Err(Fault::Unusable {
            endpoint: self.endpoint.clone(),
            why,
        })
    }
}

/// A union of projections of one row each: a partition, and so a task, a text.
fn plan(texts: &[String]) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let options = Arc::new(ConfigOptions::new());
    let one = |text: &String| {
        let text = Literal::new(ScalarValue::Utf8(Some(text.clone())));
        let call: Arc<dyn PhysicalExpr> = Arc::new(ScalarFunctionExpr::new(
            FUNCTION,
            function(None),
            vec![Arc::new(text)],
            Arc::new(Field::new(FUNCTION, DataType::Utf8, true)),
            options.clone(),
        ));
        let row = Arc::new(PlaceholderRowExec::new(Arc::new(Schema::empty())));
        let projection = ProjectionExec::try_new(vec![(call, FUNCTION.to_owned())], row)?;
        Ok(Arc::new(projection) as Arc<dyn ExecutionPlan>)
    };
    let mut parts = texts
        .iter()
        .map(one)
        .collect::<datafusion::common::Result<Vec<_>>>()?;
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => UnionExec::try_new(parts),
    }
}

/// What a task said, out of what the engine says of its job.
fn fault(text: &str) -> String {
    match text.split_once(FAULT) {
        Some((_, fault)) => fault.lines().next().unwrap_or_default().to_owned(),
        None => text.lines().next().unwrap_or_default().to_owned(),
    }
}

/// `ready: 2 executors registered` or `not ready: 0/1 executors registered`.
fn count(answer: &str) -> Option<usize> {
    let line = answer.lines().find(|line| line.contains("ready: "))?;
    let (_, rest) = line.split_once("ready: ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_a_partition() {
        let texts: Vec<_> = (0..5).map(|i| i.to_string()).collect();
        let partitions = |n: usize| {
            let plan = plan(&texts[..n]).unwrap();
            plan.properties().output_partitioning().partition_count()
        };
        assert_eq!([1, 2, 5].map(partitions), [1, 2, 5]);
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(
            count("HTTP/1.1 200 OK\r\n\r\nready: 12 executors registered\n"),
            Some(12)
        );
        assert_eq!(
            count("HTTP/1.1 503\r\n\r\nnot ready: 0/1 executors registered\n"),
            Some(0)
        );
        assert_eq!(count("HTTP/1.1 404 Not Found\r\n\r\n"), None);
        assert_eq!(
            fault(&format!("Job failed: x {FAULT}disk full\nat y")),
            "disk full"
        );
        assert_eq!(fault("stage 1 failed\nmore"), "stage 1 failed");
    }
}
