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

    /// The most bytes that a fit has at one time for a number of components of n x d rows, without the rows; absent for a share of
    /// the variance, whose number of components is not known before.
    ///
    /// [`Solver::Linfa`] has the rows twice in `f64`. Of [`Solver::Krylov`], counted are panels of d values a column (the block
    /// Q, the basis of up to 8 such blocks or of the rank, the product with its sums and its orthonormal copy) and dense
    /// matrices of the width of the block and of the dimension of the basis (products of 1,024 features each, which are added
    /// up at the end, the eigenproblem with its work space).
    #[must_use]
    pub fn memory_bytes(&self, n: usize, d: usize) -> Option<u64> {
        match (self.solver, self.keep) {
            (Solver::Krylov, Keep::Components(k)) => Some(krylov(n, d, k) as u64),
            (Solver::Linfa, Keep::Components(_)) => Some((2.0 * F64 * n as f64 * d as f64) as u64),
            (_, Keep::Variance(_)) => None,
        }
    }
}

/// Bytes at the fullest moment of [`super::krylov::solve`].
fn krylov(n: usize, d: usize, k: usize) -> f64 {
    let rank = n.saturating_sub(1).min(d);
    let k = k.min(rank);
    let width = block_width(Keep::Components(k), rank);
    // A block is added while there is room, and no vector beyond the rank but by rounding.
    let dim = (MAX_BLOCKS * width).min(rank).max(width);
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
        let share = PcaParams {
            keep: Keep::Variance(0.9),
            ..PcaParams::default()
        };
        assert_eq!(share.memory_bytes(100, 100), None);
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
