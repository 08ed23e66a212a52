//! What follows from the files beside a record: computed from them again, and held against it.
//!
//! Where [`crate::quality`] or [`crate::findings`] compute another thing than the program that made the run did, these
//! checks find a difference that nobody made; they say then that it was another program.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::differences::{Differences, are_close, walk};
use super::finding::named;
use super::{Finding, Recorded};
use crate::atomic;
use crate::error::{Error, Result};
use crate::findings::findings;
use crate::gates::{Gates, MostRejected};
use crate::matrix::{column, strings};
use crate::outputs::{self, DUPLICATES, EMBEDDINGS, MANIFEST, PCA};
use crate::pca::Pca;
use crate::pipeline::{MAX_DUPLICATE_GROUPS, near_duplicates, pca_record};
use crate::quality::{DEFAULT_NEIGHBORS, quality};
use crate::record::{ClassCount, Gate, GateName, NearDuplicate, Run, Unit};
use crate::schema::{KEY, LABEL, SHA256, TSNE_X};

/// Largest difference of a number that is computed again, relative to it: sums of up to 10^8 numbers, in another order
/// on another kind of processor. On the same kind they are equal, but for a last bit that reading JSON may change.
const RELATIVE: f64 = 1e-9;

/// The same of `f32`: two of its steps.
const RELATIVE_F32: f32 = 2.0 * f32::EPSILON;

/// A row of `duplicates.csv`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Duplicate {
    pub kind: String,
    pub group: u64,
    pub key: String,
    pub distance: f64,
}

impl Recorded {
    /// Tells what each file gives, as far as the files can be read.
    pub(super) fn derived(&self, tell: &mut dyn FnMut(Finding)) {
        tell(self.labels());
        tell(self.duplicates());
        if self.run.pca.is_some() || self.embeddings.is_ok() {
            tell(self.components());
            tell(self.check("findings", |frame| self.findings(frame)));
        }
        let has_tsne = |frame: &DataFrame| frame.column(TSNE_X).is_ok();
        let is_measured = self.run.quality.is_some() || self.run.tsne.is_some();
        if is_measured || self.embeddings.as_ref().is_ok_and(has_tsne) {
            tell(self.check("quality", |frame| self.quality(frame)));
        }
        if let Some(finding) = self.gates() {
            tell(finding);
        }
    }

    /// The faults that `look` finds in the embeddings.
    fn check(&self, what: &str, look: impl FnOnce(&DataFrame) -> Result<Vec<String>>) -> Finding {
        match self.embeddings.as_ref().map(look) {
            Err(reason) => Finding::skipped(what, format!("not known without the file: {reason}")),
            Ok(Err(error)) => Finding::differs(what, error.sentence()),
            Ok(Ok(faults)) => self.of_program(what, faults, &format!("follow from {EMBEDDINGS}")),
        }
    }

    /// Names the program of the run where something differs and it is another than this one.
    fn of_program(&self, what: &str, mut faults: Vec<String>, otherwise: &str) -> Finding {
        let (then, now) = (&self.run.provenance.git_commit, env!("FRUITS_GIT_COMMIT"));
        if !faults.is_empty() && then != now {
            faults.push(format!("the run was made by commit {then}, this is {now}"));
        }
        Finding::of(what, &faults, otherwise.to_owned())
    }

    /// Keys and labels are those of the manifest, and the classes are counted there.
    fn labels(&self) -> Finding {
        let what = "labels";
        let manifest = match &self.manifest {
            Ok(manifest) => manifest,
            Err(reason) => {
                let detail = format!("not known without the file: {reason}");
                return Finding::skipped(what, detail);
            }
        };
        let look = || -> Result<Vec<String>> {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for label in strings(manifest, LABEL)? {
                *counts.entry(label).or_default() += 1;
            }
            let counted = counts.into_iter().map(|(label, n)| ClassCount {
                label: label.to_owned(),
                n,
            });
            let counted: Vec<_> = counted.collect();
            let mut faults = Vec::new();
            faults.extend(follows("classes", &self.run.classes, &counted)?);
            if let Ok(frame) = &self.embeddings {
                for name in [KEY, LABEL] {
                    if strings(frame, name)? != strings(manifest, name)? {
                        faults.push(format!(
                            "column `{name}` of {EMBEDDINGS} is not {MANIFEST}'s"
                        ));
                    }
                }
            }
            Ok(faults)
        };
        match look() {
            Ok(faults) => Finding::of(what, &faults, format!("are those of {MANIFEST}")),
            Err(error) => Finding::differs(what, error.sentence()),
        }
    }

