//! What workers noted of the tasks of a run that they began.

use std::collections::BTreeMap;

use fruits::record::LostTry;
use fruits::{Error, Result};

use crate::exchange::Exchange;
use crate::keys::Key;
use crate::task::{MAX_TRIES, TRIES, Task, Try};

/// The tries of one run. They are gone with it: another run would not look at them.
pub struct Tries<'a> {
    cache: Exchange<'a>,
    folder: Key,
}

impl<'a> Tries<'a> {
    pub fn of(cache: Exchange<'a>, run: &str) -> Result<Self> {
        Ok(Self {
            cache,
            folder: Key::new(format!("{TRIES}/{run}"))?,
        })
    }

    /// Ends the run if a task was tried too often.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a worker found what a task reads damaged or gone: what it was made of is there, so that a run which
    /// begins anew makes it again. [`Error::Engine`] for a task that was tried too often.
    pub fn judge(&self, missing: &[&Task]) -> Result<()> {
        let tries = self.by_task()?;
        let faults = missing
            .iter()
            .filter_map(|task| tries.get(&task.name))
            .flatten()
            .filter_map(|this| this.fault.as_ref());
        if let Some(place) = faults.filter_map(|fault| fault.damaged.as_ref()).next() {
            // Whoever may write to the cache may have written this.
            let shard = place.chars().filter(|c| !c.is_control()).collect();
            return Err(Error::Damaged {
                shards: vec![shard],
            });
        }
        for task in missing {
            let Some(these) = tries.get(&task.name).filter(|t| t.len() >= MAX_TRIES) else {
                continue;
            };
            let workers: Vec<_> = these.iter().map(|t| t.worker.as_str()).collect();
            let fault = these.iter().rev().find_map(|t| t.fault.as_ref());
            let why = match fault {
                Some(fault) => fault.why.clone(),
                None => "no try came to an end: the workers died, hung, or were still at it when they were asked again".to_owned(),
            };
            return Err(Error::Engine {
                message: format!(
                    "{} was given up after {} tries, by {}; all other receipts stay, and another run tries it again",
                    task.describe(),
                    these.len(),
                    workers.join(", ")
                ),
                source: why.into(),
            });
        }
        Ok(())
    }

    /// By task, in the order they began.
    fn by_task(&self) -> Result<BTreeMap<String, Vec<Try>>> {
        let read = self.cache.get_all(&self.cache.keys_in(&self.folder)?)?;
        let mut tries: BTreeMap<String, Vec<Try>> = BTreeMap::new();
        for (key, bytes) in read {
            let task = key
                .as_str()
                .strip_prefix(self.folder.as_str())
                .and_then(|rest| rest.split('/').nth(1));
            if let (Some(task), Ok(this)) = (task, serde_json::from_slice(&bytes)) {
                tries.entry(task.to_owned()).or_default().push(this);
            }
        }
        tries
            .values_mut()
            .for_each(|t| t.sort_by_key(|t| t.began_ms));
        Ok(tries)
    }

    /// What came of tries of these tasks that another one followed; all of them are forgotten.
    pub fn take_lost(&self, tasks: &[Task]) -> Result<Vec<LostTry>> {
        let mut tries = self.by_task()?;
        let mut lost = Vec::new();
        for task in tasks {
            let tries = tries.remove(&task.name).unwrap_or_default();
            for pair in tries.windows(2) {
                let ended_ms = pair[0]
                    .fault
                    .as_ref()
                    .map_or(pair[1].began_ms, |fault| fault.at_ms);
                lost.push(LostTry {
                    task: task.name.clone(),
                    worker: pair[0].worker.clone(),
                    lost_s: ended_ms.saturating_sub(pair[0].began_ms) as f64 / 1e3,
                    why: pair[0].fault.as_ref().map(|fault| fault.why.clone()),
                });
            }
        }
        self.forget();
        Ok(lost)
    }

    /// What cannot be removed harms nothing: a worker may be writing there.
    fn forget(&self) {
        let _ = self.cache.remove_all(&self.folder);
    }
}

impl Drop for Tries<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use fruits::store::Store;
    use serde_json::json;

    use super::*;
    use crate::task::Fault;

    /// A try decides whether a run goes on, and no number.
    #[test]
    fn a_damaged_try_ends_a_run_by_name_or_not_at_all() {
        let store = Store::open(None).unwrap();
        let tries = Tries::of(Exchange::of(&store), "1-a").unwrap();
        let to = "cluster/pieces/1-a/x.bin";
        let what = json!({"Survey": {"window": [], "to": to}});
        let task: Task = serde_json::from_value(json!({"name": "task-1", "what": what})).unwrap();
        let folder = store.root().join(task.tries("1-a").unwrap().as_str());
        std::fs::create_dir_all(&folder).unwrap();
        let this = |damaged: Option<&str>| Try {
            worker: "one".to_owned(),
            began_ms: 7,
            fault: Some(Fault {
                at_ms: 9,
                why: "no room".to_owned(),
                damaged: damaged.map(str::to_owned),
            }),
        };
        for i in 1..MAX_TRIES {
            let other = serde_json::to_vec(&this(None)).unwrap();
            std::fs::write(folder.join(format!("{i}.json")), other).unwrap();
        }
        for damaged in [None, Some(to)] {
            let whole = serde_json::to_vec(&this(damaged)).unwrap();
            let judged = |bytes: &[u8]| {
                std::fs::write(folder.join("0.json"), bytes).unwrap();
                tries.judge(&[&task])
            };
            let mut n_ended = 0;
            for bit in 0..8 * whole.len() {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                match judged(&bytes) {
                    Ok(()) => {}
                    Err(Error::Damaged { .. } | Error::Engine { .. }) => n_ended += 1,
                    Err(other) => panic!("bit {bit}: {other:?}"),
                }
            }
            assert!(n_ended > 0);
            for n in 0..whole.len() {
                assert!(judged(&whole[..n]).is_ok(), "{n} bytes");
            }
            match (damaged, judged(&whole)) {
                (Some(_), Err(Error::Damaged { shards })) => assert_eq!(shards, [to]),
                (None, Err(Error::Engine { .. })) => {}
                (_, other) => panic!("{other:?}"),
            }
        }
        let lost = tries.take_lost(&[task]).unwrap();
        assert_eq!(lost.len(), MAX_TRIES - 1);
    }
}
