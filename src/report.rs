//! The report: a run's data in, one HTML document out.
//!
//! [`render`] is a pure function: it reads no file and no clock, and gives the same bytes for the
//! same data but for the section `timing`. The document needs nothing outside of itself, makes no
//! request and reads without its script, which only adds what a pointer or a keyboard can ask for.

mod context;
mod dataset;
pub(crate) mod format;
mod numbers;
mod page;
mod points;
mod rows;
mod science;
mod sprites;
mod summary;
#[cfg(test)]
mod tests;

use polars::prelude::DataFrame;

use crate::error::{Error, Result};
use crate::record::{Example, Run, Timings};

/// Most bytes of a report (the budget of its specification).
pub const MAX_BYTES: usize = 8_000_000;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The record of the run.
    pub run: &'a Run,
    /// What the run took.
    pub timings: &'a Timings,
    /// One row an accepted image, sorted by key: `key`, `label`, `size_bytes`, `width`, `height`,
    /// `mode`, `thumbnail` (JPEG of at most 64 x 64), and, where the stage ran, `pc1`, `pc2` and
    /// `tsne_x`, `tsne_y`.
    pub images: &'a DataFrame,
    /// One row a rejected file: `key`, `size_bytes`, `reason`, `message`.
    pub rejected: &'a DataFrame,
    /// Images before and after the resize; may be empty. An original is shown if its media type is
    /// one that every browser shows: `image/jpeg`, `image/png`, `image/gif`, `image/webp`,
    /// `image/bmp`.
    pub examples: &'a [Example],
}

/// Renders the report.
///
/// # Errors
/// [`Error::Internal`] if the counts of the record contradict each other or the frames;
/// [`Error::Invalid`] if a frame lacks a column.
pub fn render(input: &ReportInput) -> Result<String> {
    let rows = rows::Rows::new(input.images, input.rejected)?;
    check_counts(input, &rows)?;
    let page = page::assemble(input, &rows)?;
    page::render(page, input, &rows)
}

fn check_counts(input: &ReportInput, rows: &rows::Rows) -> Result<()> {
    let n = input.run.images;
    if n.listed != n.accepted + n.rejected + n.skipped {
        return Err(Error::Internal(format!(
            "{} files listed, but {} accepted, {} rejected and {} skipped",
            n.listed, n.accepted, n.rejected, n.skipped
        )));
    }
    let (accepted, rejected) = (rows.images.len() as u64, rows.rejected.len() as u64);
    if accepted != n.accepted || rejected != n.rejected {
        return Err(Error::Internal(format!(
            "{} images accepted and {} rejected, but the frames hold {accepted} and {rejected}",
            n.accepted, n.rejected
        )));
    }
    Ok(())
}
