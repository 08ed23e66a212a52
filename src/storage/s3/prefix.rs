//! A folder in a bucket by its name, and what lies in it.

use std::fmt;
use std::time::SystemTime;

use super::connection::Connection;
use crate::error::{Error, Result};

/// A folder in a bucket: the objects whose keys start with its prefix.
#[derive(Debug, Clone)]
pub struct Prefix {
    pub(super) connection: Connection,
    pub(super) bucket: String,
    pub(super) prefix: String,
}

/// An object as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Key below the prefix.
    pub key: String,
    /// Size of the object in bytes.
    pub size_bytes: u64,
    /// What S3 calls this state of the object, quotes included.
    pub etag: String,
    /// When it was written, by the clock of S3; absent where the server does not say so.
    pub modified: Option<SystemTime>,
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
    /// What S3 calls this state of it, quotes included.
    pub etag: String,
    /// Version in a versioned bucket.
    pub version_id: Option<String>,
}

impl Prefix {
    /// Names a folder; whether it exists is not asked. A `/` is added to a `prefix` without one, so that `photos` is not
    /// `photos-2025` as well.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no bucket can have.
    pub fn new(connection: &Connection, bucket: &str, prefix: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if bucket.len() < 3 || !bucket.chars().all(allowed) {
            return Err(Error::Invalid(format!(
                "`{bucket}` is no name of a bucket; give the name alone (of an access point its alias), and folders in \
                 it with --prefix or as s3://bucket/prefix"
            )));
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') {
            ""
        } else {
            "/"
        };
        Ok(Self {
            connection: connection.clone(),
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{slash}"),
        })
    }

    /// The connection that its requests use.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A folder below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let prefix = format!("{}{name}/", self.prefix);
        Self {
            prefix,
            ..self.clone()
        }
    }

    /// Whether `other` is this folder or lies in it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self.bucket == other.bucket && other.prefix.starts_with(&self.prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}
