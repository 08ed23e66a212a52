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
mod input;
mod interrupt;
mod lines;
mod picture;
mod results;
mod sentence;
mod show;
mod steps;
mod table;
mod whole;

pub use polars::prelude::*;

pub use self::descriptors::descriptors;
pub use self::input::{input, open};
pub use self::picture::{
    Picture, before_after, class_bars, contact_sheet, pca_scatter, tsne_grid, tsne_scatter,
    variance,
};
pub use self::sentence::Sentence;
pub use self::show::Show;
pub use self::steps::{features, findings, fit_pca, load, quality, read, resize, tsne, vgg16};
pub use self::whole::{describe, params, report_command, run, write};
pub use crate::frame::MatrixExt;
pub use crate::record::{FindingsRecord, Needed, QualityRecord, Run};
pub use crate::run::{Described, Outcome, Params};
pub use crate::steps::describe::{Colour, Descriptor, Features, Vgg16};
pub use crate::steps::findings::Findings;
pub use crate::steps::load::{LoadParams, Loaded};
pub use crate::steps::pca::{Keep, Pca, PcaExt, PcaParams, PcaParamsExt, Solver};
pub use crate::steps::quality::Quality;
pub use crate::steps::resize::{Filter, Resized};
pub use crate::steps::tsne::{Tsne, TsneParams};
pub use crate::storage::source::Source;
