//! Whether what lies in a cache is what was written.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use rayon::prelude::*;

use super::Cache;
use super::files::{Content, Files, Object, Pair};
use crate::error::{Error, Result};
use crate::storage::store::{Receipt, Seen};

/// Largest receipt: 128 rejected files, each with a key of 1,024 bytes (the longest of S3) and a message of a few hundred,
/// six times as long in JSON at most, make 1.3 MB.
const MAX_RECEIPT_BYTES: u64 = 4 << 20;
/// Shards between two looks at who is told: they are read side by side.
const AT_ONCE: usize = 16;

/// A shard, by the names of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key of both files without their endings.
    pub name: String,
    /// What it is.
    pub state: State,
    pub(super) pair: Pair,
}

/// What a shard is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Committed, and as it was committed.
    Whole,
    /// The same, by a program that did not say yet which one it is.
    WholeUnsaid,
    /// Committed by a program with another layout, other code or decoders: no run of this program takes it.
    OfOthers,
    /// Committed, and not what was committed; in words. A run computes it again.
    Damaged(String),
    /// Not committed: a run is at it, or was killed.
    Open,
    /// Not read; why, in words.
    Unread(String),
    /// Older than asked for, and not read.
    Old,
}

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// All shards, sorted by name.
    pub shards: Vec<Found>,
    /// Files that were not whole when their run was killed.
    pub partial: Vec<Object>,
    /// What runs on several machines left, or have there while they are under way.
    pub cluster: Vec<Object>,
    /// Links under names of this program, which are not followed.
    pub links: Vec<String>,
    /// Files that this program did not write, beside those that it did.
    pub n_others: u64,
}

impl Found {
    /// Of both files, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.pair.objects().map(|o| o.size_bytes).sum()
    }

    /// Whether it keeps a cache from being whole.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self.state, State::Damaged(_) | State::Unread(_))
    }
}

impl Pair {
    /// Both, the receipt first.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.receipt.iter().chain(&self.data)
    }

    /// Whether neither was written at this time or later; what does not say when it was written is not old.
    fn is_older_than(&self, time: SystemTime) -> bool {
        let is_old = |object: &Object| object.modified.is_some_and(|at| at <= time);
        self.objects().all(is_old)
    }
}

impl Cache {
    /// Reads every receipt and every file that one names. What was last written at the time `old` or before is not read.
    /// `observe` hears of each shard, and how many of how many there are; several are read at once, in the caller's pool.
    ///
    /// # Errors
    /// [`Error::Storage`] or [`Error::Bucket`] if the cache cannot be listed, [`Error::Bucket`] if the bucket cannot be read,
    /// [`Error::Cancelled`].
    pub fn check(
        &self,
        old: Option<SystemTime>,
        observe: &mut dyn FnMut(&Found, u64, u64),
        stop: &AtomicBool,
    ) -> Result<Checked> {
        let listing = self.files.list(stop)?;
        let linked: BTreeSet<_> = listing.links.iter().filter_map(|key| stem(key)).collect();
        let pairs: Vec<_> = listing.shards.into_iter().collect();
        let n_total = pairs.len() as u64;
        let mut shards = Vec::with_capacity(pairs.len());
        for some in pairs.chunks(AT_ONCE) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let look = |(name, pair): &(String, Pair)| {
                let state = match linked.contains(name.as_str()) {
                    true => Some(State::Unread(
                        "one of its files is a link, and links are not followed".to_owned(),
                    )),
                    false if old.is_some_and(|old| pair.is_older_than(old)) => Some(State::Old),
                    false => None,
                };
                match state {
                    Some(state) => Ok(Some(Found {
                        name: name.clone(),
                        state,
                        pair: pair.clone(),
                    })),
                    None => self.look_at(name, pair, stop),
                }
            };
            let found = some.par_iter().map(look).collect::<Result<Vec<_>>>()?;
            for found in found.into_iter().flatten() {
                observe(&found, shards.len() as u64 + 1, n_total);
                shards.push(found);
            }
        }
        let unread = |found: &Found| match &found.state {
            State::Unread(why) => Some(why.clone()),
            _ => None,
        };
        // Where nothing can be read, that is no matter of single objects.
        if let (Files::Bucket(prefix), Some(why)) = (&self.files, shards.first().and_then(unread))
            && shards.iter().all(|found| unread(found).is_some())
        {
            return Err(Error::Bucket {
                message: format!("cannot read one shard of `{prefix}`"),
                source: why.into(),
            });
        }
        Ok(Checked {
            shards,
            partial: listing.partial,
            cluster: listing.cluster,
            links: listing.links,
            n_others: listing.n_others,
        })
    }

    /// What a shard is; none if it is gone by now. A run may be mending it: what seems damaged is looked at again where
    /// another file stands there now.
    fn look_at(&self, name: &str, pair: &Pair, stop: &AtomicBool) -> Result<Option<Found>> {
        let mut found = Found {
            name: name.to_owned(),
            state: self.examine(pair, stop)?,
            pair: pair.clone(),
        };
        if found.is_fault() {
            found.pair = self.files.look(name, stop)?;
            if found.pair != *pair {
                found.state = self.examine(&found.pair, stop)?;
            }
        }
        let is_there = found.pair.objects().next().is_some();
        Ok(is_there.then_some(found))
    }

    fn examine(&self, pair: &Pair, stop: &AtomicBool) -> Result<State> {
        let damaged = |why: String| Ok(State::Damaged(why));
        let Some(receipt) = &pair.receipt else {
            return Ok(State::Open);
        };
        if receipt.size_bytes > MAX_RECEIPT_BYTES {
            return damaged(format!(
                "its receipt has {} bytes, and no receipt has more than {MAX_RECEIPT_BYTES}",
                receipt.size_bytes
            ));
        }
        let bytes = match self.files.read(&receipt.key, MAX_RECEIPT_BYTES, stop)? {
            Content::Read(bytes) => bytes,
            Content::Gone => return damaged("its receipt is missing".to_owned()),
            Content::Unreadable(why) => return Ok(State::Unread(format!("its receipt {why}"))),
        };
        let (size_bytes, written, says_code) = match Receipt::seen(&bytes, &receipt.key) {
            Seen::Usable {
                size_bytes,
                sha256,
                says_code,
            } => (size_bytes, sha256, says_code),
            Seen::OfOthers => return Ok(State::OfOthers),
            Seen::Damaged => {
                return damaged("its receipt is not the one that was written".to_owned());
            }
        };
        let Some(data) = &pair.data else {
            return damaged("its file is missing".to_owned());
        };
        if data.size_bytes != size_bytes {
            return damaged(format!(
                "its file has {} bytes, and {size_bytes} were written",
                data.size_bytes
            ));
        }
        match self.files.sha256(&data.key, data.size_bytes, stop)? {
            Content::Read(sha256) if sha256 == written => Ok(match says_code {
                true => State::Whole,
                false => State::WholeUnsaid,
            }),
            Content::Read(_) => {
                damaged("its file does not hold the bytes that were written".to_owned())
            }
            Content::Gone => damaged("its file is missing".to_owned()),
            Content::Unreadable(why) => Ok(State::Unread(format!("its file {why}"))),
        }
    }
}

/// The name of a shard, of the key of one of its files.
fn stem(key: &str) -> Option<&str> {
    key.strip_suffix(".json")
        .or_else(|| key.strip_suffix(".parquet"))
}
