//! Principal component analysis: scores of rows on the directions of largest variance.
//!
//! Input: `features`, `Array(Float32, d)`, a row per image; output: `pc1` ... `pcK`, `Float32`, in its place.
//! A [`PcaParams`] is fitted to a frame, or to any [`RowBlocks`] that need not fit in memory, and gives an owned
//! [`Pca`]. Variances are divided by n - 1; ratios are relative to the total variance of **all** features.
//!
//! # References
//! Halko, Martinsson & Tropp 2011 (arXiv:0909.4061); Halko et al. 2011, out of core (arXiv:1007.5510);
//! Musco & Musco 2015, block Krylov (arXiv:1504.05477); Chan, Golub & LeVeque 1979, updating formulae for variances.

mod dense;
mod fitted;
mod krylov;
mod linfa;
mod panel;
mod saved;
mod sparse;
mod sums;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(feature = "cluster")]
mod wire;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use polars::prelude::DataFrame;

pub use self::fitted::Pca;
pub(crate) use self::sums::Passes;
use self::sweep::Sweep;
#[cfg(feature = "cluster")]
pub(crate) use self::{
    panel::Panel,
    sums::{FAN_IN, Leaf, Sums},
    sweep::WINDOW,
    wire::{Factor, Reader, put, put_count},
};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::schema::FEATURES;

/// Components kept unless told otherwise: what the first version of the chain kept, and the input of its t-SNE.
pub const DEFAULT_COMPONENTS: usize = 64;
/// Passes over the rows after which the Krylov solver gives up; 64 components of 4,098 VGG16 features take 7.
pub const DEFAULT_MAX_PASSES: usize = 30;
/// Rows of a block of a matrix in memory: those of a feature shard, so that both ways give the same bytes.
pub const BLOCK_ROWS: usize = 128;

/// Rule that fixes the number of components.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// That many, at least 1.
    Components(usize),
    /// The fewest that explain this share of the total variance, above 0 and below 1.
    Variance(f64),
}

/// How the components are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Solver {
    /// Block Krylov on streamed rows, `f32` products summed in `f64`, to a stated residual.
    #[default]
    Krylov,
    /// `linfa_reduction::Pca`: LOBPCG in memory, in `f64`; no residual, fixed seed of its own.
    Linfa,
}

/// Parameters of a principal component analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct PcaParams {
    /// How many components; default [`DEFAULT_COMPONENTS`]. More than min(n - 1, d) are reduced to that number,
    /// which [`Pca::requested`] shows.
    pub keep: Keep,
    /// Default [`Solver::Krylov`].
    pub solver: Solver,
    /// Seed of the starting block; default 42. Another seed changes results within the residual.
    pub seed: u64,
    /// Most passes over the rows, at least 1; default [`DEFAULT_MAX_PASSES`]. [`Pca::converged`] says if they were
    /// enough.
    pub max_passes: usize,
}

impl Default for PcaParams {
    fn default() -> Self {
        Self {
            keep: Keep::Components(DEFAULT_COMPONENTS),
            solver: Solver::default(),
            seed: 42,
            max_passes: DEFAULT_MAX_PASSES,
        }
    }
}

/// Rows in fixed groups, readable in any order and from several threads.
///
/// All blocks but the last hold the same number of rows; that number follows from the data or a plan, never from the
/// machine, since the order of sums depends on it.
pub trait RowBlocks: Sync {
    /// Rows of all blocks together.
    fn n_rows(&self) -> usize;
    /// Values of a row.
    fn n_cols(&self) -> usize;
    /// Number of blocks, none of them empty.
    fn n_blocks(&self) -> usize;
    /// The `i`-th block, row-major.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>>;
}

/// Blocks of [`BLOCK_ROWS`] rows, without a copy.
impl RowBlocks for Matrix {
    fn n_rows(&self) -> usize {
        self.n_rows()
    }

    fn n_cols(&self) -> usize {
        self.n_cols()
    }

    fn n_blocks(&self) -> usize {
        self.n_rows().div_ceil(BLOCK_ROWS)
    }

    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        let size = BLOCK_ROWS * self.n_cols();
        let end = self.values().len().min((i + 1) * size);
        Ok(Cow::Borrowed(&self.values()[i * size..end]))
    }
}

impl PcaParams {
    /// Fits to the column `features` of `frame`, `Array(Float32, d)`.
    ///
    /// # Errors
    /// As [`PcaParams::fit_blocks`], and [`Error::Invalid`] if the column is missing or of another type.
    pub fn fit(&self, frame: &DataFrame) -> Result<Pca> {
        self.fit_column(frame, FEATURES)
    }

    /// Fits to any column of arrays, `Array(Float32, d)`.
    ///
    /// # Errors
    /// As [`PcaParams::fit`].
    pub fn fit_column(&self, frame: &DataFrame, column: &str) -> Result<Pca> {
        self.fit_blocks(&Matrix::from_arrays(frame, column)?, &mut |_, _| true)
    }

