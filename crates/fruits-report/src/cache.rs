//! `report cache`: is a cache whole, and what in it can go?

mod arguments;
mod findings;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use fruits::pipeline::{Event, machine};
use fruits::place::Place;
use fruits::storage::cache::{Cache, Checked, Found, plan};
use fruits::{Error, Result};

pub use self::arguments::CacheTask;
use self::arguments::Prune;
use self::findings::{Findings, count, sum};
use crate::options::Options;
use crate::progress::Progress;
use crate::signals::{self, Impatient};
use crate::{code, places};

/// Objects of a bucket that are asked for at once: one waits more than it computes.
const REQUESTS: usize = 8;
const DAY_S: u64 = 24 * 60 * 60;

/// Looks at the cache, tells a line a finding, and removes what was asked for.
pub fn run(task: &CacheTask) -> Result<u8> {
    let said = task.options()?;
    let stop = signals::listen()?;
    let place = places::cache(&said, stop)?;
    let cache = Cache::open(&place)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_threads = match &place {
        Place::Folder(_) => said.threads.unwrap_or(cores),
        Place::Bucket(_) => said.threads.unwrap_or(cores).max(REQUESTS),
    };
    let work = Work {
        cache: &cache,
        said: &said,
        findings: Findings::new(said.log, said.quiet, place.to_string()),
        stop,
    };
    machine::pool(n_threads)?.install(|| match task {
        CacheTask::Check(_) => work.check(),
        CacheTask::Prune(task) => work.prune(task),
    })
}

struct Work<'a> {
    cache: &'a Cache,
    said: &'a Options,
    findings: Findings,
    stop: &'static AtomicBool,
}

impl Work<'_> {
    fn check(&self) -> Result<u8> {
        match self.look(None)? {
            Some(checked) => Ok(self.findings.verdict(&checked)),
            None => Ok(self.findings.interrupted("")),
        }
    }

    fn prune(&self, task: &Prune) -> Result<u8> {
        #[expect(
            clippy::disallowed_methods,
            reason = "how old a file is, is asked; no output holds it"
        )]
        let now = SystemTime::now();
        let days = task
            .older_than
            .map(|days| Duration::from_secs(days.saturating_mul(DAY_S)));
        let old = days.and_then(|days| now.checked_sub(days));
        // Refused now, not after all has been read.
        drop(self.cache.quiet()?);
        let Some(checked) = self.look(old)? else {
            return Ok(self.findings.interrupted("; nothing was removed"));
        };
        let quiet = self.cache.quiet()?;
        let removals = plan(&checked, &quiet, now);
        self.findings.tell_plan(&checked, &removals);
        let all: Vec<_> = removals.iter().collect();
        if self.said.dry_run {
            let end = "nothing was removed (--dry-run)";
            return Ok(self.findings.last(
                code::COMPLETE,
                &format!("would remove {}", sum(&all)),
                end,
            ));
        }
        let mut progress = Progress::new(self.said.quiet, self.said.log);
        let n_total = removals.len() as u64;
        let stage = "prune";
        progress.show(&Event::Started { stage, n_total });
        let mut advance = |n_done, n_total| {
            progress.show(&Event::Advanced {
                stage,
                n_done,
                n_total,
            })
        };
        let removed = self
            .cache
            .remove(&removals, &quiet, &mut advance, self.stop);
        progress.clear();
        match removed {
            Ok(removed) => {
                Ok(self
                    .findings
                    .last(code::COMPLETE, &format!("removed {}", sum(&removed)), ""))
            }
            Err(Error::Cancelled) => {
                let end = "; some of it was removed, and the same command goes on";
                Ok(self.findings.interrupted(end))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the cache, and tells of each shard that is not as it should be; none if a signal came.
    fn look(&self, old: Option<SystemTime>) -> Result<Option<Checked>> {
        // Nothing is written meanwhile.
        let _impatient = Impatient::start(self.said.log);
        let mut progress = Progress::new(self.said.quiet, self.said.log);
        let (stage, began) = ("check", Instant::now());
        progress.show(&Event::Started {
            stage: "list",
            n_total: 0,
        });
        let mut told = Vec::new();
        let mut observe = |found: &Found, n_done: u64, n_total: u64| {
            if n_done == 1 {
                progress.clear();
                progress.show(&Event::Started { stage, n_total });
            }
            if self.findings.is_told(found) {
                told.push(found.clone());
            }
            progress.show(&Event::Advanced {
                stage,
                n_done,
                n_total,
            });
        };
        let checked = self.cache.check(old, &mut observe, self.stop);
        progress.clear();
        if let Ok(checked) = &checked {
            let note = count(checked.shards.len(), "shard");
            let wall_s = began.elapsed().as_secs_f64();
            progress.show(&Event::Finished {
                stage,
                wall_s,
                note,
            });
        }
        for found in &told {
            self.findings.tell_shard(found);
        }
        match checked {
            Ok(checked) => Ok(Some(checked)),
            Err(Error::Cancelled) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
