//! Step 1: find the images and their labels.
//!
//! The class of an image is the name of the first folder below the source, or below the split: see [`LabelRule`].

mod choose;
mod files;
mod labels;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{check_free, keys, sizes, strings};
use crate::schema::{CONTENT, ETAG, KEY, LABEL, SHA256, SIZE_BYTES, SPLIT, VERSION_ID};
use crate::storage::rejection::Rejection;
use crate::storage::source::{Fetched, Looks, Object, Source, Unread, Wanted};

pub use self::choose::LoadParams;
use self::choose::choose;
pub use self::files::MAX_FILE_BYTES;
use self::files::{admit, identified, kind_of, left_out};
pub use self::labels::{LabelRule, Labels};
pub(crate) use self::names::is_unseen;
use self::names::{Kind, lookalikes};

/// Most classes of a set: the pages number the class of an image in 16 bits.
pub const MAX_CLASSES: usize = u16::MAX as usize;

/// What was found.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `key` String, `label` String, `split` String where the set has splits, `size_bytes` `UInt64`, `etag` String; one row
    /// an image, sorted by key.
    pub manifest: DataFrame,
    /// Files that cannot be read.
    pub rejected: Vec<Rejection>,
    /// How labels and splits were found.
    pub labels: Labels,
    /// What a reader should know of the names, in sentences.
    pub warnings: Vec<String>,
    /// Files below the source, but for what systems leave.
    pub n_listed: u64,
    /// Files that the parameters leave out, that lie in no class folder, or that are no images by their names.
    pub n_skipped: u64,
    /// The last of these: notes, tables, weights.
    pub n_other: u64,
    /// Files and folders that systems leave: caches of thumbnails, bins, settings, marks of finished jobs; and objects of a
    /// bucket that stand for folders.
    pub n_left_behind: u64,
    /// Size of all listed files in bytes.
    pub size_bytes: u64,
}

/// Lists the images below `source`, labels them and applies `params`. What is left has an `etag`: files of a folder are
/// read for it, those of a bucket are not.
///
/// # Errors
/// [`Error::Parameter`] for a zero, [`Error::Invalid`] for a class that does not exist or more than [`MAX_CLASSES`] classes, [`Error::NoImage`] if nothing is left,
/// [`Error::Bucket`] if the bucket cannot be listed.
pub fn load(source: &Source, params: &LoadParams) -> Result<Loaded> {
    load_with(source, params, &mut |_| true)
}

