//! Who computes shards and rows: this process ([`super::ThisProcess`]), or a cluster.
//!
//! An [`Engine`] is what a run is told; [`Workers`] are what it opens once images are listed and cut into shards. What they
//! share is the store: shards go there, each with a receipt, and the rows of a PCA are read from there.

use std::fmt::Debug;
use std::sync::atomic::AtomicBool;

use fruits_maths::Matrix;
use polars::prelude::DataFrame;

use crate::error::Result;
use crate::record::{ClusterRecord, Part};
use crate::steps::describe::DescriptorStats;
use crate::steps::pca::{Pca, PcaParams};
use crate::steps::resize::Filter;
use crate::storage::source::Source;
use crate::storage::store::{Receipt, Shard, Store};

use super::descriptor::Chosen;

/// Longest time in seconds without a task finished, before workers of a cluster are asked anew: a shard of 128 images takes
/// 18 s on one core in f32, and S3 may be asked five times, 30 s each.
pub const DEFAULT_TIMEOUT_S: f64 = 300.0;

/// Where descriptors and PCA are computed; no number depends on it.
pub trait Engine: Debug + Send + Sync {
    /// Brings those together who will do a job; they compute nothing yet.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for what they cannot do, [`crate::Error::Engine`] if they cannot be reached.
    fn open<'a>(&self, job: Job<'a>) -> Result<Box<dyn Workers + 'a>>;
}

/// What is to be done.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where the images are.
    pub input: &'a Source,
    /// How they are resized.
    pub filter: Filter,
    /// What computes the descriptors, not loaded yet.
    #[doc(hidden)]
    pub descriptor: &'a Chosen,
    /// Everything but the files that decides the descriptors.
    pub recipe: &'a str,
    /// All shards of the run, in order.
    pub shards: &'a [Shard],
    /// Where they go.
    pub store: &'a Store,
    /// How components will be found.
    pub pca: &'a PcaParams,
    /// Threads of this process; no number depends on it.
    pub threads: usize,
    /// Raised if the run is to end.
    pub stop: &'a AtomicBool,
}

/// Those who do the work of one run.
pub trait Workers {
    /// Computes and commits `missing`, shards of the job in order: their receipts in that order, and what took how long, as
    /// far as it is told apart. `progress` hears how many images are done and says whether to go on.
    ///
    /// # Errors
    /// Those of a run, [`crate::Error::Cancelled`] if `progress` says stop.
    fn describe(
        &mut self,
        missing: &[Shard],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Vec<Receipt>, Vec<Part>)>;

    /// Reads the shards of the job, each committed by its receipt, for the first time. `progress` as in
    /// [`Workers::describe`].
    ///
    /// # Errors
    /// As there.
    fn gather<'a>(
        &'a mut self,
        receipts: &'a [Receipt],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Gathered<'a>>;

    /// What they did, if they are more than this process.
    fn record(self: Box<Self>) -> Option<ClusterRecord>;
}

/// What the shards of a run hold.
pub struct Gathered<'a> {
    /// All columns but the descriptors, sorted by key.
    pub images: DataFrame,
    /// What the descriptors are like.
    #[doc(hidden)]
    pub stats: DescriptorStats,
    /// The descriptors, in the order of `images`.
    pub rows: Box<dyn Rows + 'a>,
}

/// Descriptors as PCA needs them, n x d, wherever they are.
pub trait Rows {
    /// n.
    fn n_rows(&self) -> usize;

    /// d; 0 if there is no row.
    fn n_cols(&self) -> usize;

    /// Fits to all rows. Before each pass `progress` gets the passes made and the most there can be, and returns whether to
    /// go on.
    ///
    /// # Errors
    /// As [`PcaParams::fit_blocks`].
    fn fit(
        &mut self,
        params: &PcaParams,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca>;

    /// Scores of all rows, n x k, and the share of its squared distance from the mean that each loses.
    ///
    /// # Errors
    /// As [`Pca::transform_blocks`].
    fn scores(&mut self, pca: &Pca) -> Result<(Matrix, Vec<f64>)>;
}
