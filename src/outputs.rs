//! The files of a run, in an order that leaves no lie behind: data, then the record that names their digests.

pub(crate) mod cells;
mod finished;
mod names;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{sizes, strings};
use crate::record::{NearDuplicate, Output, Run, Stage, Timings};
use crate::run::{Outcome, peak_rss_bytes};
use crate::schema::{
    ETAG, KEY, LABEL, LABEL_AGREEMENT, OUTLIER_SCORE, SHA256, SIZE_BYTES, SPLIT, VERSION_ID, is_pc,
    positions, trust,
};
use crate::steps::pca::PcaExt;
use crate::storage::atomic;
use crate::storage::digest;
use crate::storage::place::{Claim, JSON, PARQUET, Place};
use crate::storage::s3::Prefix;
use crate::storage::temporary;

pub use self::finished::Finished;
pub(crate) use self::finished::{
    MOST_RECORD_BYTES, NoRecord, Record, Unread, beside, check_values, frame, most_bytes,
};
pub use self::names::{DUPLICATES, EMBEDDINGS, MANIFEST, PCA, REJECTED, REPORT, RUN, TIMINGS};

/// What [`publish`] wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// Size of `index.html`.
    pub html_bytes: usize,
    /// Seconds that rendering and writing took.
    pub wall_s: f64,
}

/// Writes all files of a run: the data, `run.json`, what `render` makes of the run as `index.html`, and `timings.json`.
/// All are whole in a folder of their own before the first of an earlier run goes: beside these, or on this machine for a
/// bucket. `run.json` comes last.
///
/// # Errors
/// [`Error::Storage`]; [`Error::Unplaced`], which names the folder where the files are whole; what `render` returns.
pub fn publish(
    outcome: &mut Outcome,
    claim: &Claim,
    render: impl FnOnce(&Outcome) -> Result<String>,
) -> Result<Published> {
    let prefix = match claim.place() {
        Place::Folder(folder) => {
            let staged = atomic::partial_folder(folder)?;
            let published = publish_into(outcome, staged.path(), render)?;
            let exchanged = exchange(staged.path(), folder);
            return match exchanged {
                Ok(()) => Ok(published),
                Err(error) => Err(unplaced(staged.keep(), false, error)),
            };
        }
        Place::Bucket(prefix) => prefix,
    };
    let staged = temporary::folder("report")?;
    let published = publish_into(outcome, staged.path(), render)?;
    match upload(staged.path(), prefix, claim) {
        Ok(()) => Ok(published),
        Err(error) => Err(unplaced(staged.keep(), true, error)),
    }
}

/// Hours of work are in a report that could not be put in its place.
fn unplaced(folder: PathBuf, is_lasting: bool, error: Error) -> Error {
    Error::Unplaced {
        folder,
        is_lasting,
        source: Box::new(error),
    }
}

fn publish_into(
    outcome: &mut Outcome,
    folder: &Path,
    render: impl FnOnce(&Outcome) -> Result<String>,
) -> Result<Published> {
    let began = Instant::now();
    write(outcome, folder)?;
    let html = render(outcome)?;
    atomic::write(&folder.join(REPORT), html.as_bytes())?;
    let wall_s = began.elapsed().as_secs_f64();
    let timings = &mut outcome.timings;
    timings.total_s += wall_s;
    timings.peak_rss_bytes = peak_rss_bytes();
    timings.stages.push(Stage {
        name: "report".to_owned(),
        wall_s,
        items: outcome.run.images.accepted,
        cache_hits: 0,
        parts: Vec::new(),
    });
    write_timings(timings, folder)?;
    Ok(Published {
        html_bytes: html.len(),
        wall_s,
    })
}

/// Puts the files of a run in the place of an earlier one's: its record goes first, the new one comes last. A file that this
/// run does not have (no PCA, no embedding) is removed. After a fault, `staged` has all of its files again.
fn exchange(staged: &Path, folder: &Path) -> Result<()> {
    // The one thing that is known to fail half-way.
    for (name, _) in FILES {
        let old = folder.join(name);
        if old.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            return Err(Error::storage("write", old)(ErrorKind::IsADirectory.into()));
        }
    }
    remove_if_there(&folder.join(RUN))?;
    let mut moved = Vec::new();
    let exchanged = FILES.iter().try_for_each(|(name, _)| {
        let (new, old) = (staged.join(name), folder.join(name));
        match fs::rename(&new, &old) {
            Err(e) if e.kind() == ErrorKind::NotFound => remove_if_there(&old),
            Err(e) => Err(Error::storage("write", old)(e)),
            Ok(()) => {
                moved.push((old, new));
                Ok(())
            }
        }
    });
    let exchanged = exchanged.and_then(|()| atomic::sync_folder(folder));
    if exchanged.is_err() {
        for (old, new) in &moved {
            // What a reader has stays, too. The fault before it is the one to tell.
            let _ = fs::hard_link(old, new).or_else(|_| fs::copy(old, new).map(drop));
        }
    }
    exchanged
}

