//! The files of a run held against its record, and the numbers of the record against each other.

use std::sync::atomic::AtomicBool;

use fruits_maths::Matrix;
use polars::prelude::DataFrame;
use serde_json::Value;

use super::finding::{Finding, MAX_NAMED, named, unknown};
use super::recorded::Recorded;
use crate::error::{Error, Result};
use crate::frame::MatrixExt;
use crate::outputs::{
    DUPLICATES, EMBEDDINGS, MANIFEST, MOST_RECORD_BYTES, PCA, REJECTED, REPORT, Unread,
    check_values, most_bytes,
};
use crate::schema::{SHA256, pc};
use crate::storage::digest;
use crate::storage::foreign::Fault;
use crate::storage::store::manifest_text;

/// Largest difference between the variance of a score and that of its component, relative to it; 2.6e-7 was seen on up
/// to 512 images, whose scores are `f32`.
const SCORE_TOLERANCE: f64 = 1e-4;
/// What is left to rounding, as a share of the variance of all scores: a component that has none, as with fewer different images
/// than components, has up to 4e-8 of it.
const SCORE_ROUNDING: f64 = f32::EPSILON as f64;

/// What a report may lack: nothing in it shows this file, which is the largest by far, and its digest stays in the record.
const LEFT_OUT: &str = "is not in this folder, and a report may leave it out; --rerun computes it and compares its SHA-256";

/// Where the report holds its `run.json`.
const EMBEDDED: [&str; 2] = ["<script type=\"application/json\" id=\"run\">", "</script>"];

impl Recorded {
    /// Holds the files against the record: those it names, the report, and the numbers that follow from each other or
    /// from a file. The searches among the images use the threads of the pool that it is called in.
    ///
    /// # Errors
    /// [`Error::Cancelled`] with `stop`.
    pub fn files(&self, stop: &AtomicBool, tell: &mut dyn FnMut(Finding)) -> Result<()> {
        tell(self.outputs());
        for (name, state) in &self.files {
            if let Some(finding) = file(name, state) {
                tell(finding);
            }
        }
        let outputs = self.run.provenance.outputs.iter();
        let others = outputs.filter(|output| !self.files.contains_key(output.name.as_str()));
        for other in others.take(MAX_NAMED) {
            let detail = "is no name of a file that a run writes, and is not looked at";
            tell(Finding::differs(&other.name, detail));
        }
        tell(self.report(stop)?);
        tell(self.counts());
        self.derived(stop, tell)?;
        if let Some(finding) = self.scores() {
            tell(finding);
        }
        tell(self.manifest_digest());
        Ok(())
    }

    /// The record names the files that such a run writes, each once: what it does not name has no digest. Another file that
    /// it names is not opened.
    fn outputs(&self) -> Finding {
        let mut written = vec![MANIFEST, REJECTED, DUPLICATES];
        if self.run.pca.is_some() {
            written.extend([EMBEDDINGS, PCA]);
        }
        let named_here = |name: &str| {
            let outputs = self.run.provenance.outputs.iter();
            outputs.filter(|output| output.name == name).count()
        };
        let mut faults = Vec::new();
        for name in &written {
            match named_here(name) {
                1 => {}
                0 => faults.push(format!("`{name}` is not named")),
                n => faults.push(format!("`{name}` is named {n} times")),
            }
        }
        let outputs = self.run.provenance.outputs.iter();
        let others: Vec<_> = outputs
            .map(|output| output.name.as_str())
            .filter(|name| !written.contains(name))
            .collect();
        if !others.is_empty() {
            faults.push(format!("such a run does not write {}", named(&others)));
        }
        let is_there = |name: &str| match &self.at {
            Some((folder, _)) => !matches!(folder.look(name), Err(Fault::Missing)),
            None => false,
        };
        for name in [EMBEDDINGS, PCA] {
            if !written.contains(&name) && named_here(name) == 0 && is_there(name) {
                faults.push(format!(
                    "`{name}` is there, and such a run does not write it"
                ));
            }
        }
        Finding::of(
            "outputs",
            &faults,
            format!("{} files, each with its digest", written.len()),
        )
    }

    /// The report holds the record that lies beside it. What the page draws is not looked at.
    fn report(&self, stop: &AtomicBool) -> Result<Finding> {
        let Some((folder, beside)) = &self.at else {
            return Ok(Finding::skipped(REPORT, "is not looked at"));
        };
        let read = folder.file(REPORT);
        let html = match read.and_then(|file| file.read(most_bytes(REPORT), stop)) {
            Ok(html) => html,
            Err(Fault::Stopped) => return Err(Error::Cancelled),
            Err(fault) => return Ok(Finding::differs(REPORT, fault.to_string())),
        };
        Ok(
            match embedded(html).and_then(|inside| Ok([inside, json(beside)?])) {
                Err(reason) => Finding::differs(REPORT, reason),
                Ok([inside, beside]) if inside == beside => {
                    Finding::ok(REPORT, "holds the run.json beside it")
                }
                Ok([inside, beside]) => {
                    let parts = beside.as_object().into_iter().flatten();
                    let parts = parts.filter(|(name, value)| inside.get(name) != Some(value));
                    let mut parts: Vec<_> = parts.map(|(name, _)| name).collect();
                    let more = inside.as_object().into_iter().flat_map(|o| o.keys());
                    parts.extend(more.filter(|name| beside.get(name).is_none()));
                    let detail = format!(
                        "holds another run.json than the one beside it, in {}",
                        named(&parts)
                    );
                    Finding::differs(REPORT, detail)
                }
            },
        )
    }

