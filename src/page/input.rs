//! What a report is made of, and how large it may be.

use polars::prelude::DataFrame;

use crate::record::{Example, Run, Timings};

/// Most bytes of a report: it fits into an e-mail.
pub const MAX_BYTES: usize = 8_000_000;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The record of the run.
    pub run: &'a Run,
    /// What the run took.
    pub timings: &'a Timings,
    /// One row an accepted image, sorted by key: `key`, `label`, `size_bytes`, `width`, `height`,
    /// `mode`, `thumbnail` (JPEG of at most 64 x 64), and, where the stage ran, `pc1`, `pc2`,
    /// `outlier_score`, `label_agreement`, and of each projection `NAME_x`, `NAME_y` and `NAME_trust` (`trust` of t-SNE).
    pub images: &'a DataFrame,
    /// One row a rejected file: `key`, `size_bytes`, `reason`, `message`.
    pub rejected: &'a DataFrame,
    /// Images before and after the resize; may be empty. An original is shown if its media type is
    /// one that every browser shows: `image/jpeg`, `image/png`, `image/gif`, `image/webp`,
    /// `image/bmp`.
    pub examples: &'a [Example],
    /// Where the images of an earlier run lie, as in [`crate::compare::Compared`], if the record compares with one.
    pub moves: Option<&'a DataFrame>,
}
