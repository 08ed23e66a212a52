//! The files of a run, in an order that leaves no lie behind: data, then the record that names their digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::pipeline::Outcome;
use crate::place::{JSON, PARQUET};
use crate::record::{NearDuplicate, Output, Run, SCHEMA, Timings};
use crate::s3::Prefix;
use crate::schema::{
    ETAG, KEY, LABEL, LABEL_AGREEMENT, OUTLIER_SCORE, SHA256, SIZE_BYTES, TRUST, TSNE_X, TSNE_Y,
    VERSION_ID,
};
use crate::source::local::hex;

/// Descriptors in few dimensions and what was found of each image: `key`, `label`, `pc1` ... `pcK`, `outlier_score`,
/// `label_agreement`, `tsne_x`, `tsne_y`, `trust`.
pub const EMBEDDINGS: &str = "embeddings.parquet";
/// The images that were used: `key`, `label`, `size_bytes`, `etag`, `sha256`, `version_id`.
pub const MANIFEST: &str = "manifest.parquet";
/// The fitted PCA.
pub const PCA: &str = "pca.parquet";
/// Files that could not be used: `key`, `size_bytes`, `reason`, `message`.
pub const REJECTED: &str = "rejected.csv";
/// Files that are equal and images that look alike: `kind` (`exact`: same bytes; `near`: close descriptors), `group`,
/// `key`, `distance` (of the kept components; 0 of equal files).
pub const DUPLICATES: &str = "duplicates.csv";
/// [`Timings`].
pub const TIMINGS: &str = "timings.json";
/// [`Run`].
pub const RUN: &str = "run.json";
/// The report.
pub const REPORT: &str = "index.html";