/// [`load`], with `keep_going` asked after each page of a bucket's listing, with the number of files so far, and several times a
/// second while a folder is listed and its files are read for their digests.
///
/// # Errors
/// As [`load`], and [`Error::Cancelled`] if `keep_going` says no.
pub fn load_with(
    source: &Source,
    params: &LoadParams,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Loaded> {
    check(params)?;
    let listing = source.list(keep_going)?;
    let n_listed = listing.objects.len() as u64 + listing.unlisted.len() as u64;
    // A server may say any number.
    let sizes = listing.objects.iter().map(|o| o.size_bytes);
    let size_bytes = sizes.fold(0, u64::saturating_add);
    let unlisted = listing.unlisted.into_iter().map(|u| Rejection {
        key: u.key,
        size_bytes: 0,
        reason: u.reason,
        message: u.message,
    });
    let mut rejected: Vec<_> = unlisted.collect();

    let n_found = listing.objects.len();
    let mut looks = Looks::default();
    let (mut images, mut unknown, mut n_other) = (Vec::new(), Vec::new(), 0);
    for object in listing.objects {
        looks.look(n_listed, keep_going)?;
        match kind_of(&object) {
            Kind::Image => images.push(object),
            Kind::Unknown => unknown.push(object),
            Kind::Other => n_other += 1,
        }
    }
    let (labels, left) = admit(params.label, &mut images, unknown);
    n_other += left.len();
    let mut classes: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    for object in images {
        if let Some(label) = labels.label(&object.key) {
            classes.entry(label.to_owned()).or_default().push(object);
        }
    }
    if classes.is_empty() {
        if let Some(Rejection { key, message, .. }) = rejected.first() {
            let where_is = source.name_of(key);
            let source = std::io::Error::other(message.clone());
            return Err(Error::storage("read", where_is)(source));
        }
        return Err(nothing_found(source, n_found, n_other));
    }
    let chosen = choose(classes, params)?;
    check_classes(chosen.iter().filter_map(|o| labels.label(&o.key)), params)?;
    let n_skipped = n_found as u64 - chosen.len() as u64;

    let mut rows = identified(chosen, &mut rejected, &mut || keep_going(n_listed))?;
    rows.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    let label_of = |o: &Object| labels.label(&o.key).unwrap_or_default().to_owned();
    let mut manifest = DataFrame::new(
        rows.len(),
        vec![
            Column::new(
                KEY.into(),
                rows.iter().map(|r| r.0.key.clone()).collect::<Vec<_>>(),
            ),
            Column::new(
                LABEL.into(),
                rows.iter().map(|r| label_of(&r.0)).collect::<Vec<_>>(),
            ),
            Column::new(
                SIZE_BYTES.into(),
                rows.iter().map(|r| r.0.size_bytes).collect::<Vec<_>>(),
            ),
            Column::new(
                ETAG.into(),
                rows.iter().map(|r| r.1.clone()).collect::<Vec<_>>(),
            ),
        ],
    )?;
    let keys_and_labels = strings(&manifest, KEY)?
        .into_iter()
        .zip(strings(&manifest, LABEL)?);
    let of_splits = labels.gathers(keys_and_labels);
    let of_names = lookalikes(BTreeSet::from_iter(strings(&manifest, LABEL)?).into_iter());
    // What lies in no folder, or in the one of a split, as a licence does, is in no class whatever its ending.
    let is_beside = |key: &str| labels.split(key).is_none() && key.contains('/');
    let might_be = left
        .iter()
        .filter(|o| labels.label(&o.key).is_some() || is_beside(&o.key));
    let of_left = match might_be.count() {
        0 => None,
        n => Some(left_out(n)),
    };
    let of_mixed = labels.taken_for_classes();
    let warnings = of_mixed
        .into_iter()
        .chain(of_splits)
        .chain(of_names)
        .chain(of_left);
    let warnings = warnings.collect();
    add_split(&mut manifest, &labels)?;
    Ok(Loaded {
        manifest,
        rejected,
        labels,
        warnings,
        n_listed,
        n_skipped,
        n_other: n_other as u64,
        n_left_behind: listing.n_left_behind,
        size_bytes,
    })
}

/// Adds `split` String behind the label, where the set has splits.
pub(crate) fn add_split(images: &mut DataFrame, labels: &Labels) -> Result<()> {
    if !labels.has_splits() {
        return Ok(());
    }
    let splits: Vec<_> = strings(images, KEY)?
        .into_iter()
        .map(|key| labels.split(key))
        .collect();
    let splits = Column::new(SPLIT.into(), splits);
    let behind = images.get_column_index(LABEL).map_or(0, |i| i + 1);
    images.insert_column(behind, splits)?;
    Ok(())
}

/// Adds the encoded bytes of each image as `content` Binary, with their `sha256` String and `version_id` String (null
/// but in a versioned bucket); for sets that fit in memory.
///
/// # Errors
/// [`Error::Column`] for a column that [`load`] gives, if it is missing or of another type, for a key that is there twice,
/// for a column `content` that is there already, and for a `sha256` that is not that of the file; [`Error::Storage`] or [`Error::Bucket`] for a file that cannot be
/// read or is not the one that was listed.
pub fn read(source: &Source, manifest: &DataFrame) -> Result<DataFrame> {
    read_with(source, manifest, &AtomicBool::new(false), &mut |_| {})
}

/// [`read`], with `progress(files read)` after each of them; ends once `stop` is up.
///
/// # Errors
/// As [`read`], and [`Error::Cancelled`].
pub fn read_with(
    source: &Source,
    manifest: &DataFrame,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize),
) -> Result<DataFrame> {
    keys(manifest)?;
    check_free(manifest, &[CONTENT])?;
    // Those of a manifest that was read before are the same, or the file is another.
    let known = manifest.column(SHA256).map(|_| strings(manifest, SHA256));
    let known = known.ok().transpose()?;
    let wanted = wanted(manifest)?;
    let keys: Vec<String> = wanted.iter().map(|file| file.key.clone()).collect();
    let mut n_done = 0;
    let fetched = source.fetch(wanted, stop).zip(&keys).map(|(outcome, key)| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        n_done += 1;
        progress(n_done);
        match outcome {
            Ok(fetched) => Ok(fetched.kept()),
            Err(Unread::Run(error)) => Err(error),
            Err(Unread::File(_, message)) => {
                let fault = std::io::Error::other(message);
                Err(Error::storage("read", source.name_of(key))(fault))
            }
        }
    });
    let fetched = fetched.collect::<Result<Vec<_>>>()?;
    let pairs = known.iter().flatten().zip(&fetched).zip(&keys);
    if let Some(((known, read), key)) = pairs
        .into_iter()
        .find(|((known, read), _)| **known != read.sha256)
    {
        return Err(Error::Column {
            name: SHA256.to_owned(),
            expected: format!("the digest of `{key}`, {}", read.sha256),
            found: format!("`{known}`"),
        });
    }
    with_content(manifest.clone(), &fetched)
}

