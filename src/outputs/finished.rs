//! A run read back from its files, which anybody may have written.
//!
//! Nothing is read but the files of a run beside their `run.json`, no link is followed, and a file is decoded only if its
//! size and its SHA-256 are those of the record.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use polars::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::names::{DUPLICATES, EMBEDDINGS, MANIFEST, REJECTED, REPORT, RUN, TIMINGS};
use crate::error::{Error, Result};
use crate::record::{Run, SCHEMA};
use crate::storage::foreign::{Fault, Folder};
use crate::storage::parquet;

/// Bytes of a `run.json` at most; of 180 images it has 44 kB, and most of its lists end at twelve or fifty.
pub(crate) const MOST_RECORD_BYTES: u64 = 32 << 20;
/// Values in it at most: an empty object takes three bytes there and some hundred in memory.
const MOST_VALUES: usize = 1 << 20;
/// Bytes of a Parquet file at most: scores of three million images, 64 of each.
const MOST_PARQUET_BYTES: u64 = 1 << 30;
/// Bytes of a report at most, eight times what a page may have.
const MOST_REPORT_BYTES: u64 = 64 << 20;
/// Bytes of a list at most: a million files.
const MOST_LIST_BYTES: u64 = 256 << 20;
/// Characters of a foreign layout that an error shows.
const MAX_SHOWN: usize = 40;

/// A run that has been written, as its files say it.
#[derive(Debug)]
pub struct Finished {
    /// Where its files lie.
    pub folder: PathBuf,
    /// `run.json`.
    pub run: Run,
    /// `manifest.parquet`.
    pub manifest: DataFrame,
    /// `embeddings.parquet`; absent if the run did not come as far as PCA.
    pub embeddings: Option<DataFrame>,
}

impl Finished {
    /// Reads the run in `path`: the folder of a report, or the `run.json` in it. A record from before there were
    /// `projections` has t-SNE in them, too.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such run, it is of another layout, or a file is not the one that the record names;
    /// [`Error::Storage`]; [`Error::Cancelled`] with `stop`.
    pub fn open(path: &Path, stop: &AtomicBool) -> Result<Self> {
        let Record { folder, run, .. } = Record::open(path, stop).map_err(|no| match no {
            NoRecord::Error(error) => error,
            NoRecord::Unread(what) => {
                Error::Invalid(format!("`{}` {what}", folder_of(path).join(RUN).display()))
            }
        })?;
        let frame = |name: &str| -> Result<DataFrame> {
            let found = beside(&folder, &run, name, stop).and_then(frame);
            found.map_err(|unread| match unread {
                Unread::Stopped => Error::Cancelled,
                unread => Error::Invalid(format!(
                    "`{}` {unread}; `report verify` tells more",
                    folder.path().join(name).display()
                )),
            })
        };
        let manifest = frame(MANIFEST)?;
        let is_named = |name| run.provenance.outputs.iter().any(|o| o.name == name);
        let embeddings = is_named(EMBEDDINGS).then(|| frame(EMBEDDINGS));
        Ok(Self {
            embeddings: embeddings.transpose()?,
            manifest,
            folder: folder.path().to_path_buf(),
            run,
        })
    }
}

/// The folder of the run in `path`, as [`Finished::open`] takes it.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.ends_with(RUN) {
        true => path.parent().unwrap_or(Path::new("")).to_path_buf(),
        false => path.to_path_buf(),
    }
}

/// A `run.json` and the folder that it lies in.
#[derive(Debug)]
pub(crate) struct Record {
    pub folder: Folder,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    pub run: Run,
}

/// Why there is no record.
#[derive(Debug)]
pub(crate) enum NoRecord {
    /// Nothing lies there, or it cannot be opened.
    Error(Error),
    /// What is wrong with the file.
    Unread(String),
}

