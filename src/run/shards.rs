//! How a shard of files becomes descriptors: many of them side by side in this process, or one, for a worker of a cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::steps::describe::{self, Descriptor};
use crate::steps::load::{wanted, with_content};
use crate::steps::resize::{Filter, resize_with};
use crate::storage::rejection::Rejection;
use crate::storage::source::{BATCH_BYTES, Fetched, Source, Unread};
use crate::storage::store::{Receipt, Shard, Store};

use super::descriptor::Chosen;
use super::machine;

/// Shards that may wait between two stages: one is enough to keep the descriptor busy, and bounds memory.
const AHEAD: usize = 1;

/// A shard whose images are decoded and resized.
struct PreparedShard<'a> {
    shard: &'a Shard,
    images: DataFrame,
    rejected: Vec<Rejection>,
}

/// A shard whose descriptors are computed.
struct ComputedShard<'a> {
    shard: &'a Shard,
    images: DataFrame,
    rejected: Vec<Rejection>,
}

/// Computes one shard, for a worker of a cluster. The descriptor is held while it computes alone, so that another task can
/// read and decode meanwhile.
#[expect(
    clippy::too_many_arguments,
    reason = "all that a shard needs, and one caller"
)]
pub fn describe_one(
    source: &Source,
    store: &Store,
    shard: &Shard,
    filter: Filter,
    descriptor: &Chosen,
    threads: usize,
    (worker, began): (&str, Instant),
    stop: &AtomicBool,
) -> Result<Receipt> {
    let decoders = machine::pool(threads)?;
    let mut files = source.fetch(wanted(&shard.manifest)?, stop);
    let prepared = prepare(&mut *files, shard, filter, &decoders, stop)?;
    let waits = Instant::now();
    let (computed, n_features, waited) = {
        let mut held = descriptor.hold();
        let waited = waits.elapsed();
        let descriptor = &mut **held;
        let computed = decoders.install(|| compute(prepared, descriptor, &mut |_| true))?;
        (computed, descriptor.n_features(), waited)
    };
    let ComputedShard {
        images, rejected, ..
    } = computed;
    store.commit(
        shard,
        images,
        n_features,
        rejected,
        Some((worker, began + waited)),
    )
}

/// Time at work of what works side by side.
pub(super) struct Busy {
    pub preparing: Duration,
    pub computing: Duration,
    pub writing: Duration,
}

/// Computes `missing` shards in order: while the descriptor works on one, the next is decoded and the last is written.
/// `progress` hears how many images are done and says whether to go on. Returns the receipts in the order of `missing`.
pub(super) fn map_shards(
    source: &Source,
    store: &Store,
    missing: &[Shard],
    filter: Filter,
    descriptor: &mut dyn Descriptor,
    progress: &mut dyn FnMut(u64) -> bool,
    stop: &AtomicBool,
) -> Result<(Vec<Receipt>, Busy)> {
    let n_features = descriptor.n_features();
    let files: Vec<_> = missing
        .iter()
        .map(|shard| wanted(&shard.manifest))
        .collect::<Result<_>>()?;
    let files: Vec<_> = files.into_iter().flatten().collect();
    // A pool of its own: the run's may have one thread, and that one waits for this work.
    let decoders = machine::pool(rayon::current_num_threads())?;
    thread::scope(|scope| {
        let (to_descriptor, prepared) = sync_channel::<Result<PreparedShard>>(AHEAD);
        let (to_store, computed) = sync_channel::<ComputedShard>(AHEAD);
        let preparer = scope.spawn(move || {
            let mut busy = Duration::ZERO;
            let mut files = source.fetch(files, stop);
            for shard in missing {
                let prepared = timed(&mut busy, || {
                    prepare(&mut *files, shard, filter, &decoders, stop)
                });
                // The receiver hangs up when the run stops; then nobody wants the rest.
                if to_descriptor.send(prepared).is_err() {
                    break;
                }
            }
            busy
        });
        let writer = scope.spawn(move || {
            let mut busy = Duration::ZERO;
            let commit = |c: ComputedShard| {
                timed(&mut busy, || {
                    store.commit(c.shard, c.images, n_features, c.rejected, None)
                })
            };
            let receipts = computed.into_iter().map(commit).collect::<Result<Vec<_>>>();
            receipts.map(|receipts| (receipts, busy))
        });
        let mut computing = Duration::ZERO;
        let mut outcome = Ok(());
        let mut n_done = 0;
        for shard in prepared {
            let computed = shard.and_then(|shard| {
                let n_rejected = shard.rejected.len() as u64;
                let mut keep_going = |i: usize| progress(n_done + n_rejected + i as u64);
                timed(&mut computing, || {
                    compute(shard, descriptor, &mut keep_going)
                })
            });
            match computed {
                Ok(computed) => {
                    n_done += computed.shard.manifest.height() as u64;
                    // A closed channel means that writing failed; the writer says why.
                    if to_store.send(computed).is_err() {
                        break;
                    }
                }
                Err(e) => {
                    outcome = Err(e);
                    break;
                }
            }
        }
        drop(to_store);
        let written = writer
            .join()
            .map_err(|_| Error::Internal("the writing thread died".to_owned()))?;
        let (receipts, writing) = outcome.and(written)?;
        let preparing = preparer
            .join()
            .map_err(|_| Error::Internal("the reading thread died".to_owned()))?;
        let busy = Busy {
            preparing,
            computing,
            writing,
        };
        Ok((receipts, busy))
    })
}

