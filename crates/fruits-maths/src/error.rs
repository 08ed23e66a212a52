//! The one error type of the crate.

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no result.
///
/// The text never repeats its [`source`](std::error::Error::source): print the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter or an array breaks a rule of the function it was given to.
    #[error("{0}")]
    Invalid(String),
    /// The progress function said stop.
    #[error("stopped on request")]
    Interrupted,
    /// Rows that are read while they are needed could not be read.
    #[error("cannot read the rows")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A defect of this crate.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}
