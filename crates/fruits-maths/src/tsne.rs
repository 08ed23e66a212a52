//! t-SNE: from principal components to a picture in two dimensions.
//!
//! # References
//! - van der Maaten & Hinton 2008, "Visualizing data using t-SNE"
//! - van der Maaten 2014, "Accelerating t-SNE using tree-based algorithms"
//! - Kobak & Berens 2019, "The art of using t-SNE for single-cell transcriptomics"
//! - Belkina et al. 2019, "Automated optimized parameters for t-distributed stochastic neighbor embedding"
//! - Poličar, Stražar & Zupan 2024, "openTSNE: a modular Python library for t-SNE"

mod affinities;
mod bounds;
mod curve;
mod descent;
mod divergence;
mod embedding;
mod params;
mod quadtree;
mod sources;
mod start;
#[cfg(test)]
mod tests;

pub use self::embedding::{Embedding, divergence, embed, embed_in};
pub use self::params::TsneParams;
pub use self::start::Init;
