//! The fitted analysis.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::blocks::{BLOCK_ROWS, RowBlocks};
use super::panel::CHUNK;
use super::params::{Keep, PcaParams, Solver};
use super::solution::{Solution, reaches};
use super::sweep::not_finite;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// How far a value beside the kept ones may be off, relative; see [`Pca::further_ratios`].
const FURTHER_ERROR: f64 = 1e-2;

/// A fitted principal component analysis of n rows of d features with k components.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    params: PcaParams,
    found: Solution,
    fingerprint: String,
}

/// How many components a share of the variance takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Needed {
    /// Share of the total variance, 0 to 1.
    pub variance: f64,
    /// The number, or the least it can be.
    pub n_components: usize,
    /// Whether the number is exact; otherwise it is a lower bound.
    pub exact: bool,
}

impl Pca {
    /// Puts together what was found, by a fit or in a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the parts contradict each other: fewer than 2 rows, no feature or component, components of
    /// another length than the mean, fewer values than components.
    pub fn new(params: PcaParams, found: Solution) -> Result<Self> {
        match found.is_whole() {
            true => Ok(Self {
                params,
                found,
                fingerprint: String::new(),
            }),
            false => Err(Error::Invalid(
                "mean, components and values are not those of one analysis".to_owned(),
            )),
        }
    }

    /// Notes what the rows were, for whoever saves the analysis: a digest of them.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }

    /// What [`Pca::with_fingerprint`] noted; empty if nothing.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The parameters it was fitted with.
    #[must_use]
    pub fn params(&self) -> &PcaParams {
        &self.params
    }

    /// What the solver found.
    #[must_use]
    pub fn found(&self) -> &Solution {
        &self.found
    }

    /// The rule that was asked for; [`Pca::n_components`] is smaller if the rows have no more directions.
    #[must_use]
    pub fn requested(&self) -> Keep {
        self.params.keep
    }

    /// The solver that was used.
    #[must_use]
    pub fn solver(&self) -> Solver {
        self.params.solver
    }

