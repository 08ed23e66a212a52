//! Files that cannot be used, and why: the rows of `rejected.csv`.

use std::{fmt, io};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::schema::{KEY, MESSAGE, REASON, SIZE_BYTES};

/// Why a file was rejected. The code is what [`fmt::Display`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The file is empty.
    ZeroBytes,
    /// The file ends before its image does.
    Truncated,
    /// The bytes are no image format that is read here.
    UnknownFormat,
    /// A known format, or a kind of one, that is not read here.
    Unsupported,
    /// The decoder found the content damaged.
    DecodeError,
    /// Decoding would take more memory than allowed.
    TooLarge,
    /// Too few pixels to be a photograph.
    TooSmall,
    /// The file went away after it was listed.
    NotFound,
    /// Permission is missing.
    AccessDenied,
    /// The file did not come in time.
    Timeout,
    /// The system could not read the file.
    Unreadable,
    /// The file is not the one that was listed.
    Changed,
    /// The network gave a NaN or an infinity for this image.
    NonFinite,
}

impl Reason {
    /// The reason why reading failed.
    #[must_use]
    pub fn of_reading(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::AccessDenied,
            _ => Self::Unreadable,
        }
    }

    /// Whether the file's bytes are the reason, so that another try gives the same.
    #[must_use]
    pub fn is_lasting(self) -> bool {
        !matches!(
            self,
            Self::NotFound | Self::AccessDenied | Self::Timeout | Self::Unreadable | Self::Changed
        )
    }

    /// The code in `rejected.csv`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ZeroBytes => "zero_bytes",
            Self::Truncated => "truncated",
            Self::UnknownFormat => "unknown_format",
            Self::Unsupported => "unsupported",
            Self::DecodeError => "decode_error",
            Self::TooLarge => "too_large",
            Self::TooSmall => "too_small",
            Self::NotFound => "not_found",
            Self::AccessDenied => "access_denied",
            Self::Timeout => "timeout",
            Self::Unreadable => "unreadable",
            Self::Changed => "changed",
            Self::NonFinite => "non_finite",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejection {
    /// Path below the source.
    pub key: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Why, as a code.
    pub reason: Reason,
    /// Why, in words.
    pub message: String,
}

/// Rejections as a frame with `key` String, `size_bytes` `UInt64`, `reason` String, `message` String, sorted by key.
///
/// # Errors
/// [`crate::Error::Frame`] if polars refuses the columns.
pub fn to_frame(rejections: &[Rejection]) -> Result<DataFrame> {
    let mut sorted: Vec<_> = rejections.iter().collect();
    sorted.sort();
    let strings = |name: &str, f: &dyn Fn(&Rejection) -> String| {
        Column::new(name.into(), sorted.iter().map(|r| f(r)).collect::<Vec<_>>())
    };
    let sizes: Vec<u64> = sorted.iter().map(|r| r.size_bytes).collect();
    Ok(DataFrame::new(
        sorted.len(),
        vec![
            strings(KEY, &|r| r.key.clone()),
            Column::new(SIZE_BYTES.into(), sizes),
            strings(REASON, &|r| r.reason.code().to_owned()),
            strings(MESSAGE, &|r| r.message.clone()),
        ],
    )?)
}
