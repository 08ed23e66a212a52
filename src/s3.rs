//! Buckets: a connection to S3, or to a server that speaks its protocol, and folders in a bucket.
//!
//! Everything here is synchronous from outside: a [`Connection`] owns the runtime that its requests run on.
//!
//! ```no_run
//! use fruits::s3::{Connection, Prefix, S3Params};
//! use fruits::source::Source;
//!
//! let connection = Connection::open(&S3Params::default())?;
//! let source = Source::Bucket(Prefix::new(&connection, "photos", "Training")?);
//! # Ok::<(), fruits::Error>(())
//! ```

mod client;
mod connection;
mod failure;
mod object;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use self::connection::MAX_ATTEMPTS;
pub use self::connection::{Connection, Encryption, S3Params};
pub(crate) use self::failure::{Failure, Kind};
pub(crate) use self::object::MAX_REQUESTS;
use self::object::Verb;
use crate::error::{Error, Result};

/// A folder in a bucket: the objects whose keys start with its prefix.
#[derive(Debug, Clone)]
pub struct Prefix {
    connection: Connection,
    bucket: String,
    prefix: String,
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
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
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

    /// All objects below the prefix, in the order of S3 (by the bytes of their keys). `keep_going` hears after each page
    /// of 1,000, and while one is waited for, how many there are.
    ///
    /// # Errors
    /// [`Error::Bucket`] if the bucket does not exist or must not be listed, [`Error::Interrupted`].
    pub fn list(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<Vec<Listed>> {
        let mut objects = Vec::new();
        let mut token = None;
        loop {
            let n_before = objects.len() as u64;
            let page = self
                .connection
                .wait_while(self.list_page(token), &mut || keep_going(n_before))?;
            let (page, next) = page.map_err(|f| self.explain(Verb::List, "", f))?;
            objects.extend(page);
            if !keep_going(objects.len() as u64) {
                return Err(Error::Interrupted);
            }
            match next {
                Some(next) => token = Some(next),
                None => return Ok(objects),
            }
        }
    }

    /// An object's bytes; `None` if there is none of this key.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.connection.wait(self.get(key, None))? {
            Ok(content) => Ok(Some(content.bytes)),
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            }) => Ok(None),
            Err(failure) => Err(self.explain(Verb::Get, key, failure)),
        }
    }

    /// The objects of these keys that are there, several read at once.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn read_all(&self, keys: Vec<String>) -> Result<BTreeMap<String, Vec<u8>>> {
        let read = self.connection.wait(self.get_all(keys))?;
        let read = read.into_iter().filter_map(|(key, outcome)| match outcome {
            Ok(content) => Some(Ok((key, content.bytes))),
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            }) => None,
            Err(failure) => Some(Err(self.explain(Verb::Get, &key, failure))),
        });
        read.collect()
    }

    /// Writes an object: it is whole or not there.
    ///
    /// # Errors
    /// [`Error::Bucket`], [`Error::Interrupted`].
    pub fn write(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<()> {
        self.connection
            .wait_with_grace(self.put(key, bytes, content_type))?
            .map_err(|f| self.explain(Verb::Put, key, f))
    }

    /// Removes an object; one that is not there is no fault.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn remove(&self, key: &str) -> Result<()> {
        match self.connection.wait_with_grace(self.delete(key))? {
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            })
            | Ok(()) => Ok(()),
            Err(failure) => Err(self.explain(Verb::Delete, key, failure)),
        }
    }

    /// Why an object must not be read, in words.
    pub(crate) fn missing_to_read(&self, failure: &Failure) -> String {
        format!("{} ({failure})", self.missing(Verb::Get, failure))
    }

    /// The sentence for an object that could not be read, when that is the run's fault and not the object's.
    pub(crate) fn explain_read(&self, key: &str, failure: Failure) -> Error {
        self.explain(Verb::Get, key, failure)
    }

    /// Writes and removes a small object, before hours of work depend on it.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn check_writable(&self) -> Result<()> {
        self.write(PROBE, Vec::new(), "application/octet-stream")?;
        self.remove(PROBE)
    }
}

/// The object that [`Prefix::check_writable`] writes.
const PROBE: &str = ".fruits-probe";

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}
