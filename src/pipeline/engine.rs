//! Where the work is done.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::place::{Endpoint, SCHEDULER_PORT};

/// Longest time in seconds without a task finished, before the engine is asked anew: a shard of 128 images takes 18 s on
/// one core in f32, and S3 may be asked five times, 30 s each.
pub const DEFAULT_TIMEOUT_S: f64 = 300.0;

/// Where the work is done; no number depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Engine {
    /// In this process.
    #[default]
    Local,
    /// In this process, by way of Ballista: what a cluster does, on one machine.
    InProcess,
    /// By the workers of a Ballista scheduler.
    Scheduler(Endpoint),
}

impl FromStr for Engine {
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

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::InProcess => f.write_str("ballista"),
            Self::Scheduler(endpoint) => write!(f, "ballista://{endpoint}"),
        }
    }
}
