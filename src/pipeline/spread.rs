//! The driver's side of a cluster: tasks go to workers until each has its receipt in the cache.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use polars::prelude::*;

use crate::engine::{Client, DEFAULT_SLOTS, JobStatus};
use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::pca::Solver;
use crate::place::Endpoint;
use crate::record::{ClusterRecord, LostTry, WorkerRecord};
use crate::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use crate::source::Source;
use crate::store::{Receipt, Shard, Store, Work, absolute};

use super::network::Network;
use super::task::{
    MAX_TRIES, MODELS, ORDERS, Order, Piece, Reach, SCHEMA, ShardName, TRIES, Task, Ticket, Try,
    What, build, now_ms, receipt_key,
};
use super::worker::Worker;
use super::{Engine, Params};

/// Tasks of a job: a plan of 40 kB, which the engine sends with each task it hands out.
const JOB_TASKS: usize = 64;
/// Jobs that the scheduler has at once, so that workers are not idle at the end of one.
const JOBS_AT_ONCE: usize = 4;
/// How often a job is asked for at first, and later: a pass over few images takes a fraction of a second.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How long a scheduler may be silent: the time to start it anew, or for a network to come back.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a scheduler may not know a job that it was just given.
const UNKNOWN: Duration = Duration::from_secs(5);
/// How often receipts are counted, in a folder and in a bucket, where it takes a listing.
const COUNT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A run on a cluster.
pub(super) struct Spread<'a> {
    client: Client,
    engine: String,
    pub store: &'a Store,
    cache: String,
    s3: Option<Reach>,
    /// What all orders have in common.
    order: Order,
    /// Longest time without a receipt.
    patience: Duration,
    stop: &'a AtomicBool,
    n_jobs: u64,
    silent_since: Option<Instant>,
    workers: BTreeMap<String, WorkerRecord>,
    lost: Vec<LostTry>,
}

/// Who did each of some tasks, as far as they are done.
type Done = Vec<Option<Work>>;

/// A job of the engine, and where the order of its tasks lies.
struct Job {
    name: String,
    order: String,
    handed_out: Instant,
}

