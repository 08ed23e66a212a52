//! Step 1: find the images and their labels.
//!
//! The class of an image is the name of the folder that holds it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use polars::prelude::*;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::rejection::{Reason, Rejection};
use crate::schema::{CONTENT, ETAG, KEY, LABEL, SHA256, SIZE_BYTES, VERSION_ID};
use crate::source::{Fetched, Object, Source, Unread, Wanted};

/// The rule of this step, as the report states it.
pub const LABEL_RULE: &str = "name of the folder that holds the image";

/// A file larger than this is no photograph: it is more than an image may take when it is decoded.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// Files whose digests are taken between two looks whether to go on: a tenth of a second for photographs of 100 kB.
const FILES_AT_A_TIME: usize = 256;

/// Which images to take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadParams {
    /// Take only these classes; all if absent.
    pub classes: Option<Vec<String>>,
    /// Take the classes with the most files, ties by name; all if absent.
    pub top_classes: Option<usize>,
    /// Take at most this many images, spread evenly over the sorted keys; all if absent.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `key` String, `label` String, `size_bytes` `UInt64`, `etag` String; one row an image, sorted by key.
    pub manifest: DataFrame,
    /// Files that cannot be read.
    pub rejected: Vec<Rejection>,
    /// Files below the source.
    pub n_listed: u64,
    /// Files that the parameters leave out, or that lie in no class folder.
    pub n_skipped: u64,
    /// Size of all listed files in bytes.
    pub size_bytes: u64,
}

/// Lists the images below `source`, labels them and applies `params`. What is left has an `etag`: files of a folder are
/// read for it, those of a bucket are not.
///
/// # Errors
/// [`Error::Invalid`] for a class that does not exist or a zero, [`Error::NoImage`] if nothing is left,
/// [`Error::Bucket`] if the bucket cannot be listed.
pub fn load(source: &Source, params: &LoadParams) -> Result<Loaded> {
    load_with(source, params, &mut |_| true)
}

