//! The report: a run's data in, one HTML document out.
//!
//! [`render`] is a pure function: it reads no file and no clock, and gives the same bytes for the
//! same data but for the section `timing`. The document needs nothing outside of itself, makes no
//! request and reads without its script, which only adds what a pointer or a keyboard can ask for.

mod cluster;
mod comparison;
mod context;
mod dataset;
mod document;
mod findings;
pub(crate) mod format;
mod input;
mod numbers;
mod pieces;
mod points;
mod quality;
mod rows;
mod science;
mod sprites;
mod summary;
mod template;
#[cfg(test)]
mod tests;
mod widgets;

use crate::error::{Error, Result};
use crate::run::Outcome;

pub use self::comparison::{comparison_text, render_comparison};
pub use self::input::{MAX_BYTES, ReportInput};

/// Renders the report.
///
/// # Errors
/// [`Error::Internal`] if the counts of the record contradict each other or the frames;
/// [`Error::Column`] if a frame lacks one.
pub fn render(input: &ReportInput) -> Result<String> {
    let rows = rows::Rows::new(&input.run.projections, input.images, input.rejected)?;
    check_counts(input, &rows)?;
    let page = document::assemble(input, &rows)?;
    document::render(page, input, &rows)
}

/// The report of a run that has ended.
///
/// # Errors
/// As [`render`].
pub fn render_outcome(outcome: &Outcome) -> Result<String> {
    render(&ReportInput {
        run: &outcome.run,
        timings: &outcome.timings,
        images: &outcome.images,
        rejected: &outcome.rejected,
        examples: &outcome.examples,
        moves: outcome.moves.as_ref(),
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
