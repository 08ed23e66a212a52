//! The stages up to the descriptors, as a whole run has them and [`super::describe`].

use std::collections::BTreeMap;

use crate::error::{Error, Result, damaged};
use crate::steps::load::Loaded;
use crate::storage::rejection::Reason;
use crate::storage::source::Source;
use crate::storage::store::Receipt;

use super::control::{Control, Done};
use super::plan::{Planned, missing};
use super::workers::Workers;

/// Times that a run computes one shard again.
const MAX_MENDED: usize = 3;

/// Does `work`, and all of it again where shards turn out to be damaged: their receipts are gone by then, the other shards are
/// there. A disk that damages the same shard again and again keeps nothing.
pub(super) fn mending<T>(
    control: &mut Control,
    mut work: impl FnMut(&mut Control) -> Result<T>,
) -> Result<T> {
    let mut mended: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let shards = match work(control) {
            Err(Error::Damaged { shards }) => shards,
            done => return done,
        };
        for shard in &shards {
            // The folder of a cluster's pieces has another name in each round; the files in it keep theirs.
            let file = shard.rsplit('/').next().unwrap_or(shard);
            *mended.entry(file.to_owned()).or_default() += 1;
        }
        if mended.values().any(|&n| n > MAX_MENDED) || shards.is_empty() {
            return Err(Error::Damaged { shards });
        }
        let them = if shards.len() == 1 { "it" } else { "them" };
        control.note(&format!(
            "{}; this run computes {them} again",
            damaged(&shards)
        ));
        control.stages.clear();
    }
}

/// A receipt for each shard, computed where it has none; `loaded` takes what was rejected while it was read.
pub(super) fn features(
    input: &Source,
    planned: &Planned,
    loaded: &mut Loaded,
    workers: &mut dyn Workers,
    control: &mut Control,
) -> Result<Vec<Receipt>> {
    let receipts = committed(planned, workers, control)?;
    some_may_be_read(input, &receipts)?;
    let rejected = receipts.iter().flat_map(|receipt| &receipt.rejected);
    loaded.rejected.extend(rejected.cloned());
    Ok(receipts)
}

fn committed(
    planned: &Planned,
    workers: &mut dyn Workers,
    control: &mut Control,
) -> Result<Vec<Receipt>> {
    let Planned { shards, store, .. } = planned;
    let n_total = shards.iter().map(|s| s.manifest.height() as u64).sum();
    control.stage("features", n_total, |control| {
        let mut unfit = Vec::new();
        let found = store.receipts_and(shards, &mut || control.keeps_going(), &mut |receipt| {
            unfit.push(receipt);
        })?;
        if let [first, others @ ..] = &unfit[..] {
            let more = match others.len() {
                0 => "does not commit the shard beside it; this run computes it again".to_owned(),
                n => format!("and {n} more do not commit the shards beside them; this run computes them again"),
            };
            control.note(&format!("`{first}` {more}"));
        }
        let missing = missing(shards, &found);
        let n_missing: u64 = missing.iter().map(|s| s.manifest.height() as u64).sum();
        let n_found = n_total - n_missing;
        let (computed, parts) = match missing.is_empty() {
            true => Default::default(),
            false => workers.describe(&missing, &mut |n| {
                control.advance("features", n_found + n, n_total)
            })?,
        };
        let mut computed = computed.into_iter();
        let receipts: Option<Vec<_>> = found
            .into_iter()
            .map(|r| r.or_else(|| computed.next()))
            .collect();
        let receipts =
            receipts.ok_or_else(|| Error::Internal("a shard has no receipt".to_owned()))?;
        let precision = planned.descriptor.precision();
        let how = precision.map_or(String::new(), |precision| format!(" in {precision}"));
        let note = format!("{n_missing} computed{how}, {n_found} from the cache");
        Ok(Done {
            value: receipts,
            items: n_total,
            cache_hits: n_found,
            note,
            parts,
        })
    })
}

/// Refuses to report on a bucket none of whose images may be read: a permission is missing, not an image.
fn some_may_be_read(input: &Source, receipts: &[Receipt]) -> Result<()> {
    let mut rejected = receipts.iter().flat_map(|r| &r.rejected).peekable();
    let Some(first) = rejected.peek().map(|r| r.message.clone()) else {
        return Ok(());
    };
    let is_denied = rejected.all(|r| r.reason == Reason::AccessDenied);
    match input {
        Source::Bucket(prefix) if is_denied && n_images(receipts) == 0 => Err(Error::Bucket {
            message: format!("cannot read one object of `{prefix}`"),
            source: first.into(),
        }),
        _ => Ok(()),
    }
}

/// The stage that reads all shards for the first time, by `gather`.
pub(super) fn gathered<T>(
    receipts: &[Receipt],
    control: &mut Control,
    gather: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> Result<T>,
) -> Result<T> {
    let n = n_images(receipts);
    control.stage("gather", n, |control| {
        Ok(Done {
            value: gather(&mut |n_done| control.advance("gather", n_done, n))?,
            items: n,
            cache_hits: 0,
            note: format!("{n} descriptors"),
            parts: Vec::new(),
        })
    })
}

/// Images of all shards that could be used.
pub(super) fn n_images(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|r| r.n_images as u64).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn what_is_damaged_in_every_round_ends_the_run_wherever_a_round_puts_it() {
        let mut n_rounds = 0;
        let stop = AtomicBool::new(false);
        let mut observe = |_: &super::super::control::Event| {};
        let outcome: Result<()> = mending(&mut Control::new(&mut observe, &stop), |_| {
            n_rounds += 1;
            let piece = format!("cluster/pieces/{n_rounds}/pass-01.bin");
            Err(Error::Damaged {
                shards: vec![piece],
            })
        });
        assert!(matches!(outcome, Err(Error::Damaged { .. })));
        assert_eq!(n_rounds, 1 + MAX_MENDED);
    }
}
