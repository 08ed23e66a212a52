//! What an analysis will take, before there is a row.

use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::{Par, Spec};

use super::blocks::BLOCK_ROWS;
use super::krylov::{MAX_BLOCKS, block_width};
use super::panel::{CHUNK, LANES};
use super::params::{Keep, PcaParams, Solver};
use super::sums::FAN_IN;
use super::sweep::WINDOW;
use crate::error::{Error, Result};

/// Largest n x d x 8 the solver `linfa` takes: it holds the rows twice in `f64`.
const MAX_LINFA_BYTES: usize = 2 << 30;

/// Bytes of a value in single and in double precision.
const F32: f64 = 4.0;
const F64: f64 = 8.0;

impl PcaParams {
    /// What can be said of n x d rows before they are there: whether the solver takes so many.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are too many for [`Solver::Linfa`].
    pub fn check_shape(&self, n: usize, d: usize) -> Result<()> {
        let bytes = n.saturating_mul(d).saturating_mul(8);
        if self.solver == Solver::Linfa && bytes > MAX_LINFA_BYTES {
            return Err(Error::Invalid(format!(
                "the linfa solver works in memory and takes at most 2 GiB of rows, not {n} x {d} x 8 bytes; use krylov"
            )));
        }
        Ok(())
    }

    /// The most components that may be kept of n x d rows. How many a share of the variance takes is not known before the fit: up
    /// to a block of 256 a pass.
    #[must_use]
    pub fn most_components(&self, n: usize, d: usize) -> usize {
        let rank = rank(n, d);
        match self.keep {
            Keep::Components(k) => k.min(rank),
            Keep::Variance(_) => block_width(self.keep, rank)
                .saturating_mul(self.max_passes)
                .min(rank),
        }
    }

    /// The most bytes that [`Solver::Krylov`] has at one time for n x d rows, without the rows; absent for [`Solver::Linfa`], which
    /// is bounded by [`check_shape`](Self::check_shape). A share of the variance counts as the most components that it may take.
    ///
    /// Counted are panels of d values a column (the block Q, the basis of up to 8 such blocks, of all of them where a share of the
    /// variance is asked for, or of the rank, the product with its sums and its orthonormal copy) and dense matrices of the width of
    /// the block and of the dimension of the basis (products of 1,024 features each, which are added up at the end, the eigenproblem
    /// with its work space).
    #[must_use]
    pub fn memory_bytes(&self, n: usize, d: usize) -> Option<u64> {
        match self.solver {
            Solver::Krylov => Some(krylov(self, n, d) as u64),
            Solver::Linfa => None,
        }
    }
}

/// There are no more components than that.
fn rank(n: usize, d: usize) -> usize {
    n.saturating_sub(1).min(d)
}

/// Bytes at the fullest moment of [`super::krylov::solve`].
fn krylov(params: &PcaParams, n: usize, d: usize) -> f64 {
    let (rank, k) = (rank(n, d), params.most_components(n, d));
    let width = block_width(params.keep, rank);
    // A block is added while there is room, and no vector beyond the rank but by rounding. A space that holds less than a share of
    // the variance has room for all.
    let dim = match params.keep {
        Keep::Components(_) => (MAX_BLOCKS * width).min(rank),
        Keep::Variance(_) => k,
    };
    let dim = dim.max(width);
    let padded = |columns: usize| columns.max(1).next_multiple_of(LANES) as f64;
    let (rows, w, t) = (d as f64, width as f64, dim as f64);
    let block = rows * padded(width);
    let basis = F32 * rows * padded(dim);
    let parts = d.div_ceil(CHUNK) as f64 + 1.0;
    // Levels of the tree of sums, and the window that is added.
    let n_windows = n.div_ceil(BLOCK_ROWS * WINDOW);
    let mut levels = 1.0;
    let mut nodes = n_windows / FAN_IN;
    while nodes > 0 {
        levels += 1.0;
        nodes /= FAN_IN;
    }
    let window = F32 * (WINDOW * BLOCK_ROWS) as f64 * (rows + padded(width));
    let pass = F32 * block + F64 * block * levels + F32 * block + window;
    let product = F64 * block;
    let ritz = 2.0 * F64 * t * t;
    let moments = [
        pass,
        product + F32 * parts * t * w + 2.0 * F64 * t * w,
        product + F64 * parts * w * w,
        product + F64 * (2.0 * w * w + 2.0 * t * t) + scratch(dim),
        2.0 * product + F64 * 3.0 * w * w + scratch(width),
        product + F32 * (t * k as f64 + 2.0 * rows * padded(k)),
    ];
    basis + ritz + moments.into_iter().fold(0.0, f64::max)
}

/// Work space for the eigenvalues of a symmetric matrix.
fn scratch(n: usize) -> f64 {
    let vectors = ComputeEigenvectors::Yes;
    let needed = evd::self_adjoint_evd_scratch::<f64>(n, vectors, Par::Seq, Spec::default());
    needed.unaligned_bytes_required() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: usize, d: usize, k: usize) -> u64 {
        let params = PcaParams {
            keep: Keep::Components(k),
            ..PcaParams::default()
        };
        params.memory_bytes(n, d).unwrap()
    }

    #[test]
    fn memory_grows_with_the_components() {
        let of = [64, 65, 512, 4096, 20_000].map(|k| bytes(70_000, 25_088, k));
        assert!(of.is_sorted(), "{of:?}");
        assert!((150_000_000..300_000_000).contains(&of[0]), "{of:?}");
        assert!(of[4] > 64 << 30, "{of:?}");
        // Beyond the rank there is nothing to hold.
        assert_eq!(bytes(100, 25_088, 99), bytes(100, 25_088, 5000));
    }

    #[test]
    fn a_share_counts_as_all_that_its_passes_may_find() {
        let share = |max_passes| PcaParams {
            keep: Keep::Variance(0.9),
            max_passes,
            ..PcaParams::default()
        };
        assert_eq!(share(30).most_components(70_000, 25_088), 7680);
        assert_eq!(share(30).most_components(1000, 25_088), 999);
        assert_eq!(share(usize::MAX).most_components(70_000, 512), 512);
        let bytes = |max_passes| share(max_passes).memory_bytes(70_000, 25_088).unwrap();
        // The basis, T and its eigenvectors, twice, of 7,680 columns.
        let (basis, t) = (4 * 25_088 * 7680_u64, 8 * 7680 * 7680_u64);
        assert!((basis + 4 * t..2 * (basis + 4 * t)).contains(&bytes(30)));
        assert!([1, 8, 30, 98].map(bytes).is_sorted());
        assert_eq!(bytes(98), bytes(1000));
    }

    #[test]
    fn linfa_is_told_before_the_rows_are_there() {
        let linfa = PcaParams {
            solver: Solver::Linfa,
            ..PcaParams::default()
        };
        assert!(linfa.check_shape(10_000, 25_088).is_ok());
        let text = linfa.check_shape(20_000, 25_088).unwrap_err().to_string();
        assert!(
            text.contains("20000 x 25088") && text.contains("krylov"),
            "{text}"
        );
        assert!(PcaParams::default().check_shape(20_000, 25_088).is_ok());
    }
}