/// Writes everything but the report into `folder`, which holds no other run, and enters the digests of the files into the
/// run's record. `run.json` comes last.
///
/// # Errors
/// [`Error::Storage`].
pub fn write(outcome: &mut Outcome, folder: &Path) -> Result<()> {
    let identity = [KEY, LABEL, SPLIT, SIZE_BYTES, ETAG, SHA256, VERSION_ID];
    let identity = identity
        .into_iter()
        .filter(|name| outcome.images.column(name).is_ok());
    let manifest = parquet(outcome.images.select(identity)?)?;
    let mut outputs = vec![put(folder, MANIFEST, &manifest)?];
    if outcome.images.column("pc1").is_ok() {
        let bytes = embeddings(outcome)?;
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

/// Writes `timings.json` alone, when rendering has been timed as well.
fn write_timings(timings: &Timings, folder: &Path) -> Result<()> {
    atomic::write(&folder.join(TIMINGS), &json(timings)?)
}

/// Copies the files of a run to a bucket: `run.json` last, as the mark that the others are whole. What another run left
/// there goes first, so that an upload that fails leaves no record of files that are not its own. A process that was suspended
/// meanwhile writes no more than the one file it was at over those of another run.
fn upload(folder: &Path, prefix: &Prefix, claim: &Claim) -> Result<()> {
    claim.check()?;
    prefix.remove(RUN)?;
    for (name, content_type) in FILES {
        claim.check()?;
        let path = folder.join(name);
        if path.exists() {
            prefix.write(name, atomic::read(&path)?, content_type)?;
        } else {
            prefix.remove(name)?;
        }
    }
    Ok(())
}

/// Copies the files of a run from a bucket into `folder`, as far as they are there: anybody may have put them there, and no
/// more is copied than is read of such files.
///
/// # Errors
/// [`Error::Bucket`], [`Error::Storage`].
pub fn download(prefix: &Prefix, folder: &Path) -> Result<()> {
    for (name, _) in FILES {
        if let Some(bytes) = prefix.read_at_most(name, most_bytes(name))? {
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
    Output {
        name: name.to_owned(),
        sha256: digest::of(bytes),
        size_bytes: bytes.len() as u64,
    }
}

fn embeddings(outcome: &Outcome) -> Result<Vec<u8>> {
    let measured = [KEY, LABEL, OUTLIER_SCORE, LABEL_AGREEMENT];
    let of_projections = outcome.run.projections.iter().flat_map(|projection| {
        let [x, y] = positions(&projection.name);
        [x, y, trust(&projection.name)]
    });
    let of_projections: Vec<String> = of_projections.collect();
    let wanted = |name: &str| {
        measured.contains(&name) || is_pc(name) || of_projections.iter().any(|of| of == name)
    };
    let images = &outcome.images;
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
            let key = cells::guarded(key).into_owned();
            rows.push([kind.to_owned(), group, key, distance]);
        }
    }
    cells::csv(DUPLICATES, ["kind", "group", "key", "distance"], rows)
}

fn rejected(frame: &DataFrame) -> Result<Vec<u8>> {
    let names = ["key", "size_bytes", "reason", "message"];
    let sizes = sizes(frame, SIZE_BYTES)?;
    let columns = [
        strings(frame, names[0])?,
        strings(frame, names[2])?,
        strings(frame, names[3])?,
    ];
    let rows = sizes.into_iter().enumerate().map(|(i, size)| {
        let text = |column: usize| cells::guarded(columns[column][i]).into_owned();
        [text(0), size.to_string(), text(1), text(2)]
    });
    cells::csv(REJECTED, names, rows)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::storage("remove", path)(e)),
        _ => Ok(()),
    }
}