    /// Fits to rows in blocks, n x d. Before each pass `progress` gets the passes made and the most there can be, and
    /// returns whether to go on.
    ///
    /// Memory beyond the blocks in use: the basis and two sums, about 100 MB at d = 25,088 and 64 components, and up to
    /// 1 GiB of compressed rows where most features are zero; neither grows with n.
    ///
    /// # Errors
    /// - [`Error::Invalid`] if a parameter is out of range, there are fewer than two rows, a value is NaN or infinite
    ///   (the text names the row), all rows are identical (no variance to explain), or the rows are too many for
    ///   [`Solver::Linfa`];
    /// - [`Error::Interrupted`] if `progress` says stop;
    /// - what [`RowBlocks::block`] returns.
    pub fn fit_blocks(
        &self,
        blocks: &dyn RowBlocks,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        self.check(blocks.n_rows(), blocks.n_cols())?;
        match self.solver {
            Solver::Krylov => self.fit_passes(&mut Sweep::new(blocks)?, progress),
            Solver::Linfa => {
                let solution = linfa::solve(blocks, self.keep, progress)?;
                Ok(Pca::new(self, blocks.n_cols(), solution))
            }
        }
    }

    /// What is taken from the rows of all passes, decided on the first block; empty if nothing is.
    #[cfg(feature = "cluster")]
    pub(crate) fn shift(first: &dyn RowBlocks) -> Result<Vec<f32>> {
        Ok(Sweep::new(first)?.into_shift())
    }

    /// Fits with [`Solver::Krylov`] to rows that may be on other machines.
    pub(crate) fn fit_passes(
        &self,
        rows: &mut dyn Passes,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        let n_cols = rows.n_cols();
        self.check(rows.n_rows(), n_cols)?;
        let solution = krylov::solve(rows, self.keep, self.seed, self.max_passes, progress)?;
        Ok(Pca::new(self, n_cols, solution))
    }

    /// What can be said of the parameters before there are rows.
    pub(crate) fn check_params(&self) -> Result<()> {
        let fault = |message: String| Err(Error::Invalid(message));
        match self.keep {
            Keep::Components(0) => return fault("components must be at least 1, not 0".into()),
            Keep::Variance(share) if !(share > 0.0 && share < 1.0) => {
                return fault(format!(
                    "variance must be above 0 and below 1, not {share}; 0.99 keeps 99 %"
                ));
            }
            _ => {}
        }
        if self.max_passes == 0 {
            return fault("max_passes must be at least 1, not 0".into());
        }
        if self.solver == Solver::Linfa && matches!(self.keep, Keep::Variance(_)) {
            return fault(
                "the linfa solver takes a number of components; use krylov for a share of variance"
                    .into(),
            );
        }
        Ok(())
    }

    fn check(&self, n: usize, d: usize) -> Result<()> {
        self.check_params()?;
        let fault = |message: String| Err(Error::Invalid(message));
        if n < 2 || d == 0 {
            return fault(format!(
                "PCA needs at least 2 rows of at least 1 feature, not {n} x {d}"
            ));
        }
        Ok(())
    }
}

impl FromStr for Solver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "krylov" => Ok(Self::Krylov),
            "linfa" => Ok(Self::Linfa),
            _ => Err(Error::Invalid(format!(
                "no PCA solver `{text}`; take krylov or linfa"
            ))),
        }
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Krylov => "krylov",
            Self::Linfa => "linfa",
        })
    }
}

/// What a solver brings home: leading eigenpairs of the covariance and the moments of the rows.
struct Solution {
    n_samples: usize,
    /// d values.
    mean: Vec<f64>,
    total_variance: f64,
    /// Eigenvalues, largest first: the kept ones, then those found beside them.
    values: Vec<f64>,
    /// Kept eigenvectors, k x d, row-major; the largest entry of each is positive.
    components: Vec<f32>,
    residual: Option<f64>,
    n_passes: usize,
    converged: bool,
}

/// The fewest leading values whose sum reaches `least`.
fn reaches(values: &[f64], least: f64) -> Option<usize> {
    let mut sum = 0.0;
    let mut sums = values.iter().map(|v| {
        sum += v;
        sum
    });
    sums.position(|sum| sum >= least).map(|i| i + 1)
}

/// What is said of rows without variance.
fn identical(n: usize) -> Error {
    Error::Invalid(format!(
        "all {n} rows are identical: there is no variance to explain"
    ))
}

/// Turns each of the k rows so that its largest entry, by magnitude, is positive; the first wins a tie.
fn fix_signs(components: &mut [f32], d: usize) {
    for row in components.chunks_exact_mut(d) {
        let mut largest = 0.0_f32;
        for &x in row.iter() {
            if x.abs() > largest.abs() {
                largest = x;
            }
        }
        if largest < 0.0 {
            row.iter_mut().for_each(|x| *x = -*x);
        }
    }
}
