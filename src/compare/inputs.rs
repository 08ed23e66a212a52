//! Which images came, went or changed.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::error::Result;
use crate::frame::strings;
use crate::record::{Inputs, Keys};
use crate::schema::{KEY, LABEL, SHA256};

/// Keys listed of each kind; a reader looks at a few and counts the others.
const MAX_KEYS: usize = 50;

/// Label and digest of each image by key. The ETag does not count: the same bytes have another one in another place.
fn images(manifest: &DataFrame) -> Result<BTreeMap<&str, (&str, &str)>> {
    let labels = strings(manifest, LABEL)?;
    let digests = strings(manifest, SHA256)?;
    let values = labels.into_iter().zip(digests);
    Ok(strings(manifest, KEY)?.into_iter().zip(values).collect())
}

pub(super) fn inputs(baseline: &DataFrame, now: &DataFrame) -> Result<Inputs> {
    let (before, after) = (images(baseline)?, images(now)?);
    let missing_in = |other: &BTreeMap<&str, _>, keys: &BTreeMap<&str, _>| -> Vec<String> {
        let missing = keys.keys().filter(|key| !other.contains_key(*key));
        missing.map(|key| (*key).to_owned()).collect()
    };
    let common = after
        .iter()
        .filter_map(|(key, image)| Some((*key, before.get(key)?, image)));
    let changed = common.clone().filter(|(_, before, after)| before != after);
    let changed = changed.map(|(key, _, _)| key.to_owned()).collect();
    Ok(Inputs {
        n_common: common.count() as u64,
        added: some(missing_in(&before, &after)),
        removed: some(missing_in(&after, &before)),
        changed: some(changed),
    })
}

fn some(mut keys: Vec<String>) -> Keys {
    let n = keys.len() as u64;
    keys.truncate(MAX_KEYS);
    Keys { n, first: keys }
}
