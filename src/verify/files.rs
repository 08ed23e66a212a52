//! The files of a run held against its record, and the numbers of the record against each other.

use std::path::Path;

use polars::prelude::DataFrame;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::finding::named;
use super::{Finding, Recorded};
use crate::atomic;
use crate::matrix::Matrix;
use crate::outputs::{DUPLICATES, EMBEDDINGS, MANIFEST, PCA, REJECTED, REPORT, RUN};
use crate::record::Output;
use crate::schema::{SHA256, pc};
use crate::source::local::{hex, sha256};
use crate::store::manifest_text;

/// Largest difference between the variance of a score and that of its component, relative to it; 2.6e-7 was seen on up
/// to 512 images, whose scores are `f32`.
const SCORE_TOLERANCE: f64 = 1e-4;

/// Where the report holds its `run.json`.
const EMBEDDED: [&str; 2] = ["<script type=\"application/json\" id=\"run\">", "</script>"];

impl Recorded {
    /// Holds the files against the record: those it names, the report, and the numbers that follow from each other or
    /// from a file.
    pub fn files(&self, tell: &mut dyn FnMut(Finding)) {
        tell(self.outputs());
        for output in &self.run.provenance.outputs {
            tell(self.output(output));
        }
        tell(self.report());
        tell(self.counts());
        self.derived(tell);
        if let Some(finding) = self.scores() {
            tell(finding);
        }
        tell(self.manifest_digest());
    }

    /// The record names the files that such a run writes, each once: what it does not name has no digest.
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
        Finding::of(
            "outputs",
            &faults,
            format!("{} files, each with its digest", written.len()),
        )
    }

    fn output(&self, output: &Output) -> Finding {
        let Output {
            name, size_bytes, ..
        } = output;
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Finding::differs(name, "is no name of a file beside run.json");
        }
        let path = self.folder.join(name);
        let found = path.metadata().map(|m| m.len());
        let found = found.and_then(|size| Ok((size, sha256(&path)?)));
        match found {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Finding::differs(name, "is missing")
            }
            Err(e) => Finding::differs(name, format!("cannot be read: {e}")),
            Ok((size, _)) if size != *size_bytes => {
                Finding::differs(name, format!("has {size} bytes, not {size_bytes}"))
            }
            Ok((_, sha256)) if sha256 != output.sha256 => {
                Finding::differs(name, format!("has SHA-256 {sha256}, not {}", output.sha256))
            }
            Ok((size, _)) => Finding::ok(name, format!("has the recorded SHA-256 ({size} bytes)")),
        }
    }

    /// The report holds the record that lies beside it. What the page draws is not looked at.
    fn report(&self) -> Finding {
        let read = || -> Result<(Value, Value), String> {
            let text = |name| {
                let bytes = atomic::read(&self.folder.join(name)).map_err(|e| e.sentence())?;
                String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())
            };
            let json = |text: &str| serde_json::from_str(text).map_err(|e| e.to_string());
            let (html, beside) = (text(REPORT)?, text(RUN)?);
            let [start, end] = EMBEDDED;
            let inside = html
                .split_once(start)
                .and_then(|(_, rest)| rest.split_once(end));
            let (inside, _) =
                inside.ok_or("holds no run.json, which a report has in its element `run`")?;
            let inside = json(inside).map_err(|e| format!("the run.json in it is no JSON: {e}"))?;
            Ok((inside, json(&beside)?))
        };
        if !self.folder.join(REPORT).exists() {
            return Finding::differs(REPORT, "is missing");
        }
        match read() {
            Err(reason) => Finding::differs(REPORT, reason),
            Ok((inside, beside)) if inside == beside => {
                Finding::ok(REPORT, "holds the run.json beside it")
            }
            Ok((inside, beside)) => {
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
        }
    }

    fn counts(&self) -> Finding {
        let n = self.run.images;
        let mut faults = Vec::new();
        let mut holds = |what: &str, found: Result<u64, String>, said: u64| match found {
            Ok(found) if found == said => {}
            Ok(found) => faults.push(format!("{what} has {found} rows, not {said}")),
            Err(reason) => faults.push(reason),
        };
        let rows = |frame: &Result<DataFrame, String>| match frame {
            Ok(frame) => Ok(frame.height() as u64),
            Err(reason) => Err(reason.clone()),
        };
        holds(MANIFEST, rows(&self.manifest), n.accepted);
        if self.run.pca.is_some() {
            holds(EMBEDDINGS, rows(&self.embeddings), n.accepted);
        }
        let rejected = self.rejected.as_ref().map(|rows| rows.len() as u64);
        holds(REJECTED, rejected.map_err(Clone::clone), n.rejected);
        let sum = [n.rejected, n.skipped]
            .into_iter()
            .try_fold(n.accepted, u64::checked_add);
        if sum != Some(n.listed) {
            faults.push(format!(
                "{} accepted, {} rejected and {} skipped are not the {} listed",
                n.accepted, n.rejected, n.skipped, n.listed
            ));
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
            Err(error) => return Some(Finding::differs(what, error.sentence())),
        };
        let n = matrix.n_rows() as f64;
        let largest = pca.explained_variance.first().copied().unwrap_or_default();
        let mut other = Vec::new();
        for ((j, name), said) in names.iter().enumerate().zip(&pca.explained_variance) {
            let scores = || (0..matrix.n_rows()).map(|i| f64::from(matrix.row(i)[j]));
            let mean = scores().sum::<f64>() / n;
            let variance = scores().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let allowed = SCORE_TOLERANCE * (said + SCORE_TOLERANCE * largest);
            // NaN is not close.
            let is_close = (variance - said).abs() <= allowed;
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
        let text = match &self.manifest {
            Ok(manifest) => manifest_text(manifest, SHA256).map_err(|e| e.sentence()),
            Err(reason) => Err(reason.clone()),
        };
        let said = &self.run.provenance.manifest_sha256;
        match text.map(|text| hex(&Sha256::digest(text))) {
            Err(reason) => Finding::differs(what, reason),
            Ok(found) if found == *said => {
                Finding::ok(what, format!("is that of {MANIFEST}: {found}"))
            }
            Ok(found) => Finding::differs(what, format!("of {MANIFEST} is {found}, not {said}")),
        }
    }
}
