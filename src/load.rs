//! Step 1: find the images and their labels.
//!
//! The class of an image is the name of the folder that holds it.

use std::collections::BTreeMap;

use polars::prelude::*;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::strings;
use crate::rejection::{Reason, Rejection};
use crate::schema::{CONTENT, KEY, LABEL, SHA256, SIZE_BYTES};
use crate::source::local::{self, LocalFolder, Object};

/// The rule of this step, as the report states it.
pub const LABEL_RULE: &str = "name of the folder that holds the image";

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
    /// `key` String, `label` String, `size_bytes` `UInt64`, `sha256` String; one row an image, sorted by key.
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

/// Lists the images below `folder`, labels them, applies `params` and hashes what is left.
///
/// # Errors
/// [`Error::Invalid`] for a class that does not exist or a zero, [`Error::NoImage`] if nothing is left.
pub fn load(folder: &LocalFolder, params: &LoadParams) -> Result<Loaded> {
    check(params)?;
    let listing = folder.list();
    let n_listed = listing.objects.len() as u64 + listing.unlisted.len() as u64;
    let size_bytes = listing.objects.iter().map(|o| o.size_bytes).sum();
    let unlisted = listing.unlisted.into_iter().map(|u| Rejection {
        reason: Reason::of_reading(&u.kind.into()),
        key: u.key,
        size_bytes: 0,
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
            let source = std::io::Error::other(message.clone());
            return Err(Error::storage("read", folder.root().join(key))(source));
        }
        return Err(nothing_found(folder, n_found));
    }
    let chosen = choose(classes, params)?;
    let n_skipped = n_found as u64 - chosen.len() as u64;

    let hashed: Vec<_> = chosen.into_par_iter().map(hash).collect();
    let mut rows = Vec::with_capacity(hashed.len());
    for outcome in hashed {
        match outcome {
            Ok(row) => rows.push(row),
            Err(rejection) => rejected.push(rejection),
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
                SHA256.into(),
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

/// Adds the encoded bytes of each image as `content` Binary; for sets that fit in memory.
///
/// # Errors
/// [`Error::Invalid`] without a `key` column; [`Error::Storage`] for a file that cannot be read.
pub fn read(folder: &LocalFolder, manifest: &DataFrame) -> Result<DataFrame> {
    let contents = strings(manifest, KEY)?
        .into_par_iter()
        .map(|key| {
            folder
                .read(key)
                .map_err(Error::storage("read", folder.root().join(key)))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut frame = manifest.clone();
    frame.with_column(
        BinaryChunked::from_iter_values(CONTENT.into(), contents.iter()).into_column(),
    )?;
    Ok(frame)
}

/// The folder that holds the image, `None` right below the root.
fn label(key: &str) -> Option<&str> {
    let (folders, _) = key.rsplit_once('/')?;
    Some(folders.rsplit_once('/').map_or(folders, |(_, last)| last))
}

fn check(params: &LoadParams) -> Result<()> {
    for (name, value) in [("top-classes", params.top_classes), ("limit", params.limit)] {
        if value == Some(0) {
            return Err(Error::Invalid(format!("{name} must be at least 1, not 0")));
        }
    }
    Ok(())
}

fn nothing_found(folder: &LocalFolder, n_files: usize) -> Error {
    let root = folder.root().display();
    Error::NoImage(if n_files == 0 {
        format!("no file below `{root}`; it should hold one folder of images a class")
    } else {
        format!(
            "the {n_files} files in `{root}` lie in no class folder; put the images of each class into a folder of \
             its name, or name the folder above"
        )
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

fn hash(object: Object) -> Result<(Object, String), Rejection> {
    let reject = |reason, message: String| Rejection {
        key: object.key.clone(),
        size_bytes: object.size_bytes,
        reason,
        message,
    };
    if object.path.to_str().is_none() {
        let message = "the file name is not UTF-8; rename the file".to_owned();
        return Err(reject(Reason::Unreadable, message));
    }
    if object.size_bytes == 0 {
        return Err(reject(Reason::ZeroBytes, "the file is empty".to_owned()));
    }
    match local::sha256(&object.path) {
        Ok(digest) => Ok((object, digest)),
        Err(e) => Err(reject(Reason::of_reading(&e), e.to_string())),
    }
}
