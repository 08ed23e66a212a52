//! Where images come from: a folder of this machine, or a folder in a bucket.

mod ahead;
pub mod local;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};

use self::ahead::Ahead;
use self::local::{LocalFolder, hex, sha256};
use crate::error::{Error, Result};
use crate::rejection::Reason;
use crate::s3::Prefix;

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

/// A file below a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Path below the source with `/` between parts. Bytes that are no UTF-8 show as `U+FFFD`.
    pub key: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// What tells whether the file is still this one.
    pub state: State,
}

/// What tells whether a file is still the one that was listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A digest of the file here, taken when it is needed.
    File(PathBuf),
    /// The ETag that S3 lists.
    Etag(String),
}

/// A part of the listing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Path below the source.
    pub key: String,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub message: String,
}

/// What is below a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files, sorted by key.
    pub objects: Vec<Object>,
    /// Folders and links that could not be followed, sorted by key.
    pub unlisted: Vec<Unlisted>,
}

/// A file to read, as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Path below the source.
    pub key: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// The file's [`State`], as [`Source::etag`] gives it.
    pub etag: String,
}

/// A file that was read.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Version in a versioned bucket.
    pub version_id: Option<String>,
    /// What the bytes take of the memory for reading ahead, given back when this goes.
    room: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Fetched {
    /// Gives the memory for reading ahead back, for a caller that keeps all files.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.room = None;
        self
    }
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Unread {
    /// This file cannot be used; the others can.
    File(Reason, String),
    /// Nothing can be read any more.
    Run(Error),
}

impl Source {
    /// A folder that exists.
    ///
    /// # Errors
    /// [`Error::Storage`] if `root` is missing or is no folder.
    pub fn folder(root: impl Into<PathBuf>) -> Result<Self> {
        LocalFolder::open(root).map(Self::Folder)
    }

    /// All files but hidden ones, sorted by key. `keep_going` hears now and then how many there are.
    ///
    /// # Errors
    /// [`Error::Bucket`] if the bucket cannot be listed, [`Error::Interrupted`].
    pub fn list(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<Listing> {
        match self {
            Self::Folder(folder) => Ok(folder.list()),
            Self::Bucket(prefix) => {
                let listed = prefix.list(keep_going)?.into_iter();
                let mut objects: Vec<_> = listed
                    .filter(|o| !is_marker(&o.key) && !o.key.split('/').any(is_hidden))
                    .map(|o| Object {
                        key: o.key,
                        size_bytes: o.size_bytes,
                        state: State::Etag(o.etag),
                    })
                    .collect();
                // S3 sorts by the whole key; some servers do not.
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                Ok(Listing {
                    objects,
                    unlisted: Vec::new(),
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
            State::File(path) => sha256(path).map_err(|e| (Reason::of_reading(&e), e.to_string())),
        }
    }

    /// Reads files in the order of `wanted`. From a bucket they are read ahead, several at once, while the caller works
    /// on those before them; the memory that takes is bounded: a caller that holds more than [`BATCH_BYTES`] of them
    /// calls [`Fetched::kept`], or waits for ever. With `stop` the next one is [`Error::Interrupted`].
    pub fn fetch<'a>(
        &'a self,
        wanted: Vec<Wanted>,
        stop: &'a AtomicBool,
    ) -> Box<dyn Iterator<Item = Result<Fetched, Unread>> + Send + 'a> {
        match self {
            Self::Folder(folder) => {
                Box::new(wanted.into_iter().map(|file| read_local(folder, &file)))
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
        .read(&file.key)
        .map_err(|e| Unread::File(Reason::of_reading(&e), e.to_string()))?;
    let sha256 = hex(&Sha256::digest(&bytes));
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

/// Whether an object only stands for a folder.
fn is_marker(key: &str) -> bool {
    key.is_empty() || key.ends_with('/')
}

/// Whether a part of a path hides what is below it. `.` and `..` are names like others in a bucket.
fn is_hidden(part: &str) -> bool {
    part.starts_with('.') && part != "." && part != ".."
}

fn is_hidden_path(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| is_hidden(&name.to_string_lossy()))
}