    /// Equal files follow from their digests, near ones from the kept components.
    fn duplicates(&self) -> Finding {
        let what = "duplicates";
        let manifest = match &self.manifest {
            Ok(manifest) => manifest,
            Err(reason) => {
                let detail = format!("not known without the file: {reason}");
                return Finding::skipped(what, detail);
            }
        };
        let look = || -> Result<Vec<String>> {
            let dataset = &self.run.dataset;
            let near = self.near(manifest)?;
            let near = near.as_ref().unwrap_or(&dataset.near_duplicates);
            let groups = outputs::equal_files(manifest)?;
            let listed = &groups[..groups.len().min(MAX_DUPLICATE_GROUPS)];
            let mut faults = Vec::new();
            let n = groups.len() as u64;
            faults.extend(follows(
                "dataset.n_duplicate_groups",
                &dataset.n_duplicate_groups,
                &n,
            )?);
            faults.extend(follows("dataset.duplicates", &dataset.duplicates, &listed)?);
            faults.extend(follows(
                "dataset.near_duplicates",
                &dataset.near_duplicates,
                near,
            )?);
            let rows = duplicates(&self.folder)?;
            let expected = parsed(&outputs::duplicates(manifest, near)?, DUPLICATES.as_ref())?;
            let is_same = |(a, b): (&Duplicate, &Duplicate)| {
                let words = |row: &Duplicate| (row.kind.clone(), row.group, row.key.clone());
                let apart = (a.distance - b.distance).abs();
                words(a) == words(b) && apart <= RELATIVE * b.distance.abs()
            };
            if rows.len() != expected.len() {
                let (found, said) = (rows.len(), expected.len());
                faults.push(format!("{DUPLICATES} has {found} rows, not {said}"));
            } else if let Some(i) = rows.iter().zip(&expected).position(|pair| !is_same(pair)) {
                let key = named(&[&rows[i].key]);
                faults.push(format!("row {} of {DUPLICATES} is another: {key}", i + 1));
            }
            Ok(faults)
        };
        match look() {
            Ok(faults) => {
                let otherwise = format!("follow from {MANIFEST} and {EMBEDDINGS}");
                self.of_program(what, faults, &otherwise)
            }
            Err(error) => Finding::differs(what, error.sentence()),
        }
    }

    /// The closest pairs; none if the embeddings cannot be read.
    fn near(&self, manifest: &DataFrame) -> Result<Option<Vec<NearDuplicate>>> {
        let (Some(pca), Ok(frame)) = (&self.run.pca, &self.embeddings) else {
            return Ok(None);
        };
        let mut frame = frame.clone();
        frame.with_column(column(manifest, SHA256)?.clone())?;
        near_duplicates(&frame, pca.n_components).map(Some)
    }

    /// The record of the components is that of the saved ones, but for the images that they describe worst.
    fn components(&self) -> Finding {
        let what = "components";
        let pca = match Pca::load(self.folder.join(PCA)) {
            Ok(pca) => pca,
            Err(error) => return Finding::differs(what, error.sentence()),
        };
        let said = self.run.pca.as_ref();
        let worst = said.map(|said| said.worst_reconstructed.clone());
        let found = pca_record(&pca, worst.unwrap_or_default());
        let faults = follows("pca", &said, &Some(found)).map(|fault| {
            let mut faults: Vec<_> = fault.into_iter().collect();
            if pca.fingerprint() != self.run.provenance.manifest_sha256 {
                faults.push(format!("{PCA} was fitted to other images"));
            }
            faults
        });
        match faults {
            Ok(faults) => self.of_program(what, faults, &format!("are those of {PCA}")),
            Err(error) => Finding::differs(what, error.sentence()),
        }
    }

    fn findings(&self, frame: &DataFrame) -> Result<Vec<String>> {
        let found = findings(frame)?;
        let mut faults = Vec::new();
        faults.extend(follows(
            "findings",
            &self.run.findings,
            &Some(found.record),
        )?);
        faults.extend(columns(frame, &found.scores)?);
        Ok(faults)
    }

    fn quality(&self, frame: &DataFrame) -> Result<Vec<String>> {
        let seed = self.run.tsne.as_ref().map_or(0, |tsne| tsne.seed);
        let found = quality(frame, DEFAULT_NEIGHBORS, seed)?;
        let mut faults = Vec::new();
        faults.extend(follows("quality", &self.run.quality, &Some(found.record))?);
        faults.extend(columns(frame, &found.scores)?);
        Ok(faults)
    }

