//! Where results go: a folder of this machine, or a folder in a bucket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::storage::atomic;
use crate::storage::lock::FolderLock;
use crate::storage::s3::{Lease, Prefix};

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

/// A [`Place`] that no other run writes to until this goes away.
#[derive(Debug)]
pub struct Claim {
    place: Place,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Folder(#[expect(dead_code, reason = "held, not read")] FolderLock),
    Bucket(Lease),
}

impl Place {
    /// Checks that results can be written, before hours of work depend on it, keeps other runs away from them, and removes what
    /// a run that was killed left behind.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] or [`crate::Error::Bucket`], which name the process of a run that is writing there.
    pub fn claim(&self) -> Result<Claim> {
        self.check_writable()?;
        let held = match self {
            Self::Folder(folder) => {
                let lock = FolderLock::take(folder)?;
                atomic::remove_partial(folder)?;
                Held::Folder(lock)
            }
            Self::Bucket(prefix) => Held::Bucket(prefix.lease()?),
        };
        Ok(Claim {
            place: self.clone(),
            held,
        })
    }
}

impl Claim {
    /// What is claimed.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the claim still stands: one of a bucket may have been taken over while this process was suspended.
    ///
    /// # Errors
    /// [`crate::Error::Bucket`].
    pub(crate) fn check(&self) -> Result<()> {
        match &self.held {
            Held::Folder(_) => Ok(()),
            Held::Bucket(lease) => lease.check(),
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

/// Where a run is computed, as the user names it: nothing is opened yet. No number depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineName {
    /// `local`: in one process.
    Local,
    /// `ballista`: in one process by way of Ballista, as a cluster does it.
    InProcess,
    /// `ballista://HOST:PORT`: by the workers of a scheduler.
    Scheduler(Endpoint),
}

impl FromStr for EngineName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "local" => Ok(Self::Local),
            "ballista" => Ok(Self::InProcess),
            _ => match text.strip_prefix("ballista://") {
                Some(endpoint) => Ok(Self::Scheduler(endpoint.parse()?)),
                None => Err(Error::Invalid(format!(
                    "no engine `{text}`; there are local, ballista (all in this process) and \
                     ballista://HOST:{SCHEDULER_PORT}"
                ))),
            },
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::InProcess => f.write_str("ballista"),
            Self::Scheduler(endpoint) => write!(f, "ballista://{endpoint}"),
        }
    }
}

/// The folder for computed descriptors: `fruits` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`). None without a home:
/// in a folder for everyone's temporary files anyone could have made it.
#[must_use]
pub fn user_cache() -> Option<PathBuf> {
    user_folder("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("fruits"))
}

/// A folder of the user: the one that `variable` names, else `below` the home folder; absent without a home. A path that does
/// not begin at the root counts as none: it would be another folder in each place where a program starts.
pub(crate) fn user_folder(variable: &str, below: &str) -> Option<PathBuf> {
    let absolute = |variable: &str| path_in(variable).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below)))
}

/// The path in a variable of the environment; an empty one is an unset one.
pub(crate) fn path_in(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}
