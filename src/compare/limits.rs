//! What a run may hold that others are compared with: their reports repeat its names and values.

use polars::prelude::DataFrame;

use crate::error::Result;
use crate::frame::strings;
use crate::record::{FigureValue, Run};
use crate::schema::{KEY, LABEL};

/// Projections at most, and numbers of each; a run of `report` has one, of seven.
const MOST_PROJECTIONS: usize = 64;
const MOST_FIGURES: usize = 64;
/// Parameters, libraries and facts of the descriptor at most, of each; there are about twenty.
const MOST_NAMED: usize = 200;
/// Bytes at most of all that may be repeated; beside names of classes in the command it has 3 kB.
const MOST_BYTES: usize = 256 << 10;
/// Bytes of a key or a label at most: the longest path that Linux opens.
const MOST_NAME_BYTES: usize = 4096;

/// Whether a comparison may take the record; or why not, as what a sentence that names it goes on with.
pub(super) fn check(run: &Run) -> Result<(), String> {
    let facts = run.features.as_ref().map_or(0, |f| f.facts.len());
    let figures = run.projections.iter().map(|p| p.figures.len()).max();
    for (what, n, most) in [
        ("projections", run.projections.len(), MOST_PROJECTIONS),
        (
            "figures of a projection",
            figures.unwrap_or(0),
            MOST_FIGURES,
        ),
        ("parameters", run.parameters.len(), MOST_NAMED),
        ("libraries", run.provenance.libraries.len(), MOST_NAMED),
        ("facts of the descriptor", facts, MOST_NAMED),
    ] {
        if n > most {
            return Err(format!("holds {n} {what}, and at most {most} are compared"));
        }
    }
    let n_bytes: usize = texts(run).into_iter().map(String::len).sum();
    match n_bytes > MOST_BYTES {
        true => Err(format!(
            "holds names and values of {n_bytes} bytes, and at most {MOST_BYTES} are compared"
        )),
        false => Ok(()),
    }
}

/// Texts of a record that may stand in a comparison.
fn texts(run: &Run) -> Vec<&String> {
    let of = &run.provenance;
    let mut all = vec![
        &run.source.name,
        &of.command,
        &of.version,
        &of.git_commit,
        &of.rustc,
        &of.lock_sha256,
        &of.cpu,
        &of.manifest_sha256,
    ];
    all.extend(&of.cpu_features);
    all.extend(of.libraries.iter().flat_map(|l| [&l.name, &l.version]));
    for parameter in &run.parameters {
        all.extend([&parameter.name, &parameter.value]);
        all.extend(&parameter.values);
    }
    if let Some(features) = &run.features {
        all.push(&features.descriptor);
        all.extend(features.facts.iter().flat_map(|f| [&f.name, &f.value]));
        if let Some(network) = &features.network {
            all.extend([
                &network.onnxruntime,
                &network.provider,
                &network.precision,
                &network.model_sha256,
            ]);
        }
    }
    for projection in &run.projections {
        all.extend([&projection.name, &projection.title]);
        for figure in &projection.figures {
            all.push(&figure.name);
            if let FigureValue::Text(text) = &figure.value {
                all.push(text);
            }
        }
    }
    all
}

/// A key or a label that is too long, by the number of its row.
pub(super) fn long_name(frame: &DataFrame) -> Result<Option<usize>> {
    for column in [KEY, LABEL] {
        let long = |name: &&str| name.len() > MOST_NAME_BYTES;
        if let Some(row) = strings(frame, column)?.iter().position(long) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
