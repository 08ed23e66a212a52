//! Files to read, and files that were read.

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Error;
use crate::storage::rejection::Reason;

/// A file to read, as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Path below the source.
    pub key: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// The file's [`super::State`], as [`super::Source::etag`] gives it.
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
    pub(super) room: Option<OwnedSemaphorePermit>,
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
