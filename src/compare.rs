//! Two runs side by side: images, parameters, environment, numbers, and of each projection one embedding laid over the
//! other.

mod descriptors;
mod differences;
mod embedding;
mod inputs;
mod limits;
mod metrics;
mod named;
mod side;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use fruits_maths::Matrix;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{MatrixExt, strings};
use crate::outputs::{EMBEDDINGS, Finished, MANIFEST, RUN};
use crate::record::{Baseline, Comparison, Difference, Inputs, Metric, Run, Verdict};
use crate::run::Outcome;
use crate::schema::{KEY, LABEL, SHA256, is_pc, positions};

pub use self::side::Side;

/// What came out of a comparison.
#[derive(Debug)]
pub struct Compared {
    /// Its record.
    pub comparison: Comparison,
    /// For each projection one row an image of both embeddings, sorted by key: `projection`, its name, String; `key` and
    /// `label`, String; `before_x`, `before_y`, `after_x`, `after_y`, Float64, positions in the plane of the baseline's
    /// embedding; `displacement`, Float64, in units of the baseline's root mean square radius. Absent where no
    /// embeddings could be aligned.
    pub moves: Option<DataFrame>,
}

/// Reads the run in `path` (the folder of a report, or its `run.json`) and makes sure that it can be compared.
///
/// # Errors
/// [`Error::Invalid`] if there is no such run, it is of another layout, a file of it lacks a column or is another than the
/// record names, or it holds more names than a report of another run may repeat;
/// [`Error::Storage`]; [`Error::Cancelled`] with `stop`.
pub fn open(path: &Path, stop: &AtomicBool) -> Result<Finished> {
    let finished = Finished::open(path, stop)?;
    let too_much = |name: &str, what: String| {
        let path = finished.folder.join(name);
        Error::Invalid(format!("`{}` {what}", path.display()))
    };
    limits::check(&finished.run).map_err(|what| too_much(RUN, what))?;
    let named = |name: &str| {
        let path = finished.folder.join(name).display().to_string();
        move |error: Error| Error::Invalid(format!("`{path}` is not of a run: {error}"))
    };
    for name in [KEY, LABEL, SHA256] {
        strings(&finished.manifest, name).map_err(named(MANIFEST))?;
    }
    let frames = [
        (MANIFEST, Some(&finished.manifest)),
        (EMBEDDINGS, finished.embeddings.as_ref()),
    ];
    for (name, frame) in frames {
        let Some(frame) = frame else { continue };
        if let Some(row) = limits::long_name(frame).map_err(named(name))? {
            let what = format!("has a key or a label in row {row} that is longer than any path");
            return Err(too_much(name, what));
        }
    }
    if let Some(embeddings) = &finished.embeddings {
        let all = coordinates(&finished.run, embeddings);
        Matrix::from_columns(embeddings, &all).map_err(named(EMBEDDINGS))?;
        for projection in &finished.run.projections {
            embedding::positions(embeddings, &projection.name).map_err(named(EMBEDDINGS))?;
        }
    }
    Ok(finished)
}

/// Compares a run with an earlier one. The search for neighbours uses the threads of the pool that it is called in.
///
/// # Errors
/// [`Error::Column`] if a frame lacks one, [`Error::Cancelled`] with `stop`.
pub fn compare(baseline: &Side, now: &Side, stop: &AtomicBool) -> Result<Compared> {
    let inputs = inputs::inputs(baseline.manifest, now.manifest)?;
    let parameters = differences::parameters(baseline.run, now.run);
    let environment = differences::environment(baseline.run, now.run);
    let metrics = metrics::metrics(baseline.run, now.run);
    let two_descriptors = descriptors::two_descriptors(baseline.run, now.run);
    let same_coordinates = two_descriptors.is_none() && same_coordinates(baseline, now)?;
    let (verdict, sentence) = verdict(
        &inputs,
        two_descriptors,
        &parameters,
        &environment,
        &metrics,
        same_coordinates,
    );
    let (projections, moves) = embedding::embeddings(baseline, now, stop)?;
    let run = baseline.run;
    Ok(Compared {
        comparison: Comparison {
            verdict,
            sentence,
            baseline: Baseline {
                source: run.source.name.clone(),
                accepted: run.images.accepted,
                command: run.provenance.command.clone(),
                version: run.provenance.version.clone(),
                git_commit: run.provenance.git_commit.clone(),
                manifest_sha256: run.provenance.manifest_sha256.clone(),
            },
            inputs,
            parameters,
            environment,
            metrics,
            embedding: projections[0].embedding.clone(),
            projections,
        },
        moves,
    })
}

