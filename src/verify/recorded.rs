//! A run that has been written, read without trust.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use polars::prelude::DataFrame;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::finding::Finding;
use crate::error::{Error, Result};
use crate::outputs::{
    DUPLICATES, EMBEDDINGS, MANIFEST, NoRecord, PCA, REJECTED, RUN, Record, Unread, beside, cells,
    frame,
};
use crate::record::{Output, Run};
use crate::steps::pca::{self, Pca};
use crate::storage::foreign::Folder;

/// A run that has been written, as far as its files can be read: unlike [`crate::outputs::Finished`], it may lack any but
/// `run.json`.
#[derive(Debug)]
pub struct Recorded {
    /// Where its files lie.
    pub folder: PathBuf,
    /// `run.json`.
    pub run: Run,
    /// The folder, and the bytes of `run.json`.
    pub(super) at: Option<(Folder, Vec<u8>)>,
    /// Of each file that such a run writes its size, or why it is not read.
    pub(super) files: BTreeMap<&'static str, Result<u64, Unread>>,
    /// The images that were used; or why they cannot be read.
    pub(super) manifest: Result<DataFrame, String>,
    /// The images in few dimensions; or why they cannot be read.
    pub(super) embeddings: Result<DataFrame, String>,
    /// The fitted analysis; or why it cannot be read.
    pub(super) pca: Result<Pca, String>,
    /// The files that could not be used; or why they cannot be read.
    pub(super) rejected: Result<Vec<Rejected>, String>,
    /// The files that are equal or look alike; or why they cannot be read.
    pub(super) duplicates: Result<Vec<Duplicate>, String>,
}

/// Rows of a list of files at most: those that a file of the largest size has where no name is short. A row takes eighty bytes
/// in memory and five in a file.
const MOST_ROWS: usize = 1_000_000;

/// A row of `rejected.csv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Rejected {
    #[serde(deserialize_with = "cells::text")]
    pub key: String,
    pub size_bytes: u64,
    pub reason: String,
    #[serde(deserialize_with = "cells::text")]
    pub message: String,
}

/// A row of `duplicates.csv`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Duplicate {
    pub kind: String,
    pub group: u64,
    #[serde(deserialize_with = "cells::text")]
    pub key: String,
    pub distance: f64,
}

/// Reads the run in `path`, the folder of a report or the `run.json` in it, and says whether its record can be read.
///
/// # Errors
/// [`Error::Invalid`] if there is no `run.json`; [`Error::Storage`] if it cannot be opened; [`Error::Cancelled`] with
/// `stop`.
pub fn open(path: &Path, stop: &AtomicBool) -> Result<(Option<Recorded>, Finding)> {
    let Record { folder, bytes, run } = match Record::open(path, stop) {
        Ok(record) => record,
        Err(NoRecord::Unread(what)) => return Ok((None, Finding::differs(RUN, what))),
        Err(NoRecord::Error(error)) => return Err(error),
    };
    let finding = Finding::ok(RUN, format!("is a record of layout {}", run.schema));
    let mut reading = Reading {
        folder: &folder,
        run: &run,
        stop,
        files: BTreeMap::new(),
    };
    let recorded = Recorded {
        manifest: reading.take(MANIFEST, frame)?,
        embeddings: reading.take(EMBEDDINGS, frame)?,
        pca: reading.take(PCA, |bytes| pca::parse(bytes).map_err(no_pca))?,
        rejected: reading.take(REJECTED, rows)?,
        duplicates: reading.take(DUPLICATES, rows)?,
        files: reading.files,
        folder: folder.path().to_path_buf(),
        run,
        at: Some((folder, bytes)),
    };
    Ok((Some(recorded), finding))
}

struct Reading<'a> {
    folder: &'a Folder,
    run: &'a Run,
    stop: &'a AtomicBool,
    files: BTreeMap<&'static str, Result<u64, Unread>>,
}

impl Reading<'_> {
    /// What `parse` makes of a file that is the recorded one, or why there is nothing of it.
    fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Vec<u8>) -> Result<T, Unread>,
    ) -> Result<Result<T, String>> {
        let read = beside(self.folder, self.run, name, self.stop).and_then(|bytes| {
            let size_bytes = bytes.len() as u64;
            Ok((parse(bytes)?, size_bytes))
        });
        if matches!(read, Err(Unread::Stopped)) {
            return Err(Error::Cancelled);
        }
        let (content, state) = match read {
            Ok((content, size_bytes)) => (Ok(content), Ok(size_bytes)),
            Err(unread) => (Err(format!("`{name}` {unread}")), Err(unread)),
        };
        self.files.insert(name, state);
        Ok(content)
    }
}

impl Recorded {
    /// What the record says of the file `name`.
    pub(super) fn output(&self, name: &str) -> Option<&Output> {
        self.run.provenance.outputs.iter().find(|o| o.name == name)
    }
}

fn no_pca(what: String) -> Unread {
    Unread::Other(format!("is no saved PCA of this version: {what}"))
}

fn rows<T: DeserializeOwned>(bytes: Vec<u8>) -> Result<Vec<T>, Unread> {
    let mut reader = csv::Reader::from_reader(&*bytes);
    let mut rows = Vec::new();
    for row in reader.deserialize() {
        if rows.len() == MOST_ROWS {
            let what = format!("has more than {MOST_ROWS} rows, the most that are read of a list");
            return Err(Unread::Other(what));
        }
        rows.push(row.map_err(|e| Unread::Other(format!("is no list of files: {e}")))?);
    }
    Ok(rows)
}

/// The rows of `duplicates.csv` in `bytes`.
pub(super) fn duplicates(bytes: Vec<u8>) -> Result<Vec<Duplicate>> {
    rows(bytes).map_err(|unread| Error::Invalid(format!("{DUPLICATES} {unread}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_short_rows_is_not_kept() {
        let list = |n: usize| format!("kind,group,key,distance\n{}", ",0,,0\n".repeat(n));
        let read = |n: usize| rows::<Duplicate>(list(n).into_bytes());
        assert_eq!(read(MOST_ROWS).unwrap().len(), MOST_ROWS);
        let said = read(MOST_ROWS + 1).unwrap_err().to_string();
        assert!(said.contains("more than 1000000 rows"), "{said}");
    }
}
