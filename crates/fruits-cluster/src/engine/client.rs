//! The member that asks for work.

use std::time::Duration;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams, KeyValuePair,
    execute_query_result, job_status,
};
use ballista_core::version::insert_version_header;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use fruits::place::Endpoint;
use fruits::storage::temporary::{self, TempDir};
use fruits::{Error, Result};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::executor::work_here;
use super::plan::plan;
use super::scheduler::schedule_here;
use super::session::{FAULT, FUNCTION, Kernel, MESSAGE_BYTES, SETTINGS, internal, runtime};

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
    /// In this very process, with its worker, which has this folder.
    in_process: Option<TempDir>,
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
    /// [`Error::Internal`].
    pub fn new(endpoint: Endpoint) -> Result<Self> {
        Ok(Self {
            runtime: runtime()?,
            endpoint,
            in_process: None,
        })
    }

    /// A scheduler and a worker of `slots` tasks at once in this process.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn in_process(slots: usize, kernel: Kernel) -> Result<Self> {
        let runtime = runtime()?;
        let folder = temporary::folder("worker")?;
        let address = runtime.block_on(async {
            let address = schedule_here().await?;
            work_here(address, slots, kernel, folder.path()).await?;
            Ok::<_, Error>(address)
        })?;
        Ok(Self {
            runtime,
            endpoint: Endpoint {
                host: address.ip().to_string(),
                port: address.port(),
            },
            in_process: Some(folder),
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
    /// [`Error::Engine`] if the scheduler does not answer or refuses.
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
    /// [`Error::Engine`] if the scheduler does not answer.
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
        if self.in_process.is_some() {
            return Some(1);
        }
        let url = format!("http://{}/readyz", self.endpoint).parse().ok()?;
        let asked = async {
            let http =
                legacy::Client::builder(TokioExecutor::new()).build_http::<Empty<&'static [u8]>>();
            let answer = http.get(url).await.ok()?;
            // Of whatever status: a scheduler without workers says that it is not ready.
            let body = answer.into_body().collect().await.ok()?;
            count(std::str::from_utf8(&body.to_bytes()).ok()?)
        };
        self.runtime
            .block_on(async { tokio::time::timeout(ANSWER, asked).await })
            .ok()?
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
        Err(Error::Engine {
            message: format!(
                "the scheduler at {} cannot be used; start `report scheduler` there, and run the same command again, which \
                 does what is missing",
                self.endpoint
            ),
            source: why.into(),
        })
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
    let (_, rest) = answer.split_once("ready: ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(count("ready: 12 executors registered\n"), Some(12));
        assert_eq!(count("not ready: 0/1 executors registered\n"), Some(0));
        assert_eq!(count("not found"), None);
        assert_eq!(
            fault(&format!("Job failed: x {FAULT}disk full\nat y")),
            "disk full"
        );
        assert_eq!(fault("stage 1 failed\nmore"), "stage 1 failed");
    }
}
