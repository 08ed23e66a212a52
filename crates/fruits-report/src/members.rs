//! `report scheduler` and `report worker`: the members of a cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use fruits::options::{RunOption, find};
use fruits::place::{Address, Endpoint, SCHEDULER_PORT};
use fruits::record::Origin;
use fruits::storage::host_name;
use fruits::{Error, Result};
use fruits_cluster::engine::{
    DEFAULT_SLOTS, SchedulerParams, WorkerParams, serve_scheduler, serve_worker,
};
use fruits_cluster::{Scope, Worker};

use crate::options::Options;
use crate::progress::say;
use crate::settings::{Settings, Values, Variable, environment};
use crate::{code, engine, signals, typed};

/// What a process can be to a cluster.
#[derive(Debug, Clone, Subcommand)]
pub enum Member {
    /// Hand out the tasks of runs with --engine to workers
    Scheduler(SchedulerOptions),
    /// Do the tasks that a scheduler hands out
    Worker(WorkerOptions),
}

/// Where a member listens.
#[derive(Debug, Clone, Args)]
struct Listening {
    /// Address of this machine that the other members reach
    #[arg(long, value_name = "ADDRESS", env = "FRUITS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Listen on an address that the internet may reach, too: whoever reaches it can disturb runs
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

/// Does the tasks that a scheduler hands out, until SIGINT or SIGTERM: options of its own, and options of a run.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    own: Own,
    typed: Values,
    variables: Values,
}

/// The options of a run that a worker has, too, and what they mean to it.
const SHARED: [(&str, &str); 5] = [
    (
        "input",
        "Folder of the images, here or s3://bucket/prefix: tasks read from there and below, and nowhere else",
    ),
    (
        "cache",
        "The --cache of the runs, here or s3://bucket/prefix: tasks write there and below, and nowhere else",
    ),
    (
        "endpoint-url",
        "Server that speaks S3's protocol, instead of Amazon's: tasks send requests to no other",
    ),
    (
        "secret",
        "File with the secret that the drivers know; tasks of others are refused",
    ),
    ("threads", "Threads [default: all cores]"),
];

#[derive(Debug, Clone, Args)]
struct Own {
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

impl Args for WorkerOptions {
    fn augment_args(command: Command) -> Command {
        let shared = SHARED.iter().filter_map(|(name, help)| {
            let arg = typed::arg(find(name)?);
            Some(arg.help(*help).help_heading(None::<&str>))
        });
        Own::augment_args(command).args(shared)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for WorkerOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            own: Own::from_arg_matches(matches)?,
            typed: typed::values(matches, shared()),
            variables: Values::new(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn shared() -> impl Iterator<Item = &'static RunOption> {
    SHARED.iter().filter_map(|(name, _)| find(name))
}

impl Member {
    /// Reads the variables of the options that a run has, too.
    pub fn heed(&mut self, variable: Variable) -> Result<()> {
        if let Self::Worker(options) = self {
            options.variables = environment(shared(), variable)?;
        }
        Ok(())
    }
}

impl WorkerOptions {
    /// The options of a run among them.
    fn of_runs(&self) -> Result<Options> {
        Options::of(&Settings::layered(&[
            (Origin::Flag, self.typed.clone()),
            (Origin::Environment, self.variables.clone()),
        ])?)
    }
}

/// What a worker was told that it may touch.
fn scope(options: &Options) -> Result<Scope> {
    let needed = |name: &str, place: &Option<Address>| {
        place.clone().ok_or_else(|| {
            Error::Invalid(format!(
                "--{name} is missing: a worker touches nothing but what it is started with; give it the --{name} of the runs \
                 that it is to work for"
            ))
        })
    };
    Ok(Scope {
        input: needed("input", &options.input)?,
        cache: needed("cache", &options.cache)?,
        endpoint_url: options.endpoint_url.clone(),
        secret: engine::known(options.secret.as_deref())?,
    })
}

/// Serves or works until a signal.
pub fn serve(member: &Member) -> Result<u8> {
    match member {
        Member::Scheduler(options) => schedule(options),
        Member::Worker(options) => work(options),
    }
}

fn schedule(options: &SchedulerOptions) -> Result<u8> {
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

fn work(options: &WorkerOptions) -> Result<u8> {
    let of_runs = options.of_runs()?;
    let options = &options.own;
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
    let threads = of_runs.threads.unwrap_or_else(cores);
    let said = name.clone();
    let worker = Worker::new(&name, threads, scope(&of_runs)?, move |text| {
        log(&format!("worker {said}: {text}"))
    })?;
    log(&format!(
        "worker {name}: takes tasks of {}, {} at once, on {threads} threads",
        options.scheduler, options.slots
    ));
    let params = WorkerParams {
        name,
        scheduler: options.scheduler.clone(),
        bind,
        slots: options.slots,
        heartbeat_s: options.heartbeat.max(1),
        connect_s: options.connect_timeout,
    };
    let stop = signals::listen()?;
    let stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
    let kernel = Arc::new(move |ticket: &str| worker.run(ticket));
    serve_worker(&params, kernel, &stopped, start_anew)?;
    // A scheduler that took it for lost sends it away as soon as it can reach it again.
    if !stopped() {
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
    /// The address, unless the internet may reach it: nothing is encrypted.
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
            "{} may be reached from the internet, and what members say to each other is not encrypted; name a private address \
             with --bind, or say --public if a firewall stands before it",
            self.bind
        )))
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("is no whole number".to_owned()),
    }
}

fn default_name() -> String {
    let host: String = host_name()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!("{host}-{}", std::process::id())
}

fn log(line: &str) {
    say(&mut std::io::stderr(), line);
}

#[cfg(test)]
mod tests {
    use super::{SHARED, find};

    #[test]
    fn each_shared_option_is_in_the_table() {
        for (name, _) in SHARED {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
