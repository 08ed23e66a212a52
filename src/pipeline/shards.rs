//! The one function that turns a shard of files into descriptors, and the driver that runs it for all missing shards.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::features::{self, Vgg16};
use crate::load::{wanted, with_content};
use crate::rejection::Rejection;
use crate::resize::{Filter, resize};
use crate::source::{BATCH_BYTES, Fetched, Source, Unread};
use crate::store::{Receipt, Shard, Store};

use super::Params;
use super::control::{Control, Done, part};
use super::plan::{Planned, missing};
use super::spread::Spread;

/// Shards that may wait between two stages: one is enough to keep the network busy, and bounds memory.
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

/// Computes the shards that have no receipt.
pub(super) fn describe(
    params: &Params,
    planned: &Planned,
    spread: Option<&mut Spread>,
    control: &mut Control,
) -> Result<Vec<Receipt>> {
    let Planned {
        network,
        shards: plan,
        store,
        ..
    } = planned;
    let n_total = plan.iter().map(|s| s.manifest.height() as u64).sum();
    control.stage("features", n_total, |control| {
        let found = store.receipts(plan, &mut || control.keeps_going())?;
        let missing = missing(plan, &found);
        let n_missing: u64 = missing.iter().map(|s| s.manifest.height() as u64).sum();
        let n_found = n_total - n_missing;
        let (mut computed, mut parts) = (Vec::new(), Vec::new());
        if let Some(spread) = spread {
            let mut progress = |n| control.advance("features", n_found + n, n_total);
            if !missing.is_empty() {
                computed = spread.describe(&missing, &mut progress)?;
            }
        } else if !missing.is_empty() {
            let began = Instant::now();
            let mut loaded = network.load(params.threads)?;
            parts.push(part("loading the network", began.elapsed()));
            let counts = (n_found, n_total);
            let busy;
            (computed, busy) = map_shards(
                &params.input,
                store,
                &missing,
                params.filter,
                &mut loaded,
                counts,
                control,
            )?;
            parts.extend([
                part("reading, decoding, resizing", busy.preparing),
                part("network", busy.computing),
                part("writing", busy.writing),
            ]);
        }
        let mut computed = computed.into_iter();
        let receipts: Option<Vec<_>> = found
            .into_iter()
            .map(|r| r.or_else(|| computed.next()))
            .collect();
        let receipts =
            receipts.ok_or_else(|| Error::Internal("a shard has no receipt".to_owned()))?;
        let note = format!(
            "{n_missing} computed in {}, {n_found} from the cache",
            network.arithmetic
        );
        Ok(Done {
            value: receipts,
            items: n_total,
            cache_hits: n_found,
            note,
            parts,
        })
    })
}

/// Computes one shard, for a worker of a cluster. The network is held while it computes alone, so that another task can
/// read and decode meanwhile.
#[cfg(feature = "cluster")]
#[expect(
    clippy::too_many_arguments,
    reason = "all that a shard needs, and one caller"
)]
pub(super) fn describe_one(
    source: &Source,
    store: &Store,
    shard: &Shard,
    filter: Filter,
    network: &std::sync::Mutex<Vgg16>,
    threads: usize,
    (worker, began): (&str, Instant),
    stop: &std::sync::atomic::AtomicBool,
) -> Result<Receipt> {
    let decoders = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let decoders = decoders.map_err(|e| Error::Internal(format!("no thread pool: {e}")))?;
    let mut files = source.fetch(wanted(&shard.manifest)?, stop);
    let prepared = prepare(&mut *files, shard, filter, &decoders)?;
    let waits = Instant::now();
    let (computed, n_features, waited) = {
        // What a panic left behind is only buffers, which are filled anew.
        let mut network = network.lock().unwrap_or_else(|e| e.into_inner());
        let waited = waits.elapsed();
        let network: &mut Vgg16 = &mut network;
        let computed = decoders.install(|| compute(prepared, network, &mut |_| true))?;
        (computed, network.n_features(), waited)
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
struct Busy {
    preparing: Duration,
    computing: Duration,
    writing: Duration,
}

/// Computes `missing` shards in order: while the network works on one, the next is decoded and the last is written.
/// `n_done` images of `n_total` were done before. Returns the receipts in the order of `missing`.
fn map_shards(
    source: &Source,
    store: &Store,
    missing: &[Shard],
    filter: Filter,
    network: &mut Vgg16,
    (mut n_done, n_total): (u64, u64),
    control: &mut Control,
) -> Result<(Vec<Receipt>, Busy)> {
    let n_features = network.n_features();
    let stop = control.stop;
    let files: Vec<_> = missing
        .iter()
        .map(|shard| wanted(&shard.manifest))
        .collect::<Result<_>>()?;
    let files: Vec<_> = files.into_iter().flatten().collect();
    // A pool of its own: the run's may have one thread, and that one waits for this work.
    let decoders = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .build();
    let decoders = decoders.map_err(|e| Error::Internal(format!("no thread pool: {e}")))?;
    thread::scope(|scope| {
        let (to_network, prepared) = sync_channel::<Result<PreparedShard>>(AHEAD);
        let (to_store, computed) = sync_channel::<ComputedShard>(AHEAD);
        let preparer = scope.spawn(move || {
            let mut busy = Duration::ZERO;
            let mut files = source.fetch(files, stop);
            for shard in missing {
                let prepared = timed(&mut busy, || prepare(&mut *files, shard, filter, &decoders));
                // The receiver hangs up when the run stops; then nobody wants the rest.
                if to_network.send(prepared).is_err() {
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
        for shard in prepared {
            let computed = shard.and_then(|shard| {
                let n_rejected = shard.rejected.len() as u64;
                let mut keep_going =
                    |i: usize| control.advance("features", n_done + n_rejected + i as u64, n_total);
                timed(&mut computing, || compute(shard, network, &mut keep_going))
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
) -> Result<PreparedShard<'a>> {
    let n_files = shard.manifest.height();
    let mut images: Option<DataFrame> = None;
    let mut rejected = Vec::new();
    let mut begin = 0;
    while begin < n_files {
        let batch = Batch::read(files, &shard.manifest, begin)?;
        begin = batch.end;
        rejected.extend(batch.rejected);
        let resized = decoders.install(|| resize(&batch.images, filter))?;
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

/// VGG16.
fn compute<'a>(
    prepared: PreparedShard<'a>,
    network: &mut Vgg16,
    keep_going: &mut dyn FnMut(usize) -> bool,
) -> Result<ComputedShard<'a>> {
    let PreparedShard {
        shard,
        images,
        mut rejected,
    } = prepared;
    let features = features::features(&images, network, keep_going)?;
    rejected.extend(features.rejected);
    Ok(ComputedShard {
        shard,
        images: features.images,
        rejected,
    })
}
