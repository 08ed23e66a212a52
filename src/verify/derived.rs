//! What follows from the files beside a record: computed from them again, and held against it.
//!
//! Where [`crate::steps::quality`] or [`crate::steps::findings`] compute another thing than the program that made the run did, these
//! checks find a difference that nobody made; they say then that it was another program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
use polars::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::differences::{Differences, are_close, walk};
use super::finding::{Finding, named, unknown};
use super::recorded::{Duplicate, Recorded, duplicates};
use crate::error::{Error, Result};
use crate::frame::{MatrixExt, add_by_key, column, strings};
use crate::outputs::{self, DUPLICATES, EMBEDDINGS, MANIFEST, PCA};
use crate::record::{
    ClassCount, FigureValue, NearDuplicate, PcaRecord, ProjectionQuality, ProjectionRecord,
};
use crate::run::MAX_DUPLICATE_GROUPS;
use crate::schema::{KEY, LABEL, SHA256, TSNE, TSNE_X};
use crate::steps::duplicates::near_duplicates_in;
use crate::steps::findings::{OUTLIER_NEIGHBORS, findings_in};
use crate::steps::quality::{DEFAULT_NEIGHBORS, n_neighbors, quality_in};
use crate::steps::tsne;

/// Largest difference of a number that is computed again, relative to it: sums of up to 10^8 numbers, in another order
/// on another kind of processor. On the same kind they are equal.
const RELATIVE: f64 = 1e-9;

/// The same of `f32`: two of its steps.
const RELATIVE_F32: f32 = 2.0 * f32::EPSILON;

