//! The driver's side of a cluster: tasks go to workers until each has its receipt in the cache.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use polars::prelude::*;
use sha2::{Digest, Sha256};

use crate::engine::{Client, DEFAULT_SLOTS, JobStatus};
use crate::error::{Error, Result};
use crate::matrix::{Matrix, column, strings};
use crate::pca::{FAN_IN, Factor, Panel, Passes, Pca, PcaParams, Solver, Sums, WINDOW};
use crate::place::Endpoint;
use crate::record::{ClusterRecord, LostTry, WorkerRecord};
use crate::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use crate::source::Source;
use crate::source::local::hex;
use crate::store::{Receipt, Shard, Store, Work};

use super::gather::{Blocks, FeatureStats, Running, stack, whole};
use super::network::Network;
use super::task::{
    MAX_TRIES, MODELS, ORDERS, Order, PIECES, Piece, Reach, SCHEMA, ShardName, TRIES, Task, Ticket,
    Try, What, build, now_ms, receipt_key,
};
use super::worker::{Worker, read_survey};
use super::{Engine, Params};

/// Tasks of a job: a plan of 40 kB, which the engine sends with each task it hands out.
const JOB_TASKS: usize = 64;
/// Jobs that the scheduler has at once, so that workers are not idle at the end of one.
const JOBS_AT_ONCE: usize = 4;
/// How often a job is asked for at first, and later: a pass over few images takes a fraction of a second.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How long a scheduler may be silent: the time to start it anew, or for a network to come back.
const SILENCE: Duration = Duration::from_secs(30);
/// How often receipts are counted, in a folder and in a bucket, where it takes a listing.
const COUNT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A run on a cluster.
pub(super) struct Spread<'a> {
    client: Client,
    engine: String,
    store: &'a Store,
    cache: String,
    s3: Option<Reach>,
    /// What all orders have in common.
    order: Order,
    /// Longest time without a receipt.
    patience: Duration,
    stop: &'a AtomicBool,
    n_jobs: u64,
    workers: BTreeMap<String, WorkerRecord>,
    lost: Vec<LostTry>,
}

/// Who did each of some tasks, as far as they are done.
type Done = Vec<Option<Work>>;

