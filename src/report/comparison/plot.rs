//! The picture of both embeddings.

use polars::prelude::*;

use super::super::dataset::class_rows;
use super::super::format::{count, counted};
use super::{MovesView, shared};
use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::plot::{About, Moves, moves};
use crate::record::{Alignment, Run};
use crate::schema::LABEL;

pub(super) fn plot(run: &Run, alignment: &Alignment, frame: &DataFrame) -> Result<MovesView> {
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
    let drawn = moves(&Moves {
        about: About {
            id: "plot-comparison",
            title: "t-SNE embeddings of both runs, aligned",
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
        x_label: "t-SNE 1 of the baseline (no unit)",
        y_label: "t-SNE 2 of the baseline (no unit)",
    })?;
    let images = counted(alignment.n_points, "image", "images");
    let shown = match drawn.n_paths as u64 == alignment.n_points {
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
    Ok(MovesView {
        svg: drawn.svg,
        shown,
        legend: class_rows(run),
    })
}
