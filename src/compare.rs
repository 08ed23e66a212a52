//! Two runs side by side: images, parameters, environment, numbers, and one t-SNE embedding laid over the other.

mod differences;
mod embedding;
mod inputs;
mod metrics;
mod procrustes;

use std::path::Path;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::{Matrix, strings};
use crate::outputs::{EMBEDDINGS, Finished, MANIFEST};
use crate::pipeline::Outcome;
use crate::record::{Baseline, Comparison, Difference, Inputs, Metric, Run, Verdict};
use crate::schema::{KEY, LABEL, SHA256, TSNE_X, TSNE_Y, is_pc};

/// What is compared of a run.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its record.
    pub run: &'a Run,
    /// One row an image that was used: `key`, `label` and `sha256`, String.
    pub manifest: &'a DataFrame,
    /// One row an image: `key`, `label`, and, as far as the run came, `pc1` ... `pcK`, `tsne_x`, `tsne_y`, Float32.
    pub embeddings: Option<&'a DataFrame>,
}

impl<'a> From<&'a Finished> for Side<'a> {
    fn from(finished: &'a Finished) -> Self {
        Self {
            run: &finished.run,
            manifest: &finished.manifest,
            embeddings: finished.embeddings.as_ref(),
        }
    }
}

impl<'a> From<&'a Outcome> for Side<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        Self {
            run: &outcome.run,
            manifest: &outcome.images,
            embeddings: Some(&outcome.images),
        }
    }
}

/// What came out of a comparison.
#[derive(Debug)]
pub struct Compared {
    /// Its record.
    pub comparison: Comparison,
    /// One row an image of both embeddings, sorted by key: `key` and `label`, String; `before_x`, `before_y`, `after_x`,
    /// `after_y`, Float64, positions in the plane of the baseline's embedding; `displacement`, Float64, in units of the
    /// baseline's root mean square radius. Absent where the embeddings could not be aligned.
    pub moves: Option<DataFrame>,
}

/// Reads the run in `path` (the folder of a report, or its `run.json`) and makes sure that it can be compared.
///
/// # Errors
/// [`Error::Invalid`] if there is no such run, it is of another layout, or a file of it lacks a column;
/// [`Error::Storage`].
pub fn open(path: &Path) -> Result<Finished> {
    let finished = Finished::open(path)?;
    let named = |name: &str| {
        let path = finished.folder.join(name).display().to_string();
        move |error: Error| Error::Invalid(format!("`{path}` is not of a run: {error}"))
    };
    for name in [KEY, LABEL, SHA256] {
        strings(&finished.manifest, name).map_err(named(MANIFEST))?;
    }
    if let Some(embeddings) = &finished.embeddings {
        for name in [KEY, LABEL] {
            strings(embeddings, name).map_err(named(EMBEDDINGS))?;
        }
        Matrix::from_columns(embeddings, &coordinates(embeddings)).map_err(named(EMBEDDINGS))?;
        embedding::positions(embeddings).map_err(named(EMBEDDINGS))?;
    }
    Ok(finished)
}

/// Compares a run with an earlier one.
///
/// # Errors
/// [`Error::Invalid`] if a frame lacks a column.
pub fn compare(baseline: &Side, now: &Side) -> Result<Compared> {
    let inputs = inputs::inputs(baseline.manifest, now.manifest)?;
    let parameters = differences::parameters(baseline.run, now.run);
    let environment = differences::environment(baseline.run, now.run);
    let metrics = metrics::metrics(baseline.run, now.run);
    let same_coordinates = same_coordinates(baseline.embeddings, now.embeddings)?;
    let (verdict, sentence) = verdict(
        &inputs,
        &parameters,
        &environment,
        &metrics,
        same_coordinates,
    );
    let (embedding, moves) = embedding::embedding(baseline, now)?;
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
            embedding,
        },
        moves,
    })
}

/// Compares a run that has just ended with an earlier one, and enters what came out, for `run.json` and the report.
///
/// # Errors
/// As [`compare`].
pub fn with_baseline(outcome: &mut Outcome, baseline: &Finished) -> Result<()> {
    let run = as_read(&outcome.run)?;
    let now = Side {
        run: &run,
        ..Side::from(&*outcome)
    };
    let compared = compare(&baseline.into(), &now)?;
    outcome.run.comparison = Some(compared.comparison);
    outcome.moves = compared.moves;
    Ok(())
}

/// The record as it will be read from `run.json`: the parser may change the last bit of a number, and has done so with
/// those of the baseline.
fn as_read(run: &Run) -> Result<Run> {
    let internal = |e: serde_json::Error| Error::Internal(format!("a record is no JSON: {e}"));
    let text = serde_json::to_string(run).map_err(internal)?;
    serde_json::from_str(&text).map_err(internal)
}

/// Names in a sentence at most; the tables have them all.
const MAX_NAMES: usize = 4;

fn verdict(
    inputs: &Inputs,
    parameters: &[Difference],
    environment: &[Difference],
    metrics: &[Metric],
    same_coordinates: bool,
) -> (Verdict, String) {
    let why = match (parameters, environment) {
        ([], []) => "same parameters and environment".to_owned(),
        ([], others) => format!("environment: {}", names(others)),
        (others, _) => format!("parameters: {}", names(others)),
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
fn same_coordinates(a: Option<&DataFrame>, b: Option<&DataFrame>) -> Result<bool> {
    let (a_names, b_names) = (a.map(coordinates), b.map(coordinates));
    let (a_names, b_names) = (a_names.unwrap_or_default(), b_names.unwrap_or_default());
    let (Some(a), Some(b), true) = (a, b, a_names == b_names) else {
        return Ok(a_names == b_names);
    };
    let bits = |frame: &DataFrame| -> Result<Vec<u32>> {
        let values = Matrix::from_columns(frame, &a_names)?.into_values();
        Ok(values.into_iter().map(f32::to_bits).collect())
    };
    Ok(strings(a, KEY)? == strings(b, KEY)? && bits(a)? == bits(b)?)
}

fn coordinates(frame: &DataFrame) -> Vec<String> {
    let names = frame.get_column_names();
    let names = names.iter().map(|name| name.as_str());
    names
        .filter(|name| is_pc(name) || [TSNE_X, TSNE_Y].contains(name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
