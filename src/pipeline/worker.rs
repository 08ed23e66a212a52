//! The worker's side of a cluster: one task after the other, each known by what it leaves in the cache.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::features::{Precision, Vgg16};
use crate::pca::{Factor, Leaf, Pca, RowBlocks, Sums, put, put_count};
use crate::place::{Address, Place};
use crate::resize::Filter;
use crate::s3::{Connection, Prefix};
use crate::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use crate::source::Source;
use crate::store::{Receipt, Shard, Store, Work};

use super::gather::{Blocks, Survey, stack, whole};
use super::network::Network;
use super::shards::describe_one;
use super::task::{
    MAX_TRIES, ORDERS, Order, Piece, Reach, SCHEMA, ShardName, Task, Ticket, Try, What, build,
    json, now_ms,
};

/// Orders and factors kept for the tasks to come: those of two passes that overlap.
const KEPT: usize = 2;

/// What a worker keeps from task to task.
pub struct Worker {
    name: String,
    threads: usize,
    pool: rayon::ThreadPool,
    /// Hears what the worker does.
    say: Box<dyn Fn(&str) + Send + Sync>,
    n_tries: AtomicU64,
    /// By run and address: what a run copied here goes with it.
    places: Mutex<Vec<(String, Arc<Store>)>>,
    connections: Mutex<Vec<(Reach, Connection)>>,
    orders: Mutex<Vec<(String, Arc<Order>)>>,
    factors: Mutex<Vec<(String, Arc<Factor>)>>,
    /// A recipe that this worker would follow to the same numbers.
    recipe: Mutex<Option<String>>,
    /// By recipe.
    network: Mutex<Option<(String, Arc<Mutex<Vgg16>>)>>,
}

/// Never raised: a worker that is told to stop brings its tasks to their end.
static NEVER: AtomicBool = AtomicBool::new(false);

impl Worker {
    /// A worker that computes on `threads` threads.
    ///
    /// # Errors
    /// [`Error::Internal`] if there are no such threads.
    pub fn new(
        name: &str,
        threads: usize,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(Self {
            name: name.to_owned(),
            threads,
            pool: pool.map_err(|e| Error::Internal(format!("no thread pool: {e}")))?,
            say: Box::new(say),
            n_tries: AtomicU64::new(0),
            places: Mutex::default(),
            connections: Mutex::default(),
            orders: Mutex::default(),
            factors: Mutex::default(),
            recipe: Mutex::default(),
            network: Mutex::default(),
        })
    }

    /// Does the task of a ticket, unless it is done. A fault that another try may not meet is noted with the try; the
    /// driver sees a task without a receipt.
    ///
    /// # Errors
    /// Text for the driver, for a fault that every worker like this one would meet: another build, model or kind of
    /// processor, a model that does not load, input that breaks a rule.
    pub fn run(&self, ticket: &str) -> Result<(), String> {
        let text = |e: Error| format!("worker {}: {}", self.name, e.sentence());
        let ticket: Ticket = serde_json::from_str(ticket)
            .map_err(|e| format!("worker {}: the task is of another build: {e}", self.name))?;
        let done = self.open(&ticket).and_then(|(store, order)| {
            let task = order.tasks.get(ticket.index);
            let task = task.ok_or_else(|| Error::Invalid("there is no such task".to_owned()))?;
            self.attempt(&ticket, &store, &order, task)
        });
        match done {
            // What another try may not meet; the driver counts them.
            Err(error @ (Error::Bucket { .. } | Error::Storage { .. } | Error::Internal(_))) => {
                (self.say)(&error.sentence());
                Ok(())
            }
            done => done.map_err(text),
        }
    }

    fn attempt(&self, ticket: &Ticket, store: &Store, order: &Order, task: &Task) -> Result<()> {
        if self.is_done(store, task)? {
            return Ok(());
        }
        let folder = task.tries(&order.run);
        if store.keys_in(&folder)?.len() >= MAX_TRIES {
            return Ok(());
        }
        let began = Instant::now();
        let n = self.n_tries.fetch_add(1, Ordering::Relaxed);
        let mut this = Try {
            worker: self.name.clone(),
            began_ms: now_ms(),
            fault: None,
        };
        // A worker that was started anew under its name counts from 0 again.
        let key = format!("{folder}/{}-{}-{n}.json", self.name, this.began_ms);
        store
            .put(&key, json(&this)?)
            .map_err(|e| Error::Invalid(format!("cannot write to the cache: {}", e.sentence())))?;
        let done = match &task.what {
            // It has threads of its own: one that waits for the network must not take up another task.
            What::Features { .. } => self.work(ticket, store, order, task, began),
            _ => self
                .pool
                .install(|| self.work(ticket, store, order, task, began)),
        };
        match &done {
            Ok(()) => (self.say)(&format!(
                "{}: {:.3} s",
                task.name,
                began.elapsed().as_secs_f64()
            )),
            Err(error) => {
                this.fault = Some((now_ms(), error.sentence()));
                store.put(&key, json(&this)?)?;
            }
        }
        done
    }

