//! The one error type of the crate.

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no result.
///
/// The text never repeats its [`source`](std::error::Error::source): print the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arrays or parameters do not fit together, or there is no result for them.
    #[error("{0}")]
    Invalid(String),
    /// A parameter is out of its range, whatever the rows are.
    #[error("{name} {rule}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it must be, and what it is: `must be at least 1, not 0`.
        rule: String,
    },
    /// There are too few rows for what was asked for.
    #[error("{what} takes {needed} rows or more, not {found}")]
    TooFewRows {
        /// What was asked for.
        what: &'static str,
        /// How many rows it takes.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "row {row} holds {value} in column {column}; every value must be a finite number: remove that row"
    )]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The progress function said stop.
    #[error("stopped on request")]
    Cancelled,
    /// Rows that are read while they are needed could not be read.
    #[error("cannot read the rows")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A defect of this crate.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}
