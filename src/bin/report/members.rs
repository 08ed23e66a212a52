//! `report scheduler` and `report worker`: the members of a cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use clap::Args;
use fruits::engine::{DEFAULT_SLOTS, SchedulerParams, WorkerParams, serve_scheduler, serve_worker};
use fruits::pipeline::Worker;
use fruits::place::{Endpoint, SCHEDULER_PORT};
use fruits::{Error, Result};

use crate::options::positive;
use crate::{code, say, signals};

/// Where a member listens.
#[derive(Debug, Clone, Args)]
struct Listening {
    /// Address of this machine that the other members reach
    #[arg(long, value_name = "ADDRESS", env = "FRUITS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Listen on an address that the internet may reach, too: whoever reaches it can have the workers work
    #[arg(long)]
    public: bool,
}

/// Hands out the tasks of runs with `--engine ballista://HOST:PORT`.
#[derive(Debug, Clone, Args)]
pub struct SchedulerOptions {
    #[command(flatten)]
    listening: Listening,
    /// Port; 0 takes a free one, which is printed
    #[arg(long, value_name = "N", env = "FRUITS_PORT", default_value_t = SCHEDULER_PORT)]
    port: u16,
    /// Seconds without a sign of life after which a worker counts as lost, and its tasks go to others
    #[arg(
        long,
        value_name = "S",
        env = "FRUITS_WORKER_TIMEOUT",
        default_value_t = 60
    )]
    worker_timeout: u64,
}

/// Does the tasks that a scheduler hands out, until SIGINT or SIGTERM.
#[derive(Debug, Clone, Args)]
pub struct WorkerOptions {
    /// Where the scheduler is
    #[arg(long, value_name = "HOST:PORT", env = "FRUITS_SCHEDULER")]
    scheduler: Endpoint,
    #[command(flatten)]
    listening: Listening,
    /// What it is called in receipts and reports [default: host name and process]
    #[arg(long, value_name = "NAME", env = "FRUITS_WORKER_NAME")]
    name: Option<String>,
    /// Tasks at once: one computes while the next is read and decoded
    #[arg(long, value_name = "N", env = "FRUITS_SLOTS", default_value_t = DEFAULT_SLOTS, value_parser = positive)]
    slots: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", env = "FRUITS_THREADS", value_parser = positive)]
    threads: Option<usize>,
    /// Seconds between signs of life
    #[arg(long, value_name = "S", env = "FRUITS_HEARTBEAT", default_value_t = 10)]
    heartbeat: u64,
    /// Seconds to wait for a scheduler that does not answer yet
    #[arg(
        long,
        value_name = "S",
        env = "FRUITS_CONNECT_TIMEOUT",
        default_value_t = 60
    )]
    connect_timeout: u16,
}

/// Serves until a signal.
pub fn schedule(options: &SchedulerOptions) -> Result<u8> {
    let bind = options.listening.address()?;
    let stop = signals::listen()?;
    let params = SchedulerParams {
        bind,
        port: options.port,
        worker_timeout_s: options.worker_timeout.max(1),
    };
    let ready = |address| {
        log(&format!(
            "scheduler: ready; workers take `--scheduler {address}`, runs `--engine ballista://{address}`"
        ));
    };
    let stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
    serve_scheduler(&params, ready, &stopped)?;
    Ok(code::COMPLETE)
}

/// Works until a signal.
pub fn work(options: &WorkerOptions) -> Result<u8> {
    let bind = options.listening.address()?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => default_name(),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err(Error::Invalid(format!(
            "`{name}` cannot be the --name of a worker; take letters, digits, `.`, `-` and `_`"
        )));
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or_else(cores);
    let said = name.clone();
    let worker = Worker::new(&name, threads, move |text| {
        log(&format!("worker {said}: {text}"))
    })?;
    log(&format!(
        "worker {name}: takes tasks of {}, {} at once, on {threads} threads",
        options.scheduler, options.slots
    ));
    let params = WorkerParams {
        name,
        scheduler: fruits::engine::Endpoint {
            host: options.scheduler.host.clone(),
            port: options.scheduler.port,
        },
        bind,
        slots: options.slots,
        heartbeat_s: options.heartbeat.max(1),
        connect_s: options.connect_timeout,
    };
    let stop = signals::listen()?;
    serve_worker(
        &params,
        Arc::new(move |ticket| worker.run(ticket)),
        start_anew,
    )?;
    // A scheduler that took it for lost sends it away as soon as it can reach it again.
    if !stop.load(std::sync::atomic::Ordering::Relaxed) {
        start_anew();
    }
    Ok(code::COMPLETE)
}

/// Replaces this process by a fresh one with the same arguments and number; what it had begun, others do.
fn start_anew() {
    log("worker: its scheduler took it for lost; starting anew");
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let mut command = std::process::Command::new("/proc/self/exe");
    let error = command.arg0(name).args(words).exec();
    log(&format!("worker: cannot start anew: {error}"));
}

impl Listening {
    /// The address, unless the internet may reach it: there is no authentication.
    fn address(&self) -> Result<IpAddr> {
        let is_private = match self.bind {
            IpAddr::V4(v4) => {
                let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
            }
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
        if is_private || self.public {
            return Ok(self.bind);
        }
        Err(Error::Invalid(format!(
            "{} may be reached from the internet, and a cluster knows no passwords; name a private address with --bind, or \
             say --public if a firewall stands before it",
            self.bind
        )))
    }
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!("{host}-{}", std::process::id())
}

fn log(line: &str) {
    say(&mut std::io::stderr(), line);
}
