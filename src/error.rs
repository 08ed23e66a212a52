//! The one error type of the library.

use std::path::{Path, PathBuf};

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault, with what it concerns, the rule that was broken and what to do about it.
///
/// The text never repeats its [`source`](std::error::Error::source): print the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter or an input frame breaks a rule of the step it was given to.
    #[error("{0}")]
    Invalid(String),
    /// Not one image can be used.
    #[error("{0}")]
    NoImage(String),
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Storage {
        /// The verb: `read`, `write`, `create` ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A bucket or an object could not be read or written.
    #[error("{message}")]
    Bucket {
        /// What was tried, why it failed and what to do.
        message: String,
        /// What S3 or the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cluster cannot be used, or its workers did not do what was asked.
    #[error("{message}")]
    Engine {
        /// What is wrong and what to do.
        message: String,
        /// What the engine or a worker said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// ONNX Runtime or the model cannot be used.
    #[error("{message}")]
    Runtime {
        /// What is wrong and what to do.
        message: String,
        /// What the library said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A signal asked the run to stop; what was committed stays.
    #[error("stopped by a signal; the same command continues from the last committed shard")]
    Interrupted,
    /// A frame operation failed.
    #[error("data frame")]
    Frame(#[from] polars::error::PolarsError),
    /// A defect of this crate.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// The error and its causes in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        sentence(self)
    }

    /// Wraps an I/O error with the path it happened on.
    pub fn storage(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Storage {
            action,
            path,
            source,
        }
    }

    /// A fault of the model or the shared library, with what the library said.
    pub fn runtime(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Runtime {
            message: message.into(),
            source: Some(source.into()),
        }
    }
}

#[cfg(feature = "cluster")]
impl From<fruits_engine::Fault> for Error {
    fn from(fault: fruits_engine::Fault) -> Self {
        use fruits_engine::Fault;
        match fault {
            Fault::Refused(message) => Self::Invalid(message),
            Fault::Unusable { endpoint, why } => Self::Engine {
                message: format!(
                    "the scheduler at {endpoint} cannot be used; start `report scheduler` there, and run the same command \
                     again, which does what is missing"
                ),
                source: why.into(),
            },
            Fault::Internal(message) => Self::Internal(format!("the engine failed: {message}")),
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