    /// Seed of the starting block.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.params.seed
    }

    /// Rows it was fitted to, n.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.found.n_samples
    }

    /// Features of a row, d.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.found.mean.len()
    }

    /// Components kept, k.
    #[must_use]
    pub fn n_components(&self) -> usize {
        self.found.components.len() / self.found.mean.len()
    }

    /// Most components the rows can have: min(n - 1, d).
    #[must_use]
    pub fn rank_limit(&self) -> usize {
        (self.found.n_samples - 1).min(self.found.mean.len())
    }

    /// Mean of the rows, d values.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.found.mean
    }

    /// Orthonormal directions, k x d, row-major; the largest entry of each, by magnitude, is positive.
    #[must_use]
    pub fn components(&self) -> &[f32] {
        &self.found.components
    }

    /// Variance along each component, divided by n - 1, largest first; k values.
    #[must_use]
    pub fn explained_variance(&self) -> &[f64] {
        &self.found.values[..self.n_components()]
    }

    /// The same relative to [`Pca::total_variance`]; k values of a sum of at most 1.
    #[must_use]
    pub fn explained_variance_ratio(&self) -> Vec<f64> {
        self.explained_variance()
            .iter()
            .map(|v| v / self.found.total_variance)
            .collect()
    }

    /// Ratios past the kept components, without a gap: those with a relative residual of at most 1e-2, so that
    /// each is within 1 % of an eigenvalue and, as the error of a Ritz value goes with the square, in practice
    /// within 0.01 %. Empty with [`Solver::Linfa`].
    #[must_use]
    pub fn further_ratios(&self) -> Vec<f64> {
        self.found.values[self.n_components()..]
            .iter()
            .map(|v| v / self.found.total_variance)
            .collect()
    }

    /// Variance of all d features together, divided by n - 1.
    #[must_use]
    pub fn total_variance(&self) -> f64 {
        self.found.total_variance
    }

    /// Largest `||C v - theta v|| / theta` of the kept components with variance; none with [`Solver::Linfa`].
    #[must_use]
    pub fn residual(&self) -> Option<f64> {
        self.found.residual
    }

    /// Passes over the rows.
    #[must_use]
    pub fn n_passes(&self) -> usize {
        self.found.n_passes
    }

    /// Whether the stopping rule was met: every residual at most 1e-4 (or 1e-6 of the largest variance, which is what
    /// `f32` resolves), and the explained share changed by less than 1e-7 in the last pass.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.found.converged
    }

    /// How many components explain the share `variance`, 0 to 1: exact if the values found reach it, else a lower
    /// bound, since none of the values not found is larger than the last one found.
    #[must_use]
    pub fn needed(&self, variance: f64) -> Needed {
        let goal = variance * self.found.total_variance;
        if let Some(n_components) = reaches(&self.found.values, goal) {
            return Needed {
                variance,
                n_components,
                exact: true,
            };
        }
        let found = self.found.values.len();
        let limit = self.rank_limit();
        let sum: f64 = self.found.values.iter().sum();
        let last = self.found.values.last().copied().unwrap_or_default();
        // The margin makes it a bound although found values carry an error.
        let more = (goal - sum * (1.0 + FURTHER_ERROR.powi(2))) / (last * (1.0 + FURTHER_ERROR));
        let n_components = if more.is_finite() {
            found.saturating_add(more.max(1.0).ceil() as usize)
        } else {
            limit
        };
        Needed {
            variance,
            n_components: n_components.min(limit),
            exact: found >= limit,
        }
    }

    /// Scores of rows, n x d -> n x k.
    ///
    /// A score is `(x - mu) v`, summed in `f32` over parts of 1,024 features and in `f64` over the parts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the rows have another length, [`Error::NotFinite`] for the first NaN or infinity.
    pub fn transform_block(&self, rows: &Matrix) -> Result<Matrix> {
        self.check_width(rows.n_cols())?;
        let scores = self.scores(rows.values(), || Ok(0))?;
        Matrix::new(rows.n_rows(), self.n_components(), scores)
    }

    /// Scores of rows in blocks, n x d -> n x k, and what each row loses in them: [`Pca::transform_block`] and
    /// [`Pca::reconstruction_loss`] of each block. As many blocks are in memory as there are threads.
    ///
    /// # Errors
    /// As [`Pca::transform_block`], and what [`RowBlocks::block`] returns.
    pub fn transform_blocks(&self, blocks: &dyn RowBlocks) -> Result<(Matrix, Vec<f64>)> {
        self.check_width(blocks.n_cols())?;
        let (mut values, mut lost) = (Vec::new(), Vec::with_capacity(blocks.n_rows()));
        let indices: Vec<usize> = (0..blocks.n_blocks()).collect();
        for group in indices.chunks(rayon::current_num_threads()) {
            let found = group.par_iter().map(|&i| {
                let rows = blocks.block(i)?;
                let scores =
                    self.scores(&rows, || Ok(i * blocks.block(0)?.len() / self.n_features()))?;
                let lost = self.losses(&rows, &scores);
                Ok((scores, lost))
            });
            for (scores, losses) in found.collect::<Result<Vec<_>>>()? {
                values.extend(scores);
                lost.extend(losses);
            }
        }
        let scores = Matrix::new(lost.len(), self.n_components(), values)?;
        Ok((scores, lost))
    }

    fn check_width(&self, n_cols: usize) -> Result<()> {
        match self.n_features() {
            d if d == n_cols => Ok(()),
            d => Err(Error::Invalid(format!(
                "this PCA was fitted to {d} features, the rows have {n_cols}"
            ))),
        }
    }

    /// Of whole rows; `first` gives the number of the first one, for what is said of a fault.
    fn scores(&self, rows: &[f32], first: impl Fn() -> Result<usize>) -> Result<Vec<f32>> {
        let (d, k) = (self.n_features(), self.n_components());
        if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
            return Err(not_finite(first()? + at / d, at % d, rows[at]));
        }
        let v = MatRef::from_row_major_slice(&self.found.components, k, d);
        let parts = rows.par_chunks(BLOCK_ROWS * d).map(|block| {
            let n = block.len() / d;
            let mut sum = vec![0.0_f64; n * k];
            let mut part = vec![0.0_f32; n * k];
            let mut centred = vec![0.0_f32; n * CHUNK.min(d)];
            for start in (0..d).step_by(CHUNK) {
                let width = CHUNK.min(d - start);
                let mean = &self.found.mean[start..start + width];
                for (x, row) in centred.chunks_exact_mut(width).zip(block.chunks_exact(d)) {
                    for ((x, &value), m) in x.iter_mut().zip(&row[start..]).zip(mean) {
                        *x = (f64::from(value) - m) as f32;
                    }
                }
                let x = MatRef::from_row_major_slice(&centred[..n * width], n, width);
                let v = v.subcols(start, width).transpose();
                let dst = MatMut::from_row_major_slice_mut(&mut part, n, k);
                matmul(dst, Accum::Replace, x, v, 1.0, Par::Seq);
                sum.iter_mut()
                    .zip(&part)
                    .for_each(|(s, &p)| *s += f64::from(p));
            }
            sum.into_iter().map(|s| s as f32).collect::<Vec<_>>()
        });
        Ok(parts.collect::<Vec<_>>().concat())
    }

    /// Share of the squared distance of each row from the mean that its scores lose, 0 to 1: `1 - ||s||^2 /
    /// ||x - mu||^2`; 0 for the mean itself. `rows` is n x d, `scores` their n x k.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the shapes do not fit.
    pub fn reconstruction_loss(&self, rows: &Matrix, scores: &Matrix) -> Result<Vec<f64>> {
        let expected = (self.n_features(), rows.n_rows(), self.n_components());
        if (rows.n_cols(), scores.n_rows(), scores.n_cols()) != expected {
            return Err(Error::Invalid(format!(
                "{} x {} rows and {} x {} scores do not belong to a PCA of {} features and {} components",
                rows.n_rows(),
                rows.n_cols(),
                scores.n_rows(),
                scores.n_cols(),
                expected.0,
                expected.2
            )));
        }
        Ok(self.losses(rows.values(), scores.values()))
    }

    /// Of whole rows and their scores.
    fn losses(&self, rows: &[f32], scores: &[f32]) -> Vec<f64> {
        let loss = |(row, scores): (&[f32], &[f32])| {
            let centred = row
                .iter()
                .zip(&self.found.mean)
                .map(|(&x, m)| f64::from(x) - m);
            let distance: f64 = centred.map(|x| x * x).sum();
            let kept: f64 = scores.iter().map(|&s| f64::from(s).powi(2)).sum();
            if distance > 0.0 {
                (1.0 - kept / distance).clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        let rows = rows.par_chunks_exact(self.n_features());
        let scores = scores.par_chunks_exact(self.n_components());
        rows.zip(scores).map(loss).collect()
    }
}
