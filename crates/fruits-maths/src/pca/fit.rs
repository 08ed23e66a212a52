//! The fit: which solver runs on which rows.

use super::blocks::RowBlocks;
use super::fitted::Pca;
use super::krylov;
use super::params::{PcaParams, Solver};
use super::sums::Passes;
use super::sweep::Sweep;
use crate::error::Result;

impl PcaParams {
    /// Fits to rows in blocks, n x d. Before each pass `progress` gets the passes made and the most there can be, and
    /// returns whether to go on.
    ///
    /// Memory beyond the blocks in use: the basis and two sums, about 100 MB at d = 25,088 and 64 components, and up to
    /// 1 GiB of compressed rows where most features are zero; neither grows with n.
    ///
    /// # Errors
    /// - [`Error::Parameter`](crate::Error::Parameter) if one is out of range;
    /// - [`Error::TooFewRows`](crate::Error::TooFewRows) of fewer than two;
    /// - [`Error::NotFinite`](crate::Error::NotFinite) for the first NaN or infinity;
    /// - [`Error::Invalid`](crate::Error::Invalid) if all rows are identical (no variance to explain), or are too many for
    ///   [`Solver::Linfa`];
    /// - [`Error::Cancelled`](crate::Error::Cancelled) if `progress` says stop;
    /// - what [`RowBlocks::block`] returns.
    pub fn fit_blocks(
        &self,
        blocks: &dyn RowBlocks,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        self.check(blocks.n_rows(), blocks.n_cols())?;
        match self.solver {
            Solver::Krylov => self.fit_passes(&mut Sweep::new(blocks)?, progress),
            #[cfg(feature = "linfa")]
            Solver::Linfa => {
                let solution = super::linfa::solve(blocks, self.keep, progress)?;
                Pca::new(self.clone(), solution)
            }
            #[cfg(not(feature = "linfa"))]
            Solver::Linfa => Err(crate::Error::Invalid(
                "this build has no solver linfa; build fruits-maths with its feature `linfa`, or use krylov".to_owned(),
            )),
        }
    }

    /// What is taken from the rows of all passes, decided on the first block of them; empty if nothing is.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite), and what [`RowBlocks::block`] returns.
    pub fn shift(first: &dyn RowBlocks) -> Result<Vec<f32>> {
        Ok(Sweep::new(first)?.into_shift())
    }

    /// Fits with [`Solver::Krylov`] to rows that may be on other machines; `progress` as for [`PcaParams::fit_blocks`].
    ///
    /// # Errors
    /// As [`PcaParams::fit_blocks`], and what [`Passes::pass`] returns.
    pub fn fit_passes(
        &self,
        rows: &mut dyn Passes,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Pca> {
        self.check(rows.n_rows(), rows.n_cols())?;
        let solution = krylov::solve(rows, self.keep, self.seed, self.max_passes, progress)?;
        Pca::new(self.clone(), solution)
    }
}