    fn is_done(&self, store: &Store, task: &Task) -> Result<bool> {
        match (&task.what, task.piece()) {
            (What::Features { shard, .. }, _) => {
                let shard = [shard.with(DataFrame::empty())];
                let found = store.receipts_of(&shard)?;
                Ok(found.iter().flatten().any(Receipt::is_lasting))
            }
            (_, Some(key)) => Ok(Piece::find(store, key)?.is_some()),
            _ => Ok(false),
        }
    }

    fn work(
        &self,
        ticket: &Ticket,
        store: &Store,
        order: &Order,
        task: &Task,
        began: Instant,
    ) -> Result<()> {
        let bytes = match &task.what {
            What::Features { shard, rows } => {
                let shard = shard.with(manifest(rows)?);
                let network = self.network(store, order)?;
                let source = self.source(ticket, &order.input)?;
                let filter = Filter::from_str(&order.filter)?;
                let by = (self.name.as_str(), began);
                describe_one(
                    &source,
                    store,
                    &shard,
                    filter,
                    &network,
                    self.threads,
                    by,
                    &NEVER,
                )?;
                return Ok(());
            }
            What::Survey { window, .. } => {
                let found = Found::of(store, window)?;
                survey(&found.blocks(store))?
            }
            What::Multiply { window, factor, .. } => {
                let found = Found::of(store, window)?;
                let factor = self.factor(store, factor)?;
                factor.multiply(&found.blocks(store))?.bytes()
            }
            What::Add {
                parts, are_leaves, ..
            } => add(store, parts, *are_leaves)?.bytes(),
            What::Project { window, pca, .. } => {
                let found = Found::of(store, window)?;
                read_pca(&Piece::read(store, pca)?)?.scored(&found.blocks(store))?
            }
        };
        let key = task.piece().unwrap_or_default();
        Piece::commit(store, key, bytes, Work::since(&self.name, began))
    }

