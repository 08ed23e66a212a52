//! The way from a run to whoever watches it and may stop it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::record::{Part, Stage};

use super::machine;

/// What a run says of itself while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A stage begins; `n_total` is 0 where nothing can be counted.
    Started {
        /// `list`, `features`, `gather`, `pca`, `findings`, the name of each projection (`tsne`), `quality`.
        stage: &'a str,
        /// Images or iterations.
        n_total: u64,
    },
    /// A stage goes on.
    Advanced {
        /// As in `Started`.
        stage: &'a str,
        /// Images or iterations done.
        n_done: u64,
        /// Images or iterations in all.
        n_total: u64,
    },
    /// A stage ended.
    Finished {
        /// As in `Started`.
        stage: &'a str,
        /// What it took in seconds.
        wall_s: f64,
        /// What came out, in words.
        note: String,
    },
    /// Something the user must know.
    Noted(String),
}

/// What a stage gives.
pub(super) struct Done<T> {
    pub value: T,
    pub items: u64,
    pub cache_hits: u64,
    pub note: String,
    pub parts: Vec<Part>,
}

/// Takes the time of one part of a stage after the other.
pub(super) struct Watch {
    split: Instant,
    pub parts: Vec<Part>,
}

impl Watch {
    pub fn start() -> Self {
        Self {
            split: Instant::now(),
            parts: Vec::new(),
        }
    }

    /// Ends the part `name`.
    pub fn split(&mut self, name: &str) {
        self.parts.push(part(name, self.split.elapsed()));
        self.split = Instant::now();
    }
}

pub(super) fn part(name: &str, busy: Duration) -> Part {
    Part {
        name: name.to_owned(),
        busy_s: busy.as_secs_f64(),
    }
}

/// The way from a run to whoever watches and may stop it.
pub(super) struct Control<'a> {
    observe: &'a mut (dyn FnMut(&Event) + Send),
    pub stop: &'a AtomicBool,
    pub stages: Vec<Stage>,
}

impl<'a> Control<'a> {
    pub fn new(observe: &'a mut (dyn FnMut(&Event) + Send), stop: &'a AtomicBool) -> Self {
        Self {
            observe,
            stop,
            stages: Vec::new(),
        }
    }

    /// Works in a pool of that many threads.
    pub fn install<T: Send>(
        &mut self,
        n_threads: usize,
        work: impl FnOnce(&mut Self) -> Result<T> + Send,
    ) -> Result<T> {
        machine::pool(n_threads)?.install(|| work(self))
    }

    /// Tells what the user must know.
    pub fn note(&mut self, text: &str) {
        (self.observe)(&Event::Noted(text.to_owned()));
    }

    /// Tells how far `stage` is; `false` if the run is to stop.
    pub fn advance(&mut self, stage: &str, n_done: u64, n_total: u64) -> bool {
        (self.observe)(&Event::Advanced {
            stage,
            n_done,
            n_total,
        });
        self.keeps_going()
    }

    pub fn keeps_going(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    pub fn stage<T>(
        &mut self,
        name: &str,
        n_total: u64,
        work: impl FnOnce(&mut Self) -> Result<Done<T>>,
    ) -> Result<T> {
        if !self.keeps_going() {
            return Err(Error::Cancelled);
        }
        (self.observe)(&Event::Started {
            stage: name,
            n_total,
        });
        let began = Instant::now();
        let done = work(self)?;
        let wall_s = began.elapsed().as_secs_f64();
        (self.observe)(&Event::Finished {
            stage: name,
            wall_s,
            note: done.note,
        });
        let stage = Stage {
            name: name.to_owned(),
            wall_s,
            items: done.items,
            cache_hits: done.cache_hits,
            parts: done.parts,
        };
        self.stages.push(stage);
        Ok(done.value)
    }
}
