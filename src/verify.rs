//! Whether a run that has been written still is what it says, and whether it can be had again.
//!
//! [`open`] reads `run.json`, and [`Recorded::files`] holds the other files against it; [`model`] and [`inputs`] look
//! at what the run was made of; [`compare`] holds a run against a second one of the same parameters. Each check gives
//! one [`Finding`].

mod derived;
mod differences;
mod files;
mod finding;
mod images;
mod metrics;
mod rerun;
mod scores;
mod spaces;

use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;
use serde::Deserialize;

use crate::atomic;
use crate::error::{Error, Result};
use crate::features::RuntimeFolder;
use crate::outputs::{self, EMBEDDINGS, MANIFEST, REJECTED, RUN};
use crate::record::Run;
use crate::source::local::sha256;

pub use self::finding::{Finding, State};
pub use self::images::inputs;
pub use self::rerun::compare;

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
