//! How the findings of `report verify` are told, and what they come to.

use std::collections::BTreeMap;

use fruits::place::Address;
use fruits::verify::{Finding, State};
use serde_json::json;

use crate::options::LogFormat;
use crate::progress::{self, say};
use crate::{code, signals};

/// Something is not as the record says: the code of a gate that failed.
const DIFFERS: u8 = 4;

/// What became of the second computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rerun {
    NotAsked,
    Done,
    Failed,
}

/// The findings so far, each told as it is made.
pub struct Findings {
    log: LogFormat,
    is_quiet: bool,
    /// Of each state how many.
    counts: BTreeMap<&'static str, usize>,
    /// What was skipped.
    skipped: Vec<String>,
}

impl Findings {
    pub fn new(log: LogFormat, is_quiet: bool) -> Self {
        Self {
            log,
            is_quiet,
            counts: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    pub fn tell(&mut self, finding: &Finding) {
        if !self.is_quiet || finding.state == State::Differs {
            self.say(finding);
        }
        self.count(finding);
    }

    /// Tells it, however quiet.
    pub fn insist(&mut self, finding: &Finding) {
        self.say(finding);
        self.count(finding);
    }

    fn count(&mut self, finding: &Finding) {
        *self.counts.entry(finding.state.word()).or_default() += 1;
        if finding.state == State::Skipped {
            self.skipped.push(finding.what.clone());
        }
    }

    fn say(&self, finding: &Finding) {
        let line = match self.log {
            LogFormat::Text => finding.to_string(),
            LogFormat::Json => json!({
                "event": "finding", "what": finding.what, "state": finding.state.word(), "detail": finding.detail,
            })
            .to_string(),
        };
        say(&mut std::io::stdout(), &line);
    }

    pub fn of(&self, state: State) -> usize {
        self.counts.get(state.word()).copied().unwrap_or(0)
    }

    /// What was found until now.
    fn summary(&self) -> String {
        let skipped = match self.of(State::Skipped) {
            0 => String::new(),
            // Whoever reads this line alone must not take them for verified.
            n => format!(", {n} skipped ({})", self.skipped.join(", ")),
        };
        let (ok, differ) = (self.of(State::Ok), self.of(State::Differs));
        format!("{ok} ok, {differ} differ{skipped}")
    }

    /// The last line, and the exit code.
    pub fn verdict(&self, report: &Address, rerun: Rerun) -> u8 {
        let (code, word) = match self.of(State::Differs) {
            0 => (code::COMPLETE, "verified"),
            _ => (DIFFERS, "not verified"),
        };
        let rerun = match rerun {
            Rerun::Done => "",
            Rerun::NotAsked => "; nothing was computed again (--rerun)",
            Rerun::Failed => "; nothing was computed again",
        };
        let text = format!("{word}: {}: {report}{rerun}", self.summary());
        say(
            &mut std::io::stdout(),
            &progress::last_line(self.log, code, &text),
        );
        code
    }

    /// The last line after a signal.
    pub fn interrupted(&self) -> u8 {
        let code = signals::exit_code();
        let text = format!(
            "stopped by a signal before the end; until then {}",
            self.summary()
        );
        say(
            &mut std::io::stdout(),
            &progress::last_line(self.log, code, &text),
        );
        code
    }
}
