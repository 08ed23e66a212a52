//! Progress of a run on standard error: a bar on a terminal, a line every ten seconds elsewhere, as text or JSON.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use fruits::pipeline::{Event, Pace};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::options::LogFormat;

/// How often a log that is no terminal gets a line.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often a bar moves on its own, so that a long step does not look dead.
const TICK: Duration = Duration::from_millis(200);

/// Shows events of a run.
pub enum Progress {
    /// Nothing.
    Quiet,
    /// A bar that is drawn over.
    Bar(Option<ProgressBar>),
    /// Lines of a log.
    Lines(Log),
}

/// What the next line of a log depends on.
pub struct Log {
    format: LogFormat,
    pace: Pace,
}

impl Progress {
    pub fn new(quiet: bool, format: LogFormat) -> Self {
        let draws = format == LogFormat::Text && std::io::stderr().is_terminal();
        match (quiet, draws) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar(None),
            (false, false) => Self::Lines(Log {
                format,
                pace: Pace::new(LINE_EVERY),
            }),
        }
    }

    /// Takes a bar away whose stage ended without a word.
    pub fn clear(&mut self) {
        if let Self::Bar(bar) = self
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    pub fn show(&mut self, event: &Event) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => draw(bar, event),
            Self::Lines(log) => log.write(event),
        }
    }
}

fn line(text: &str) {
    say(&mut std::io::stderr(), text);
}

fn draw(bar: &mut Option<ProgressBar>, event: &Event) {
    match event {
        Event::Started { stage, n_total } => {
            let template = match n_total {
                0 => "{prefix:>9} {spinner} {elapsed}",
                _ => "{prefix:>9} [{bar:30}] {pos}/{len}  {per_sec}  {eta} left",
            };
            let style = ProgressStyle::with_template(template);
            let new = ProgressBar::new(*n_total).with_prefix((*stage).to_owned());
            new.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            new.enable_steady_tick(TICK);
            *bar = Some(new);
        }
        Event::Advanced { n_done, .. } => {
            if let Some(bar) = bar {
                let is_first = bar.position() == 0;
                bar.set_position(*n_done);
                if is_first {
                    // What came from the cache took no time and says nothing of the rest.
                    bar.reset_eta();
                }
            }
        }
        Event::Finished {
            stage,
            wall_s,
            note,
        } => {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
            line(&format!("{stage:>9} {wall_s:7.1} s  {note}"));
        }
        Event::Noted(text) => line(&format!("{:>9} {text}", "note")),
    }
}

impl Log {
    fn write(&mut self, event: &Event) {
        let is_json = self.format == LogFormat::Json;
        match event {
            Event::Started { stage, n_total } => {
                self.pace = Pace::new(LINE_EVERY);
                if is_json {
                    object(&json!({"event": "started", "stage": stage, "n_total": n_total}));
                }
            }
            Event::Advanced {
                stage,
                n_done,
                n_total,
            } => {
                let Some(rate) = self.pace.due(*n_done, *n_total) else {
                    return;
                };
                if is_json {
                    object(&json!({
                        "event": "progress", "stage": stage, "n_done": n_done, "n_total": n_total,
                        "per_s": rounded(rate.per_s), "left_s": rate.left_s.map(rounded),
                    }));
                } else {
                    line(&rate.line(stage, *n_done, *n_total));
                }
            }
            Event::Finished {
                stage,
                wall_s,
                note,
            } if is_json => object(&json!({
                "event": "finished", "stage": stage, "wall_s": rounded(*wall_s), "note": note,
            })),
            Event::Finished {
                stage,
                wall_s,
                note,
            } => line(&format!("{stage}: done in {wall_s:.1} s, {note}")),
            Event::Noted(text) if is_json => object(&json!({"event": "note", "message": text})),
            Event::Noted(text) => line(&format!("note: {text}")),
        }
    }
}

/// How a run ended: the line that a log ends with.
pub fn last_line(format: LogFormat, exit_code: u8, message: &str) -> String {
    match format {
        LogFormat::Text => message.to_owned(),
        LogFormat::Json => {
            json!({"event": "ended", "exit_code": exit_code, "message": message}).to_string()
        }
    }
}

fn object(value: &serde_json::Value) {
    line(&value.to_string());
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Writes a line. Nobody may be reading any more (`report ... | head`), and that is no fault.
pub fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
