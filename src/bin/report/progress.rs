//! Progress of a run on standard error: a bar on a terminal, a line every ten seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use fruits::pipeline::Event;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a log that is no terminal gets a line.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows events of a run.
pub enum Progress {
    /// Nothing.
    Quiet,
    /// A bar that is drawn over.
    Bar(Option<ProgressBar>),
    /// Lines of a log.
    Lines {
        stage_since: Instant,
        last_line: Instant,
    },
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if std::io::stderr().is_terminal() {
            Self::Bar(None)
        } else {
            Self::Lines {
                stage_since: Instant::now(),
                last_line: Instant::now(),
            }
        }
    }

    pub fn show(&mut self, event: &Event) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => draw(bar, event),
            Self::Lines {
                stage_since,
                last_line,
            } => log(stage_since, last_line, event),
        }
    }
}

fn draw(bar: &mut Option<ProgressBar>, event: &Event) {
    match event {
        Event::Started { stage, n_total } => {
            let style = match n_total {
                0 => ProgressStyle::with_template("{prefix:>9} {spinner} {elapsed}"),
                _ => ProgressStyle::with_template(
                    "{prefix:>9} [{bar:30}] {pos}/{len}  {per_sec}  {eta} left",
                ),
            };
            let new = ProgressBar::new(*n_total).with_prefix((*stage).to_owned());
            new.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            *bar = Some(new);
        }
        Event::Advanced { n_done, .. } => {
            if let Some(bar) = bar {
                bar.set_position(*n_done);
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
            eprintln!("{stage:>9} {wall_s:7.1} s  {note}");
        }
        Event::Noted(text) => match bar {
            Some(bar) => bar.suspend(|| eprintln!("{:>9} {text}", "note")),
            None => eprintln!("{:>9} {text}", "note"),
        },
    }
}

fn log(stage_since: &mut Instant, last_line: &mut Instant, event: &Event) {
    match event {
        Event::Started { .. } => {
            *stage_since = Instant::now();
            *last_line = Instant::now();
        }
        Event::Advanced {
            stage,
            n_done,
            n_total,
        } => {
            if last_line.elapsed() >= LINE_EVERY {
                *last_line = Instant::now();
                let per_s = *n_done as f64 / stage_since.elapsed().as_secs_f64();
                let left_s = n_total.saturating_sub(*n_done) as f64 / per_s.max(1e-9);
                eprintln!("{stage}: {n_done}/{n_total}, {per_s:.1}/s, {left_s:.0} s left");
            }
        }
        Event::Finished {
            stage,
            wall_s,
            note,
        } => eprintln!("{stage}: done in {wall_s:.1} s, {note}"),
        Event::Noted(text) => eprintln!("note: {text}"),
    }
}
