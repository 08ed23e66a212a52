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
    /// Shards of the cache, or pieces of a pass of a cluster, are not what was committed; they do not count any more, so that they
    /// are computed again.
    #[error(
        "{}; run the same command again to compute anew what was damaged",
        damaged(shards)
    )]
    Damaged {
        /// Where they are.
        shards: Vec<String>,
    },
    /// The files of a run could not be put in their place.
    #[error("the report is whole in `{}`{}, since it could not be put in its place", folder.display(),
        if *is_lasting { "" } else { " until the next run there" })]
    Unplaced {
        /// Where they are now.
        folder: PathBuf,
        /// Whether they stay when another run begins.
        is_lasting: bool,
        /// Why not.
        source: Box<Error>,
    },
    /// A bucket or an object could not be read or written.
    #[error("{message}")]
    Bucket {
        /// What was tried, why it failed and what to do.
        message: String,
        /// What S3 or the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cluster cannot be used, or its workers did not do their part.
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
    /// Rows that a fit reads while it needs them could not be read, by a reader that is not of this crate.
    #[error("cannot read the rows")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
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

/// What was read by this crate while mathematics ran comes out as it went in.
impl From<fruits_maths::Error> for Error {
    fn from(error: fruits_maths::Error) -> Self {
        use fruits_maths::Error as Maths;
        match error {
            Maths::Invalid(message) => Self::Invalid(message),
            Maths::Interrupted => Self::Interrupted,
            Maths::Rows(source) => match source.downcast() {
                Ok(error) => *error,
                Err(source) => Self::Rows(source),
            },
            error => Self::Internal(error.to_string()),
        }
    }
}

/// For what reads rows while mathematics runs.
impl From<Error> for fruits_maths::Error {
    fn from(error: Error) -> Self {
        Self::Rows(error.into())
    }
}

/// That shards were damaged, as a clause.
pub(crate) fn damaged(shards: &[String]) -> String {
    match shards {
        [one] => format!("`{one}` was damaged after it was written"),
        [first, others @ ..] => format!(
            "`{first}` and {} more were damaged after they were written",
            others.len()
        ),
        [] => "a shard was damaged after it was written".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_out_of_mathematics_as_it_went_in() {
        let error = Error::Storage {
            action: "read",
            path: PathBuf::from("shard"),
            source: std::io::Error::other("broken"),
        };
        let through = Error::from(fruits_maths::Error::from(error));
        assert_eq!(through.sentence(), "cannot read `shard`: broken");
        let stopped = Error::from(fruits_maths::Error::from(Error::Interrupted));
        assert!(matches!(stopped, Error::Interrupted));
        let other = Error::from(fruits_maths::Error::Rows("broken".into()));
        assert_eq!(other.sentence(), "cannot read the rows: broken");
    }
}
