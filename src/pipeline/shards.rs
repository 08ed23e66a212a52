//! The one function that turns a shard of files into descriptors, and the driver that runs it for all missing shards.

use std::sync::mpsc::sync_channel;
use std::thread;

use polars::prelude::*;
use sha2::Digest as _;

use crate::error::{Error, Result};
use crate::features::{self, Vgg16};
use crate::matrix::{column, strings};
use crate::rejection::{Reason, Rejection};
use crate::resize::{Filter, resize};
use crate::schema::{CONTENT, KEY, SHA256, SIZE_BYTES};
use crate::source::local::{LocalFolder, hex};
use crate::store::{Receipt, Shard, Store};

use super::Control;

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

/// Computes `missing` shards in order: while the network works on one, the next is decoded and the last is written.
/// `n_done` images of `n_total` were done before. Returns the receipts in the order of `missing`.
pub(super) fn map_shards(
    folder: &LocalFolder,
    store: &Store,
    missing: &[Shard],
    filter: Filter,
    network: &mut Vgg16,
    (mut n_done, n_total): (u64, u64),
    control: &mut Control,
) -> Result<Vec<Receipt>> {
    let n_features = network.n_features();
    // A pool of its own: the run's may have one thread, and that one waits for this work.
    let decoders = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .build();
    let decoders = decoders.map_err(|e| Error::Internal(format!("no thread pool: {e}")))?;
    thread::scope(|scope| {
        let (to_network, prepared) = sync_channel::<Result<PreparedShard>>(AHEAD);
        let (to_store, computed) = sync_channel::<ComputedShard>(AHEAD);
        scope.spawn(move || {
            for shard in missing {
                // The receiver hangs up when the run stops; then nobody wants the rest.
                if to_network
                    .send(decoders.install(|| prepare(folder, shard, filter)))
                    .is_err()
                {
                    return;
                }
            }
        });
        let writer = scope.spawn(move || {
            let commit = |c: ComputedShard| store.commit(c.shard, c.images, n_features, c.rejected);
            computed.into_iter().map(commit).collect::<Result<Vec<_>>>()
        });
        let mut outcome = Ok(());
        for shard in prepared {
            let computed = shard.and_then(|shard| {
                let n_rejected = shard.rejected.len() as u64;
                let mut keep_going =
                    |i: usize| control.advance("features", n_done + n_rejected + i as u64, n_total);
                compute(shard, network, &mut keep_going)
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
        let receipts = writer
            .join()
            .map_err(|_| Error::Internal("the writing thread died".to_owned()))?;
        outcome.and(receipts)
    })
}

/// Read, decode, resize.
fn prepare<'a>(
    folder: &LocalFolder,
    shard: &'a Shard,
    filter: Filter,
) -> Result<PreparedShard<'a>> {
    let (frame, mut rejected) = read(folder, &shard.manifest)?;
    let resized = resize(&frame, filter)?;
    rejected.extend(resized.rejected);
    Ok(PreparedShard {
        shard,
        images: resized.images,
        rejected,
    })
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

/// The `content` of each file that is still the one in the manifest, and the others.
fn read(folder: &LocalFolder, manifest: &DataFrame) -> Result<(DataFrame, Vec<Rejection>)> {
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let rows = strings(manifest, KEY)?
        .into_iter()
        .zip(strings(manifest, SHA256)?)
        .zip(sizes.no_null_iter());
    let (mut contents, mut kept, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for ((key, sha256), size_bytes) in rows {
        let outcome = folder
            .read(key)
            .map_err(|e| (Reason::of_reading(&e), e.to_string()));
        let outcome = outcome.and_then(|bytes| {
            let same = hex(&sha2::Sha256::digest(&bytes)) == sha256;
            let changed = "the file changed after it was listed; run the same command again";
            if same {
                Ok(bytes)
            } else {
                Err((Reason::Changed, changed.to_owned()))
            }
        });
        kept.push(outcome.is_ok());
        match outcome {
            Ok(bytes) => contents.push(bytes),
            Err((reason, message)) => {
                rejected.push(Rejection {
                    key: key.to_owned(),
                    size_bytes,
                    reason,
                    message,
                });
            }
        }
    }
    let mut frame = manifest.filter(&BooleanChunked::from_slice("kept".into(), &kept))?;
    frame.with_column(
        BinaryChunked::from_iter_values(CONTENT.into(), contents.iter()).into_column(),
    )?;
    Ok((frame, rejected))
}
