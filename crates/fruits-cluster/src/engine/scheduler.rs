//! The member that hands out tasks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use ballista_scheduler::scheduler_server::SchedulerServer;
use fruits::{Error, Result};
use tokio::net::TcpListener;

use super::plan::{Query, Tasks};
use super::session::{MESSAGE_BYTES, config, internal, runtime, session_builder};

/// How a scheduler works.
#[derive(Debug, Clone)]
pub struct SchedulerParams {
    /// Address of this machine that workers and drivers reach.
    pub bind: IpAddr,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Seconds without a sign of life after which a worker counts as lost, and its tasks go to others.
    pub worker_timeout_s: u64,
}

/// Serves until `stop` says so. `ready` hears where.
///
/// # Errors
/// [`Error::Invalid`] if the address cannot be bound, [`Error::Internal`] if serving fails.
pub fn serve_scheduler(
    params: &SchedulerParams,
    ready: impl FnOnce(SocketAddr),
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let SchedulerParams {
        bind,
        port,
        worker_timeout_s,
    } = *params;
    runtime()?.block_on(async {
        let listener = TcpListener::bind((bind, port)).await;
        let listener = listener.map_err(|e| {
            Error::Invalid(format!(
                "cannot listen on {bind}:{port}: {e}; name an address of this machine and a free port"
            ))
        })?;
        let address = listener.local_addr().map_err(internal)?;
        let config = SchedulerConfig {
            external_host: bind.to_string(),
            bind_host: bind.to_string(),
            bind_port: address.port(),
            // The default fills one worker before the next gets a task.
            task_distribution: TaskDistributionPolicy::RoundRobin,
            executor_timeout_seconds: worker_timeout_s,
            expire_dead_executor_interval_seconds: (worker_timeout_s / 5).max(1),
            // With spot instances all workers may be lost at once; the next ones take minutes to start.
            no_executors_grace_period_seconds: 5 * worker_timeout_s,
            grpc_server_max_decoding_message_size: MESSAGE_BYTES as u32,
            grpc_server_max_encoding_message_size: MESSAGE_BYTES as u32,
            grpc_client_max_message_size: MESSAGE_BYTES as u32,
            ..SchedulerConfig::default()
        };
        let scheduler = scheduler(config).await?;
        ready(address);
        tokio::select! {
            ended = start_grpc_service_with_listener(listener, scheduler) => ended.map_err(internal),
            () = until(stop) => Ok(()),
        }
    })
}

/// A scheduler that takes tasks alone, whoever sends them.
async fn scheduler(settings: SchedulerConfig) -> Result<SchedulerServer<Query, Tasks>> {
    let settings = SchedulerConfig {
        override_session_builder: Some(session_builder()),
        override_config_producer: Some(Arc::new(config)),
        ..settings
    };
    let cluster = BallistaCluster::new_from_config(&settings).await;
    let scheduler = create_scheduler(cluster.map_err(internal)?, Arc::new(settings));
    scheduler.await.map_err(internal)
}

/// Serves in this process, as long as the runtime lives, workers that ask for their tasks. Says where.
pub(super) async fn schedule_here() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(internal)?;
    let address = listener.local_addr().map_err(internal)?;
    let settings = SchedulerConfig {
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        ..SchedulerConfig::default()
    };
    let scheduler = scheduler(settings).await?;
    tokio::spawn(start_grpc_service_with_listener(listener, scheduler));
    Ok(address)
}

/// Waits for `stop`.
async fn until(stop: &dyn Fn() -> bool) {
    while !stop() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
