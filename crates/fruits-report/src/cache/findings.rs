//! How the findings of `report cache` are told, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use fruits::storage::cache::{Checked, Found, Object, Removal, State, Why};
use serde_json::json;

use crate::options::LogFormat;
use crate::progress::{self, megabytes, say};
use crate::{code, signals};

/// Something is damaged: the code of `verify` where something differs.
const DAMAGED: u8 = code::GATE;

/// Tells what was found in a cache.
pub struct Findings {
    log: LogFormat,
    is_quiet: bool,
    place: String,
}

/// Things of one kind.
#[derive(Default)]
struct Sum {
    n: usize,
    size_bytes: u64,
}

impl Sum {
    fn of(sizes: impl Iterator<Item = u64>) -> Self {
        sizes.fold(Self::default(), |sum, size_bytes| Self {
            n: sum.n + 1,
            size_bytes: sum.size_bytes + size_bytes,
        })
    }

    fn words(&self, what: &str) -> String {
        format!("{}, {}", count(self.n, what), megabytes(self.size_bytes))
    }
}

/// So many things, in words.
pub fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// Shards and files, and their size, in words.
pub fn sum(removals: &[&Removal]) -> String {
    let is_file = |why: Why| matches!(why, Why::Partial | Why::Cluster);
    let of = |files: bool| {
        let these = removals.iter().filter(move |r| is_file(r.why) == files);
        Sum::of(these.map(|r| r.size_bytes()))
    };
    let (shards, files) = (of(false), of(true));
    let mut words = count(shards.n, "shard");
    if files.n > 0 {
        words += &format!(" and {}", count(files.n, "file"));
    }
    format!(
        "{words}, {}",
        megabytes(shards.size_bytes + files.size_bytes)
    )
}

impl Findings {
    pub fn new(log: LogFormat, is_quiet: bool, place: String) -> Self {
        Self {
            log,
            is_quiet,
            place,
        }
    }

    /// Whether a shard has a line of its own.
    pub fn is_told(&self, found: &Found) -> bool {
        found.is_fault() || (found.state == State::Open && !self.is_quiet)
    }

    pub fn tell_shard(&self, found: &Found) {
        match &found.state {
            State::Damaged(why) => self.tell("DAMAGED", &found.name, why),
            State::Unread(why) => self.tell("UNREAD", &found.name, why),
            _ => self.tell(
                "open",
                &found.name,
                "its file has no receipt: a run is at it, or was killed",
            ),
        }
    }

    fn tell(&self, state: &str, what: &str, detail: &str) {
        let line = match self.log {
            LogFormat::Text => format!("{state:<7}  {what}: {detail}"),
            LogFormat::Json => json!({
                "event": "finding", "what": what, "state": state, "detail": detail,
            })
            .to_string(),
        };
        say(&mut std::io::stdout(), &line);
    }

    /// Tells things of one kind in a line, unless there is none.
    fn tell_sum(&self, state: &str, sum: &Sum, what: &str, detail: &str) {
        if sum.n > 0 && !self.is_quiet {
            self.tell(state, &sum.words(what), detail);
        }
    }

    /// The links under names of this program that are no shard's, each told.
    fn tell_links(&self, checked: &Checked) -> usize {
        let shards = checked.shards.iter().map(|found| found.name.as_str());
        let shards: BTreeSet<_> = shards.collect();
        let is_of_shard = |key: &str| {
            let name = key.rsplit_once('.').map(|(name, _)| name);
            name.is_some_and(|name| shards.contains(name))
        };
        let others = checked.links.iter().filter(|key| !is_of_shard(key));
        let others: Vec<_> = others.collect();
        for key in &others {
            let detail = "a link, and links are not followed; nothing behind it was looked at";
            self.tell("UNREAD", key, detail);
        }
        others.len()
    }

