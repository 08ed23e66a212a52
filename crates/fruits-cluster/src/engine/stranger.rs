//! Somebody on the network, with Ballista's own clients, against a scheduler and a worker.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ballista_core::JobId;
use ballista_core::execution_plans::ShuffleWriterExec;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::executor_grpc_client::ExecutorGrpcClient;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelTasksParams, ExecuteQueryParams, LaunchMultiTaskParams, LaunchTaskParams,
    MultiTaskDefinition, RemoveJobDataParams, RunningTaskInfo, TaskDefinition, TaskId,
    execute_query_result,
};
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_core::version::insert_version_header;
use ballista_executor::executor_process::start_executor_process;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::prelude::{CsvReadOptions, SessionContext};
use datafusion_proto::logical_plan::AsLogicalPlan;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use fruits::place::Endpoint;
use fruits::storage::temporary;
use tokio::net::TcpListener;
use tonic::transport::Channel;

use super::executor::{free_port, settings};
use super::plan::plan;
use super::session::runtime;
use super::{Client, JobStatus, Kernel, SchedulerParams, WorkerParams, serve_scheduler};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longest wait for what takes milliseconds.
const LONG: Duration = Duration::from_secs(60);

type Worker = ExecutorGrpcClient<Channel>;

/// A scheduler, and a worker that notes its tasks.
struct Members {
    scheduler: Endpoint,
    /// Where Ballista would serve files.
    flight: u16,
    /// Where the worker hears its scheduler.
    worker: u16,
    tasks: Receiver<String>,
}

fn members(folder: &Path) -> Members {
    let (to_us, address) = channel();
    std::thread::spawn(move || {
        let params = SchedulerParams {
            bind: HERE,
            port: 0,
            worker_timeout_s: 60,
        };
        serve_scheduler(&params, |address| to_us.send(address).unwrap(), &|| false)
    });
    let address = address.recv().unwrap();
    let scheduler = Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let params = WorkerParams {
        name: "one".to_owned(),
        scheduler: scheduler.clone(),
        bind: HERE,
        slots: 1,
        heartbeat_s: 1,
        connect_s: 10,
    };
    let (to_us, tasks) = channel();
    let to_us = Mutex::new(to_us);
    let kernel: Kernel = Arc::new(move |text| {
        to_us.lock().unwrap().send(text.to_owned()).unwrap();
        Ok(())
    });
    let ports = [free_port(HERE).unwrap(), free_port(HERE).unwrap()];
    let options = Arc::new(settings(&params, ports, folder, kernel));
    std::thread::spawn(move || runtime().unwrap().block_on(start_executor_process(options)));
    let client = Client::new(scheduler.clone()).unwrap();
    let began = Instant::now();
    while client.n_workers() != Some(1) {
        assert!(began.elapsed() < LONG, "no worker came");
        std::thread::sleep(Duration::from_millis(20));
    }
    Members {
        scheduler,
        flight: ports[0],
        worker: ports[1],
        tasks,
    }
}

fn bytes(plan: Arc<dyn ExecutionPlan>) -> Vec<u8> {
    let codec = BallistaPhysicalExtensionCodec::default();
    let node = PhysicalPlanNode::try_from_physical_plan(plan, &codec).unwrap();
    let mut bytes = Vec::new();
    node.try_encode(&mut bytes).unwrap();
    bytes
}

/// A plan that reads a file, and one that has a task of ours beside that.
async fn foreign(file: &Path) -> [Arc<dyn ExecutionPlan>; 2] {
    let csv = SessionContext::new();
    let csv = csv.read_csv(file.to_str().unwrap(), CsvReadOptions::new());
    let scan = csv.await.unwrap().create_physical_plan().await.unwrap();
    let ours = plan(&["theirs".to_owned()]).unwrap();
    let call = ours.downcast_ref::<ProjectionExec>().unwrap().expr();
    let over_theirs = ProjectionExec::try_new(call.to_vec(), scan.clone()).unwrap();
    let both = UnionExec::try_new(vec![ours.clone(), Arc::new(over_theirs)]).unwrap();
    [scan, both]
}

fn n_files(folder: &Path) -> usize {
    walkdir::WalkDir::new(folder).into_iter().count()
}

