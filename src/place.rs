//! Where results go: a folder of this machine, or a folder in a bucket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::atomic;
use crate::error::{Error, Result};
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

/// A folder as the user names it: nothing is opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On this machine.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// The bucket.
        name: String,
        /// What its keys begin with; may be empty.
        prefix: String,
    },
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |why: &str| Err(Error::Invalid(why.to_owned()));
        let Some(rest) = text.strip_prefix("s3://") else {
            // A folder named `S3:` would be gone with the machine that was to write to a bucket.
            return match text.get(..3) {
                _ if text.is_empty() => refused("a folder must have a name"),
                Some(start) if start.eq_ignore_ascii_case("s3:") => {
                    refused("a bucket is written s3://bucket/prefix")
                }
                _ => Ok(Self::Folder(PathBuf::from(text))),
            };
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return refused("no bucket is named; it is s3://bucket/prefix");
        }
        Ok(Self::Bucket {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

/// Host and port of a scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or IPv4 address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Port of a scheduler, as Ballista has it.
pub const SCHEDULER_PORT: u16 = 50050;

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Invalid(format!(
                "`{text}` is no HOST:PORT, such as 10.0.0.4:{SCHEDULER_PORT}"
            ))
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, SCHEDULER_PORT),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || port == 0 || !host.chars().all(allowed) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The folder for computed descriptors: `fruits` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`), else in
/// that for temporary files.
#[must_use]
pub fn user_cache() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let user = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    user().unwrap_or_else(std::env::temp_dir).join("fruits")
}
