//! Somebody on the network, with Ballista's own client, against a scheduler and a worker.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ballista_core::JobId;
use ballista_core::execution_plans::ShuffleWriterExec;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{ExecuteQueryParams, execute_query_result};
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_core::version::insert_version_header;
use ballista_executor::execution_engine::ExecutionEngine;
use ballista_executor::executor_process::start_executor_process;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use datafusion_proto::logical_plan::AsLogicalPlan;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use fruits::place::Endpoint;
use fruits::storage::temporary;

use super::executor::{free_port, settings};
use super::plan::{TasksOnly, plan};
use super::session::runtime;
use super::{Client, JobStatus, Kernel, SchedulerParams, WorkerParams, serve_scheduler};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A scheduler, and a worker that notes its tasks; where the first is, and where Ballista would serve files of the other.
fn members(folder: &Path) -> (Endpoint, u16, Receiver<String>) {
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
    (scheduler, ports[0], tasks)
}

fn physical(plan: Arc<dyn ExecutionPlan>) -> Query {
    let codec = BallistaPhysicalExtensionCodec::default();
    let node = PhysicalPlanNode::try_from_physical_plan(plan, &codec).unwrap();
    let mut bytes = Vec::new();
    node.try_encode(&mut bytes).unwrap();
    Query::PhysicalPlan(bytes)
}

#[test]
fn a_stranger_gets_nothing_read_written_or_computed() {
    let folder = temporary::folder("test").unwrap();
    let theirs = folder.path().join("theirs.csv");
    std::fs::write(&theirs, "a,b\n1,2\n").unwrap();
    let work = folder.path().join("work");
    let (scheduler, flight, tasks) = members(&work);
    let client = Client::new(scheduler.clone()).unwrap();
    let began = Instant::now();
    while client.n_workers() != Some(1) {
        assert!(began.elapsed() < Duration::from_secs(60), "no worker came");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The control: tasks are done.
    let job = client.submit(&["ours".to_owned()]).unwrap();
    assert_eq!(tasks.recv_timeout(Duration::from_secs(60)).unwrap(), "ours");
    while client.status(&job).unwrap() != JobStatus::Done {
        std::thread::sleep(Duration::from_millis(20));
    }
    let n_files = walkdir::WalkDir::new(folder.path()).into_iter().count();

    runtime().unwrap().block_on(async {
        let csv = SessionContext::new();
        let csv = csv.read_csv(theirs.to_str().unwrap(), CsvReadOptions::new());
        let csv = csv.await.unwrap();
        let codec = BallistaLogicalExtensionCodec::default();
        let logical = LogicalPlanNode::try_from_logical_plan(csv.logical_plan(), &codec).unwrap();
        let mut query = Vec::new();
        logical.try_encode(&mut query).unwrap();
        let scan = csv.create_physical_plan().await.unwrap();
        let ours = plan(&["theirs".to_owned()]).unwrap();
        let call = ours.downcast_ref::<ProjectionExec>().unwrap().expr();
        let over_theirs = ProjectionExec::try_new(call.to_vec(), scan.clone()).unwrap();
        let both = UnionExec::try_new(vec![ours.clone(), Arc::new(over_theirs)]).unwrap();

        let url = format!("http://{scheduler}");
        let mut stranger = SchedulerGrpcClient::connect(url).await.unwrap();
        for query in [
            Query::LogicalPlan(query),
            physical(scan.clone()),
            physical(both),
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
        // Past the scheduler: what a worker would be told to do.
        let job = JobId::from("a".to_owned());
        let at = work.display().to_string();
        let stage = ShuffleWriterExec::try_new(job.clone(), 1, scan, at.clone()).unwrap();
        let config = SessionConfig::new();
        let stage = TasksOnly::new().create_query_stage_exec(
            job,
            1,
            1,
            vec![0],
            Arc::new(stage),
            &at,
            &config,
        );
        assert!(stage.is_err(), "the worker took it");
    });
    assert!(
        TcpStream::connect((HERE, flight)).is_err(),
        "the worker serves files"
    );
    assert!(tasks.try_recv().is_err(), "a task was done");
    let after = walkdir::WalkDir::new(folder.path()).into_iter().count();
    assert_eq!(after, n_files, "something was written or removed");
}
