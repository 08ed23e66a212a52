//! Whether the images are still those of the run.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::finding::named;
use super::{Finding, Recorded, Rejected};
use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::schema::{ETAG, KEY, SHA256, SIZE_BYTES};
use crate::source::{Object, Source};

/// Files whose digests are taken between two looks whether to go on: a tenth of a second for photographs of 100 kB.
const FILES_AT_A_TIME: usize = 256;

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    Sha256,
    /// What S3 lists; only comparable with what S3 listed.
    Etag,
    /// The run knew files by their digest, and a bucket does not tell it.
    Size,
}

/// Lists `source` again and holds every file of the run against it: SHA-256 in a folder, which is read for it, ETags
/// in a bucket. `keep_going(files done, files in all)` is asked now and then.
///
/// # Errors
/// [`Error::Bucket`] if the bucket cannot be listed, [`Error::Interrupted`], [`Error::Invalid`] if the manifest lacks a
/// column.
pub fn inputs(
    recorded: &Recorded,
    source: &Source,
    keep_going: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Finding> {
    let what = "inputs";
    let (manifest, rejected) = match (&recorded.manifest, &recorded.rejected) {
        (Ok(manifest), Ok(rejected)) => (manifest, rejected),
        (Err(reason), _) | (_, Err(reason)) => {
            return Ok(Finding::skipped(
                what,
                format!("not known without the list: {reason}"),
            ));
        }
    };
    let identity = match source {
        Source::Folder(_) => Identity::Sha256,
        Source::Bucket(_) if recorded.run.source.kind == source.kind() => Identity::Etag,
        Source::Bucket(_) => Identity::Size,
    };
    let n_used = manifest.height() as u64;
    let listing = source.list(&mut |_| keep_going(0, n_used))?;
    let n_found = (listing.objects.len() + listing.unlisted.len()) as u64;
    let unlisted: BTreeSet<&str> = listing.unlisted.iter().map(|u| u.key.as_str()).collect();
    let found: BTreeMap<&str, &Object> = listing
        .objects
        .iter()
        .map(|o| (o.key.as_str(), o))
        .collect();

    let state = match identity {
        Identity::Etag => ETAG,
        Identity::Sha256 | Identity::Size => SHA256,
    };
    let keys = strings(manifest, KEY)?;
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let states = strings(manifest, state)?.into_iter();
    let wanted: Vec<_> = keys.iter().zip(states.zip(sizes.no_null_iter())).collect();
    let mut faults = Faults::default();
    let mut n_done = 0;
    for part in wanted.chunks(FILES_AT_A_TIME) {
        if !keep_going(n_done, n_used) {
            return Err(Error::Interrupted);
        }
        let states: Vec<_> = part
            .par_iter()
            .map(|(key, (state, size_bytes))| match found.get(*key) {
                None => Err(Fault::Missing),
                Some(object) if object.size_bytes != *size_bytes => Err(Fault::Changed),
                Some(_) if identity == Identity::Size => Ok(()),
                Some(object) => match Source::etag(object) {
                    Ok(now) if now == *state => Ok(()),
                    Ok(_) => Err(Fault::Changed),
                    Err(_) => Err(Fault::Unreadable),
                },
            })
            .collect();
        for ((key, _), state) in part.iter().zip(states) {
            faults.push(key, state);
        }
        n_done += part.len() as u64;
    }
    for Rejected {
        key, size_bytes, ..
    } in rejected
    {
        let state = match found.get(key.as_str()) {
            _ if unlisted.contains(key.as_str()) => Ok(()),
            None => Err(Fault::Missing),
            Some(object) if object.size_bytes != *size_bytes => Err(Fault::Changed),
            Some(_) => Ok(()),
        };
        faults.push(key, state);
    }

    let mut sentences = faults.sentences();
    // Whatever is neither used nor rejected was skipped, and the run does not name what it skipped.
    let n_then = recorded.run.images.listed;
    let n_there = n_then.saturating_sub(faults.of(Fault::Missing).len() as u64);
    if n_found > n_there && recorded.run.images.skipped == 0 {
        let known: BTreeSet<&str> = keys
            .iter()
            .copied()
            .chain(rejected.iter().map(|r| r.key.as_str()))
            .collect();
        let new: Vec<_> = found.keys().filter(|key| !known.contains(**key)).collect();
        sentences.push(format!(
            "{} more than then: {}",
            n_found - n_there,
            named(&new)
        ));
    } else if n_found != n_there {
        let n = n_found.abs_diff(n_there);
        sentences.push(match n_found > n_there {
            true => format!("{n} more than then are listed"),
            false => format!("{n} that were listed then and not used are not there"),
        });
    }
    if !sentences.is_empty() {
        let detail = format!(
            "`{source}`: {}; --input says where the images are, if they are elsewhere now",
            sentences.join("; ")
        );
        return Ok(Finding::differs(what, detail));
    }
    let same = match identity {
        Identity::Sha256 => "SHA-256",
        Identity::Etag => "ETag",
        Identity::Size => "size, all that can be compared between a folder and a bucket",
    };
    Ok(Finding::ok(
        what,
        format!("`{source}`: {n_used} images with the same {same}"),
    ))
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Changed,
    Missing,
    Unreadable,
}

#[derive(Default)]
struct Faults<'a>(BTreeMap<Fault, Vec<&'a str>>);

impl<'a> Faults<'a> {
    fn push(&mut self, key: &'a str, state: Result<(), Fault>) {
        if let Err(fault) = state {
            self.0.entry(fault).or_default().push(key);
        }
    }

    fn of(&self, fault: Fault) -> &[&'a str] {
        self.0.get(&fault).map_or(&[], Vec::as_slice)
    }

    fn sentences(&self) -> Vec<String> {
        let sentence = |(fault, keys): (&Fault, &Vec<&str>)| {
            let state = match fault {
                Fault::Changed => "changed",
                Fault::Missing => "missing",
                Fault::Unreadable => "cannot be read",
            };
            format!("{} {state}: {}", keys.len(), named(keys))
        };
        self.0.iter().map(sentence).collect()
    }
}
