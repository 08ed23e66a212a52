//! Principal components, nearest neighbours, t-SNE and what an embedding is worth, on dense matrices.
//!
//! ```
//! use fruits_maths::pca::{Keep, PcaParams};
//! use fruits_maths::tsne::{TsneParams, embed};
//! use fruits_maths::{Matrix, quality::trustworthiness};
//!
//! let values = (0..60 * 8).map(|i| (i as f32 * 0.7).sin()).collect();
//! let rows = Matrix::new(60, 8, values)?;
//! let params = PcaParams { keep: Keep::Components(4), ..PcaParams::default() };
//! let scores = params.fit_blocks(&rows, &mut |_, _| true)?.transform_block(&rows)?;
//! let embedding = embed(&scores, &TsneParams::default(), &mut |_, _| true)?;
//! assert!(trustworthiness(&scores, &embedding.positions, 10)? > 0.8);
//! # Ok::<(), fruits_maths::Error>(())
//! ```
//!
//! Arrays come in and numbers go out. Nothing here knows a frame, a file or a network, reads a clock, or draws a random
//! number without a seed; and no result depends on the number of threads.
//! Modules stand in the order they build on each other.

pub mod error;

pub mod matrix;
pub mod neighbors;
mod simd;
pub mod votes;

pub mod copies;

pub mod outliers;
pub mod pca;
pub mod procrustes;
pub mod quality;
pub mod tsne;

#[cfg(test)]
mod testing;

pub use error::{Error, Result};
pub use matrix::Matrix;
