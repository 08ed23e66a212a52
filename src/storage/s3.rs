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

mod bounded;
mod client;
mod connection;
mod counts;
mod explain;
mod failure;
mod lease;
mod listing;
mod object;
mod params;
mod prefix;

use std::collections::BTreeMap;

pub use self::connection::Connection;
pub use self::counts::S3Record;
use self::explain::Verb;
pub(crate) use self::failure::{Failure, Kind};
pub(crate) use self::lease::Lease;
use self::object::MAX_BYTES;
pub(crate) use self::object::{MAX_REQUESTS, Size};
pub(crate) use self::params::MAX_ATTEMPTS;
pub use self::params::{Encryption, S3Params};
pub use self::prefix::{Listed, Prefix};
use crate::error::{Error, Result};

impl Prefix {
    /// An object's bytes; `None` if there is none of this key.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.read_at_most(key, MAX_BYTES)
    }

    /// [`Prefix::read`] of an object that anybody may have put there: one of more bytes is not read.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn read_at_most(&self, key: &str, most_bytes: u64) -> Result<Option<Vec<u8>>> {
        self.if_there(key, self.bytes(key, most_bytes)?)
    }

    /// [`Prefix::read_at_most`], with the sentence of a fault that is this object's alone inside: others may be readable.
    pub(crate) fn try_read(
        &self,
        key: &str,
        most_bytes: u64,
    ) -> Result<Result<Option<Vec<u8>>, String>> {
        self.unless_its_own(key, self.bytes(key, most_bytes)?)
    }

    /// The same of an object's SHA-256. It is never in memory as a whole.
    pub(crate) fn try_sha256(
        &self,
        key: &str,
        most_bytes: u64,
    ) -> Result<Result<Option<String>, String>> {
        let read = self.connection.wait(self.get_sha256(key, most_bytes))?;
        self.unless_its_own(key, read)
    }

    fn unless_its_own<T>(
        &self,
        key: &str,
        read: Result<T, Failure>,
    ) -> Result<Result<Option<T>, String>> {
        match read {
            Err(failure) if failure.kind == Kind::Denied || is_lost(&failure.kind) => {
                let why = self.explain(Verb::Get, key, failure).to_string();
                // Who asked knows which object it is.
                let why = why.split_once("`: ").map_or(&*why, |(_, why)| why);
                Ok(Err(why.to_owned()))
            }
            read => self.if_there(key, read).map(Ok),
        }
    }

    fn if_there<T>(&self, key: &str, read: Result<T, Failure>) -> Result<Option<T>> {
        match read {
            Ok(content) => Ok(Some(content)),
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            }) => Ok(None),
            Err(failure) => Err(self.explain(Verb::Get, key, failure)),
        }
    }

    /// The objects of these keys that are there, several read at once, each of at most `most_bytes`; one that is archived, damaged or
    /// larger comes as no bytes.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn read_all(
        &self,
        keys: Vec<String>,
        most_bytes: u64,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let read = self.connection.wait(self.get_all(keys, most_bytes))?;
        let read = read.into_iter().filter_map(|(key, outcome)| match outcome {
            Ok(content) => Some(Ok((key, content.bytes))),
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            }) => None,
            // It is there and holds nothing that anybody could use.
            Err(failure) if is_lost(&failure.kind) => Some(Ok((key, Vec::new()))),
            Err(failure) => Some(Err(self.explain(Verb::Get, &key, failure))),
        });
        read.collect()
    }

    /// [`Prefix::read_at_most`] of what can be computed again: what is archived, damaged or larger counts as not there.
    pub(crate) fn read_cached(&self, key: &str, most_bytes: u64) -> Result<Option<Vec<u8>>> {
        match self.bytes(key, most_bytes)? {
            Err(failure) if is_lost(&failure.kind) => Ok(None),
            read => self.if_there(key, read),
        }
    }

    /// An object's bytes, or what became of the request.
    fn bytes(&self, key: &str, most_bytes: u64) -> Result<Result<Vec<u8>, Failure>> {
        let read = self.get(key, None, Size::AtMost(most_bytes));
        let read = self.connection.wait(read)?;
        Ok(read.map(|content| content.bytes))
    }

    /// Writes an object: it is whole or not there.
    ///
    /// # Errors
    /// [`Error::Bucket`], [`Error::Cancelled`].
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

/// Whether a fault is that of one object, which no permission or later request makes readable at once.
fn is_lost(kind: &Kind) -> bool {
    matches!(kind, Kind::Archived | Kind::Damaged | Kind::TooLarge)
}
