//! The members that run tasks.

use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::health::ExecutorHealth;

use super::scheduler::internal;
use super::{Kernel, MESSAGE_BYTES, config, registry, runtime};
use crate::Endpoint;
use crate::{Fault, Result};

/// Longest wait for a connection.
const TRY: Duration = Duration::from_secs(5);

/// Heartbeats without an answer after which a worker counts itself as cut off.
const DEAF: u32 = 5;
/// The same as time, at least.
const LEAST_DEAF: Duration = Duration::from_secs(20);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerParams {
    /// What it is called in receipts and reports; no two workers of a scheduler may share a name.
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

/// Takes tasks until SIGINT or SIGTERM, which let those that run come to their end, or until the scheduler sends it away,
/// which it does when it took the worker for lost and can reach it again. `cut_off` is called when the scheduler can be
/// reached and has heard nothing for [`DEAF`] heartbeats: sent away, Ballista's executor may hang at its end.
///
/// # Errors
/// [`Fault::Refused`] if the scheduler does not answer, [`Fault::Internal`] without a temporary folder,
/// [`Fault::Internal`] if serving fails.
pub fn serve_worker(
    params: &WorkerParams,
    kernel: Kernel,
    cut_off: impl Fn() + Send + 'static,
) -> Result<()> {
    // For the one-line results of tasks.
    let folder = tempfile::Builder::new().prefix("fruits-worker-").tempdir();
    let folder = folder.map_err(|e| Fault::Internal(format!("no temporary folder: {e}")))?;
    wait_for_scheduler(params)?;
    let (port, grpc_port) = (free_port(params.bind)?, free_port(params.bind)?);
    let Endpoint { host, port: at } = &params.scheduler;
    let health = ExecutorHealth::new();
    watch(params, health.clone(), cut_off);
    let options = ExecutorProcessConfig {
        health,
        executor_id: params.name.clone(),
        bind_host: params.bind.to_string(),
        external_host: Some(params.bind.to_string()),
        port,
        grpc_port,
        scheduler_host: host.clone(),
        scheduler_port: *at,
        vcores: params.slots,
        work_dir: Some(folder.path().display().to_string()),
        executor_heartbeat_interval_seconds: params.heartbeat_s,
        grpc_max_decoding_message_size: MESSAGE_BYTES as u32,
        grpc_max_encoding_message_size: MESSAGE_BYTES as u32,
        // Tasks take no memory that the engine would know of.
        memory_pool_size: Some(0),
        override_function_registry: Some(Arc::new(registry(Some(kernel)))),
        override_config_producer: Some(Arc::new(config)),
        ..ExecutorProcessConfig::default()
    };
    let served = runtime()?.block_on(start_executor_process(Arc::new(options)));
    served.map_err(internal)
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
            return Err(Fault::Refused(format!(
                "no scheduler answers at {} ({why}); start `report scheduler` there, and let this machine reach its port",
                params.scheduler
            )));
        }
        std::thread::sleep(TRY / 10);
    }
}

/// A port that nothing listens on now.
fn free_port(bind: IpAddr) -> Result<u16> {
    let listener = std::net::TcpListener::bind((bind, 0));
    let address = listener.and_then(|l| l.local_addr());
    address.map(|a| a.port()).map_err(|e| {
        Fault::Refused(format!(
            "cannot listen on {bind}: {e}; name an address of this machine"
        ))
    })
}