impl Recorded {
    /// Tells what each file gives, as far as the files can be read.
    pub(super) fn derived(&self, stop: &AtomicBool, tell: &mut dyn FnMut(Finding)) -> Result<()> {
        let points = match &self.embeddings {
            Ok(frame) => Matrix::from_scores(frame).map_err(|e| e.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        // One search for all that looks at neighbours among the scores.
        let space = match &points {
            Ok(points) => match neighbours(points, stop) {
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                found => found.map_err(|e| e.to_string()),
            },
            Err(reason) => Err(reason.clone()),
        };
        tell(self.labels());
        tell(self.duplicates(&space)?);
        if self.run.pca.is_some() || self.embeddings.is_ok() {
            tell(self.components());
            let look = |frame: &DataFrame, space: &Space| self.findings(frame, space, stop);
            let n_conflicts = self.run.findings.as_ref().map_or(0, |f| f.n_conflicts);
            tell(match &self.manifest {
                // Which of them are equal files is known from there.
                Err(reason) if n_conflicts > 0 => unknown("findings", reason),
                _ => self.check("findings", &space, look)?,
            });
        }
        let has_tsne = |frame: &DataFrame| frame.column(TSNE_X).is_ok();
        let is_measured = self.run.quality.is_some() || self.run.tsne.is_some();
        let is_measured = is_measured || !self.run.projections.is_empty();
        if is_measured || self.embeddings.as_ref().is_ok_and(has_tsne) {
            let look = |frame: &DataFrame, space: &Space| self.quality(frame, space, stop);
            tell(self.check("quality", &space, look)?);
        }
        if let Some(finding) = self.gates() {
            tell(finding);
        }
        Ok(())
    }

    /// The faults that `look` finds in the embeddings, in whose scores are the neighbours `space`.
    fn check(
        &self,
        what: &str,
        space: &Result<Space, String>,
        look: impl FnOnce(&DataFrame, &Space) -> Result<Vec<String>>,
    ) -> Result<Finding> {
        let (frame, space) = match (&self.embeddings, space) {
            (Ok(frame), Ok(space)) => (frame, space),
            (Err(reason), _) => return Ok(unknown(what, reason)),
            (Ok(_), Err(fault)) => return Ok(Finding::differs(what, fault)),
        };
        match look(frame, space) {
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) => Ok(Finding::differs(what, error.to_string())),
            Ok(faults) => Ok(self.of_program(what, faults, &format!("follow from {EMBEDDINGS}"))),
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
            Err(reason) => return unknown(what, reason),
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
            Err(error) => Finding::differs(what, error.to_string()),
        }
    }

    /// Equal files follow from their digests, near ones from the kept components.
    fn duplicates(&self, space: &Result<Space, String>) -> Result<Finding> {
        let what = "duplicates";
        let (manifest, rows) = match (&self.manifest, &self.duplicates) {
            (Ok(manifest), Ok(rows)) => (manifest, rows),
            (Err(reason), _) | (_, Err(reason)) => return Ok(unknown(what, reason)),
        };
        let look = || -> Result<Vec<String>> {
            let dataset = &self.run.dataset;
            let near = match (space, &self.run.pca) {
                (Ok(space), Some(_)) => self.near(manifest, space)?,
                _ => None,
            };
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
            let expected = duplicates(outputs::duplicates(manifest, near)?)?;
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
        Ok(match (look(), &self.embeddings) {
            (Ok(faults), Err(reason)) if faults.is_empty() && self.run.pca.is_some() => {
                let detail = format!("equal files are those of {MANIFEST}; of others {reason}");
                Finding::skipped(what, detail)
            }
            (Ok(faults), _) => {
                let otherwise = format!("follow from {MANIFEST} and {EMBEDDINGS}");
                self.of_program(what, faults, &otherwise)
            }
            (Err(error), _) => Finding::differs(what, error.to_string()),
        })
    }

    /// The closest pairs; none if the embeddings cannot be read.
    fn near(&self, manifest: &DataFrame, space: &Space) -> Result<Option<Vec<NearDuplicate>>> {
        let Ok(frame) = &self.embeddings else {
            return Ok(None);
        };
        let mut frame = frame.clone();
        add_by_key(&mut frame, manifest, &[SHA256])?;
        near_duplicates_in(&frame, space).map(Some)
    }

    /// The record of the components is that of the saved ones, but for the images that they describe worst.
    fn components(&self) -> Finding {
        let what = "components";
        let pca = match &self.pca {
            Ok(pca) => pca,
            Err(reason) => return self.shares(what, reason),
        };
        let said = self.run.pca.as_ref();
        let worst = said.map(|said| said.worst_reconstructed.clone());
        let found = PcaRecord::of(pca, worst.unwrap_or_default());
        let faults = follows("pca", &said, &Some(found)).map(|fault| {
            let mut faults: Vec<_> = fault.into_iter().collect();
            if pca.fingerprint() != self.run.provenance.manifest_sha256 {
                faults.push(format!("{PCA} was fitted to other images"));
            }
            faults
        });
        match faults {
            Ok(faults) => self.of_program(what, faults, &format!("are those of {PCA}")),
            Err(error) => Finding::differs(what, error.to_string()),
        }
    }

    /// What the record says of the components without their file, for which there is a reason: the shares of the variance follow
    /// from the variances, and there are scores of each component.
    fn shares(&self, what: &str, reason: &str) -> Finding {
        let Some(said) = &self.run.pca else {
            return unknown(what, reason);
        };
        let ratios = said.explained_variance.iter();
        let ratios: Vec<f64> = ratios.map(|v| v / said.total_variance).collect();
        let sum: f64 = ratios.iter().sum();
        let look = || -> Result<Vec<String>> {
            let mut faults = Vec::new();
            let at = |name: &str| format!("pca.{name}");
            faults.extend(follows(
                &at("n_components"),
                &said.n_components,
                &ratios.len(),
            )?);
            faults.extend(follows(
                &at("explained_variance_ratio"),
                &said.explained_variance_ratio,
                &ratios,
            )?);
            faults.extend(follows(
                &at("explained_variance_ratio_sum"),
                &said.explained_variance_ratio_sum,
                &sum,
            )?);
            if let Ok(frame) = &self.embeddings {
                let n = Matrix::from_scores(frame)?.n_cols();
                if n != ratios.len() {
                    faults.push(format!("{EMBEDDINGS} has scores of {n} components"));
                }
            }
            Ok(faults)
        };
        match look() {
            Ok(faults) if faults.is_empty() => unknown(
                what,
                &format!("{reason}; the shares of the variance follow from the variances"),
            ),
            Ok(faults) => self.of_program(what, faults, ""),
            Err(error) => Finding::differs(what, error.to_string()),
        }
    }

    fn findings(&self, frame: &DataFrame, space: &Space, stop: &AtomicBool) -> Result<Vec<String>> {
        let mut files = frame.clone();
        if let Ok(manifest) = &self.manifest {
            add_by_key(&mut files, manifest, &[SHA256])?;
        }
        let found = findings_in(&files, space, &mut |_, _| goes_on(stop))?;
        let mut faults = Vec::new();
        faults.extend(follows(
            "findings",
            &self.run.findings,
            &Some(found.record),
        )?);
        faults.extend(columns(frame, &found.scores)?);
        Ok(faults)
    }

    /// The quality of each projection; and what the record says of t-SNE twice is the same.
    fn quality(&self, frame: &DataFrame, space: &Space, stop: &AtomicBool) -> Result<Vec<String>> {
        let run = &self.run;
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        if !run.projections.iter().any(|p| p.name == TSNE) {
            // A column or a place of its own is there, or this would not be looked at.
            faults.push("t-SNE is not among the projections".to_owned());
        }
        for (i, projection) in run.projections.iter().enumerate() {
            let name = projection.name.as_str();
            if !seen.insert(name) {
                faults.push(format!("projection `{name}` is named twice"));
                break;
            }
            let (k, seed) = (DEFAULT_NEIGHBORS, self.seed());
            let found = quality_in(frame, name, space, k, seed, &mut |_, _| goes_on(stop))?;
            let quality = ProjectionQuality::from(&found.record);
            let path = format!("projections[{i}]");
            faults.extend(follows(
                &format!("{path}.quality"),
                &projection.quality,
                &Some(quality),
            )?);
            faults.extend(columns(frame, &found.scores)?);
            if name == TSNE {
                faults.extend(follows("quality", &run.quality, &Some(found.record))?);
                let values = |of: &ProjectionRecord| -> Vec<(String, FigureValue)> {
                    let figures = of.figures.iter();
                    figures.map(|f| (f.name.clone(), f.value.clone())).collect()
                };
                let of_tsne = run.tsne.as_ref().map(tsne::projection_record);
                faults.extend(follows(
                    &format!("{path}.figures"),
                    &values(projection),
                    &of_tsne.as_ref().map(values),
                )?);
            }
        }
        Ok(faults)
    }

    /// What random numbers of the quality come from.
    pub(super) fn seed(&self) -> u64 {
        self.run.tsne.as_ref().map_or(0, |tsne| tsne.seed)
    }
}

/// As many neighbours of each image as any check takes.
pub(super) fn neighbours<'a>(points: &'a Matrix, stop: &AtomicBool) -> Result<Space<'a>> {
    let k = OUTLIER_NEIGHBORS.max(n_neighbors(DEFAULT_NEIGHBORS));
    Ok(Space::new_with(points, k, &mut |_, _| goes_on(stop))?)
}

pub(super) fn goes_on(stop: &AtomicBool) -> bool {
    !stop.load(Ordering::Relaxed)
}

/// Where what the record says is not what was found.
pub(super) fn follows(
    path: &str,
    said: &impl Serialize,
    found: &impl Serialize,
) -> Result<Option<String>> {
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
    for found in computed.columns().iter().filter(|c| c.name() != KEY) {
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
