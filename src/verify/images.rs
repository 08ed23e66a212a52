//! Whether the images are still those of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::derived::goes_on;
use super::finding::{Finding, MAX_NAMED, named, unknown};
use super::recorded::{Recorded, Rejected};
use crate::error::{Error, Result};
use crate::frame::{sizes, strings};
use crate::schema::{ETAG, KEY, SHA256, SIZE_BYTES};
use crate::steps::load::MAX_FILE_BYTES;
use crate::storage::foreign::{self, Folder};
use crate::storage::source::local::LocalFolder;
use crate::storage::source::{Source, State};

const WHAT: &str = "inputs";
/// Files whose digests are taken between two looks whether to go on: a tenth of a second for photographs of 100 kB.
const FILES_AT_A_TIME: usize = 256;
/// Files that are counted below a folder at most, beside twice as many as the run listed.
const MORE_FILES: u64 = 1000;

/// Who says where the images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The user: the folder is looked through for files that came later.
    User,
    /// The record alone, which anybody may have written: of its folder only the files of the run are opened.
    Record,
}

/// Holds every file of the run against `source`: by SHA-256 in a folder, where each is opened by its key and no link is
/// followed, by ETag in a bucket, which is listed. `progress(files done, files in all)` is asked now and then whether to go
/// on. Digests are taken in the threads of the pool that it is called in.
///
/// # Errors
/// [`Error::Storage`] if the folder cannot be opened, [`Error::Bucket`] if the bucket cannot be listed,
/// [`Error::Cancelled`] with `stop`, [`Error::Column`] if the manifest lacks one.
pub fn inputs(
    recorded: &Recorded,
    source: &Source,
    named_by: NamedBy,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Finding> {
    let (manifest, rejected) = match (&recorded.manifest, &recorded.rejected) {
        (Ok(manifest), Ok(rejected)) => (manifest, rejected),
        (Err(reason), _) | (_, Err(reason)) => return Ok(unknown(WHAT, reason)),
    };
    let mut look = Look {
        recorded,
        rejected,
        stop,
        progress,
        faults: Faults::default(),
    };
    let (same, count) = match source {
        Source::Folder(folder) => {
            look.folder(manifest, folder)?;
            let count = match named_by {
                NamedBy::User => look.count(manifest, folder)?,
                NamedBy::Record => Count::Unknown,
            };
            ("SHA-256", count)
        }
        Source::Bucket(_) => look.bucket(manifest, source)?,
    };
    Ok(look.finding(source, manifest.height() as u64, same, count))
}

/// How many files there are now.
enum Count {
    /// They were not counted.
    Unknown,
    Known {
        n: u64,
        /// There may be more.
        is_least: bool,
        /// Those that the run does not know, and the names of some; only where it skipped none, since it does not name these.
        new: Option<(u64, Vec<String>)>,
    },
}

struct Look<'a> {
    recorded: &'a Recorded,
    rejected: &'a [Rejected],
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(u64, u64),
    faults: Faults,
}