/// Compares a run that has just ended with an earlier one, and enters what came out, for `run.json` and the report.
///
/// # Errors
/// As [`compare`].
pub fn with_baseline(outcome: &mut Outcome, baseline: &Finished, stop: &AtomicBool) -> Result<()> {
    let compared = compare(&baseline.into(), &Side::from(&*outcome), stop)?;
    outcome.run.comparison = Some(compared.comparison);
    outcome.moves = compared.moves;
    Ok(())
}

/// Names in a sentence at most; the tables have them all.
const MAX_NAMES: usize = 4;

fn verdict(
    inputs: &Inputs,
    two_descriptors: Option<[&str; 2]>,
    parameters: &[Difference],
    environment: &[Difference],
    metrics: &[Metric],
    same_coordinates: bool,
) -> (Verdict, String) {
    let why = match (two_descriptors, parameters, environment) {
        (Some([before, after]), ..) => {
            format!("described by {after} in this run, by {before} in the baseline")
        }
        (None, [], []) => "same parameters and environment".to_owned(),
        (None, [], others) => format!("environment: {}", names(others)),
        (None, others, _) => format!("parameters: {}", names(others)),
    };
    let parts: Vec<String> = [
        ("added", &inputs.added),
        ("removed", &inputs.removed),
        ("changed", &inputs.changed),
    ]
    .into_iter()
    .filter(|(_, keys)| keys.n > 0)
    .map(|(what, keys)| format!("{} {what}", keys.n))
    .collect();
    if !parts.is_empty() {
        let what = match inputs.n_common {
            0 => "no image in common".to_owned(),
            _ => format!("images {}", parts.join(", ")),
        };
        return (Verdict::OtherData, format!("other data: {what} ({why})"));
    }
    let n_other = metrics.iter().filter(|m| m.before != m.after).count();
    let what = match n_other {
        0 if same_coordinates => {
            let sentence = "same data and same numbers".to_owned();
            return (Verdict::SameNumbers, sentence);
        }
        0 => "the coordinates differ, the metrics do not".to_owned(),
        n => format!("{n} of {} metrics differ", metrics.len()),
    };
    let sentence = format!("same data, other numbers: {what} ({why})");
    (Verdict::OtherNumbers, sentence)
}

fn names(differences: &[Difference]) -> String {
    let first: Vec<_> = differences.iter().map(|d| d.name.as_str()).collect();
    match first.len().saturating_sub(MAX_NAMES) {
        0 => first.join(", "),
        n => format!("{} and {n} more", first[..MAX_NAMES].join(", ")),
    }
}

/// Whether two runs have the same scores and positions, to the last bit.
fn same_coordinates(a: &Side, b: &Side) -> Result<bool> {
    let names = |side: &Side| side.embeddings.map(|frame| coordinates(side.run, frame));
    let (a_names, b_names) = (names(a).unwrap_or_default(), names(b).unwrap_or_default());
    let (Some(a), Some(b), true) = (a.embeddings, b.embeddings, a_names == b_names) else {
        return Ok(a_names == b_names);
    };
    let bits = |frame: &DataFrame| -> Result<Vec<u32>> {
        let values = Matrix::from_columns(frame, &a_names)?.into_values();
        Ok(values.into_iter().map(f32::to_bits).collect())
    };
    Ok(strings(a, KEY)? == strings(b, KEY)? && bits(a)? == bits(b)?)
}

/// The columns of `frame` that hold scores and positions.
fn coordinates(run: &Run, frame: &DataFrame) -> Vec<String> {
    let of_projections = run.projections.iter().flat_map(|p| positions(&p.name));
    let of_projections: BTreeSet<String> = of_projections.collect();
    let names = frame
        .get_column_names()
        .into_iter()
        .map(|name| name.to_string());
    names
        .filter(|name| is_pc(name) || of_projections.contains(name))
        .collect()
}

#[cfg(test)]
mod tests;