/// [`load`], with `keep_going` asked after each page of a bucket's listing, with the number of files so far, and now and
/// then while the files of a folder are read for their digests.
///
/// # Errors
/// As [`load`], and [`Error::Interrupted`] if `keep_going` says no.
pub fn load_with(
    source: &Source,
    params: &LoadParams,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Loaded> {
    check(params)?;
    let listing = source.list(keep_going)?;
    let n_listed = listing.objects.len() as u64 + listing.unlisted.len() as u64;
    let size_bytes = listing.objects.iter().map(|o| o.size_bytes).sum();
    let unlisted = listing.unlisted.into_iter().map(|u| Rejection {
        key: u.key,
        size_bytes: 0,
        reason: u.reason,
        message: u.message,
    });
    let mut rejected: Vec<_> = unlisted.collect();

    let n_found = listing.objects.len();
    let mut classes: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    for object in listing.objects {
        if let Some(label) = label(&object.key) {
            classes.entry(label.to_owned()).or_default().push(object);
        }
    }
    if classes.is_empty() {
        if let Some(Rejection { key, message, .. }) = rejected.first() {
            let where_is = source.name_of(key);
            let source = std::io::Error::other(message.clone());
            return Err(Error::storage("read", where_is)(source));
        }
        return Err(nothing_found(source, n_found));
    }
    let chosen = choose(classes, params)?;
    let n_skipped = n_found as u64 - chosen.len() as u64;

    let mut rows = Vec::with_capacity(chosen.len());
    let mut chosen = chosen.into_iter().peekable();
    while chosen.peek().is_some() {
        if !keep_going(n_listed) {
            return Err(Error::Interrupted);
        }
        let part: Vec<_> = chosen.by_ref().take(FILES_AT_A_TIME).collect();
        let identified: Vec<_> = part.into_par_iter().map(identify).collect();
        for outcome in identified {
            match outcome {
                Ok(row) => rows.push(row),
                Err(rejection) => rejected.push(rejection),
            }
        }
    }
    rows.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    let label_of = |o: &Object| label(&o.key).unwrap_or_default().to_owned();
    let manifest = DataFrame::new(
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
    Ok(Loaded {
        manifest,
        rejected,
        n_listed,
        n_skipped,
        size_bytes,
    })
}

/// Adds the encoded bytes of each image as `content` Binary, with their `sha256` String and `version_id` String (null
/// but in a versioned bucket); for sets that fit in memory.
///
/// # Errors
/// [`Error::Invalid`] without the columns of [`load`]; [`Error::Storage`] or [`Error::Bucket`] for a file that cannot be
/// read or is not the one that was listed.
pub fn read(source: &Source, manifest: &DataFrame) -> Result<DataFrame> {
    read_with(source, manifest, &AtomicBool::new(false), &mut |_| {})
}

/// [`read`], with `progress(files read)` after each of them; ends once `stop` is up.
///
/// # Errors
/// As [`read`], and [`Error::Interrupted`].
pub fn read_with(
    source: &Source,
    manifest: &DataFrame,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize),
) -> Result<DataFrame> {
    let wanted = wanted(manifest)?;
    let keys: Vec<String> = wanted.iter().map(|file| file.key.clone()).collect();
    let mut n_done = 0;
    let fetched = source.fetch(wanted, stop).zip(&keys).map(|(outcome, key)| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
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
    with_content(manifest.clone(), &fetched.collect::<Result<Vec<_>>>()?)
}

/// The files of a manifest, for [`Source::fetch`].
pub(crate) fn wanted(manifest: &DataFrame) -> Result<Vec<Wanted>> {
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let keys = strings(manifest, KEY)?.into_iter();
    let rows = keys.zip(strings(manifest, ETAG)?).zip(sizes.no_null_iter());
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

/// The folder that holds the image; `None` right below the root, and where its name is empty, as a key may have it.
fn label(key: &str) -> Option<&str> {
    let (folders, _) = key.rsplit_once('/')?;
    let label = folders.rsplit_once('/').map_or(folders, |(_, last)| last);
    Some(label).filter(|label| !label.is_empty())
}

fn check(params: &LoadParams) -> Result<()> {
    for (name, value) in [("top-classes", params.top_classes), ("limit", params.limit)] {
        if value == Some(0) {
            return Err(Error::Invalid(format!("{name} must be at least 1, not 0")));
        }
    }
    Ok(())
}

fn nothing_found(source: &Source, n_files: usize) -> Error {
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
        _ => format!(
            "the {n_files} files in `{source}` lie in no class folder; put the images of each class into a folder of its \
             name, or name the {kind} above"
        ),
    })
}

/// The objects that `params` leaves, sorted by key.
fn choose(mut classes: BTreeMap<String, Vec<Object>>, params: &LoadParams) -> Result<Vec<Object>> {
    if let Some(wanted) = &params.classes {
        if let Some(unknown) = wanted.iter().find(|name| !classes.contains_key(*name)) {
            let known: Vec<_> = classes.keys().take(20).map(String::as_str).collect();
            let more = if classes.len() > known.len() {
                ", ..."
            } else {
                ""
            };
            return Err(Error::Invalid(format!(
                "no class `{unknown}`; there are {}: {}{more}",
                classes.len(),
                known.join(", ")
            )));
        }
        classes.retain(|name, _| wanted.contains(name));
    }
    if let Some(n) = params.top_classes {
        let mut by_size: Vec<_> = classes
            .iter()
            .map(|(name, o)| (o.len(), name.clone()))
            .collect();
        by_size.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, name) in by_size.into_iter().skip(n) {
            classes.remove(&name);
        }
    }
    let mut objects: Vec<_> = classes.into_values().flatten().collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(limit) = params.limit.filter(|&limit| limit < objects.len()) {
        let n = objects.len();
        let mut objects_taken = Vec::with_capacity(limit);
        let mut next = (0..limit).map(|i| i * n / limit).peekable();
        for (i, object) in objects.into_iter().enumerate() {
            if next.next_if_eq(&i).is_some() {
                objects_taken.push(object);
            }
        }
        objects = objects_taken;
    }
    Ok(objects)
}

/// The object with its ETag, or why it cannot be used.
fn identify(object: Object) -> Result<(Object, String), Rejection> {
    let outcome = match object.size_bytes {
        0 => Err((Reason::ZeroBytes, "the file is empty".to_owned())),
        size_bytes if size_bytes > MAX_FILE_BYTES => {
            let message = format!(
                "{size_bytes} bytes are too many for a photograph (at most {MAX_FILE_BYTES})"
            );
            Err((Reason::TooLarge, message))
        }
        _ => Source::etag(&object),
    };
    match outcome {
        Ok(etag) => Ok((object, etag)),
        Err((reason, message)) => Err(Rejection {
            key: object.key,
            size_bytes: object.size_bytes,
            reason,
            message,
        }),
    }
}
