//! Where results go: a folder of this machine, or a folder in a bucket.

use std::fmt;
use std::path::PathBuf;

use crate::atomic;
use crate::error::Result;
use crate::s3::Prefix;

/// Media type of a Parquet file.
pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";
/// Media type of a JSON file.
pub(crate) const JSON: &str = "application/json";

/// A folder to write to.
#[derive(Debug, Clone)]
pub enum Place {
    /// On this machine; made if it is not there.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Prefix),
}

impl Place {
    /// Makes the folder if it is one here, and tries to write, before hours of work depend on it.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] or [`crate::Error::Bucket`].
    pub fn check_writable(&self) -> Result<()> {
        match self {
            Self::Folder(folder) => atomic::writable_folder(folder),
            Self::Bucket(prefix) => prefix.check_writable(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(prefix) => prefix.fmt(f),
        }
    }
}
