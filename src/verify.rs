//! Whether a run that has been written still is what it says, and whether it can be had again.
//!
//! [`open`] reads `run.json`, and [`Recorded::files`] holds the other files against it; [`model`] and [`inputs`] look
//! at what the run was made of; [`compare`] holds a run against a second one of the same parameters. Each check gives
//! one [`Finding`].

mod images;
mod rerun;
mod spaces;

use std::fmt;
use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::{Error, Result};
use crate::features::RuntimeFolder;
use crate::matrix::Matrix;
use crate::outputs::{self, EMBEDDINGS, MANIFEST, REJECTED, REPORT, RUN};
use crate::record::{Output, Run};
use crate::schema::{SHA256, pc};
use crate::source::local::{hex, sha256};
use crate::store::manifest_text;

pub use self::images::inputs;
pub use self::rerun::compare;

/// Files, keys and such that a finding names at most.
const MAX_NAMED: usize = 10;

/// Largest difference between a sum and the one recorded: 1,000 additions of numbers below 1 in `f64`, whose texts may
/// be read a unit in the last place off.
const ROUNDING: f64 = 1e-12;

/// Largest difference between the variance of a score and that of its component, relative to it; 2.6e-7 was seen on up
/// to 512 images, whose scores are `f32`.
const SCORE_TOLERANCE: f64 = 1e-4;

/// Where the report holds its `run.json`.
const EMBEDDED: [&str; 2] = ["<script type=\"application/json\" id=\"run\">", "</script>"];

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a file, `counts`, `inputs` ...
    pub what: String,
    /// Whether it is as it should be.
    pub state: State,
    /// What was found, in words.
    pub detail: String,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Ok,
    /// It is not.
    Differs,
    /// Nobody can tell here.
    Skipped,
}

impl State {
    /// `ok`, `DIFFERS` or `skipped`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs => "DIFFERS",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Ok, detail)
    }

    /// Not as it should be.
    pub fn differs(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Differs, detail)
    }

    /// Not looked at.
    pub fn skipped(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Skipped, detail)
    }

    fn new(what: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state,
            detail: detail.into(),
        }
    }

    /// What is wrong, or that nothing is.
    fn of(what: &str, faults: &[String], otherwise: String) -> Self {
        match faults {
            [] => Self::ok(what, otherwise),
            faults => Self::differs(what, faults.join("; ")),
        }
    }
}

/// One line, whatever is in it: names come from files that anybody may have written.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, what) = (self.state.word(), one_line(&self.what));
        write!(f, "{word:<7}  {what:<26}  {}", one_line(&self.detail))
    }
}