/// A job of the engine, and where the order of its tasks lies.
struct Job {
    name: String,
    order: String,
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
            cache: store.address(),
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
            Ok(found.into_iter().map(|r| r.and_then(|r| r.work)).collect())
        };
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
    fn pieces(&mut self, tasks: &[Task]) -> Result<()> {
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
        let mut n_stalls = 0;
        loop {
            let missing = tasks.iter().zip(&found).filter(|(_, work)| work.is_none());
            let missing: Vec<_> = missing.map(|(task, _)| task).collect();
            if missing.is_empty() {
                break;
            }
            if n_stalls == MAX_TRIES {
                return Err(self.stalled());
            }
            self.give_up_on(&missing)?;
            if !self.submit(&missing, count, progress)? {
                n_stalls += 1;
            }
            found = receipts()?;
        }
        self.note_lost(tasks)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Runs jobs of the missing tasks to their end; `false` if no receipt came for too long.
    fn submit(
        &mut self,
        missing: &[&Task],
        count: &dyn Fn() -> Result<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool> {
        let mut waiting: VecDeque<_> = missing.chunks(JOB_TASKS).collect();
        let mut jobs: Vec<Job> = Vec::new();
        let outcome = self.watch(&mut waiting, &mut jobs, count, progress);
        for job in &jobs {
            self.client.cancel(&job.name);
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
    ) -> Result<bool> {
        let began = Instant::now();
        let (mut counted, mut n_done) = (began, 0);
        let mut last_receipt = began;
        let mut silent_since: Option<Instant> = None;
        let every = if self.s3.is_none() { COUNT.0 } else { COUNT.1 };
        let every = every.min(self.patience / 4);
        loop {
            while jobs.len() < JOBS_AT_ONCE
                && let Some(chunk) = waiting.pop_front()
            {
                jobs.push(self.hand_out(chunk)?);
            }
            if jobs.is_empty() {
                return Ok(true);
            }
            for job in std::mem::take(jobs) {
                let status = self.client.status(&job.name);
                if status.is_ok() {
                    silent_since = None;
                }
                match status {
                    Ok(JobStatus::Running) => {
                        jobs.push(job);
                        continue;
                    }
                    Ok(JobStatus::Done) => self.client.forget(&job.name),
                    // A scheduler that was started anew: the receipts tell what is left to do.
                    Ok(JobStatus::Unknown) => {}
                    Ok(JobStatus::Failed(why)) => {
                        self.store.discard(&job.order)?;
                        return self.after_failure(why).map(|()| true);
                    }
                    Err(fault) => {
                        jobs.push(job);
                        let since = *silent_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= SILENCE.min(self.patience) {
                            return Err(fault.into());
                        }
                        continue;
                    }
                }
                self.store.discard(&job.order)?;
            }
            if counted.elapsed() >= every {
                counted = Instant::now();
                let now = count()?;
                if now > n_done {
                    (n_done, last_receipt) = (now, counted);
                }
                if last_receipt.elapsed() >= self.patience {
                    return Ok(false);
                }
            }
            if !progress(n_done) {
                return Err(Error::Interrupted);
            }
            let is_new = began.elapsed() < 8 * LOOK.1;
            std::thread::sleep(if is_new { LOOK.0 } else { LOOK.1 });
        }
    }

    /// Writes the order of some tasks, and asks for them.
    fn hand_out(&mut self, chunk: &[&Task]) -> Result<Job> {
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
                order: digest.clone(),
                index,
            };
            serde_json::to_string(&ticket).map_err(|e| Error::Internal(format!("no JSON: {e}")))
        };
        let tickets = (0..chunk.len()).map(ticket).collect::<Result<Vec<_>>>()?;
        self.n_jobs += 1;
        Ok(Job {
            name: self.client.submit(&tickets)?,
            order: key,
        })
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
        match self.client.n_workers() {
            Some(n) if n > 0 => Ok(()),
            _ => Err(Error::Engine {
                message: format!(
                    "the scheduler at {} has no worker left; start workers and run the same command again, which does what \
                     is missing",
                    self.client.endpoint()
                ),
                source: why.into(),
            }),
        }
    }

    fn stalled(&self) -> Error {
        let workers = match self.client.n_workers() {
            Some(0) => "it has no worker".to_owned(),
            Some(n) => format!("it has {n} workers, which answer but do not finish a task"),
            None => "it does not say which workers it has".to_owned(),
        };
        Error::Engine {
            message: format!(
                "no worker finished a task within {:.0} s, {MAX_TRIES} times in a row; start `report worker --scheduler {}`, \
                 or give slow ones more time with --engine-timeout, and run the same command again, which does what is \
                 missing",
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
                None => "the workers died or hung while they did it, without a word".to_owned(),
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
        let folder = format!("{TRIES}/{}", self.order.run);
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
        self.store.remove_all(&folder)
    }

    /// What the workers did.
    pub fn record(self) -> ClusterRecord {
        ClusterRecord {
            engine: self.engine,
            n_jobs: self.n_jobs,
            workers: self.workers.into_values().collect(),
            lost: self.lost,
        }
    }
}

/// Descriptors on workers, seen as rows.
pub(super) struct Remote<'a, 'b> {
    pub spread: &'b mut Spread<'a>,
    /// Windows of shards that hold images.
    windows: Vec<Vec<ShardName>>,
    n_rows: usize,
    n_cols: usize,
    /// Folder of the pieces.
    folder: String,
    shift: Vec<f32>,
    n_passes: usize,
}

impl<'a, 'b> Remote<'a, 'b> {
    /// Shards with images, in order.
    pub fn new(spread: &'b mut Spread<'a>, shards: &[Shard], receipts: &[Receipt]) -> Result<Self> {
        let with_images = || shards.iter().zip(receipts).filter(|(_, r)| r.n_images > 0);
        let names: Vec<_> = with_images()
            .map(|(shard, _)| ShardName::of(shard))
            .collect();
        let mut hasher = Sha256::new();
        names
            .iter()
            .for_each(|name| hasher.update(&name.fingerprint));
        let first: Vec<_> = with_images().take(1).collect();
        let shift = match first.is_empty() {
            true => Vec::new(),
            false => PcaParams::shift(&Blocks::stored(spread.store, first))?,
        };
        Ok(Self {
            windows: names.chunks(WINDOW).map(<[_]>::to_vec).collect(),
            n_rows: receipts.iter().map(|r| r.n_images).sum(),
            n_cols: with_images().next().map_or(0, |(_, r)| r.n_features),
            folder: format!("{PIECES}/{}", &hex(&hasher.finalize())[..16]),
            shift,
            n_passes: 0,
            spread,
        })
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    pub fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        params.fit_passes(self, progress)
    }

    /// All columns of the shards but the descriptors, and what these are like.
    pub fn survey(&mut self) -> Result<(DataFrame, FeatureStats)> {
        let keys = self.each("survey", |window, to| What::Survey { window, to })?;
        let mut running = Running::new(self.n_cols);
        let mut images = None;
        for bytes in self.read(&keys) {
            let (frame, survey) = read_survey(&bytes?)?;
            running.add(&survey);
            stack(&mut images, frame)?;
        }
        Ok((whole(images)?, running.finish()))
    }

    /// Scores of all rows, and what each loses.
    pub fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)> {
        let folder = tempfile::tempdir();
        let folder = folder.map_err(Error::storage("create a folder in", std::env::temp_dir()))?;
        let path = folder.path().join("pca.parquet");
        pca.save(&path)?;
        let pca_key = self.hand_over("pca", crate::atomic::read(&path)?)?;
        let keys = self.each(&format!("scores-{}", short(&pca_key)), |window, to| {
            let pca = pca_key.clone();
            What::Project { window, pca, to }
        })?;
        let (mut scores, mut lost) = (Vec::new(), Vec::new());
        for bytes in self.read(&keys) {
            let (more, losses) = pca.read_scored(&bytes?)?;
            scores.extend(more);
            lost.extend(losses);
        }
        Ok((Matrix::new(lost.len(), pca.n_components(), scores)?, lost))
    }

    /// Removes what only this analysis needed.
    pub fn clear(&self) -> Result<()> {
        self.spread.store.remove_all(&self.folder)
    }

    /// A task a window; gives the keys of the pieces.
    fn each(
        &mut self,
        name: &str,
        what: impl Fn(Vec<ShardName>, String) -> What,
    ) -> Result<Vec<String>> {
        let windows = self.windows.iter().enumerate();
        let tasks: Vec<_> = windows
            .map(|(i, window)| {
                let name = format!("{name}-{i:05}");
                let to = format!("{}/{name}.bin", self.folder);
                Task {
                    name,
                    what: what(window.clone(), to),
                }
            })
            .collect();
        self.run(tasks)
    }

    fn run(&mut self, tasks: Vec<Task>) -> Result<Vec<String>> {
        let keys = tasks
            .iter()
            .filter_map(Task::piece)
            .map(str::to_owned)
            .collect();
        self.spread.pieces(&tasks)?;
        Ok(keys)
    }

    /// Pieces in order.
    fn read(&self, keys: &[String]) -> impl Iterator<Item = Result<Vec<u8>>> {
        keys.iter().map(|key| Piece::read(self.spread.store, key))
    }

    /// Writes what tasks are to read, under a name that tells its content.
    fn hand_over(&self, name: &str, bytes: Vec<u8>) -> Result<String> {
        let digest = hex(&Sha256::digest(&bytes));
        let key = format!("{}/{name}-{}.bin", self.folder, &digest[..16]);
        let work = Work::since("driver", Instant::now());
        Piece::commit(self.spread.store, &key, bytes, work)?;
        Ok(key)
    }
}

impl Passes for Remote<'_, '_> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_cols(&self) -> usize {
        self.n_cols
    }

    fn shift(&self, column: usize) -> f64 {
        self.shift.get(column).map_or(0.0, |&c| f64::from(c))
    }

    fn pass(&mut self, q: &Panel, centre: Option<&[f32]>, with_moments: bool) -> Result<Sums> {
        self.n_passes += 1;
        let factor = Factor::bytes(q, centre, &self.shift, with_moments);
        let factor = self.hand_over(&format!("pass-{:02}", self.n_passes), factor)?;
        // The name tells what was multiplied with: a run that goes on takes what another one left, and nothing else.
        let name = format!("pass-{:02}-{}", self.n_passes, short(&factor));
        let node = |level: usize, i: usize| format!("{name}-sum-{level}-{i:05}");
        let (mut n_levels, mut n_nodes) = (1, self.windows.len().div_ceil(FAN_IN));
        while n_nodes > 1 {
            (n_levels, n_nodes) = (n_levels + 1, n_nodes.div_ceil(FAN_IN));
        }
        let root = format!("{}/{}.bin", self.folder, node(n_levels, 0));
        if Piece::find(self.spread.store, &root)?.is_none() {
            let mut parts = self.each(&name, |window, to| {
                let factor = factor.clone();
                What::Multiply { window, factor, to }
            })?;
            for level in 1..=n_levels {
                let tasks = parts.chunks(FAN_IN).enumerate().map(|(i, parts)| Task {
                    name: node(level, i),
                    what: What::Add {
                        parts: parts.to_vec(),
                        are_leaves: level == 1,
                        to: format!("{}/{}.bin", self.folder, node(level, i)),
                    },
                });
                let above = self.run(tasks.collect())?;
                self.spread.store.discard_all(&parts)?;
                parts = above;
            }
        }
        Sums::read(&Piece::read(self.spread.store, &root)?)
    }
}

/// The end of a key that tells content.
fn short(key: &str) -> &str {
    let name = key.strip_suffix(".bin").unwrap_or(key);
    name.rsplit('-').next().unwrap_or(name)
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

fn absolute(path: &std::path::Path) -> Result<String> {
    let path = path.canonicalize().map_err(Error::storage("find", path))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::Invalid(format!("`{}` is not UTF-8; rename it", path.display())))
}
