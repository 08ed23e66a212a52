//! The picture of both embeddings by a projection.

use polars::prelude::*;

use super::super::format::{count, counted};
use super::super::pieces::class_rows;
use super::words::{MovesView, shared};
use crate::error::{Error, Result};
use crate::frame::{column, strings};
use crate::plot::{self, About, Moves, shared_looks, shown};
use crate::record::{Alignment, ProjectionComparison, Run};
use crate::schema::{LABEL, TSNE};

/// `moves` as in [`crate::compare::Compared`].
pub(super) fn plot(
    run: &Run,
    projection: &ProjectionComparison,
    alignment: &Alignment,
    moves: &DataFrame,
) -> Result<MovesView> {
    let (name, title) = (&projection.name, shown(&projection.title));
    let rows = strings(moves, "projection")?.into_iter();
    let rows: BooleanChunked = rows.map(|of| of == name).collect();
    let frame = &moves.filter(&rows)?;
    let axis = |name: &str| -> Result<Vec<f64>> {
        Ok(column(frame, name)?.f64()?.no_null_iter().collect())
    };
    let points = |x: &str, y: &str| -> Result<Vec<[f64; 2]>> {
        let (x, y) = (axis(x)?, axis(y)?);
        Ok(x.into_iter().zip(y).map(|(x, y)| [x, y]).collect())
    };
    let class = |label: &&str| {
        let class = run.classes.iter().position(|class| class.label == **label);
        class.and_then(|i| u16::try_from(i).ok()).ok_or_else(|| {
            Error::Invalid(format!("class `{label}` is not in the record of the run"))
        })
    };
    let classes: Result<Vec<u16>> = strings(frame, LABEL)?.iter().map(class).collect();
    let drawn = plot::moves(&Moves {
        about: About {
            // t-SNE had this identifier before there were others.
            id: &match name.as_str() {
                TSNE => "plot-comparison".to_owned(),
                name => format!("plot-comparison-{name}"),
            },
            title: &format!("{title} embeddings of both runs, aligned"),
            description: &format!(
                "A ring where each of {} was in the baseline, and a marker of its class where it is in this run after \
                 the alignment. {}.",
                counted(alignment.n_points, "image", "images"),
                shared(alignment)
            ),
        },
        before: &points("before_x", "before_y")?,
        after: &points("after_x", "after_y")?,
        class: &classes?,
        x_label: &format!("{title} 1 of the baseline (no unit)"),
        y_label: &format!("{title} 2 of the baseline (no unit)"),
    })?;
    let images = counted(alignment.n_points, "image", "images");
    let mut shown = match drawn.n_paths as u64 == alignment.n_points {
        true => format!(
            "{images} in both embeddings: a grey ring where each was in the baseline, a marker of its class where it \
             is in this run, aligned."
        ),
        false => format!(
            "{images} in both embeddings, where they are in this run, aligned. Only the {} that moved most have a grey \
             ring where they were in the baseline and a line from there.",
            count(drawn.n_paths as u64)
        ),
    };
    if let Some(looks) = shared_looks(run.classes.len()) {
        shown += &format!(" {looks}");
    }
    Ok(MovesView {
        svg: drawn.svg,
        shown,
        legend: class_rows(run),
    })
}
