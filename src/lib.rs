//! Turns labelled photographs into descriptors (VGG16, PCA, t-SNE) and into a report people trust.
//!
//! ```no_run
//! use fruits::load::{LoadParams, load, read};
//! use fruits::resize::{Filter, resize};
//! use fruits::source::Source;
//!
//! let source = Source::folder("data-sample")?;
//! let manifest = load(&source, &LoadParams::default())?.manifest;
//! let images = resize(&read(&source, &manifest)?, Filter::Bicubic)?.images;
//! println!("{images}");
//! # Ok::<(), fruits::Error>(())
//! ```
//!
//! Each step ([`load`], [`resize`], [`features`], [`pca`], [`tsne`], [`quality`]) takes and returns owned polars frames;
//! [`pipeline::run`] is all of them, streamed through shards so that memory stays bounded and a killed run continues.
//! Modules stand in the order the data flows.
//!
//! The crate trains nothing, fetches nothing and serves nothing: set-up brings ONNX Runtime and the weights, and a
//! report is a file.

pub mod error;
pub mod schema;

pub mod frame;

pub mod storage;

pub mod steps;

pub mod record;

pub mod run;

pub mod outputs;

pub mod compare;
pub mod verify;

pub mod plot;

pub mod page;

pub mod notebook;

pub use error::{Error, Result};
pub use fruits_maths as maths;
pub use record::gates;
pub use run::options;
pub use steps::{describe as features, findings, load, pca, projection, quality, resize, tsne};
pub use storage::{atomic, place, rejection, s3, source, store};
pub use {page as report, run as pipeline};

/// Matrices, and columns of frames as matrices and values.
pub mod matrix {
    pub use fruits_maths::Matrix;

    pub use crate::frame::{MatrixExt, binaries, column, keys, names, sizes, strings};
}

pub use fruits_maths::{neighbors, votes};
// A notebook has one dependency; its frames are those of this crate.
pub use polars;