/// Writes everything but the report into `folder` and enters the digests of the files into the run's record.
/// `run.json` comes last. A file that this run does not have (no PCA, no embedding) is removed if an earlier run left
/// one.
///
/// # Errors
/// [`Error::Storage`].
pub fn write(outcome: &mut Outcome, folder: &Path) -> Result<()> {
    let stale = [REPORT, RUN, MANIFEST, EMBEDDINGS, PCA];
    for name in stale {
        remove_if_there(&folder.join(name))?;
    }
    let identity = [KEY, LABEL, SIZE_BYTES, ETAG, SHA256, VERSION_ID];
    let manifest = parquet(outcome.images.select(identity)?)?;
    let mut outputs = vec![put(folder, MANIFEST, &manifest)?];
    if outcome.images.column("pc1").is_ok() {
        let bytes = embeddings(&outcome.images)?;
        outputs.push(put(folder, EMBEDDINGS, &bytes)?);
    }
    if let Some(pca) = &outcome.pca {
        let path = folder.join(PCA);
        pca.save(&path)?;
        outputs.push(describe(PCA, &atomic::read(&path)?));
    }
    outputs.push(put(folder, REJECTED, &rejected(&outcome.rejected)?)?);
    let near = &outcome.run.dataset.near_duplicates;
    outputs.push(put(
        folder,
        DUPLICATES,
        &duplicates(&outcome.images, near)?,
    )?);
    outcome.run.provenance.outputs = outputs;
    write_timings(&outcome.timings, folder)?;
    write_run(&outcome.run, folder)
}

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
    /// Reads the run in `path`: the folder of a report, or the `run.json` in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such run, or it is of another layout; [`Error::Storage`].
    pub fn open(path: &Path) -> Result<Self> {
        let (folder, run) = read_record(path)?;
        let manifest = read_parquet(&folder.join(MANIFEST))?;
        let embeddings = folder.join(EMBEDDINGS);
        let embeddings = match embeddings.exists() {
            true => Some(read_parquet(&embeddings)?),
            false => None,
        };
        Ok(Self {
            folder,
            run,
            manifest,
            embeddings,
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

/// The folder of the run in `path` and its `run.json`, whatever became of the other files.
pub(crate) fn read_record(path: &Path) -> Result<(PathBuf, Run)> {
    let folder = folder_of(path);
    let file = folder.join(RUN);
    if !file.is_file() {
        return Err(Error::Invalid(format!(
            "there is no run in `{}`: name the folder of a report, which holds `{RUN}`",
            path.display()
        )));
    }
    let bytes = atomic::read(&file)?;
    let invalid = |what: String| Error::Invalid(format!("`{}` {what}", file.display()));
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| invalid(format!("is no JSON: {e}")))?;
    if value["schema"] != SCHEMA {
        return Err(invalid(format!(
            "is of layout {}, and this program reads \"{SCHEMA}\"",
            value["schema"]
        )));
    }
    let run: Run = serde_json::from_value(value)
        .map_err(|e| invalid(format!("is no record of a run: {e}")))?;
    Ok((folder, run))
}

pub(crate) fn read_parquet(path: &Path) -> Result<DataFrame> {
    let bytes = std::io::Cursor::new(atomic::read(path)?);
    ParquetReader::new(bytes).finish().map_err(|e| {
        let path = path.display();
        Error::Invalid(format!("`{path}` is no Parquet file that can be read: {e}"))
    })
}

/// Writes `timings.json` alone, when rendering has been timed as well.
///
/// # Errors
/// [`Error::Storage`].
pub fn write_timings(timings: &Timings, folder: &Path) -> Result<()> {
    atomic::write(&folder.join(TIMINGS), &json(timings)?)
}

/// Copies the files of a run to a bucket: `run.json` last, as the mark that the others are whole. What another run left
/// there goes first, so that an upload that fails leaves no record of files that are not its own.
///
/// # Errors
/// [`Error::Bucket`], [`Error::Storage`].
pub fn upload(folder: &Path, prefix: &Prefix) -> Result<()> {
    prefix.remove(RUN)?;
    for (name, content_type) in FILES {
        let path = folder.join(name);
        if path.exists() {
            prefix.write(name, atomic::read(&path)?, content_type)?;
        } else {
            prefix.remove(name)?;
        }
    }
    Ok(())
}

/// Copies the files of a run from a bucket into `folder`, as far as they are there.
///
/// # Errors
/// [`Error::Bucket`], [`Error::Storage`].
pub fn download(prefix: &Prefix, folder: &Path) -> Result<()> {
    for (name, _) in FILES {
        if let Some(bytes) = prefix.read(name)? {
            atomic::write(&folder.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// What a run leaves, in the order it is uploaded in, with media types.
const FILES: [(&str, &str); 8] = [
    (MANIFEST, PARQUET),
    (EMBEDDINGS, PARQUET),
    (PCA, PARQUET),
    (REJECTED, "text/csv; charset=utf-8"),
    (DUPLICATES, "text/csv; charset=utf-8"),
    (TIMINGS, JSON),
    (REPORT, "text/html; charset=utf-8"),
    (RUN, JSON),
];

fn write_run(run: &Run, folder: &Path) -> Result<()> {
    atomic::write(&folder.join(RUN), &json(run)?)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::Internal(format!("a record is no JSON: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<Output> {
    atomic::write(&folder.join(name), bytes)?;
    Ok(describe(name, bytes))
}

fn describe(name: &str, bytes: &[u8]) -> Output {
    let sha256 = hex(&Sha256::digest(bytes));
    Output {
        name: name.to_owned(),
        sha256,
        size_bytes: bytes.len() as u64,
    }
}

fn embeddings(images: &DataFrame) -> Result<Vec<u8>> {
    let measured = [
        KEY,
        LABEL,
        OUTLIER_SCORE,
        LABEL_AGREEMENT,
        TSNE_X,
        TSNE_Y,
        TRUST,
    ];
    let wanted = |name: &str| measured.contains(&name) || crate::schema::is_pc(name);
    let names = images
        .get_column_names()
        .into_iter()
        .filter(|name| wanted(name));
    let names: Vec<_> = names.cloned().collect();
    parquet(images.select(names)?)
}

fn parquet(mut frame: DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .set_parallel(false)
        .finish(&mut frame)?;
    Ok(bytes)
}

/// Groups of files with the same bytes, by `key` and `sha256`: each sorted as `images` is, and the groups sorted.
pub(crate) fn equal_files(images: &DataFrame) -> Result<Vec<Vec<&str>>> {
    let mut same: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let keys = strings(images, KEY)?;
    for (digest, &key) in strings(images, SHA256)?.into_iter().zip(&keys) {
        same.entry(digest).or_default().push(key);
    }
    let mut groups: Vec<_> = same.into_values().filter(|keys| keys.len() > 1).collect();
    groups.sort();
    Ok(groups)
}

/// `duplicates.csv`: all groups of equal files, and the pairs `near`.
pub(crate) fn duplicates(images: &DataFrame, near: &[NearDuplicate]) -> Result<Vec<u8>> {
    let groups = equal_files(images)?;
    let exact = groups.into_iter().map(|keys| ("exact", keys, 0.0));
    let near = near.iter().map(|p| {
        (
            "near",
            vec![p.first.as_str(), p.second.as_str()],
            p.distance,
        )
    });
    let mut rows = Vec::new();
    for (group, (kind, keys, distance)) in exact.chain(near).enumerate() {
        for key in keys {
            let (group, distance) = ((group + 1).to_string(), distance.to_string());
            rows.push([kind.to_owned(), group, key.to_owned(), distance]);
        }
    }
    csv(DUPLICATES, ["kind", "group", "key", "distance"], rows)
}

fn rejected(frame: &DataFrame) -> Result<Vec<u8>> {
    let names = ["key", "size_bytes", "reason", "message"];
    let sizes = column(frame, SIZE_BYTES)?.u64()?;
    let columns = [
        strings(frame, names[0])?,
        strings(frame, names[2])?,
        strings(frame, names[3])?,
    ];
    let rows = sizes.no_null_iter().enumerate().map(|(i, size)| {
        let text = |column: usize| columns[column][i].to_owned();
        [text(0), size.to_string(), text(1), text(2)]
    });
    csv(REJECTED, names, rows)
}

fn csv<const N: usize>(
    name: &str,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<Vec<u8>> {
    let internal = |e: String| Error::Internal(format!("{name}: {e}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer
        .write_record(header)
        .map_err(|e| internal(e.to_string()))?;
    for row in rows {
        writer
            .write_record(row)
            .map_err(|e| internal(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| internal(e.to_string()))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::storage("remove", path)(e))
        }
        _ => Ok(()),
    }
}