#[test]
fn a_stranger_gets_nothing_read_written_or_computed() {
    let folder = temporary::folder("test").unwrap();
    let theirs = folder.path().join("theirs.csv");
    std::fs::write(&theirs, "a,b\n1,2\n").unwrap();
    let work = folder.path().join("work");
    let Members {
        scheduler,
        flight,
        tasks,
        ..
    } = members(&work);
    let client = Client::new(scheduler.clone()).unwrap();
    // The control: tasks are done.
    let job = client.submit(&["ours".to_owned()]).unwrap();
    assert_eq!(tasks.recv_timeout(LONG).unwrap(), "ours");
    while client.status(&job).unwrap() != JobStatus::Done {
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = n_files(folder.path());

    runtime().unwrap().block_on(async {
        let csv = SessionContext::new();
        let csv = csv.read_csv(theirs.to_str().unwrap(), CsvReadOptions::new());
        let csv = csv.await.unwrap();
        let codec = BallistaLogicalExtensionCodec::default();
        let logical = LogicalPlanNode::try_from_logical_plan(csv.logical_plan(), &codec).unwrap();
        let mut query = Vec::new();
        logical.try_encode(&mut query).unwrap();
        let [scan, both] = foreign(&theirs).await;

        let url = format!("http://{scheduler}");
        let mut stranger = SchedulerGrpcClient::connect(url).await.unwrap();
        for query in [
            Query::LogicalPlan(query),
            Query::PhysicalPlan(bytes(scan)),
            Query::PhysicalPlan(bytes(both)),
        ] {
            let mut request = tonic::Request::new(ExecuteQueryParams {
                session_id: "stranger".to_owned(),
                settings: Vec::new(),
                operation_id: String::new(),
                query: Some(query),
            });
            insert_version_header(request.metadata_mut());
            let answer = stranger.execute_query(request).await.unwrap().into_inner();
            match answer.result {
                Some(execute_query_result::Result::Failure(failure)) => {
                    let said = format!("{failure:?}");
                    assert!(said.contains("is refused"), "{said}");
                }
                other => panic!("the scheduler took it: {other:?}"),
            }
        }
    });
    assert!(
        TcpStream::connect((HERE, flight)).is_err(),
        "the worker serves files"
    );
    assert!(tasks.try_recv().is_err(), "a task was done");
    let after = n_files(folder.path());
    assert_eq!(after, before, "something was written or removed");
}

/// Tells a worker to do a task, and waits until it says how that went: to whomever it was told is its scheduler.
async fn launched(worker: &mut Worker, job: &str, plan: Arc<dyn ExecutionPlan>, alone: bool) {
    let ours = TcpListener::bind((HERE, 0)).await.unwrap();
    let scheduler_endpoint = ours.local_addr().unwrap().to_string();
    let job_id = JobId::from(job.to_owned());
    let stage = ShuffleWriterExec::try_new(job_id, 1, plan, "/nowhere".to_owned()).unwrap();
    let (plan, job_id) = (bytes(Arc::new(stage)), job.to_owned());
    if alone {
        let task = TaskDefinition {
            task_id: 1,
            job_id,
            stage_id: 1,
            plan,
            session_id: "stranger".to_owned(),
            global_output_partition_ids: vec![0],
            vcores_consumed: 1,
            ..TaskDefinition::default()
        };
        let tasks = LaunchTaskParams {
            tasks: vec![task],
            scheduler_endpoint,
        };
        worker.launch_task(tasks).await.unwrap();
    } else {
        let id = TaskId {
            task_id: 1,
            task_attempt_num: 0,
            global_output_partition_ids: vec![0],
            vcores_consumed: 1,
        };
        let tasks = MultiTaskDefinition {
            task_ids: vec![id],
            job_id,
            stage_id: 1,
            plan,
            session_id: "stranger".to_owned(),
            ..MultiTaskDefinition::default()
        };
        let tasks = LaunchMultiTaskParams {
            multi_tasks: vec![tasks],
            scheduler_endpoint,
        };
        let answer = worker.launch_multi_task(tasks).await.unwrap();
        assert_eq!(answer.into_inner().failed_jobs, Vec::<String>::new());
    }
    let said = tokio::time::timeout(LONG, ours.accept()).await;
    said.expect("the worker said nothing").unwrap();
}

#[test]
fn who_dials_a_worker_gets_nothing_read_written_or_computed() {
    let folder = temporary::folder("test").unwrap();
    let (theirs, work) = (folder.path().join("theirs"), folder.path().join("work"));
    std::fs::create_dir(&theirs).unwrap();
    let file = theirs.join("theirs.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    let Members { worker, tasks, .. } = members(&work);
    runtime().unwrap().block_on(async {
        let url = format!("http://{HERE}:{worker}");
        let mut worker = Worker::connect(url).await.unwrap();
        // The control: such a message is understood. What a worker of a cluster does wants the secret, too.
        let ours = plan(&["control".to_owned()]).unwrap();
        launched(&mut worker, "control", ours, false).await;
        assert_eq!(tasks.try_recv().unwrap(), "control");
        let before = n_files(folder.path());

        for plan in foreign(&file).await {
            launched(&mut worker, "foreign", plan.clone(), false).await;
            launched(&mut worker, "foreign", plan, true).await;
        }
        for job in ["", "..", "../theirs"] {
            let ours = plan(&["elsewhere".to_owned()]).unwrap();
            launched(&mut worker, job, ours, false).await;
        }
        let absolute = theirs.display().to_string();
        let elsewhere = [
            "",
            ".",
            "..",
            "../theirs",
            "control/../../theirs",
            &absolute,
        ];
        for job_id in elsewhere.map(str::to_owned) {
            // Refused, or there is nothing of the kind.
            let _ = worker
                .remove_job_data(RemoveJobDataParams {
                    job_id: job_id.clone(),
                    remove_stage_ids: Vec::new(),
                })
                .await;
            let task = RunningTaskInfo {
                task_id: 1,
                job_id,
                stage_id: 1,
            };
            let _ = worker
                .cancel_tasks(CancelTasksParams {
                    task_infos: vec![task],
                })
                .await;
        }
        assert!(tasks.try_recv().is_err(), "a task was done");
        let after = n_files(folder.path());
        assert_eq!(after, before, "something was written or removed");

        // What a worker does for anybody, as README.md says: it forgets a job.
        let job_id = "control".to_owned();
        let job = RemoveJobDataParams {
            job_id,
            remove_stage_ids: Vec::new(),
        };
        worker.remove_job_data(job).await.unwrap();
        assert!(!work.join("control").exists() && file.exists());
    });
}