    /// The cache and the order of a ticket.
    fn open(&self, ticket: &Ticket) -> Result<(Arc<Store>, Arc<Order>)> {
        let store = self.store(ticket)?;
        let kept = find(&lock(&self.orders), &ticket.order);
        if let Some(order) = kept {
            return Ok((store, order));
        }
        let key = format!("{ORDERS}/{}.json", ticket.order);
        let bytes = store.get(&key)?.ok_or_else(|| {
            Error::Invalid(format!(
                "there is no order in the cache `{}`; it must be a bucket, or a folder that all machines share under one path",
                ticket.cache
            ))
        })?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::Invalid(format!("the order is no JSON: {e}")))?;
        let theirs = value["build"].as_str().unwrap_or_default();
        if value["schema"] != SCHEMA || theirs != build() {
            return Err(Error::Invalid(format!(
                "this worker is another build than the driver ({} here, {theirs} there); start workers from the same \
                 program",
                build()
            )));
        }
        let order: Order = serde_json::from_value(value)
            .map_err(|e| Error::Invalid(format!("the order cannot be read: {e}")))?;
        self.follows(&store, &order)?;
        let order = Arc::new(order);
        keep(&mut lock(&self.orders), &ticket.order, &order);
        Ok((store, order))
    }

    fn store(&self, ticket: &Ticket) -> Result<Arc<Store>> {
        let key = format!("{} {}", ticket.run, ticket.cache);
        if let Some(store) = find(&lock(&self.places), &key) {
            return Ok(store);
        }
        let place = match ticket.cache.parse()? {
            Address::Folder(folder) => Place::Folder(folder),
            Address::Bucket { name, prefix } => {
                Place::Bucket(Prefix::new(&self.connection(ticket)?, &name, &prefix)?)
            }
        };
        let store = Arc::new(Store::open(Some(&place))?);
        keep(&mut lock(&self.places), &key, &store);
        Ok(store)
    }

    fn source(&self, ticket: &Ticket, input: &str) -> Result<Source> {
        match input.parse()? {
            Address::Folder(folder) => Source::folder(folder).map_err(|e| {
                Error::Invalid(format!(
                    "{}; all machines must see the images, in a bucket or under one path",
                    e.sentence()
                ))
            }),
            Address::Bucket { name, prefix } => {
                let connection = self.connection(ticket)?;
                Ok(Source::Bucket(Prefix::new(&connection, &name, &prefix)?))
            }
        }
    }

    fn connection(&self, ticket: &Ticket) -> Result<Connection> {
        let Some(reach) = &ticket.s3 else {
            return Err(Error::Invalid(
                "the task names a bucket and not how to reach it".to_owned(),
            ));
        };
        let mut connections = lock(&self.connections);
        if let Some((_, connection)) = connections.iter().find(|(known, _)| known == reach) {
            return Ok(connection.clone());
        }
        let connection = Connection::open(&reach.params())?;
        connections.push((reach.clone(), connection.clone()));
        Ok(connection)
    }

    /// The network of an order, loaded once.
    fn network(&self, store: &Store, order: &Order) -> Result<Arc<Mutex<Vgg16>>> {
        let mut kept = lock(&self.network);
        if let Some((recipe, network)) = kept.as_ref()
            && *recipe == order.recipe
        {
            return Ok(Arc::clone(network));
        }
        let network = network_of(store, order)?;
        let loaded = Arc::new(Mutex::new(network.load(self.threads)?));
        *kept = Some((order.recipe.clone(), Arc::clone(&loaded)));
        Ok(loaded)
    }

    /// Refuses an order whose numbers this worker would not give.
    fn follows(&self, store: &Store, order: &Order) -> Result<()> {
        let mut known = lock(&self.recipe);
        if known.as_ref() == Some(&order.recipe) {
            return Ok(());
        }
        let ours = network_of(store, order)?.recipe(Filter::from_str(&order.filter)?);
        if ours != order.recipe {
            return Err(Error::Invalid(format!(
                "this worker would compute other descriptors than the driver expects; take one kind of machine for all, \
                 and the same set-up: here `{ours}`, there `{}`",
                order.recipe
            )));
        }
        *known = Some(ours);
        Ok(())
    }

    fn factor(&self, store: &Store, key: &str) -> Result<Arc<Factor>> {
        let mut factors = lock(&self.factors);
        if let Some(factor) = find(&factors, key) {
            return Ok(factor);
        }
        let factor = Arc::new(Factor::read(&Piece::read(store, key)?)?);
        keep(&mut factors, key, &factor);
        Ok(factor)
    }
}

/// Committed shards that a task names.
struct Found(Vec<(Shard, Receipt)>);

impl Found {
    fn of(store: &Store, window: &[ShardName]) -> Result<Self> {
        let shards: Vec<_> = window
            .iter()
            .map(|name| name.with(DataFrame::empty()))
            .collect();
        let receipts = store.receipts_of(&shards)?;
        let found = shards.into_iter().zip(receipts).map(|(shard, receipt)| {
            let gone = || Error::Internal(format!("shard {} has no receipt", shard.index));
            let receipt = receipt.ok_or_else(gone)?;
            Ok((shard, receipt))
        });
        Ok(Self(found.collect::<Result<_>>()?))
    }

    fn blocks<'a>(&'a self, store: &'a Store) -> Blocks<'a> {
        Blocks::stored(store, self.0.iter().map(|(s, r)| (s, r)).collect())
    }
}

/// All columns of a window but the descriptors, as Parquet behind its size; then what is to know of these.
fn survey(blocks: &Blocks) -> Result<Vec<u8>> {
    let mut all = Survey::empty(blocks.n_cols());
    let mut images = None;
    for i in 0..blocks.n_blocks() {
        let (frame, survey) = blocks.survey(i)?;
        stack(&mut images, frame)?;
        all.append(&survey);
    }
    let mut images = whole(images)?;
    images.with_column(Column::new("zeros".into(), &all.zeros))?;
    images.with_column(Column::new("sum".into(), &all.sums))?;
    images.with_column(Column::new("squares".into(), &all.squares))?;
    let mut parquet = Vec::new();
    ParquetWriter::new(&mut parquet)
        .with_compression(ParquetCompression::Lz4Raw)
        .set_parallel(false)
        .finish(&mut images)?;
    let mut bytes = Vec::with_capacity(parquet.len() + 8 * all.lowest.len() + 64);
    put_count(&mut bytes, parquet.len());
    bytes.extend(parquet);
    put_count(&mut bytes, all.lowest.len());
    put(&mut bytes, &all.lowest);
    put(&mut bytes, &all.highest);
    Ok(bytes)
}

