//! The worker's side of a cluster: one task after the other, each known by what it leaves in the cache.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use fruits::pca::{Pca, PcaExt, Sums};
use fruits::pipeline::gather::Blocks;
use fruits::pipeline::machine::pool;
use fruits::pipeline::shards::describe_one;
use fruits::polars::prelude::*;
use fruits::resize::Filter;
use fruits::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use fruits::store::{Receipt, Shard, Store, Work, keys};
use fruits::{Error, Result};

use crate::clock::now_ms;
use crate::exchange::Exchange;
use crate::kept::{Kept, written};
use crate::keys::Key;
use crate::piece::Piece;
use crate::scope::Scope;
use crate::survey::survey;
use crate::task::{Fault, MAX_TRIES, Order, ShardName, Task, Ticket, Try, What, json};

/// Does tasks.
pub struct Worker {
    name: String,
    threads: usize,
    pool: rayon::ThreadPool,
    /// Hears what the worker does.
    say: Box<dyn Fn(&str) + Send + Sync>,
    n_tries: AtomicU64,
    kept: Kept,
}

/// Never raised: a worker that is told to stop brings its tasks to their end.
static NEVER: AtomicBool = AtomicBool::new(false);

impl Worker {
    /// A worker that computes on `threads` threads and touches nothing out of `scope`.
    ///
    /// # Errors
    /// [`Error::Internal`] if there are no such threads.
    pub fn new(
        name: &str,
        threads: usize,
        scope: Scope,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            threads,
            pool: pool(threads)?,
            say: Box::new(say),
            n_tries: AtomicU64::new(0),
            kept: Kept::new(scope),
        })
    }

    /// Does the task of a ticket, unless it is done. A fault that another try may not meet is noted with the try, and so is
    /// what was damaged; the driver sees a task without a receipt.
    ///
    /// # Errors
    /// Text for the driver, for a fault that every worker like this one would meet: a secret of another driver, places that
    /// the worker was not started for, another build, model or kind of processor, a model that does not load, input that
    /// breaks a rule.
    pub fn run(&self, ticket: &str) -> Result<(), String> {
        let text = |e: Error| format!("worker {}: {e}", self.name);
        let done = self.kept.open(ticket).and_then(|(ticket, store, order)| {
            let task = order.tasks.get(ticket.index);
            let task = task.ok_or_else(|| Error::Invalid("there is no such task".to_owned()))?;
            self.attempt(&ticket, &store, &order, task)
        });
        match done {
            // What another try may not meet, and what was damaged; the driver looks at the tries.
            Err(
                error @ (Error::Bucket { .. }
                | Error::Storage { .. }
                | Error::Damaged { .. }
                | Error::Internal(_)),
            ) => {
                (self.say)(&error.to_string());
                Ok(())
            }
            done => done.map_err(text),
        }
    }

    fn attempt(&self, ticket: &Ticket, store: &Store, order: &Order, task: &Task) -> Result<()> {
        let cache = Exchange::of(store);
        if is_done(cache, task)? {
            return Ok(());
        }
        let folder = task.tries(&order.run)?;
        if cache.keys_in(&folder)?.len() >= MAX_TRIES {
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
        let key = folder.below(format!("{}-{}-{n}.json", self.name, this.began_ms))?;
        cache
            .put(&key, json(&this)?)
            .map_err(|e| Error::Invalid(format!("cannot write to the cache: {e}")))?;
        let done = match &task.what {
            // It has threads of its own: one that waits for the descriptor must not take up another task.
            What::Features { .. } => self.work(ticket, cache, order, task, began),
            _ => self
                .pool
                .install(|| self.work(ticket, cache, order, task, began)),
        };
        match &done {
            Ok(()) => (self.say)(&format!(
                "{}: {:.3} s",
                task.name,
                began.elapsed().as_secs_f64()
            )),
            Err(error) => {
                this.fault = Some(Fault::of(error));
                cache.put(&key, json(&this)?)?;
            }
        }
        done
    }

    fn work(
        &self,
        ticket: &Ticket,
        cache: Exchange,
        order: &Order,
        task: &Task,
        began: Instant,
    ) -> Result<()> {
        let bytes = match &task.what {
            What::Features { shard, rows } => {
                let shard = Shard {
                    manifest: manifest(rows)?,
                    ..shard.shard()
                };
                let descriptor = self.kept.descriptor(cache, order, self.threads)?;
                let source = self.kept.source(ticket, &order.input)?;
                let filter = Filter::from_str(&order.filter)?;
                let by = (self.name.as_str(), began);
                describe_one(
                    &source,
                    cache.store,
                    &shard,
                    filter,
                    &descriptor,
                    self.threads,
                    by,
                    &NEVER,
                )?;
                return Ok(());
            }
            What::Survey { window, .. } => {
                let found = Found::of(cache, window)?;
                survey(&found.blocks(cache.store))?
            }
            What::Multiply { window, factor, .. } => {
                let found = Found::of(cache, window)?;
                let factor = self.kept.factor(cache, factor)?;
                factor.multiply(&found.blocks(cache.store))?.bytes()
            }
            What::Add {
                parts, are_leaves, ..
            } => add(cache, parts, *are_leaves)?.bytes(),
            What::Project { window, pca, .. } => {
                let found = Found::of(cache, window)?;
                read_pca(&Piece::read(cache, pca)?)?.scored(&found.blocks(cache.store))?
            }
        };
        match task.piece() {
            Some(key) => Piece::commit(cache, key, bytes, Work::since(&self.name, began)),
            None => Ok(()),
        }
    }
}

fn is_done(cache: Exchange, task: &Task) -> Result<bool> {
    match (&task.what, task.piece()) {
        (What::Features { shard, .. }, _) => {
            let found = cache.receipts_of(&[shard.shard()])?;
            Ok(found.iter().flatten().any(Receipt::is_lasting))
        }
        (_, Some(key)) => Ok(Piece::find(cache, key)?.is_some()),
        _ => Ok(false),
    }
}

/// Committed shards that a task names.
struct Found(Vec<(Shard, Receipt)>);

impl Found {
    fn of(cache: Exchange, window: &[ShardName]) -> Result<Self> {
        let shards: Vec<_> = window.iter().map(ShardName::shard).collect();
        let receipts = cache.receipts_of(&shards)?;
        let found = shards.into_iter().zip(receipts).map(|(shard, receipt)| {
            // Another worker found it damaged.
            let gone = || Error::Damaged {
                shards: vec![keys(&shard).data],
            };
            let receipt = receipt.ok_or_else(gone)?;
            Ok((shard, receipt))
        });
        Ok(Self(found.collect::<Result<_>>()?))
    }

    fn blocks<'a>(&'a self, store: &'a Store) -> Blocks<'a> {
        Blocks::stored(store, self.0.iter().map(|(s, r)| (s, r)).collect())
    }
}

/// A node of the tree of sums.
fn add(cache: Exchange, parts: &[Key], are_leaves: bool) -> Result<Sums> {
    let mut sums: Option<Sums> = None;
    // One after the other: a part takes 6 or 13 MB.
    for key in parts {
        Sums::push_bytes(&mut sums, &Piece::read(cache, key)?, are_leaves)?;
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

#[cfg(test)]
mod tests;
