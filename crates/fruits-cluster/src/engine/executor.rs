//! The members that run tasks.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ballista_core::BALLISTA_PROTOCOL_VERSION;
use ballista_core::serde::BallistaCodec;
use ballista_core::serde::protobuf::ExecutorRegistration;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::scheduler::{
    ExecutorOperatingSystemSpecification, ExecutorSpecification,
};
use ballista_executor::ArrowFlightServerProvider;
use ballista_executor::execution_loop::poll_loop;
use ballista_executor::executor::Executor;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::health::ExecutorHealth;
use ballista_executor::metrics::LoggingMetricsCollector;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use fruits::place::Endpoint;
use fruits::storage::temporary;
use fruits::{Error, Result};

use super::plan::TasksOnly;
use super::session::{Kernel, MESSAGE_BYTES, config, internal, registry, runtime};
use crate::clock::now_ms;

/// Longest wait for a connection.
const TRY: Duration = Duration::from_secs(5);

/// Heartbeats without an answer after which a worker counts itself as cut off.
const DEAF: u32 = 5;
/// The same as time, at least.
const LEAST_DEAF: Duration = Duration::from_secs(20);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerParams {
    /// What the scheduler's log calls it.
    pub name: String,
    /// Where its scheduler is.
    pub scheduler: Endpoint,
    /// Address of this machine that the scheduler reaches.
    pub bind: IpAddr,
    /// Tasks at once.
    pub slots: usize,
    /// Seconds between signs of life.
    pub heartbeat_s: u64,
    /// Seconds to wait for a scheduler that does not answer yet.
    pub connect_s: u16,
}

/// Takes tasks until SIGINT or SIGTERM, which let those that run come to their end and make `stop` true, or until the
/// scheduler took the worker for lost, sent it away, and can be reached again. `cut_off` is called when the scheduler can
/// be reached and has heard nothing for five heartbeats: sent away, Ballista's executor may hang at its end.
///
/// # Errors
/// [`Error::Invalid`] if the scheduler does not answer, [`Error::Storage`] without a temporary folder,
/// [`Error::Internal`] if serving fails.
pub fn serve_worker(
    params: &WorkerParams,
    kernel: Kernel,
    stop: &dyn Fn() -> bool,
    cut_off: impl Fn() + Send + 'static,
) -> Result<()> {
    // For the one-line results of tasks.
    let folder = temporary::folder("worker")?;
    wait_for_scheduler(params)?;
    // Nothing listens at `port`: see `no_flight`.
    let (port, grpc_port) = (free_port(params.bind)?, free_port(params.bind)?);
    let options = settings(params, [port, grpc_port], folder.path(), kernel);
    watch(params, options.health.clone(), cut_off);
    let served = runtime()?.block_on(start_executor_process(Arc::new(options)));
    served.map_err(internal)?;
    // The network may be parted for longer than a start would wait.
    while !stop() && connect(&params.scheduler).is_err() {
        std::thread::sleep(TRY / 10);
    }
    Ok(())
}

/// What Ballista's executor is told.
pub(super) fn settings(
    params: &WorkerParams,
    [port, grpc_port]: [u16; 2],
    folder: &Path,
    kernel: Kernel,
) -> ExecutorProcessConfig {
    let Endpoint { host, port: at } = &params.scheduler;
    ExecutorProcessConfig {
        health: ExecutorHealth::new(),
        // The scheduler refuses an id that it still counts as alive, and a worker that starts anew comes back at once.
        executor_id: format!("{}-{}-{}", params.name, std::process::id(), now_ms()),
        bind_host: params.bind.to_string(),
        external_host: Some(params.bind.to_string()),
        port,
        grpc_port,
        scheduler_host: host.clone(),
        scheduler_port: *at,
        vcores: params.slots,
        work_dir: Some(folder.display().to_string()),
        executor_heartbeat_interval_seconds: params.heartbeat_s,
        grpc_max_decoding_message_size: MESSAGE_BYTES as u32,
        grpc_max_encoding_message_size: MESSAGE_BYTES as u32,
        // Tasks take no memory that the engine would know of.
        memory_pool_size: Some(0),
        override_function_registry: Some(Arc::new(registry(Some(kernel)))),
        override_execution_engine: Some(Arc::new(TasksOnly::new())),
        override_arrow_flight_service: Some(no_flight()),
        override_config_producer: Some(Arc::new(config)),
        ..ExecutorProcessConfig::default()
    }
}

