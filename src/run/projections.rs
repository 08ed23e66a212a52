//! The pictures of the components, and how good they are.

use fruits_maths::neighbors::Space;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::add_by_key;
use crate::record::{ProjectionQuality, ProjectionRecord, Run, Status};
use crate::schema::{TSNE, positions, trust};
use crate::steps::projection::{Project, Projected};
use crate::steps::quality::{DEFAULT_NEIGHBORS, Quality, quality_in};

use super::control::{Control, Done, Watch};
use super::params::Params;
use super::record::flattered;

/// Computes the projections of `params` of the scores in `space`, one stage each, and measures them. Adds `NAME_x`, `NAME_y` and `NAME_trust` to
/// `images`. The first that these images do not allow ends the run; those before are whole.
pub(super) fn add(
    params: &Params,
    space: &Space,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<()> {
    for projection in params.projections() {
        if let Err(reason) = project(projection, space, images, run, control)? {
            run.status = Status::Partial {
                stage: projection.name().to_owned(),
                reason,
            };
            break;
        }
    }
    match run.projections.is_empty() {
        true => Ok(()),
        false => measure(params.tsne.seed, space, images, run, control),
    }
}

/// One projection; why these images have none, if so.
fn project(
    projection: &dyn Project,
    space: &Space,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<Result<(), String>> {
    let name = projection.name();
    let projected = control.stage(name, projection.n_iter() as u64, |control| {
        let mut watch = Watch::start();
        let parts = projection.parts();
        let ended = |watch: &mut Watch, iteration: usize| {
            let ended = parts.iter().filter(|(end, _)| *end == iteration);
            ended.for_each(|(_, part)| watch.split(part));
        };
        let mut progress = |i: usize, cap: usize| {
            ended(&mut watch, i);
            control.advance(name, i as u64, cap as u64)
        };
        let projected = match projection.project(space, &mut progress) {
            Ok(projected) => {
                ended(&mut watch, usize::MAX);
                Ok(projected)
            }
            Err(error) if error.is_of_input() => Err(error.to_string()),
            Err(e) => return Err(e),
        };
        let note = match &projected {
            Ok(projected) => projected.note.clone(),
            Err(reason) => reason.clone(),
        };
        Ok(Done {
            value: projected,
            items: images.height() as u64,
            cache_hits: 0,
            note,
            parts: watch.parts,
        })
    })?;
    let Projected {
        positions: xy,
        record,
        warnings,
        tsne,
        ..
    } = match projected {
        Ok(projected) => projected,
        Err(reason) => return Ok(Err(reason)),
    };
    if record.name != name || (xy.n_rows(), xy.n_cols()) != (images.height(), 2) {
        return Err(Error::Internal(format!(
            "projection `{name}` gave {} x {} positions of {} images under the name `{}`",
            xy.n_rows(),
            xy.n_cols(),
            images.height(),
            record.name
        )));
    }
    for (axis, column) in positions(name).into_iter().enumerate() {
        let values = xy.values().iter().skip(axis).step_by(2);
        let values: Vec<f32> = values.copied().collect();
        images.with_column(Column::new(column.into(), values))?;
    }
    run.warnings.extend(warnings);
    run.tsne = tsne.or(run.tsne.take());
    run.projections.push(record);
    Ok(Ok(()))
}

/// How good each projection is.
fn measure(
    seed: u64,
    space: &Space,
    images: &mut DataFrame,
    run: &mut Run,
    control: &mut Control,
) -> Result<()> {
    let measured = control.stage("quality", 0, |control| {
        let mut progress = |n_done: usize, n_total: usize| {
            control.advance("quality", n_done as u64, n_total as u64)
        };
        let k = DEFAULT_NEIGHBORS;
        let projections = run.projections.iter();
        let measured = projections
            .map(|p| quality_in(images, &p.name, space, k, seed, &mut progress))
            .collect::<Result<Vec<Quality>>>()?;
        let note = |(projection, q): (&ProjectionRecord, &Quality)| {
            let of = match projection.name.as_str() {
                TSNE => String::new(),
                _ => format!(" of {}", projection.title),
            };
            let (k, trust) = (q.record.k, q.record.trustworthiness);
            format!("trustworthiness@{k}{of} {trust:.4}")
        };
        let notes: Vec<String> = run.projections.iter().zip(&measured).map(note).collect();
        Ok(Done {
            value: measured,
            items: images.height() as u64,
            cache_hits: 0,
            note: notes.join(", "),
            parts: Vec::new(),
        })
    })?;
    // Neighbours in PCA space are the same for all of them.
    run.warnings
        .extend(measured.first().and_then(|q| flattered(&q.record)));
    for (projection, measured) in run.projections.iter_mut().zip(measured) {
        add_by_key(images, &measured.scores, &[&trust(&projection.name)])?;
        projection.quality = Some(ProjectionQuality::from(&measured.record));
        if projection.name == TSNE {
            run.quality = Some(measured.record);
        }
    }
    Ok(())
}
