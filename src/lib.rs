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

pub mod record;
pub mod schema;

pub mod gates;

pub mod rejection;

pub mod atomic;

pub mod s3;

pub mod place;

pub mod matrix;
pub mod neighbors;
mod simd;
pub mod votes;

pub mod source;

pub mod features;
pub mod findings;
pub mod load;
pub mod pca;
pub mod quality;
pub mod resize;
pub mod tsne;

pub mod store;

#[cfg(feature = "cluster")]
pub use fruits_engine as engine;

pub mod pipeline;

pub mod outputs;

pub mod compare;
pub mod verify;

pub mod plot;

pub mod report;

pub mod notebook;

pub use error::{Error, Result};
// A notebook has one dependency; its frames are those of this crate.
pub use polars;
