//! Who is near whom.

use std::sync::Arc;

use rayon::prelude::*;

use super::distance::check_finite;
use super::proposal::{Proposal, Scratch};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Rows of one matrix product. A block of products takes `4 * ROWS_PER_BLOCK * n` bytes, 17 MB at
/// n = 67,692; 64 rows already reach the full speed of the product (measured at 64 columns).
const ROWS_PER_BLOCK: usize = 64;

/// Products of a thread between two looks whether to go on: 0.1 s at n = 67,692. Only speed depends on it.
const BLOCKS_PER_THREAD: usize = 16;

/// The k nearest rows of every row, nearest first, a row itself excluded. Copies share their memory.
#[derive(Debug, Clone)]
pub struct Neighbors {
    n_rows: usize,
    k: usize,
    /// Neighbours of a row in what follows, `k` or more.
    stride: usize,
    indices: Arc<Vec<u32>>,
    squared_distances: Arc<Vec<f64>>,
}

impl Neighbors {
    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Neighbours of each row.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The neighbours of row `i`, nearest first; of two at one distance the smaller index first.
    #[must_use]
    pub fn indices(&self, i: usize) -> &[u32] {
        &self.indices[i * self.stride..][..self.k]
    }

    /// Squared Euclidean distances of row `i` to [`indices`](Self::indices), ascending.
    #[must_use]
    pub fn squared_distances(&self, i: usize) -> &[f64] {
        &self.squared_distances[i * self.stride..][..self.k]
    }

    /// The first `k` neighbours of each row, clipped to n_samples - 1: what a search for `k` finds.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are fewer.
    pub fn first(&self, k: usize) -> Result<Self> {
        let k = k.min(self.n_rows.saturating_sub(1));
        if k > self.k {
            return Err(Error::Invalid(format!(
                "{k} neighbours of a search for {}: search for as many as are asked for",
                self.k
            )));
        }
        Ok(Self { k, ..self.clone() })
    }
}

impl PartialEq for Neighbors {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |i| {
            self.indices(i) == other.indices(i)
                && self.squared_distances(i) == other.squared_distances(i)
        };
        (self.n_rows, self.k) == (other.n_rows, other.k) && (0..self.n_rows).all(is_same)
    }
}

/// The exact `k` nearest rows of each row of `points` (n_samples x n_columns), Euclidean.
///
/// `k` is clipped to n_samples - 1. Duplicates of a row are its neighbours at distance 0. Every
/// distance is a sum of squared differences in float64, so the result depends neither on the
/// number of threads nor on the rounding of the matrix products that propose the candidates.
///
/// # Errors
/// [`Error::NotFinite`], and [`Error::Invalid`] for more than 2^32 - 1 rows.
pub fn nearest(points: &Matrix, k: usize) -> Result<Neighbors> {
    nearest_with(points, k, &mut |_, _| true)
}

/// [`nearest`], with `progress(rows done, rows in all)` now and then; `false` stops.
///
/// # Errors
/// As [`nearest`], and [`Error::Cancelled`] if `progress` returns `false`.
pub fn nearest_with(
    points: &Matrix,
    k: usize,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Neighbors> {
    check_finite(points)?;
    let n = points.n_rows();
    if u32::try_from(n).is_err() {
        return Err(Error::Invalid(format!(
            "neighbours of {n} rows: at most 2^32 - 1 are possible"
        )));
    }
    let k = k.min(n.saturating_sub(1));
    let mut indices = vec![0; n * k];
    let mut squared_distances = vec![0.0; n * k];
    if k > 0 {
        let proposal = Proposal::new(points);
        let rows = ROWS_PER_BLOCK * BLOCKS_PER_THREAD * rayon::current_num_threads();
        let parts = indices
            .chunks_mut(rows * k)
            .zip(squared_distances.chunks_mut(rows * k));
        for (part, (indices, distances)) in parts.enumerate() {
            indices
                .par_chunks_mut(ROWS_PER_BLOCK * k)
                .zip(distances.par_chunks_mut(ROWS_PER_BLOCK * k))
                .enumerate()
                .for_each_init(
                    Scratch::default,
                    |scratch, (block, (indices, distances))| {
                        let first = part * rows + block * ROWS_PER_BLOCK;
                        proposal.block(first, k, scratch, indices, distances);
                    },
                );
            if !progress(n.min((part + 1) * rows), n) {
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(Neighbors {
        n_rows: n,
        k,
        stride: k,
        indices: Arc::new(indices),
        squared_distances: Arc::new(squared_distances),
    })
}