impl Look<'_> {
    /// Opens the files of the run.
    fn folder(&mut self, manifest: &DataFrame, source: &LocalFolder) -> Result<()> {
        let root = source.root();
        let folder = Folder::open(root).map_err(Error::storage("read folder", root))?;
        let keys = strings(manifest, KEY)?;
        let sizes = sizes(manifest, SIZE_BYTES)?;
        let digests = strings(manifest, SHA256)?.into_iter();
        let wanted: Vec<_> = keys.into_iter().zip(digests.zip(sizes)).collect();
        let (n_used, mut n_done) = (wanted.len() as u64, 0);
        for part in wanted.chunks(FILES_AT_A_TIME) {
            self.go_on(n_done, n_used)?;
            let one = |&(key, (sha256, size_bytes)): &(&str, (&str, u64))| {
                // No image is empty; what the kernel makes says of itself that it is.
                let is_other = |size| size != size_bytes || size == 0;
                if folder.look(key)?.is_some_and(is_other) {
                    return Err(Fault::Changed);
                }
                match folder.file(key)?.sha256(MAX_FILE_BYTES, self.stop)? == sha256 {
                    true => Ok(()),
                    false => Err(Fault::Changed),
                }
            };
            let states: Vec<_> = part.par_iter().map(one).collect();
            for ((key, _), state) in part.iter().zip(states) {
                self.faults.push(key, state);
            }
            n_done += part.len() as u64;
        }
        self.go_on(n_done, n_used)?;
        for Rejected {
            key, size_bytes, ..
        } in self.rejected
        {
            self.go_on(n_done, n_used)?;
            let state = match folder.look(key) {
                // The list has no name by which it could be opened.
                _ if key.contains(char::REPLACEMENT_CHARACTER) => Ok(()),
                Err(foreign::Fault::Missing) => Err(Fault::Missing),
                Ok(Some(size)) if size != *size_bytes => Err(Fault::Changed),
                _ => Ok(()),
            };
            self.faults.push(key, state);
        }
        Ok(())
    }

    /// Looks through a folder for files that came later.
    fn count(&self, manifest: &DataFrame, folder: &LocalFolder) -> Result<Count> {
        let keys = strings(manifest, KEY)?.into_iter();
        let known: BTreeSet<&str> = keys
            .chain(self.rejected.iter().map(|r| r.key.as_str()))
            .collect();
        let n_then = self.recorded.run.images.listed;
        let most = n_then.saturating_mul(2).saturating_add(MORE_FILES);
        let (mut n_new, mut first) = (0, BTreeSet::new());
        let walked = folder.walk(most, self.stop, &mut |key| {
            if !known.contains(key) {
                n_new += 1;
                first.insert(key.to_owned());
                if first.len() > MAX_NAMED {
                    first.pop_last();
                }
            }
        })?;
        let names_all = self.recorded.run.images.skipped == 0;
        Ok(Count::Known {
            n: walked.n_files,
            is_least: walked.has_links || walked.n_files == most,
            new: names_all.then(|| (n_new, first.into_iter().collect())),
        })
    }

    /// Lists a bucket.
    fn bucket(&mut self, manifest: &DataFrame, source: &Source) -> Result<(&'static str, Count)> {
        let n_used = manifest.height() as u64;
        let listing = source.list(&mut |_| goes_on(self.stop))?;
        (self.progress)(0, n_used);
        let found: BTreeMap<&str, _> = listing
            .objects
            .iter()
            .map(|o| (o.key.as_str(), o))
            .collect();
        // The run of a folder knew its files by their digest, and a bucket does not tell it.
        let has_etags = self.recorded.run.source.kind == source.kind();
        let etags = strings(manifest, if has_etags { ETAG } else { SHA256 })?.into_iter();
        let keys = strings(manifest, KEY)?;
        let sizes = sizes(manifest, SIZE_BYTES)?;
        for (key, (then, size_bytes)) in keys.iter().zip(etags.zip(sizes)) {
            let state = match found.get(key) {
                None => Err(Fault::Missing),
                Some(object) if object.size_bytes != size_bytes => Err(Fault::Changed),
                Some(object) => match &object.state {
                    State::Etag(now) if has_etags && now != then => Err(Fault::Changed),
                    _ => Ok(()),
                },
            };
            self.faults.push(key, state);
        }
        for Rejected {
            key, size_bytes, ..
        } in self.rejected
        {
            let state = match found.get(key.as_str()) {
                None => Err(Fault::Missing),
                Some(object) if object.size_bytes != *size_bytes => Err(Fault::Changed),
                Some(_) => Ok(()),
            };
            self.faults.push(key, state);
        }
        let names_all = self.recorded.run.images.skipped == 0;
        let new = names_all.then(|| {
            let rejected = self.rejected.iter().map(|r| r.key.as_str());
            let known: BTreeSet<&str> = keys.iter().copied().chain(rejected).collect();
            let new = found.keys().filter(|key| !known.contains(**key));
            let first = new.clone().take(MAX_NAMED).map(|key| (*key).to_owned());
            (new.count() as u64, first.collect())
        });
        let same = match has_etags {
            true => "ETag",
            false => "size, all that can be compared between a folder and a bucket",
        };
        let count = Count::Known {
            n: listing.objects.len() as u64,
            is_least: false,
            new,
        };
        Ok((same, count))
    }

    fn go_on(&mut self, n_done: u64, n_used: u64) -> Result<()> {
        (self.progress)(n_done, n_used);
        match goes_on(self.stop) {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    }

    fn finding(&self, source: &Source, n_used: u64, same: &str, count: Count) -> Finding {
        let mut sentences = self.faults.sentences();
        let n_then = self.recorded.run.images.listed;
        let n_there = n_then.saturating_sub(self.faults.of(Fault::Missing).len() as u64);
        if let Count::Known { n, is_least, new } = &count {
            let more = n.saturating_sub(n_there);
            match new {
                _ if n == &n_there || (n < &n_there && *is_least) => {}
                Some((n_new, first)) if more > 0 => {
                    let others = match n_new - first.len() as u64 {
                        0 => String::new(),
                        others => format!(" and {others} more"),
                    };
                    sentences.push(format!("{more} more than then: {}{others}", named(first)));
                }
                _ if more > 0 => sentences.push(format!("{more} more than then are listed")),
                _ => sentences.push(format!(
                    "{} that were listed then and not used are not there",
                    n_there - n
                )),
            }
        }
        if !sentences.is_empty() {
            let detail = format!(
                "`{source}`: {}; --input says where the images are, if they are elsewhere now",
                sentences.join("; ")
            );
            return Finding::differs(WHAT, detail);
        }
        let links = self.faults.of(Fault::Link);
        let n_same = n_used.saturating_sub(links.len() as u64);
        let later = match count {
            Count::Unknown => "; files that came later are looked for with --input",
            Count::Known { .. } => "",
        };
        let detail = format!("`{source}`: {n_same} images with the same {same}");
        match links.len() {
            0 => Finding::ok(WHAT, detail + later),
            n => Finding::skipped(
                WHAT,
                format!(
                    "{detail}; {n} lie behind links, which are not followed: {}",
                    named(links)
                ),
            ),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Changed,
    Missing,
    Unreadable,
    /// It is behind a link: nobody can tell here, and it is no fault of the run.
    Link,
}

impl From<foreign::Fault> for Fault {
    fn from(fault: foreign::Fault) -> Self {
        match fault {
            foreign::Fault::Missing => Self::Missing,
            foreign::Fault::Link => Self::Link,
            foreign::Fault::Changed => Self::Changed,
            _ => Self::Unreadable,
        }
    }
}

#[derive(Default)]
struct Faults(BTreeMap<Fault, Vec<String>>);

impl Faults {
    fn push(&mut self, key: &str, state: Result<(), Fault>) {
        if let Err(fault) = state {
            self.0.entry(fault).or_default().push(key.to_owned());
        }
    }

    fn of(&self, fault: Fault) -> &[String] {
        self.0.get(&fault).map_or(&[], Vec::as_slice)
    }

    fn sentences(&self) -> Vec<String> {
        let sentence = |(fault, keys): (&Fault, &Vec<String>)| {
            let state = match fault {
                Fault::Changed => "changed",
                Fault::Missing => "missing",
                Fault::Unreadable => "cannot be read",
                Fault::Link => return None,
            };
            Some(format!("{} {state}: {}", keys.len(), named(keys)))
        };
        self.0.iter().filter_map(sentence).collect()
    }
}