    fn counts(&self) -> Finding {
        let n = self.run.images;
        let (mut faults, mut missing) = (Vec::new(), Vec::new());
        let mut holds = |what: &'static str, found: Result<u64, &String>, said: u64| match found {
            Ok(found) if found == said => {}
            Ok(found) => faults.push(format!("{what} has {found} rows, not {said}")),
            Err(_) => missing.push(what),
        };
        let rows = |frame: &DataFrame| frame.height() as u64;
        holds(MANIFEST, self.manifest.as_ref().map(rows), n.accepted);
        if self.run.pca.is_some() {
            holds(EMBEDDINGS, self.embeddings.as_ref().map(rows), n.accepted);
        }
        let rejected = self.rejected.as_ref().map(|rows| rows.len() as u64);
        holds(REJECTED, rejected, n.rejected);
        let sum = [n.rejected, n.skipped]
            .into_iter()
            .try_fold(n.accepted, u64::checked_add);
        if sum != Some(n.listed) {
            faults.push(format!(
                "{} accepted, {} rejected and {} skipped are not the {} listed",
                n.accepted, n.rejected, n.skipped, n.listed
            ));
        }
        if faults.is_empty() && !missing.is_empty() {
            let detail = format!("not known without {}", named(&missing));
            return Finding::skipped("counts", detail);
        }
        let otherwise = format!(
            "{} listed = {} accepted + {} rejected + {} skipped, and the files have as many rows",
            n.listed, n.accepted, n.rejected, n.skipped
        );
        Finding::of("counts", &faults, otherwise)
    }

    /// The variance of a score is that of its component.
    fn scores(&self) -> Option<Finding> {
        let (Some(pca), Ok(frame)) = (&self.run.pca, &self.embeddings) else {
            return None;
        };
        let names: Vec<_> = (0..pca.explained_variance.len()).map(pc).collect();
        let what = "scores";
        let matrix = match Matrix::from_columns(frame, &names) {
            Ok(matrix) => matrix,
            Err(error) => return Some(Finding::differs(what, error.to_string())),
        };
        let n = matrix.n_rows() as f64;
        let variances: Vec<f64> = (0..names.len())
            .map(|j| {
                let scores = || (0..matrix.n_rows()).map(|i| f64::from(matrix.row(i)[j]));
                let mean = scores().sum::<f64>() / n;
                scores().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0)
            })
            .collect();
        let rounding = SCORE_ROUNDING * variances.iter().sum::<f64>();
        let mut other = Vec::new();
        for ((name, variance), said) in names.iter().zip(variances).zip(&pca.explained_variance) {
            // NaN is not close.
            let is_close = (variance - said).abs() <= SCORE_TOLERANCE * said + rounding;
            if !is_close {
                other.push(name);
            }
        }
        Some(match other.is_empty() {
            true => Finding::ok(what, "vary as much as the components that the record names"),
            false => {
                let detail = format!("vary more or less than the record says: {}", named(&other));
                Finding::differs(what, detail)
            }
        })
    }

    fn manifest_digest(&self) -> Finding {
        let what = "manifest digest";
        let manifest = match &self.manifest {
            Ok(manifest) => manifest,
            Err(reason) => return unknown(what, reason),
        };
        let text = manifest_text(manifest, SHA256).map_err(|e| e.to_string());
        let said = &self.run.provenance.manifest_sha256;
        match text.map(digest::of) {
            Err(reason) => Finding::differs(what, reason),
            Ok(found) if found == *said => {
                Finding::ok(what, format!("is that of {MANIFEST}: {found}"))
            }
            Ok(found) => Finding::differs(what, format!("of {MANIFEST} is {found}, not {said}")),
        }
    }
}

/// What is to be said of a file; nothing of one that the record does not name, which is told where its names are.
fn file(name: &str, state: &Result<u64, Unread>) -> Option<Finding> {
    Some(match state {
        Ok(size) => Finding::ok(name, format!("has the recorded SHA-256 ({size} bytes)")),
        Err(Unread::Unnamed) => return None,
        Err(Unread::Missing) if name == PCA => Finding::skipped(name, LEFT_OUT),
        Err(unread) => Finding::differs(name, unread.to_string()),
    })
}

/// The record that a report holds; or why it holds none.
fn embedded(html: Vec<u8>) -> Result<Value, String> {
    let html = String::from_utf8(html).map_err(|_| "is no UTF-8".to_owned())?;
    let [start, end] = EMBEDDED;
    let inside = html
        .split_once(start)
        .and_then(|(_, rest)| rest.split_once(end));
    let (inside, _) = inside.ok_or("holds no run.json, which a report has in its element `run`")?;
    let wrong = |why: String| format!("the run.json in it {why}");
    if inside.len() as u64 > MOST_RECORD_BYTES {
        return Err(wrong(format!("has more than {MOST_RECORD_BYTES} bytes")));
    }
    check_values(inside.as_bytes()).map_err(wrong)?;
    json(inside.as_bytes()).map_err(|e| wrong(format!("is no JSON: {e}")))
}

fn json(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|e| e.to_string())
}
