//! The report: a run's data in, one HTML document out.
//!
//! [`render`] is a pure function: it reads no file and no clock, and gives the same bytes for the
//! same data but for the section `timing`. The document needs nothing outside of itself, makes no
//! request and reads without its script, which only adds what a pointer or a keyboard can ask for.

mod cluster;
mod comparison;
mod context;
mod dataset;
mod findings;
pub(crate) mod format;
mod numbers;
mod page;
mod points;
mod quality;
mod rows;
mod science;
mod sprites;
mod summary;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Instant;

use polars::prelude::DataFrame;

use crate::atomic;
use crate::error::{Error, Result};
use crate::outputs;
use crate::pipeline::{self, Outcome};
use crate::place::Place;
use crate::record::{Example, Run, Stage, Timings};

pub use self::comparison::{comparison_text, render_comparison};

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
    /// `mode`, `thumbnail` (JPEG of at most 64 x 64), and, where the stage ran, `pc1`, `pc2`,
    /// `outlier_score`, `label_agreement`, `tsne_x`, `tsne_y` and `trust`.
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

/// What [`write()`] wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Size of `index.html`.
    pub html_bytes: usize,
    /// Seconds that rendering and writing took.
    pub wall_s: f64,
}

/// Writes all files of a run: the data, `run.json`, then `index.html`, and `timings.json` again with this stage in it.
/// In a bucket they are rendered here first and uploaded, `run.json` last.
///
/// # Errors
/// [`Error::Storage`]; [`Error::Bucket`], which names the folder where the files are whole; as [`render`].
pub fn write(outcome: &mut Outcome, place: &Place) -> Result<Written> {
    let prefix = match place {
        Place::Folder(folder) => {
            atomic::writable_folder(folder)?;
            return write_into(outcome, folder);
        }
        Place::Bucket(prefix) => prefix,
    };
    let staged = tempfile::Builder::new().prefix("fruits-report-").tempdir();
    let staged = staged.map_err(Error::storage("create a folder in", std::env::temp_dir()))?;
    let written = write_into(outcome, staged.path())?;
    outputs::upload(staged.path(), prefix).map_err(|error| match error {
        // Hours of work are in it.
        Error::Bucket { message, source } => Error::Bucket {
            message: format!(
                "{message}; the report is whole in `{}`",
                staged.keep().display()
            ),
            source,
        },
        other => other,
    })?;
    Ok(written)
}

fn write_into(outcome: &mut Outcome, folder: &Path) -> Result<Written> {
    let began = Instant::now();
    outputs::write(outcome, folder)?;
    let html = render(&ReportInput {
        run: &outcome.run,
        timings: &outcome.timings,
        images: &outcome.images,
        rejected: &outcome.rejected,
        examples: &outcome.examples,
        moves: outcome.moves.as_ref(),
    })?;
    atomic::write(&folder.join(outputs::REPORT), html.as_bytes())?;
    let wall_s = began.elapsed().as_secs_f64();
    let timings = &mut outcome.timings;
    timings.total_s += wall_s;
    timings.peak_rss_bytes = pipeline::peak_rss_bytes();
    timings.stages.push(Stage {
        name: "report".to_owned(),
        wall_s,
        items: outcome.run.images.accepted,
        cache_hits: 0,
        parts: Vec::new(),
    });
    outputs::write_timings(timings, folder)?;
    Ok(Written {
        html_bytes: html.len(),
        wall_s,
    })
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
