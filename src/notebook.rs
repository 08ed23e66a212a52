//! What a Jupyter notebook with the Rust kernel (evcxr) imports: the steps, telling how far they are, and values that
//! show themselves.
//!
//! ```no_run
//! use fruits::notebook::*;
//!
//! let source = input()?;
//! let found = load(&source, &LoadParams::default())?;
//! class_bars(&found.manifest)?.evcxr_display();
//! # Ok::<(), Sentence>(())
//! ```
//!
//! A cell ends with the value it shows: evcxr calls [`Show::evcxr_display`] on it, which prints text and HTML between
//! markers. A cell that meets a fault ends there with `?`: evcxr prints the [`Sentence`], keeps the variables of earlier
//! cells, and the next cell works. An interrupt ends a step in the same way. Where no step of this library works, a second
//! interrupt within five seconds ends the process behind the cells, and with it the variables.
//!
//! Every function takes references to values the notebook owns and returns an owned value; nothing borrows between
//! cells. They do what the steps of the same names do, at the defaults of `report`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a cell prints is its output"
)]

mod descriptors;
mod interrupt;
mod picture;
mod show;
mod steps;
mod table;

pub use polars::prelude::*;

pub use self::descriptors::descriptors;
pub use self::picture::{
    Picture, before_after, class_bars, contact_sheet, pca_scatter, tsne_grid, tsne_scatter,
    variance,
};
pub use self::show::{Sentence, Show};
pub use self::steps::{
    describe, features, findings, fit_pca, input, load, open, params, quality, read,
    report_command, resize, run, tsne, vgg16, write,
};
pub use crate::features::{Features, Vgg16};
pub use crate::findings::Findings;
pub use crate::load::{LoadParams, Loaded};
pub use crate::pca::{Keep, Pca, PcaParams, Solver};
pub use crate::pipeline::{Described, Outcome, Params};
pub use crate::quality::Quality;
pub use crate::record::{FindingsRecord, Needed, QualityRecord, Run};
pub use crate::resize::{Filter, Resized};
pub use crate::source::Source;
pub use crate::tsne::{Tsne, TsneParams};
