//! What of a cache no run of this program can use, and its removal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use super::check::{Checked, Found, State};
use super::files::{Listing, Object};
use super::{Cache, Quiet};
use crate::error::{Error, Result};

/// Where nobody knows of runs, what one may be about to commit, or hands to another machine, stays for so long after it was
/// written: a receipt follows its file within minutes, and a run notes each task that it begins.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// Things between two looks at who is told: they are removed side by side.
const AT_ONCE: usize = 32;

/// Why something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A shard of another layout, code or decoders.
    OfOthers,
    /// A shard that is not what was committed.
    Damaged,
    /// A shard that was never committed.
    Open,
    /// A file that was never whole.
    Partial,
    /// What a run on several machines left.
    Cluster,
    /// A shard that is older than asked for.
    Old,
}

/// Something to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The reason.
    pub why: Why,
    /// A key, or what both keys of a shard begin with.
    pub name: String,
    /// The files, a shard's receipt first: whatever happens, no receipt is without its file.
    objects: Vec<Object>,
    is_shard: bool,
}

impl Removal {
    /// Of its files, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.objects.iter().map(|o| o.size_bytes).sum()
    }

    fn of_shard(why: Why, found: &Found) -> Self {
        Self {
            why,
            name: found.name.clone(),
            objects: found.pair.objects().cloned().collect(),
            is_shard: true,
        }
    }

    fn of_file(why: Why, object: &Object) -> Self {
        Self {
            why,
            name: object.key.clone(),
            objects: vec![object.clone()],
            is_shard: false,
        }
    }

    /// Whether its files, and none beside them, are there as they were.
    fn still_stands(&self, now: &Listing, files: &BTreeMap<&str, &Object>) -> bool {
        match self.is_shard {
            true => now
                .shards
                .get(&self.name)
                .is_some_and(|pair| pair.objects().eq(&self.objects)),
            false => files.get(self.name.as_str()).copied() == self.objects.first(),
        }
    }
}

/// What is to be removed of a cache that was checked; `now` is the time of this machine.
#[must_use]
pub fn plan(checked: &Checked, quiet: &Quiet, now: SystemTime) -> Vec<Removal> {
    let is_late = |object: &Object| {
        let late = object.modified.and_then(|at| at.checked_add(GRACE));
        quiet.is_certain() || late.is_some_and(|late| late <= now)
    };
    let mut all = Vec::new();
    for found in &checked.shards {
        let why = match &found.state {
            State::Whole | State::WholeUnsaid | State::Unread(_) => continue,
            State::OfOthers => Why::OfOthers,
            State::Damaged(_) => Why::Damaged,
            State::Open if !found.pair.objects().all(is_late) => continue,
            State::Open => Why::Open,
            State::Old => Why::Old,
        };
        all.push(Removal::of_shard(why, found));
    }
    let partial = checked.partial.iter().filter(|object| is_late(object));
    all.extend(partial.map(|object| Removal::of_file(Why::Partial, object)));
    // A run writes to several places there, to some of them long before it ends.
    if checked.cluster.iter().all(is_late) {
        let left = checked.cluster.iter();
        all.extend(left.map(|object| Removal::of_file(Why::Cluster, object)));
    }
    all.sort_by_key(|removal| removal.why);
    all
}

impl Cache {
    /// Removes what was planned and is still as it was then; gives that. `observe` hears how many of how many are done; several
    /// are removed at once, in the caller's pool.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`], [`Error::Cancelled`].
    pub fn remove<'a>(
        &self,
        removals: &'a [Removal],
        quiet: &Quiet,
        observe: &mut dyn FnMut(u64, u64),
        stop: &AtomicBool,
    ) -> Result<Vec<&'a Removal>> {
        let now = self.files.list(stop)?;
        let files = now.partial.iter().chain(&now.cluster);
        let files = files.map(|object| (object.key.as_str(), object)).collect();
        let mut removed = Vec::with_capacity(removals.len());
        for some in removals.chunks(AT_ONCE) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let standing: Vec<_> = some
                .iter()
                .filter(|removal| removal.still_stands(&now, &files))
                .collect();
            standing.par_iter().try_for_each(|removal| {
                let mut objects = removal.objects.iter();
                objects.try_for_each(|object| self.files.remove(&object.key))
            })?;
            removed.extend(standing);
            observe(removed.len() as u64, removals.len() as u64);
        }
        // Where a run may begin meanwhile, it may have made one of them just now.
        if quiet.is_certain() {
            self.files.remove_empty(&now.folders);
        }
        Ok(removed)
    }
}