/// Counts runs of this process, so that each has a name of its own.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl<'a> Spread<'a> {
    /// Opens the way to the workers; none for an engine that is this process alone.
    pub fn open(
        params: &Params,
        store: &'a Store,
        network: &Network,
        recipe: &str,
        stop: &'a AtomicBool,
    ) -> Result<Option<Self>> {
        if params.engine != Engine::Local && params.pca.solver != Solver::Krylov {
            return Err(Error::Invalid(
                "an engine computes the PCA with krylov; take --pca-solver krylov, or --engine local".to_owned(),
            ));
        }
        let client = match &params.engine {
            Engine::Local => return Ok(None),
            Engine::InProcess => {
                let worker = Arc::new(Worker::new("in-process", params.threads, |_| {})?);
                Client::in_process(DEFAULT_SLOTS, Arc::new(move |ticket| worker.run(ticket)))?
            }
            Engine::Scheduler(Endpoint { host, port }) => Client::new(crate::engine::Endpoint {
                host: host.clone(),
                port: *port,
            })?,
        };
        let connection = params.connection();
        let s3 = connection.map(|c| Reach::of(c.params(), c.region()));
        let model = network.own_model().map(|model| {
            let key = format!("{MODELS}/{}.onnx", model.sha256);
            store.put(&key, model.bytes.clone())?;
            Ok::<_, Error>(key)
        });
        Ok(Some(Self {
            client,
            engine: params.engine.to_string(),
            store,
            cache: store.address()?,
            s3,
            order: Order {
                schema: SCHEMA.to_owned(),
                build: build(),
                run: format!(
                    "{}-{}-{}",
                    now_ms(),
                    std::process::id(),
                    RUNS.fetch_add(1, Ordering::Relaxed)
                ),
                recipe: recipe.to_owned(),
                input: match &params.input {
                    Source::Folder(folder) => absolute(folder.root())?,
                    Source::Bucket(prefix) => prefix.to_string(),
                },
                filter: params.filter.to_string(),
                precision: network.arithmetic.to_string(),
                model: model.transpose()?,
                tasks: Vec::new(),
            },
            patience: Duration::from_secs_f64(params.engine_timeout_s),
            stop,
            n_jobs: 0,
            silent_since: None,
            workers: BTreeMap::new(),
            lost: Vec::new(),
        }))
    }

    /// Descriptors of shards; `progress` hears how many images are done and says whether to go on.
    pub fn describe(
        &mut self,
        shards: &[Shard],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<Receipt>> {
        let tasks = shards.iter().map(|shard| {
            Ok(Task {
                name: format!("features-{:05}", shard.index),
                what: What::Features {
                    shard: ShardName::of(shard),
                    rows: rows(&shard.manifest)?,
                },
            })
        });
        let tasks = tasks.collect::<Result<Vec<_>>>()?;
        let n_images = shards.iter().map(|s| s.manifest.height() as u64).sum();
        let shard_len = shards.first().map_or(0, |s| s.manifest.height()) as u64;
        let store = self.store;
        let receipts = || {
            let found = store.receipts_of(shards)?;
            // A run without a cluster may have been faster.
            let work = |r: Receipt| {
                r.work
                    .unwrap_or_else(|| Work::since("another run", Instant::now()))
            };
            Ok(found.into_iter().map(|r| r.map(work)).collect())
        };
        // Those that are there reject files that may be readable now, or their files are damaged.
        store.take_back(shards)?;
        let count = || store.n_committed(shards);
        let work = self.map(&tasks, &receipts, &count, &mut |n| {
            progress((n as u64 * shard_len).min(n_images))
        })?;
        let receipts = store.receipts_of(shards)?;
        let receipts: Option<Vec<_>> = receipts.into_iter().collect();
        let receipts =
            receipts.ok_or_else(|| Error::Internal("a shard has no receipt".to_owned()))?;
        for (work, receipt) in work.iter().zip(&receipts) {
            self.did(work).add_shard(
                receipt.index,
                receipt.n_images + receipt.rejected.len(),
                seconds(work),
            );
        }
        Ok(receipts)
    }

    /// What is known of a worker.
    fn did(&mut self, work: &Work) -> &mut WorkerRecord {
        let worker = self.workers.entry(work.worker.clone());
        worker.or_insert_with(|| WorkerRecord::new(&work.worker))
    }

    /// Tasks that give a piece each.
    pub fn pieces(&mut self, tasks: &[Task]) -> Result<()> {
        let store = self.store;
        let keys: Vec<_> = tasks
            .iter()
            .filter_map(Task::piece)
            .map(receipt_key)
            .collect();
        let receipts = || {
            let found = store.get_all(&keys)?;
            let work = |key: &String| {
                let piece: Piece = serde_json::from_slice(found.get(key)?).ok()?;
                Some(piece.work)
            };
            Ok(keys.iter().map(work).collect())
        };
        let count = || Ok(store.get_all(&keys)?.len());
        let stop = self.stop;
        let mut goes_on = |_| !stop.load(Ordering::Relaxed);
        for work in self.map(tasks, &receipts, &count, &mut goes_on)? {
            let worker = self.did(&work);
            worker.n_reductions += 1;
            worker.reductions_s += seconds(&work);
        }
        Ok(())
    }

    /// Hands tasks out until all have a receipt; says who did each.
    fn map(
        &mut self,
        tasks: &[Task],
        receipts: &dyn Fn() -> Result<Done>,
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Work>> {
        let mut found = receipts()?;
        let mut n_idle = 0;
        loop {
            let missing = tasks.iter().zip(&found).filter(|(_, work)| work.is_none());
            let missing: Vec<_> = missing.map(|(task, _)| task).collect();
            if missing.is_empty() {
                break;
            }
            self.give_up_on(&missing)?;
            if n_idle == MAX_TRIES {
                return Err(self.stalled());
            }
            let n_missing = missing.len();
            self.submit(&missing, count, progress)?;
            found = receipts()?;
            let n_left = found.iter().filter(|work| work.is_none()).count();
            n_idle = if n_left < n_missing { 0 } else { n_idle + 1 };
        }
        self.note_lost(tasks)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Runs jobs of the missing tasks to their end, or until no receipt came for too long.
    fn submit(
        &mut self,
        missing: &[&Task],
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<()> {
        let mut waiting: VecDeque<_> = missing.chunks(JOB_TASKS).collect();
        let mut jobs: Vec<Job> = Vec::new();
        let outcome = self.watch(&mut waiting, &mut jobs, count, progress);
        for job in &jobs {
            if self.silent_since.is_none() {
                self.client.cancel(&job.name);
            }
            self.store.discard(&job.order)?;
        }
        outcome
    }

    fn watch(
        &mut self,
        waiting: &mut VecDeque<&[&Task]>,
        jobs: &mut Vec<Job>,
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<()> {
        let began = Instant::now();
        let (mut counted, mut n_done) = (began, 0);
        let mut last_receipt = began;
        let every = if self.s3.is_none() { COUNT.0 } else { COUNT.1 };
        let every = every.min(self.patience / 4);
        loop {
            if !progress(n_done) {
                return Err(Error::Interrupted);
            }
            if jobs.len() < JOBS_AT_ONCE
                && let Some(chunk) = waiting.front()
                && let Some(job) = self.hand_out(chunk)?
            {
                jobs.push(job);
                waiting.pop_front();
                continue;
            }
            self.look_at(jobs)?;
            if jobs.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            if counted.elapsed() >= every {
                counted = Instant::now();
                let now = count()?;
                if now > n_done {
                    (n_done, last_receipt) = (now, counted);
                }
                if last_receipt.elapsed() >= self.patience {
                    return Ok(());
                }
            }
            let is_new = began.elapsed() < 8 * LOOK.1;
            std::thread::sleep(if is_new { LOOK.0 } else { LOOK.1 });
        }
    }

    /// Lets go of the jobs that ended.
    fn look_at(&mut self, jobs: &mut Vec<Job>) -> Result<()> {
        let mut i = 0;
        while i < jobs.len() {
            let status = match self.client.status(&jobs[i].name) {
                Ok(status) => status,
                Err(fault) => return self.bear(fault),
            };
            self.silent_since = None;
            let ended = match status {
                JobStatus::Running => false,
                JobStatus::Done | JobStatus::Failed(_) => true,
                // Not begun yet, or of a scheduler that was started anew: then the receipts tell what is left to do.
                JobStatus::Unknown => jobs[i].handed_out.elapsed() >= UNKNOWN,
            };
            if !ended {
                i += 1;
                continue;
            }
            let job = jobs.remove(i);
            self.store.discard(&job.order)?;
            match status {
                JobStatus::Failed(why) => return self.after_failure(why),
                _ => self.client.forget(&job.name),
            }
        }
        Ok(())
    }

    /// Takes a scheduler that does not answer, for a while.
    fn bear(&mut self, fault: crate::engine::Fault) -> Result<()> {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        match since.elapsed() >= SILENCE.min(self.patience) {
            true => Err(fault.into()),
            false => Ok(()),
        }
    }

    /// Writes the order of some tasks, and asks for them; nothing if the scheduler is silent.
    fn hand_out(&mut self, chunk: &[&Task]) -> Result<Option<Job>> {
        let order = Order {
            tasks: chunk.iter().map(|&task| task.clone()).collect(),
            ..self.order.clone()
        };
        let (bytes, digest) = order.sealed()?;
        let key = format!("{ORDERS}/{digest}.json");
        self.store.put(&key, bytes)?;
        let ticket = |index: usize| {
            let ticket = Ticket {
                cache: self.cache.clone(),
                s3: self.s3.clone(),
                run: self.order.run.clone(),
                order: digest.clone(),
                index,
            };
            serde_json::to_string(&ticket).map_err(|e| Error::Internal(format!("no JSON: {e}")))
        };
        let tickets = (0..chunk.len()).map(ticket).collect::<Result<Vec<_>>>()?;
        match self.client.submit(&tickets) {
            Ok(name) => {
                self.n_jobs += 1;
                self.silent_since = None;
                Ok(Some(Job {
                    name,
                    order: key,
                    handed_out: Instant::now(),
                }))
            }
            Err(fault) => {
                self.store.discard(&key)?;
                // At first it is the address that is wrong.
                match self.n_jobs {
                    0 => Err(fault.into()),
                    _ => self.bear(fault).map(|()| None),
                }
            }
        }
    }

    /// A job that failed because its workers died is tried again while there are workers; one that a worker refused is
    /// not.
    fn after_failure(&self, why: String) -> Result<()> {
        if why.starts_with("worker ") {
            return Err(Error::Engine {
                message: "a worker of the cluster refused its task".to_owned(),
                source: why.into(),
            });
        }
        let at = self.client.endpoint();
        let message = match self.client.n_workers() {
            Some(0) => format!(
                "the scheduler at {at} has no worker left; start workers and run the same command again, which does what \
                 is missing"
            ),
            Some(_) => return Ok(()),
            None => format!(
                "the scheduler at {at} does not answer; start `report scheduler` there, and run the same command again, \
                 which does what is missing"
            ),
        };
        Err(Error::Engine {
            message,
            source: why.into(),
        })
    }

    fn stalled(&self) -> Error {
        let workers = match self.client.n_workers() {
            Some(0) => "it has no worker".to_owned(),
            Some(n) => format!("it has {n} workers, which answer but do not finish a task"),
            None => "it does not say which workers it has".to_owned(),
        };
        Error::Engine {
            message: format!(
                "the missing tasks were handed out {MAX_TRIES} times in a row and no receipt came, within {:.0} s each at \
                 most; start `report worker --scheduler {}`, or give slow ones more time with --engine-timeout, and run the \
                 same command again, which does what is missing",
                self.patience.as_secs_f64(),
                self.client.endpoint()
            ),
            source: format!(
                "the scheduler at {} answers: {workers}",
                self.client.endpoint()
            )
            .into(),
        }
    }

    /// Ends the run if a task was tried too often.
    fn give_up_on(&self, missing: &[&Task]) -> Result<()> {
        let tries = self.tries()?;
        for task in missing {
            let Some(these) = tries.get(&task.name).filter(|t| t.len() >= MAX_TRIES) else {
                continue;
            };
            let workers: Vec<_> = these.iter().map(|t| t.worker.as_str()).collect();
            let fault = these.iter().rev().find_map(|t| t.fault.as_ref());
            let why = match fault {
                Some((_, fault)) => fault.clone(),
                None => "no try came to an end: the workers died, hung, or were still at it when they were asked again".to_owned(),
            };
            return Err(Error::Engine {
                message: format!(
                    "{} was given up after {} tries, by {}; all other receipts stay, and another run tries it again",
                    task.describe(),
                    these.len(),
                    workers.join(", ")
                ),
                source: why.into(),
            });
        }
        Ok(())
    }

    /// Tries of this run, by task, in the order they began.
    fn tries(&self) -> Result<BTreeMap<String, Vec<Try>>> {
        let folder = format!("{TRIES}/{}", self.order.run);
        let read = self.store.get_all(&self.store.keys_in(&folder)?)?;
        let mut tries: BTreeMap<String, Vec<Try>> = BTreeMap::new();
        for (key, bytes) in read {
            let task = key
                .strip_prefix(&folder)
                .and_then(|rest| rest.split('/').nth(1));
            if let (Some(task), Ok(this)) = (task, serde_json::from_slice(&bytes)) {
                tries.entry(task.to_owned()).or_default().push(this);
            }
        }
        tries
            .values_mut()
            .for_each(|t| t.sort_by_key(|t| t.began_ms));
        Ok(tries)
    }

    /// Writes down what came of tries that another one followed, and forgets all of them.
    fn note_lost(&mut self, tasks: &[Task]) -> Result<()> {
        let mut tries = self.tries()?;
        for task in tasks {
            let tries = tries.remove(&task.name).unwrap_or_default();
            for pair in tries.windows(2) {
                let ended_ms = pair[0]
                    .fault
                    .as_ref()
                    .map_or(pair[1].began_ms, |(at, _)| *at);
                self.lost.push(LostTry {
                    task: task.name.clone(),
                    worker: pair[0].worker.clone(),
                    lost_s: ended_ms.saturating_sub(pair[0].began_ms) as f64 / 1e3,
                    why: pair[0].fault.as_ref().map(|(_, why)| why.clone()),
                });
            }
        }
        self.forget_tries();
        Ok(())
    }

    /// What another run would not look at. What cannot be removed harms nothing: a worker may be writing there.
    fn forget_tries(&self) {
        let _ = self
            .store
            .remove_all(&format!("{TRIES}/{}", self.order.run));
    }

    /// What the workers did.
    pub fn record(mut self) -> ClusterRecord {
        ClusterRecord {
            engine: std::mem::take(&mut self.engine),
            n_jobs: self.n_jobs,
            workers: std::mem::take(&mut self.workers).into_values().collect(),
            lost: std::mem::take(&mut self.lost),
        }
    }
}

impl Drop for Spread<'_> {
    fn drop(&mut self) {
        self.forget_tries();
    }
}

fn rows(manifest: &DataFrame) -> Result<Vec<(String, String, u64, String)>> {
    let texts = [KEY, LABEL, ETAG].map(|name| strings(manifest, name));
    let [keys, labels, etags] = texts;
    let (keys, labels, etags) = (keys?, labels?, etags?);
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let rows = sizes.no_null_iter().enumerate();
    let text = |texts: &[&str], i: usize| texts[i].to_owned();
    Ok(rows
        .map(|(i, size)| (text(&keys, i), text(&labels, i), size, text(&etags, i)))
        .collect())
}

fn seconds(work: &Work) -> f64 {
    work.wall_ms as f64 / 1e3
}