    /// What the run has in the place of each limit, and whether that passes.
    fn gates(&self) -> Option<Finding> {
        let what = "gates";
        let found = match limits(&self.run) {
            Ok(limits) => limits.check(&self.run),
            Err(error) => return Some(Finding::differs(what, error.sentence())),
        };
        if found.is_empty() && self.run.gates.is_empty() {
            return None;
        }
        Some(match follows("gates", &self.run.gates, &found) {
            Ok(fault) => {
                let faults: Vec<_> = fault.into_iter().collect();
                Finding::of(
                    what,
                    &faults,
                    "follow from the limits and the numbers".to_owned(),
                )
            }
            Err(error) => Finding::differs(what, error.sentence()),
        })
    }
}

/// The limits of the record, and of its parameters, which win: a limit that was taken out of the record stands there.
fn limits(run: &Run) -> Result<Gates> {
    let mut limits = Gates::default();
    for Gate {
        name, limit, unit, ..
    } in &run.gates
    {
        let limit = *limit;
        match (name, unit) {
            (GateName::MaxRejected, Unit::Files) => {
                limits.max_rejected = Some(MostRejected::Files(limit as u64));
            }
            (GateName::MaxRejected, _) => limits.max_rejected = Some(MostRejected::Share(limit)),
            (GateName::MinVariance, _) => limits.min_variance = Some(limit),
            (GateName::MinTrust, _) => limits.min_trust = Some(limit),
            (GateName::MinKnnAccuracy, _) => limits.min_knn_accuracy = Some(limit),
        }
    }
    for parameter in run.parameters.iter().filter(|p| !p.value.is_empty()) {
        let number = || {
            let number = parameter.value.parse::<f64>();
            number.map_err(|e| Error::Invalid(format!("parameter `{}`: {e}", parameter.name)))
        };
        match parameter.name.as_str() {
            "max-rejected" => limits.max_rejected = Some(parameter.value.parse()?),
            "min-variance" => limits.min_variance = Some(number()?),
            "min-trust" => limits.min_trust = Some(number()?),
            "min-knn-accuracy" => limits.min_knn_accuracy = Some(number()?),
            _ => {}
        }
    }
    Ok(limits)
}

/// Where what the record says is not what was found.
fn follows(path: &str, said: &impl Serialize, found: &impl Serialize) -> Result<Option<String>> {
    let [said, found] = [value(said)?, value(found)?];
    let mut differences = Differences::default();
    walk(path, &said, &found, &mut |path, said, found| {
        if !are_close(said, found, RELATIVE) {
            differences.push(path, [said, found], ["recorded", "found"]);
        }
    });
    Ok(differences.sentence())
}

pub(super) fn value(of: &impl Serialize) -> Result<Value> {
    serde_json::to_value(of).map_err(|e| Error::Internal(format!("a record is no JSON: {e}")))
}

/// Columns of `frame` that do not hold what was computed.
fn columns(frame: &DataFrame, computed: &DataFrame) -> Result<Vec<String>> {
    let keys = strings(frame, KEY)?;
    let mut faults = Vec::new();
    for found in computed.columns() {
        let said = column(frame, found.name())?.f32()?;
        let is_same = |(a, b): (Option<f32>, Option<f32>)| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= RELATIVE_F32 * b.abs(),
            (a, b) => a == b,
        };
        let pairs = said.iter().zip(found.f32()?.iter()).zip(&keys);
        let other = pairs.filter(|(pair, _)| !is_same(*pair));
        let other: Vec<_> = other.map(|(_, key)| key).collect();
        if !other.is_empty() {
            let (name, keys) = (found.name(), named(&other));
            faults.push(format!(
                "column `{name}` of {EMBEDDINGS} is another for {keys}"
            ));
        }
    }
    Ok(faults)
}

/// The rows of `duplicates.csv` in `folder`.
pub(super) fn duplicates(folder: &Path) -> Result<Vec<Duplicate>> {
    let path = folder.join(DUPLICATES);
    parsed(&atomic::read(&path)?, &path)
}

fn parsed(bytes: &[u8], path: &Path) -> Result<Vec<Duplicate>> {
    let rows: Result<_, csv::Error> = csv::Reader::from_reader(bytes).deserialize().collect();
    rows.map_err(|e| Error::Invalid(format!("`{}` is no list of files: {e}", path.display())))
}
