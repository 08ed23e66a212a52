//! Why a file is no usable image.

use std::error::Error;
use std::io;

use image::ImageError;

use crate::storage::rejection::{Reason, Rejection};

/// Why a file is no usable image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// As a code.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Fault {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The file ends before its image does.
    pub(super) fn truncated(format: &str) -> Self {
        let message = format!("the {format} data stops before its end; fetch the file again");
        Self::new(Reason::Truncated, message)
    }

    /// The file contradicts itself.
    pub(super) fn damaged(format: &str, what: impl std::fmt::Display) -> Self {
        let message = format!("the {format} data is damaged ({what}); fetch the file again");
        Self::new(Reason::DecodeError, message)
    }

    /// A known thing that is not read here; `what` is a clause, `remedy` an imperative.
    pub(super) fn unsupported(what: impl std::fmt::Display, remedy: &str) -> Self {
        Self::new(Reason::Unsupported, format!("{what}; {remedy}"))
    }

    /// The decoder gave up in a way it should not.
    pub(super) fn of_decoder() -> Self {
        Self::new(
            Reason::DecodeError,
            "the decoder failed on this content; save the image again with another program",
        )
    }

    pub(super) fn of_image(error: ImageError) -> Self {
        let reason = match &error {
            ImageError::Limits(_) => Reason::TooLarge,
            ImageError::Unsupported(_) => Reason::Unsupported,
            ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => Reason::Truncated,
            _ if ends_early(&error) => Reason::Truncated,
            _ => Reason::DecodeError,
        };
        Self::new(reason, error.to_string())
    }

    /// The row of `rejected.csv` for the file `key`.
    #[must_use]
    pub fn rejects(self, key: &str, size_bytes: u64) -> Rejection {
        Rejection {
            key: key.to_owned(),
            size_bytes,
            reason: self.reason,
            message: self.message,
        }
    }
}

/// Whether the end of the data is the cause.
pub(super) fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        cause = e.source();
    }
    false
}
