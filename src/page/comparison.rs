//! Section on an earlier run, and the same as a page and a text of its own.

mod plot;
mod text;
mod words;

use polars::prelude::*;
use serde::Serialize;

use super::pieces::thumb;
use super::rows::Rows;
use super::template;
use crate::compare::Compared;
use crate::error::Result;
use crate::outputs::Finished;
use crate::plot::shown;
use crate::record::{Comparison, EmbeddingComparison, Run};

pub use self::text::comparison_text;
pub(super) use self::words::ComparisonSection;
use self::words::worded;

/// The page of a comparison.
#[derive(Debug, Serialize)]
struct DiffPage {
    policy: String,
    style: &'static str,
    baseline: String,
    now: String,
    version: &'static str,
    comparison: ComparisonSection,
}

/// Renders the comparison of two written runs as a page of its own, without pictures of the images.
///
/// # Errors
/// [`crate::Error::Invalid`] if an image's class is not in the record of `now`.
pub fn render_comparison(
    baseline: &Finished,
    now: &Finished,
    compared: &Compared,
) -> Result<String> {
    let moves = compared.moves.as_ref();
    template::render(
        "diff.html",
        &DiffPage {
            policy: template::policy(&[]),
            style: template::STYLE,
            baseline: shown(&baseline.folder.display().to_string()),
            now: shown(&now.folder.display().to_string()),
            version: env!("CARGO_PKG_VERSION"),
            comparison: section(&now.run, &compared.comparison, moves, None)?,
        },
    )
}

/// The section; with pictures if there are `rows`.
pub(super) fn section(
    run: &Run,
    comparison: &Comparison,
    moves: Option<&DataFrame>,
    rows: Option<&Rows>,
) -> Result<ComparisonSection> {
    let mut section = worded(comparison);
    for (part, projection) in section.embeddings.iter_mut().zip(&comparison.projections) {
        let EmbeddingComparison::Aligned(alignment) = &projection.embedding else {
            continue;
        };
        if let Some(moves) = moves {
            part.plot = Some(plot::plot(run, projection, alignment, moves)?);
        }
        if let Some(rows) = rows {
            for (image, moved) in part.moved.iter_mut().zip(&alignment.most_moved) {
                *image = thumb(rows, &moved.key, std::mem::take(&mut image.note));
            }
            part.has_pictures = true;
        }
    }
    Ok(section)
}
