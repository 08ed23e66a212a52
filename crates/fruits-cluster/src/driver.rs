//! The driver's side of a cluster: tasks go to workers until each has its receipt in the cache.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fruits::matrix::{sizes, strings};
use fruits::polars::prelude::DataFrame;
use fruits::record::{ClusterRecord, LostTry, WorkerRecord};
use fruits::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use fruits::store::{Receipt, Shard, Work, keys};
use fruits::{Error, Result};

use crate::exchange::Exchange;
use crate::jobs::Jobs;
use crate::keys::Key;
use crate::piece::Piece;
use crate::task::{MAX_TRIES, ShardName, Task, What};
use crate::tries::Tries;

/// Has tasks done, and keeps account of who did them.
pub struct Driver<'a> {
    pub cache: Exchange<'a>,
    jobs: Jobs<'a>,
    tries: Tries<'a>,
    stop: &'a AtomicBool,
    workers: BTreeMap<String, WorkerRecord>,
    lost: Vec<LostTry>,
}

impl<'a> Driver<'a> {
    pub fn new(
        cache: Exchange<'a>,
        jobs: Jobs<'a>,
        tries: Tries<'a>,
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            cache,
            jobs,
            tries,
            stop,
            workers: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Descriptors of shards; `progress` hears how many images are done and says whether to go on.
    pub fn shards(
        &mut self,
        shards: &[Shard],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<Receipt>> {
        let tasks = shards.iter().map(|shard| {
            Ok(Task {
                name: format!("features-{:05}", shard.index),
                what: What::Features {
                    shard: ShardName::of(shard)?,
                    rows: rows(&shard.manifest)?,
                },
            })
        });
        let tasks = tasks.collect::<Result<Vec<_>>>()?;
        let n_images = shards.iter().map(|s| s.manifest.height() as u64).sum();
        let shard_len = shards.first().map_or(0, |s| s.manifest.height()) as u64;
        let cache = self.cache;
        let receipts = || {
            let found = cache.receipts_of(shards)?;
            // A run without a cluster may have been faster.
            let work = |r: Receipt| {
                r.work
                    .unwrap_or_else(|| Work::since("another run", Instant::now()))
            };
            Ok(found.into_iter().map(|r| r.map(work)).collect())
        };
        // Those that are there reject files that may be readable now, or their files are damaged.
        cache.take_back(shards)?;
        let count = || cache.n_committed(shards);
        let work = self.map(&tasks, &receipts, &count, &mut |n| {
            progress((n as u64 * shard_len).min(n_images))
        })?;
        let receipts = cache.receipts_of(shards)?;
        // Another run that found a shard damaged may have taken its receipt meanwhile.
        let gone = |shard: &Shard| Error::Damaged {
            shards: vec![keys(shard).data],
        };
        let receipts = shards.iter().zip(receipts);
        let receipts = receipts.map(|(shard, receipt)| receipt.ok_or_else(|| gone(shard)));
        let receipts = receipts.collect::<Result<Vec<_>>>()?;
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

    /// Tasks that give a piece each; `progress` hears how many are done and says whether to go on.
    pub fn pieces(
        &mut self,
        tasks: &[Task],
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<()> {
        let cache = self.cache;
        let keys: Vec<_> = tasks.iter().filter_map(Task::piece).collect();
        let committed: Vec<_> = keys.iter().map(|key| key.receipt()).collect();
        let receipts = || {
            let found = cache.get_all(&committed)?;
            let work =
                |(key, receipt): (&&Key, &Key)| Some(Piece::of(found.get(receipt)?, key)?.work);
            Ok(keys.iter().zip(&committed).map(work).collect())
        };
        let count = || Ok(cache.get_all(&committed)?.len());
        let stop = self.stop;
        let mut goes_on = |n| progress(n) && !stop.load(Ordering::Relaxed);
        for work in self.map(tasks, &receipts, &count, &mut goes_on)? {
            let worker = self.did(&work);
            worker.n_reductions += 1;
            worker.reductions_s += seconds(&work);
        }
        Ok(())
    }

    /// Hands tasks out until all have a receipt; says who did each. `receipts` tells who did those that are done, `count` how
    /// many are.
    fn map(
        &mut self,
        tasks: &[Task],
        receipts: &dyn Fn() -> Result<Vec<Option<Work>>>,
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
            self.tries.judge(&missing)?;
            if n_idle == MAX_TRIES {
                return Err(self.jobs.stalled());
            }
            let n_missing = missing.len();
            self.jobs.submit(&missing, count, progress)?;
            found = receipts()?;
            let n_left = found.iter().filter(|work| work.is_none()).count();
            n_idle = if n_left < n_missing { 0 } else { n_idle + 1 };
        }
        self.lost.extend(self.tries.take_lost(tasks)?);
        Ok(found.into_iter().flatten().collect())
    }

    /// What the workers of `engine` did.
    pub fn record(self, engine: String) -> ClusterRecord {
        ClusterRecord {
            engine,
            n_jobs: self.jobs.n_jobs(),
            workers: self.workers.into_values().collect(),
            lost: self.lost,
        }
    }
}

/// Key, label, size and ETag of each image, as a task says them.
fn rows(manifest: &DataFrame) -> Result<Vec<(String, String, u64, String)>> {
    let texts = [KEY, LABEL, ETAG].map(|name| strings(manifest, name));
    let [keys, labels, etags] = texts;
    let (keys, labels, etags) = (keys?, labels?, etags?);
    let rows = sizes(manifest, SIZE_BYTES)?.into_iter().enumerate();
    let text = |texts: &[&str], i: usize| texts[i].to_owned();
    Ok(rows
        .map(|(i, size)| (text(&keys, i), text(&labels, i), size, text(&etags, i)))
        .collect())
}

fn seconds(work: &Work) -> f64 {
    work.wall_ms as f64 / 1e3
}
