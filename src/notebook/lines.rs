//! How far a step is, and how it ended.

use std::time::{Duration, Instant};

use super::sentence::Sentence;
use crate::error::Error;
use crate::run::{Event, Pace};

/// Seconds between two lines of progress: the first soon, for who watches; then rarer, since they stay in the notebook.
const FIRST_LINE_S: f64 = 2.0;
const LONGEST_WAIT_S: f64 = 30.0;
/// Factor between two waits; 600 s of work make 28 lines.
const WAIT_GROWTH: f64 = 1.25;

/// A step's fault; an interrupt says what is kept.
pub(super) fn ended(step: &str, error: Error) -> Sentence {
    match error {
        Error::Cancelled => Sentence::new(format!(
            "{step} was interrupted: this cell made nothing, and the variables of the cells before are as they were; run \
             the cell again"
        )),
        error => error.into(),
    }
}

/// The same of a step that keeps whole shards.
pub(super) fn ended_cached(step: &str, error: Error) -> Sentence {
    match error {
        Error::Cancelled => Sentence::new(format!(
            "{step} was interrupted: the shards of 128 images that were complete are kept, and the variables of the cells \
             before are as they were; run the cell again and it goes on from there"
        )),
        error => error.into(),
    }
}

/// How far a step is, as lines of a cell's output.
pub(super) struct Lines {
    stage: String,
    pub n_total: u64,
    pace: Pace,
    wait_s: f64,
    began: Instant,
}

impl Lines {
    /// `n_total` is 0 where nobody knows.
    pub fn new(stage: &str, n_total: usize) -> Self {
        Self {
            stage: stage.to_owned(),
            n_total: n_total as u64,
            pace: Pace::new(Duration::from_secs_f64(FIRST_LINE_S)),
            wait_s: FIRST_LINE_S,
            began: Instant::now(),
        }
    }

    pub fn at(&mut self, n_done: u64) {
        if let Some(rate) = self.pace.due(n_done, self.n_total) {
            println!("{}", rate.line(&self.stage, n_done, self.n_total));
            self.wait_s = (self.wait_s * WAIT_GROWTH).min(LONGEST_WAIT_S);
            self.pace.wait(Duration::from_secs_f64(self.wait_s));
        }
    }

    pub fn finish(&self, note: &str) {
        let wall_s = self.began.elapsed().as_secs_f64();
        println!("{}: {note} ({wall_s:.1} s)", self.stage);
    }

    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { stage, n_total } => *self = Self::new(stage, *n_total as usize),
            Event::Advanced {
                n_done, n_total, ..
            } => {
                self.n_total = *n_total;
                self.at(*n_done);
            }
            Event::Finished { note, .. } => self.finish(note),
            Event::Noted(text) => println!("note: {text}"),
        }
    }
}