/// Does `work` and adds its time to `busy`.
fn timed<T>(busy: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *busy += began.elapsed();
    done
}

/// Read, decode, resize: a batch of files at a time, so that large photographs do not wait for each other in memory.
fn prepare<'a>(
    files: &mut dyn Iterator<Item = Result<Fetched, Unread>>,
    shard: &'a Shard,
    filter: Filter,
    decoders: &rayon::ThreadPool,
    stop: &AtomicBool,
) -> Result<PreparedShard<'a>> {
    let keep_going = |_| !stop.load(Ordering::Relaxed);
    let n_files = shard.manifest.height();
    let mut images: Option<DataFrame> = None;
    let mut rejected = Vec::new();
    let mut begin = 0;
    while begin < n_files {
        let batch = Batch::read(files, &shard.manifest, begin)?;
        begin = batch.end;
        rejected.extend(batch.rejected);
        let resized = decoders.install(|| resize_with(&batch.images, filter, &keep_going))?;
        rejected.extend(resized.rejected);
        match &mut images {
            Some(all) => {
                all.vstack_mut(&resized.images)?;
            }
            None => images = Some(resized.images),
        }
    }
    let mut images = images.ok_or_else(|| Error::Internal("a shard has no file".to_owned()))?;
    images.rechunk_mut();
    Ok(PreparedShard {
        shard,
        images,
        rejected,
    })
}

/// Rows of a manifest that were read together.
struct Batch {
    /// Row after the last.
    end: usize,
    /// With `content`.
    images: DataFrame,
    rejected: Vec<Rejection>,
}

impl Batch {
    /// Reads from row `begin` on until the files take [`BATCH_BYTES`].
    fn read(
        files: &mut dyn Iterator<Item = Result<Fetched, Unread>>,
        manifest: &DataFrame,
        begin: usize,
    ) -> Result<Self> {
        let (mut fetched, mut kept, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        let rest = wanted(&manifest.slice(begin as i64, manifest.height() - begin))?;
        let mut n_bytes = 0;
        for file in rest {
            if n_bytes >= BATCH_BYTES {
                break;
            }
            let outcome = files
                .next()
                .ok_or_else(|| Error::Internal("files are missing".to_owned()))?;
            kept.push(outcome.is_ok());
            match outcome {
                Ok(file) => {
                    n_bytes += file.bytes.len() as u64;
                    fetched.push(file);
                }
                Err(Unread::Run(error)) => return Err(error),
                Err(Unread::File(reason, message)) => rejected.push(Rejection {
                    key: file.key,
                    size_bytes: file.size_bytes,
                    reason,
                    message,
                }),
            }
        }
        let rows = manifest.slice(begin as i64, kept.len());
        let rows = rows.filter(&BooleanChunked::from_slice("kept".into(), &kept))?;
        Ok(Self {
            end: begin + kept.len(),
            images: with_content(rows, &fetched)?,
            rejected,
        })
    }
}

/// The step itself.
fn compute<'a>(
    prepared: PreparedShard<'a>,
    descriptor: &mut dyn Descriptor,
    keep_going: &mut dyn FnMut(usize) -> bool,
) -> Result<ComputedShard<'a>> {
    let PreparedShard {
        shard,
        images,
        mut rejected,
    } = prepared;
    let features = describe::features(&images, descriptor, keep_going)?;
    rejected.extend(features.rejected);
    Ok(ComputedShard {
        shard,
        images: features.images,
        rejected,
    })
}
