//! Faults as sentences.

use std::fmt;

use crate::error::Chain;
use crate::plot::shown;

/// A fault, told in one line with its causes and what to do. evcxr prints it when a cell ends with `?`.
///
/// It is made from any error, so that `?` works on what polars and the standard library return, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence(String);

impl Sentence {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a file name holds.
        f.write_str(&shown(&self.0))
    }
}

impl<E: std::error::Error> From<E> for Sentence {
    fn from(error: E) -> Self {
        Self(Chain(&error).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_fault_is_one_line_with_its_causes() {
        let fault = std::io::Error::other("disk\nfull");
        let error = Error::storage("write", "a/b")(fault);
        assert_eq!(
            Sentence::from(error).to_string(),
            "cannot write `a/b`: disk\u{240A}full"
        );
    }
}