/// `text` without line breaks and what else moves a cursor or turns the direction of writing.
fn one_line(text: &str) -> String {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match moves(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// The first of `names`, and how many more there are.
fn named<S: AsRef<str>>(names: &[S]) -> String {
    let first = names.iter().take(MAX_NAMED);
    let first: Vec<_> = first.map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A run that has been written, as far as its files can be read: unlike [`outputs::Finished`], it may lack any but
/// `run.json`.
#[derive(Debug)]
pub struct Recorded {
    /// Where its files lie.
    pub folder: PathBuf,
    /// `run.json`.
    pub run: Run,
    /// The images that were used; or why they cannot be read.
    manifest: Result<DataFrame, String>,
    /// The images in few dimensions; or why they cannot be read.
    embeddings: Result<DataFrame, String>,
    /// The files that could not be used; or why they cannot be read.
    rejected: Result<Vec<Rejected>, String>,
}

/// A row of `rejected.csv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Rejected {
    key: String,
    size_bytes: u64,
    reason: String,
    message: String,
}

/// Reads the run in `path`, the folder of a report or the `run.json` in it, and says whether its record can be read.
///
/// # Errors
/// [`Error::Invalid`] if there is no `run.json`; [`Error::Storage`] if it cannot be opened.
pub fn open(path: &Path) -> Result<(Option<Recorded>, Finding)> {
    let (folder, run) = match outputs::read_record(path) {
        Ok(found) => found,
        // It is there, and is no record.
        Err(Error::Invalid(reason)) if outputs::folder_of(path).join(RUN).is_file() => {
            return Ok((None, Finding::differs(RUN, reason)));
        }
        Err(error) => return Err(error),
    };
    let frame = |name| outputs::read_parquet(&folder.join(name)).map_err(|e| e.sentence());
    let finding = Finding::ok(RUN, format!("is a record of layout {}", run.schema));
    let recorded = Recorded {
        manifest: frame(MANIFEST),
        embeddings: frame(EMBEDDINGS),
        rejected: rejected(&folder.join(REJECTED)),
        folder,
        run,
    };
    Ok((Some(recorded), finding))
}

fn rejected(path: &Path) -> Result<Vec<Rejected>, String> {
    let bytes = atomic::read(path).map_err(|e| e.sentence())?;
    let mut reader = csv::Reader::from_reader(&*bytes);
    let rows: Result<_, csv::Error> = reader.deserialize().collect();
    rows.map_err(|e| format!("`{}` is no list of files: {e}", path.display()))
}

impl Recorded {
    /// Holds the files against the record: those it names, the report, and the numbers that follow from each other.
    pub fn files(&self, tell: &mut dyn FnMut(Finding)) {
        for output in &self.run.provenance.outputs {
            tell(self.output(output));
        }
        tell(self.report());
        tell(self.counts());
        if let Some(pca) = &self.run.pca {
            let sum: f64 = pca.explained_variance_ratio.iter().sum();
            let said = pca.explained_variance_ratio_sum;
            let detail = format!(
                "the ratios of {} components add up to {sum:.6}",
                pca.n_components
            );
            // NaN is not close.
            tell(match (sum - said).abs() <= ROUNDING {
                true => Finding::ok("explained variance", detail),
                false => Finding::differs("explained variance", format!("{detail}, not {said:.6}")),
            });
        }
        if let Some(finding) = self.scores() {
            tell(finding);
        }
        tell(self.manifest_digest());
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

    /// The report holds the record that lies beside it.
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
                Finding::ok(REPORT, "shows the run.json beside it")
            }
            Ok((inside, beside)) => {
                let parts = beside.as_object().into_iter().flatten();
                let parts = parts.filter(|(name, value)| inside.get(name) != Some(value));
                let mut parts: Vec<_> = parts.map(|(name, _)| name).collect();
                let more = inside.as_object().into_iter().flat_map(|o| o.keys());
                parts.extend(more.filter(|name| beside.get(name).is_none()));
                let detail = format!(
                    "shows another run.json than the one beside it, in {}",
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
        let is_named = |output: &Output| output.name == EMBEDDINGS;
        if self.run.provenance.outputs.iter().any(is_named) {
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

/// Holds the model that a run here would use, `own` or the one that set-up made, against the recorded one.
#[must_use]
pub fn model(run: &Run, own: Option<&Path>) -> Finding {
    let what = "model";
    let Some(features) = &run.features else {
        return Finding::skipped(what, "the run has no descriptors");
    };
    let path = own.map_or_else(|| RuntimeFolder::find().model(), Path::to_path_buf);
    match sha256(&path) {
        Err(e) => Finding::skipped(what, format!("`{}` cannot be read: {e}", path.display())),
        Ok(found) if found == features.model_sha256 => {
            Finding::ok(what, format!("`{}` is the recorded one", path.display()))
        }
        Ok(found) => Finding::differs(
            what,
            format!(
                "`{}` is another than the recorded one: SHA-256 {found}, not {}",
                path.display(),
                features.model_sha256
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::differs("a\nb", "`Apple/\u{1b}[2Jé\u{202e}x\".png`");
        assert_eq!(
            finding.to_string(),
            "DIFFERS  a\\nb                        `Apple/\\u{1b}[2Jé\\u{202e}x\".png`"
        );
    }

    #[test]
    fn ten_names_and_how_many_more() {
        assert_eq!(named(&["a", "b"]), "`a`, `b`");
        let many: Vec<_> = (0..13).map(|i| i.to_string()).collect();
        assert!(named(&many).ends_with("`9` and 3 more"));
    }
}