/// The files of a manifest, for [`Source::fetch`].
pub(crate) fn wanted(manifest: &DataFrame) -> Result<Vec<Wanted>> {
    let keys = strings(manifest, KEY)?.into_iter();
    let rows = keys
        .zip(strings(manifest, ETAG)?)
        .zip(sizes(manifest, SIZE_BYTES)?);
    Ok(rows
        .map(|((key, etag), size_bytes)| Wanted {
            key: key.to_owned(),
            size_bytes,
            etag: etag.to_owned(),
        })
        .collect())
}

/// Adds what was read to the rows it belongs to.
pub(crate) fn with_content(mut rows: DataFrame, fetched: &[Fetched]) -> Result<DataFrame> {
    let sha256: Vec<&str> = fetched.iter().map(|f| f.sha256.as_str()).collect();
    let versions: Vec<Option<&str>> = fetched.iter().map(|f| f.version_id.as_deref()).collect();
    let contents = fetched.iter().map(|f| &f.bytes);
    rows.with_column(Column::new(SHA256.into(), sha256))?;
    rows.with_column(Column::new(VERSION_ID.into(), versions))?;
    rows.with_column(BinaryChunked::from_iter_values(CONTENT.into(), contents).into_column())?;
    Ok(rows)
}

fn check(params: &LoadParams) -> Result<()> {
    for (name, value) in [("top_classes", params.top_classes), ("limit", params.limit)] {
        if value == Some(0) {
            let rule = "must be at least 1, not 0".to_owned();
            return Err(Error::Parameter { name, rule });
        }
    }
    Ok(())
}

/// Refuses more classes than can be numbered, before a file is read.
fn check_classes<'a>(labels: impl Iterator<Item = &'a str>, params: &LoadParams) -> Result<()> {
    let n = BTreeSet::from_iter(labels).len();
    if n <= MAX_CLASSES {
        return Ok(());
    }
    let rule = match params.label {
        LabelRule::First => "the first folder below the input",
        LabelRule::Parent => "the folder that holds an image",
    };
    Err(Error::Invalid(format!(
        "{n} classes are more than the {MAX_CLASSES} that a report can tell apart; take fewer with --top-classes or --classes, \
         and look whether {rule} is what names a class"
    )))
}

fn nothing_found(source: &Source, n_files: usize, n_other: usize) -> Error {
    let kind = match source {
        Source::Folder(_) => "folder",
        Source::Bucket(_) => "prefix",
    };
    Error::NoImage(match (n_files, source) {
        (0, Source::Bucket(_)) => format!(
            "no object below `{source}`; check --bucket and --prefix (letter by letter, no `/` in front): one folder of \
             images a class should lie below it"
        ),
        (0, Source::Folder(_)) => {
            format!("no file below `{source}`; it should hold one folder of images a class")
        }
        _ if n_other == n_files => format!(
            "none of the {n_files} files below `{source}` is an image by its name; it should hold one folder of images a \
             class"
        ),
        _ => format!(
            "the {n_files} files in `{source}` lie in no class folder; put the images of each class into a folder of its \
             name, or name the {kind} above"
        ),
    })
}
