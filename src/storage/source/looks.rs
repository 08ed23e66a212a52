//! When to look whether to go on.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Between two looks: shorter than anybody notices, and long enough that the looks take no time.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks whether to go on, by time: of some files a second are read ten thousand, of others one.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    last: Option<Instant>,
}

impl Looks {
    /// Asks `keep_going` if that was not done lately; `n` is what it hears.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if it says no.
    pub fn look(&mut self, n: u64, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        if self.last.is_some_and(|last| last.elapsed() < BETWEEN_LOOKS) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        match keep_going(n) {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    }
}