/// A node of the tree of sums.
fn add(store: &Store, parts: &[String], are_leaves: bool) -> Result<Sums> {
    let mut sums: Option<Sums> = None;
    // One after the other: a part takes 6 or 13 MB.
    for key in parts {
        let bytes = Piece::read(store, key)?;
        if are_leaves {
            Sums::push_leaf(&mut sums, &Leaf::read(&bytes)?);
        } else {
            Sums::push_node(&mut sums, &Sums::read(&bytes)?);
        }
    }
    sums.ok_or_else(|| Error::Internal("a sum of nothing".to_owned()))
}

fn manifest(rows: &[(String, String, u64, String)]) -> Result<DataFrame> {
    let text = |of: fn(&(String, String, u64, String)) -> &str| rows.iter().map(of);
    let columns = vec![
        Column::new(KEY.into(), text(|r| &r.0).collect::<Vec<_>>()),
        Column::new(LABEL.into(), text(|r| &r.1).collect::<Vec<_>>()),
        Column::new(
            SIZE_BYTES.into(),
            rows.iter().map(|r| r.2).collect::<Vec<_>>(),
        ),
        Column::new(ETAG.into(), text(|r| &r.3).collect::<Vec<_>>()),
    ];
    Ok(DataFrame::new(rows.len(), columns)?)
}

/// A fitted PCA out of the bytes of its file.
fn read_pca(bytes: &[u8]) -> Result<Pca> {
    let (_folder, path) = written(bytes, "pca.parquet")?;
    Pca::load(path)
}

/// The network that an order names, not loaded yet.
fn network_of(store: &Store, order: &Order) -> Result<Network> {
    let copy = order.model.as_ref().map(|key| copy_of(store, key));
    let copy = copy.transpose()?;
    let precision = Precision::from_str(&order.precision)?;
    Network::of(precision, copy.as_ref().map(|(_, path)| path.as_path()))
}

/// A model of the user's own, as a file here.
fn copy_of(store: &Store, key: &str) -> Result<(tempfile::TempDir, std::path::PathBuf)> {
    let bytes = store
        .get(key)?
        .ok_or_else(|| Error::Invalid(format!("the model `{key}` is not in the cache")))?;
    written(&bytes, "model.onnx")
}

fn written(bytes: &[u8], name: &str) -> Result<(tempfile::TempDir, std::path::PathBuf)> {
    let folder = tempfile::tempdir();
    let folder = folder.map_err(Error::storage("create a folder in", std::env::temp_dir()))?;
    let path = folder.path().join(name);
    crate::atomic::write(&path, bytes)?;
    Ok((folder, path))
}

fn find<T>(kept: &[(String, Arc<T>)], key: &str) -> Option<Arc<T>> {
    let found = kept.iter().find(|(k, _)| k == key);
    found.map(|(_, value)| Arc::clone(value))
}

/// Keeps a value and lets the oldest go.
fn keep<T>(kept: &mut Vec<(String, Arc<T>)>, key: &str, value: &Arc<T>) {
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((key.to_owned(), Arc::clone(value)));
}

/// What is kept is whole even if a task that held it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a survey wrote.
pub(super) fn read_survey(bytes: &[u8]) -> Result<(DataFrame, Survey)> {
    let damaged = || Error::Internal("a survey is not whole".to_owned());
    let mut from = crate::pca::Reader(bytes);
    let size = from.count().ok_or_else(damaged)?;
    let (parquet, rest) = from.0.split_at_checked(size).ok_or_else(damaged)?;
    let images = ParquetReader::new(std::io::Cursor::new(parquet))
        .set_rechunk(true)
        .finish()?;
    let mut from = crate::pca::Reader(rest);
    let n = from.count().ok_or_else(damaged)?;
    let survey = Survey {
        lowest: from.take(n)?,
        highest: from.take(n)?,
        zeros: images.column("zeros")?.u64()?.no_null_iter().collect(),
        sums: images.column("sum")?.f64()?.no_null_iter().collect(),
        squares: images.column("squares")?.f64()?.no_null_iter().collect(),
    };
    Ok((images.drop_many(["zeros", "sum", "squares"]), survey))
}