/// Nothing of a task is ever fetched, and Ballista's service reads files below folders of the caller's choice.
fn no_flight() -> Arc<ArrowFlightServerProvider> {
    Arc::new(|_, _, mut shutdown, _| {
        tokio::spawn(async move {
            shutdown.recv().await;
            Ok(())
        })
    })
}

/// Works in this process for the scheduler at `address`, as long as the runtime lives. Nothing listens.
pub(super) async fn work_here(
    address: SocketAddr,
    slots: usize,
    kernel: Kernel,
    folder: &Path,
) -> Result<()> {
    let scheduler = SchedulerGrpcClient::connect(format!("http://{address}"));
    let scheduler = scheduler.await.map_err(internal)?;
    let environment = RuntimeEnvBuilder::new().build_arc().map_err(internal)?;
    let vcores = ExecutorSpecification::default().with_vcores(slots as u32);
    let about = ExecutorRegistration {
        id: "in-process".to_owned(),
        host: Some(address.ip().to_string()),
        port: 0,
        grpc_port: 0,
        specification: Some(vcores.into()),
        os_info: Some(ExecutorOperatingSystemSpecification::default().into()),
        ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
    };
    let executor = Executor::new(
        about,
        &folder.display().to_string(),
        Arc::new(move |_| Ok(environment.clone())),
        Arc::new(config),
        Arc::new(registry(Some(kernel))),
        Arc::new(LoggingMetricsCollector::default()),
        slots,
        Arc::new(TasksOnly::new()),
    );
    let codec: BallistaCodec = BallistaCodec::default();
    let health = ExecutorHealth::new();
    tokio::spawn(poll_loop(
        scheduler,
        Arc::new(executor),
        codec,
        None,
        None,
        health,
    ));
    Ok(())
}

/// Takes the sign of life away again and again, and looks whether it comes back.
fn watch(params: &WorkerParams, health: ExecutorHealth, cut_off: impl Fn() + Send + 'static) {
    let pause = LEAST_DEAF.max(DEAF * Duration::from_secs(params.heartbeat_s));
    let scheduler = params.scheduler.clone();
    std::thread::spawn(move || {
        loop {
            health.mark_heartbeat_failed();
            std::thread::sleep(pause);
            if !health.is_ready() && connect(&scheduler).is_ok() {
                cut_off();
            }
        }
    });
}

fn connect(Endpoint { host, port }: &Endpoint) -> std::io::Result<TcpStream> {
    let mut found = (host.as_str(), *port).to_socket_addrs()?;
    let address = found.next().ok_or(std::io::ErrorKind::NotFound)?;
    TcpStream::connect_timeout(&address, TRY)
}

/// Tries until a scheduler listens; Ballista's own wait never ends.
fn wait_for_scheduler(params: &WorkerParams) -> Result<()> {
    let began = Instant::now();
    loop {
        let Err(why) = connect(&params.scheduler) else {
            return Ok(());
        };
        if began.elapsed() >= Duration::from_secs(params.connect_s.into()) {
            return Err(Error::Invalid(format!(
                "no scheduler answers at {} ({why}); start `report scheduler` there, and let this machine reach its port",
                params.scheduler
            )));
        }
        std::thread::sleep(TRY / 10);
    }
}

/// A port that nothing listens on now.
pub(super) fn free_port(bind: IpAddr) -> Result<u16> {
    let listener = std::net::TcpListener::bind((bind, 0));
    let address = listener.and_then(|l| l.local_addr());
    address.map(|a| a.port()).map_err(|e| {
        Error::Invalid(format!(
            "cannot listen on {bind}: {e}; name an address of this machine"
        ))
    })
}