    /// The sums of a check, its last line, and the exit code.
    pub fn verdict(&self, checked: &Checked) -> u8 {
        let of = |is_meant: fn(&State) -> bool| {
            let these = checked.shards.iter().filter(|found| is_meant(&found.state));
            Sum::of(these.map(Found::size_bytes))
        };
        let files = |objects: &[Object]| Sum::of(objects.iter().map(|object| object.size_bytes));
        let n_links = self.tell_links(checked);
        let whole = of(|s| *s == State::Whole);
        let unsaid = of(|s| *s == State::WholeUnsaid);
        self.tell_sum("whole", &whole, "shard", "as they were written");
        self.tell_sum(
            "whole",
            &unsaid,
            "shard",
            "as they were written, by a version of this program that did not say which one it is; a run uses those that fit",
        );
        self.tell_sum(
            "old",
            &of(|s| *s == State::OfOthers),
            "shard",
            "of other versions of this program, not usable by this one; `report cache prune` removes them",
        );
        self.tell_sum(
            "partial",
            &files(&checked.partial),
            "file",
            "not whole: a run is at it, or was killed",
        );
        self.tell_sum(
            "cluster",
            &files(&checked.cluster),
            "file",
            "what a run on several machines hands over, or left when it was killed",
        );
        if checked.n_others > 0 && !self.is_quiet {
            let what = count(checked.n_others as usize, "other file");
            self.tell(
                "other",
                &what,
                "not written by this program, and not looked at",
            );
        }
        let damaged = of(|s| matches!(s, State::Damaged(_))).n;
        let unread = of(|s| matches!(s, State::Unread(_))).n + n_links;
        if damaged + unread == 0 {
            let words = match checked.shards.len() {
                // The name of the place may be mistyped.
                0 => "empty: there is no shard".to_owned(),
                _ => {
                    let all = Sum {
                        n: whole.n + unsaid.n,
                        size_bytes: whole.size_bytes + unsaid.size_bytes,
                    };
                    format!("whole: {}", all.words("shard"))
                }
            };
            return self.last(code::COMPLETE, &words, "");
        }
        let of_all = count(checked.shards.len(), "shard");
        let unread = match unread {
            0 => String::new(),
            n => format!(", {n} not read"),
        };
        let end = "a run computes a damaged shard again when it needs it, and `report cache prune` removes it";
        self.last(
            DAMAGED,
            &format!("not whole: {damaged} of {of_all} damaged{unread}"),
            if damaged > 0 { end } else { "" },
        )
    }

    /// What is to be removed, by reason, and what stays.
    pub fn tell_plan(&self, checked: &Checked, removals: &[Removal]) {
        self.tell_links(checked);
        let mut by_why: BTreeMap<Why, Vec<u64>> = BTreeMap::new();
        for removal in removals {
            by_why
                .entry(removal.why)
                .or_default()
                .push(removal.size_bytes());
        }
        for (why, sizes) in by_why {
            let (what, detail) = match why {
                Why::OfOthers => ("shard", "of other versions of this program"),
                Why::Damaged => ("shard", "damaged"),
                Why::Open => ("shard", "without a receipt, of a run that was killed"),
                Why::Partial => ("file", "not whole, of a run that was killed"),
                Why::Cluster => ("file", "of runs on several machines that are over"),
                Why::Old => ("shard", "older than asked for"),
            };
            self.tell_sum("remove", &Sum::of(sizes.into_iter()), what, detail);
        }
        let gone = removals.iter().map(|removal| removal.name.as_str());
        let gone: BTreeSet<_> = gone.collect();
        let kept = checked
            .shards
            .iter()
            .filter(|found| !gone.contains(found.name.as_str()));
        let kept = Sum::of(kept.map(Found::size_bytes));
        self.tell_sum("keep", &kept, "shard", "all others");
    }

    /// The last line; gives the exit code.
    pub fn last(&self, code: u8, verdict: &str, end: &str) -> u8 {
        let end = match end.is_empty() {
            true => String::new(),
            false => format!("; {end}"),
        };
        let text = format!("{verdict}: {}{end}", self.place);
        say(
            &mut std::io::stdout(),
            &progress::last_line(self.log, code, &text),
        );
        code
    }

    /// The last line after a signal.
    pub fn interrupted(&self, end: &str) -> u8 {
        let verdict = format!("stopped by a signal before the end{end}");
        self.last(signals::exit_code(), &verdict, "")
    }
}