impl Record {
    /// Reads the `run.json` of the run in `path`, whatever became of the other files.
    pub fn open(path: &Path, stop: &AtomicBool) -> Result<Self, NoRecord> {
        let absent = || {
            NoRecord::Error(Error::Invalid(format!(
                "there is no run in `{}`: name the folder of a report, which holds `{RUN}`",
                path.display()
            )))
        };
        let at = folder_of(path);
        let folder = Folder::open(&at).map_err(|_| absent())?;
        let read = folder
            .file(RUN)
            .and_then(|file| file.read(MOST_RECORD_BYTES, stop));
        let bytes = read.map_err(|fault| match fault {
            Fault::Missing => absent(),
            Fault::Stopped => NoRecord::Error(Error::Cancelled),
            Fault::Io(error) => NoRecord::Error(Error::storage("read", at.join(RUN))(error)),
            fault => NoRecord::Unread(fault.to_string()),
        })?;
        let run = run(&bytes).map_err(NoRecord::Unread)?;
        Ok(Self { folder, bytes, run })
    }
}

/// Refuses JSON that takes far more memory than it has bytes.
pub(crate) fn check_values(json: &[u8]) -> Result<(), String> {
    let begins = |byte: &&u8| matches!(**byte, b',' | b'[' | b'{');
    match json.iter().filter(begins).count() > MOST_VALUES {
        true => Err(format!(
            "holds more than {MOST_VALUES} values, and no record of a run does"
        )),
        false => Ok(()),
    }
}

fn run(bytes: &[u8]) -> Result<Run, String> {
    #[derive(Deserialize)]
    struct Layout<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    check_values(bytes)?;
    let wrong = |error: serde_json::Error| match error.is_data() {
        true => format!("is no record of a run: {error}"),
        false => format!("is no JSON: {error}"),
    };
    let layout: Layout = serde_json::from_slice(bytes).map_err(wrong)?;
    let layout = layout.schema.map_or("null", RawValue::get);
    let is_ours = serde_json::from_str::<String>(layout).is_ok_and(|name| name == SCHEMA);
    if !is_ours {
        let shown: String = layout.chars().take(MAX_SHOWN).collect();
        return Err(format!(
            "is of layout {shown}, and this program reads \"{SCHEMA}\""
        ));
    }
    let mut run: Run = serde_json::from_slice(bytes).map_err(wrong)?;
    run.enter_tsne();
    Ok(run)
}

/// Why a file beside a record is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The record has no digest of it.
    Unnamed,
    /// It is not there.
    Missing,
    /// The stop flag is up.
    Stopped,
    /// What is wrong with it.
    Other(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => write!(
                f,
                "is not named in {RUN}, so nothing tells what it should be"
            ),
            Self::Missing => f.write_str("is missing"),
            Self::Stopped => Fault::Stopped.fmt(f),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Bytes of the file `name` of a run at most.
pub(crate) fn most_bytes(name: &str) -> u64 {
    match name {
        RUN | TIMINGS => MOST_RECORD_BYTES,
        REPORT => MOST_REPORT_BYTES,
        REJECTED | DUPLICATES => MOST_LIST_BYTES,
        _ => MOST_PARQUET_BYTES,
    }
}

/// The bytes of the file `name`, if they are those that the record names.
pub(crate) fn beside(
    folder: &Folder,
    run: &Run,
    name: &str,
    stop: &AtomicBool,
) -> Result<Vec<u8>, Unread> {
    let named = run.provenance.outputs.iter().find(|o| o.name == name);
    let said = named.ok_or(Unread::Unnamed)?;
    let unread = |fault: Fault| match fault {
        Fault::Missing => Unread::Missing,
        Fault::Stopped => Unread::Stopped,
        fault => Unread::Other(fault.to_string()),
    };
    let file = folder.file(name).map_err(unread)?;
    let size_bytes = file.size_bytes();
    if size_bytes != said.size_bytes {
        let what = format!("has {size_bytes} bytes, not {}", said.size_bytes);
        return Err(Unread::Other(what));
    }
    let (bytes, sha256) = file.content(most_bytes(name), stop).map_err(unread)?;
    match sha256 == said.sha256 {
        true => Ok(bytes),
        false => Err(Unread::Other(format!(
            "has SHA-256 {sha256}, not {}",
            said.sha256
        ))),
    }
}

/// The frame in a file that is the recorded one.
pub(crate) fn frame(bytes: Vec<u8>) -> Result<DataFrame, Unread> {
    match parquet::read(bytes, "") {
        Ok((frame, _)) => Ok(frame),
        Err(what) => Err(Unread::Other(format!(
            "is no Parquet file that can be read: {what}"
        ))),
    }
}
