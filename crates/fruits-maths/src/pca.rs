//! Principal component analysis: scores of rows on the directions of largest variance.
//!
//! A [`PcaParams`] is fitted to a [`Matrix`](crate::Matrix), or to any [`RowBlocks`] that need not fit in memory, and gives
//! an owned [`Pca`]. Variances are divided by n - 1; ratios are relative to the total variance of **all** features.
//!
//! # References
//! Halko, Martinsson & Tropp 2011 (arXiv:0909.4061); Halko et al. 2011, out of core (arXiv:1007.5510);
//! Musco & Musco 2015, block Krylov (arXiv:1504.05477); Chan, Golub & LeVeque 1979, updating formulae for variances.

mod blocks;
mod dense;
#[cfg(feature = "linfa")]
mod estimator;
mod fit;
mod fitted;
mod krylov;
#[cfg(feature = "linfa")]
mod linfa;
mod memory;
mod panel;
mod params;
mod solution;
mod sparse;
mod sums;
mod sweep;
#[cfg(test)]
mod tests;
pub mod wire;

pub use self::blocks::{BLOCK_ROWS, KEEP_BYTES, RowBlocks};
pub use self::fitted::{Needed, Pca};
pub use self::panel::Panel;
pub use self::params::{DEFAULT_COMPONENTS, DEFAULT_MAX_PASSES, Keep, PcaParams, Solver};
pub use self::solution::Solution;
pub use self::sums::{FAN_IN, Leaf, Moments, Passes, Sums};
pub use self::sweep::WINDOW;
