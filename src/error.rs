//! The one error type of the library.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault, with what it concerns, the rule that was broken and what to do about it.
///
/// `Display` is the whole of it, in one line, with what the system or a library said; [`source`](std::error::Error::source) has
/// nothing to add, so that who prints a chain reads no cause twice. What caused it is in the variant.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A column of a frame is missing, or is not what the step takes.
    Column {
        /// Its name.
        name: String,
        /// What the step takes: `finite numbers without nulls`.
        expected: String,
        /// What there is: `String`, `a null in row 3`.
        found: String,
    },
    /// A parameter is out of its range, whatever the rows are.
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it must be, and what it is: `must be at least 1, not 0`.
        rule: String,
    },
    /// There are too few rows for what was asked for.
    TooFewRows {
        /// What was asked for.
        what: &'static str,
        /// How many rows it takes.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A value of rows that are no frame is NaN or infinite.
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// Something else breaks a rule of the step it was given to.
    Invalid(String),
    /// Not one image can be used.
    NoImage(String),
    /// A file or folder could not be read or written.
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
    Damaged {
        /// Where they are.
        shards: Vec<String>,
    },
    /// The files of a run could not be put in their place.
    Unplaced {
        /// Where they are now.
        folder: PathBuf,
        /// Whether they stay when another run begins.
        is_lasting: bool,
        /// Why not.
        source: Box<Error>,
    },
    /// A bucket or an object could not be read or written.
    Bucket {
        /// What was tried, why it failed and what to do.
        message: String,
        /// What S3 or the network said.
        source: Cause,
    },
    /// A cluster cannot be used, or its workers did not do their part.
    Engine {
        /// What is wrong and what to do.
        message: String,
        /// What the engine or a worker said.
        source: Cause,
    },
    /// ONNX Runtime or the model cannot be used.
    Runtime {
        /// What is wrong and what to do.
        message: String,
        /// What the library said.
        source: Option<Cause>,
    },
    /// It was asked to stop; what was committed stays, and the same call continues from there.
    Cancelled,
    /// Rows that a fit reads while it needs them could not be read, by a reader that is not of this crate.
    Rows(Cause),
    /// A frame operation failed.
    Frame(polars::error::PolarsError),
    /// A defect of this crate.
    Internal(String),
}

/// What another library said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column {
                name,
                expected,
                found,
            } => write!(f, "column `{name}`: expected {expected}, found {found}"),
            Self::Parameter { name, rule } => write!(f, "{name} {rule}"),
            Self::TooFewRows {
                what,
                needed,
                found,
            } => write!(f, "{what} takes {needed} rows or more, not {found}"),
            Self::NotFinite { row, column, value } => write!(
                f,
                "row {row} holds {value} in column {column}; every value must be a finite number: remove that row"
            ),
            Self::Invalid(message) | Self::NoImage(message) => f.write_str(message),
            Self::Storage {
                action,
                path,
                source,
            } => write!(f, "cannot {action} `{}`: {}", path.display(), Chain(source)),
            Self::Damaged { shards } => write!(
                f,
                "{}; run the same command again to compute anew what was damaged",
                damaged(shards)
            ),
            Self::Unplaced {
                folder,
                is_lasting,
                source,
            } => {
                let until = match is_lasting {
                    true => "",
                    false => " until the next run there",
                };
                write!(
                    f,
                    "the report is whole in `{}`{until}, since it could not be put in its place: {source}",
                    folder.display()
                )
            }
            Self::Bucket { message, source } | Self::Engine { message, source } => {
                write!(f, "{message}: {}", Chain(&**source))
            }
            Self::Runtime { message, source } => match source {
                Some(source) => write!(f, "{message}: {}", Chain(&**source)),
                None => f.write_str(message),
            },
            Self::Cancelled => f.write_str("stopped before the end"),
            Self::Rows(source) => write!(f, "cannot read the rows: {}", Chain(&**source)),
            Self::Frame(source) => write!(f, "data frame: {}", Chain(source)),
            Self::Internal(message) => {
                write!(f, "internal error: {message}; please report it")
            }
        }
    }
}

impl std::error::Error for Error {}

/// An error and its causes, in one line.
pub(crate) struct Chain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(cause) => write!(f, ": {}", Chain(cause)),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Whether columns, rows or parameters are the reason, so that other input has another outcome.
    #[must_use]
    pub fn is_of_input(&self) -> bool {
        matches!(
            self,
            Self::Column { .. }
                | Self::Parameter { .. }
                | Self::TooFewRows { .. }
                | Self::NotFinite { .. }
                | Self::Invalid(_)
        )
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
    pub fn runtime(message: impl Into<String>, source: impl Into<Cause>) -> Self {
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
            Maths::Parameter { name, rule } => Self::Parameter { name, rule },
            Maths::TooFewRows {
                what,
                needed,
                found,
            } => Self::TooFewRows {
                what,
                needed,
                found,
            },
            Maths::NotFinite { row, column, value } => Self::NotFinite { row, column, value },
            Maths::Cancelled => Self::Cancelled,
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

impl From<polars::error::PolarsError> for Error {
    fn from(error: polars::error::PolarsError) -> Self {
        Self::Frame(error)
    }
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
        assert_eq!(through.to_string(), "cannot read `shard`: broken");
        let stopped = Error::from(fruits_maths::Error::from(Error::Cancelled));
        assert!(matches!(stopped, Error::Cancelled));
        let other = fruits_maths::Error::TooFewRows {
            what: "PCA",
            needed: 2,
            found: 1,
        };
        let other = Error::from(other);
        assert!(
            matches!(
                other,
                Error::TooFewRows {
                    needed: 2,
                    found: 1,
                    ..
                }
            ) && other.is_of_input()
        );
        assert_eq!(other.to_string(), "PCA takes 2 rows or more, not 1");
        let rule = "must be at least 1, not 0".to_owned();
        let other = Error::from(fruits_maths::Error::Parameter { name: "k", rule });
        assert!(matches!(other, Error::Parameter { name: "k", .. }) && other.is_of_input());
        assert_eq!(other.to_string(), "k must be at least 1, not 0");
        let other = Error::from(fruits_maths::Error::NotFinite {
            row: 3,
            column: 1,
            value: f32::INFINITY,
        });
        assert!(
            matches!(
                other,
                Error::NotFinite {
                    row: 3,
                    column: 1,
                    ..
                }
            ) && other.is_of_input()
        );
        let other = Error::from(fruits_maths::Error::Rows("broken".into()));
        assert_eq!(other.to_string(), "cannot read the rows: broken");
    }
}
