//! What is compared of a run.

use polars::prelude::DataFrame;

use crate::outputs::Finished;
use crate::record::Run;
use crate::run::Outcome;

/// What is compared of a run.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its record.
    pub run: &'a Run,
    /// One row an image that was used: `key`, `label` and `sha256`, String.
    pub manifest: &'a DataFrame,
    /// One row an image: `key`, `label`, and, as far as the run came, `pc1` ... `pcK` and `NAME_x`, `NAME_y` of each
    /// projection, Float32.
    pub embeddings: Option<&'a DataFrame>,
}

impl<'a> From<&'a Finished> for Side<'a> {
    fn from(finished: &'a Finished) -> Self {
        Self {
            run: &finished.run,
            manifest: &finished.manifest,
            embeddings: finished.embeddings.as_ref(),
        }
    }
}

impl<'a> From<&'a Outcome> for Side<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        Self {
            run: &outcome.run,
            manifest: &outcome.images,
            embeddings: Some(&outcome.images),
        }
    }
}
