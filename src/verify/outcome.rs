//! What a comparison gives.

use super::finding::Finding;

/// What a comparison gives.
pub(super) enum Outcome {
    /// The same bytes, or the same numbers.
    Equal,
    /// Within tolerance, with the figure.
    Close(String),
    /// Neither, and where.
    Other(String),
    /// Nobody can tell, and why.
    Unknown(String),
}

use Outcome::{Close, Equal, Other, Unknown};

impl Outcome {
    pub fn finding(self, what: &str) -> Finding {
        let what = format!("again: {what}");
        match self {
            Equal => Finding::ok(what, "equal"),
            Close(figure) => Finding::ok(what, format!("equal within tolerance: {figure}")),
            Other(fault) => Finding::differs(what, fault),
            Unknown(reason) => Finding::skipped(what, reason),
        }
    }
}
