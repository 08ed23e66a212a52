//! Where images come from: a folder of this machine, or a folder in a bucket.

mod ahead;
mod chosen;
mod fetched;
mod listing;
pub mod local;
mod looks;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use self::ahead::Ahead;
pub use self::fetched::{Fetched, Unread, Wanted};
use self::listing::is_left_behind;
pub use self::listing::{Listing, Object, State, Unlisted};
use self::local::LocalFolder;
pub(crate) use self::looks::{BETWEEN_LOOKS, Looks};
use crate::error::{Error, Result};
use crate::storage::digest;
use crate::storage::rejection::Reason;
use crate::storage::s3::Prefix;

/// Bytes of files that a reader may hold when it asks for the next one; then it works on them and lets them go.
pub const BATCH_BYTES: u64 = 16 << 20;

/// A folder of images, one folder a class.
#[derive(Debug, Clone)]
pub enum Source {
    /// On this machine.
    Folder(LocalFolder),
    /// In a bucket.
    Bucket(Prefix),
}

impl Source {
    /// A folder that exists.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] if `root` is missing or is no folder.
    pub fn folder(root: impl Into<PathBuf>) -> Result<Self> {
        LocalFolder::open(root).map(Self::Folder)
    }

    /// All files but what systems leave and hide, sorted by key. `keep_going` hears now and then how many there are.
    ///
    /// # Errors
    /// [`crate::Error::Bucket`] if the bucket cannot be listed, [`crate::Error::Cancelled`].
    pub fn list(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<Listing> {
        match self {
            Self::Folder(folder) => folder.list(keep_going),
            Self::Bucket(prefix) => {
                let mut left_behind = BTreeSet::new();
                let listed = prefix.list(keep_going)?.into_iter();
                let mut objects: Vec<_> = listed
                    .filter(|o| match path_left_behind(&o.key) {
                        Some(path) => {
                            left_behind.insert(path.to_owned());
                            false
                        }
                        None => true,
                    })
                    .map(|o| Object {
                        key: o.key,
                        size_bytes: o.size_bytes,
                        state: State::Etag(o.etag),
                    })
                    .collect();
                // S3 sorts by the whole key, and names each once; some servers do not.
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                objects.dedup_by(|a, b| a.key == b.key);
                Ok(Listing {
                    objects,
                    unlisted: Vec::new(),
                    n_left_behind: left_behind.len() as u64,
                })
            }
        }
    }

    /// What names the state of a listed file: the SHA-256 of one that is here, the ETag of one in a bucket.
    ///
    /// # Errors
    /// Why the file cannot be used, as a code and in words.
    pub fn etag(object: &Object) -> Result<String, (Reason, String)> {
        match &object.state {
            State::Etag(etag) => Ok(etag.clone()),
            State::File(path) if path.to_str().is_none() => {
                let message = "the file name is not UTF-8; rename the file".to_owned();
                Err((Reason::Unreadable, message))
            }
            State::File(path) => {
                digest::of_file(path).map_err(|e| (Reason::of_reading(&e), e.to_string()))
            }
        }
    }

    /// Reads files in the order of `wanted`. From a bucket they are read ahead, several at once, while the caller works
    /// on those before them; the memory that takes is bounded: a caller that holds more than [`BATCH_BYTES`] of them
    /// calls [`Fetched::kept`], or waits for ever. With `stop` the next one is [`crate::Error::Cancelled`].
    pub fn fetch<'a>(
        &'a self,
        wanted: Vec<Wanted>,
        stop: &'a AtomicBool,
    ) -> Box<dyn Iterator<Item = Result<Fetched, Unread>> + Send + 'a> {
        match self {
            Self::Folder(folder) => {
                Box::new(
                    wanted
                        .into_iter()
                        .map(|file| match stop.load(Ordering::Relaxed) {
                            true => Err(Unread::Run(Error::Cancelled)),
                            false => read_local(folder, &file),
                        }),
                )
            }
            Self::Bucket(prefix) => match Ahead::start(prefix, wanted, stop) {
                Ok(ahead) => Box::new(ahead),
                Err(error) => Box::new(std::iter::once(Err(Unread::Run(error)))),
            },
        }
    }

    /// `folder` or `s3`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Bucket(_) => "s3",
        }
    }

    /// Where a file is, for a message.
    #[must_use]
    pub fn name_of(&self, key: &str) -> String {
        match self {
            Self::Folder(folder) => folder.root().join(key).display().to_string(),
            Self::Bucket(prefix) => format!("{prefix}{key}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.root().display().fmt(f),
            Self::Bucket(prefix) => prefix.fmt(f),
        }
    }
}

fn read_local(folder: &LocalFolder, file: &Wanted) -> Result<Fetched, Unread> {
    let bytes = folder
        .read(&file.key, file.size_bytes)
        .map_err(|e| Unread::File(Reason::of_reading(&e), e.to_string()))?;
    let sha256 = digest::of(&bytes);
    if sha256 != file.etag {
        let message = "the file changed after it was listed; run the same command again";
        return Err(Unread::File(Reason::Changed, message.to_owned()));
    }
    Ok(Fetched {
        bytes,
        sha256,
        version_id: None,
        room: None,
    })
}

/// The path as far as its first part that a system left, or all of it where the object only stands for a folder.
fn path_left_behind(key: &str) -> Option<&str> {
    let mut end = 0;
    for part in key.split('/') {
        end += part.len();
        if is_left_behind(part, end < key.len()) {
            return Some(&key[..end]);
        }
        end += 1;
    }
    (key.is_empty() || key.ends_with('/')).then_some(key)
}

#[cfg(test)]
mod tests;
