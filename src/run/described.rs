//! The first half of a run, for who wants the descriptors themselves.

use std::sync::atomic::AtomicBool;

use fruits_maths::Matrix;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::MatrixExt;
use crate::schema::FEATURES;
use crate::steps::pca::RowBlocks;
use crate::storage::rejection;
use crate::storage::store::Receipt;

use super::control::{Control, Event};
use super::gather::gather;
use super::machine::{available_bytes, gigabytes};
use super::params::Params;
use super::plan::Planned;
use super::stages::{features, gathered, mending, n_images};

/// Images with their descriptors.
#[derive(Debug, Clone)]
pub struct Described {
    /// One row an accepted image, sorted by key: the columns of [`super::Outcome::images`] before PCA, and `features`
    /// `Array(Float32, n_features)`.
    pub images: DataFrame,
    /// One row a rejected file: `key`, `size_bytes`, `reason`, `message`.
    pub rejected: DataFrame,
}

/// The first half of [`super::run`], up to the descriptors, for sets that fit in memory (100 kB an image). Committed shards in
/// the cache are not computed again.
///
/// # Errors
/// As [`super::run`], and [`Error::Invalid`] if they do not fit.
pub fn describe(
    params: &Params,
    observe: &mut (dyn FnMut(&Event) + Send),
    stop: &AtomicBool,
) -> Result<Described> {
    params.check()?;
    if let Some(cache) = &params.cache {
        cache.check_writable()?;
    }
    let once = |control: &mut Control| {
        let (planned, mut loaded) = Planned::new(params, control)?;
        let mut workers = params.engine.open(planned.job(params, control.stop))?;
        let input = &params.input;
        let receipts = features(input, &planned, &mut loaded, &mut *workers, control)?;
        fits_in_memory(&receipts)?;
        // Descriptors are what is asked for: this process reads them, whoever computed them.
        let Planned { store, shards, .. } = &planned;
        let (mut images, _, blocks) = gathered(&receipts, control, |progress| {
            gather(store, shards, &receipts, progress)
        })?;
        let mut values = Vec::with_capacity(blocks.n_rows() * blocks.n_cols());
        for i in 0..blocks.n_blocks() {
            values.extend_from_slice(blocks.matrix(i)?.values());
        }
        let features = Matrix::new(blocks.n_rows(), blocks.n_cols(), values)?;
        images.with_column(features.into_arrays(FEATURES)?)?;
        Ok(Described {
            images,
            rejected: rejection::to_frame(&loaded.rejected)?,
        })
    };
    let mut control = Control::new(observe, stop);
    control.install(params.threads, |control| mending(control, once))
}

/// Refuses what would have the process killed, and with it everything else that it holds.
fn fits_in_memory(receipts: &[Receipt]) -> Result<()> {
    let values: usize = receipts.iter().map(|r| r.n_images * r.n_features).sum();
    let needed = 2 * values * size_of::<f32>();
    match available_bytes() {
        Some(free) if needed as u64 > free => Err(Error::Invalid(format!(
            "the descriptors of {} images take {} of memory for a moment, and {} are free; take fewer with a limit, or \
             use the whole run, which streams them",
            n_images(receipts),
            gigabytes(needed as u64),
            gigabytes(free)
        ))),
        _ => Ok(()),
    }
}
