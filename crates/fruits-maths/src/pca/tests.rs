//! What is asked of a fit.

mod blocks;
#[cfg(feature = "linfa")]
mod linfa;
mod rows;
mod spectra;
