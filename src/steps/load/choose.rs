//! Which of the images to take.

use std::collections::{BTreeMap, BTreeSet};

use super::files::is_usable;
use super::labels::LabelRule;
use super::names::{folded, revealed, told_apart};
use crate::error::{Error, Result};
use crate::storage::source::Object;

/// Classes that a message names.
const MAX_NAMED: usize = 20;

/// Which images to take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadParams {
    /// Which folder is the class.
    pub label: LabelRule,
    /// Take only these classes; all if absent.
    pub classes: Option<Vec<String>>,
    /// Take the classes with the most images, ties by name; all if absent.
    pub top_classes: Option<usize>,
    /// Take at most this many images, spread evenly over the sorted keys; all if absent.
    pub limit: Option<usize>,
}

/// The class of this name, or the only one whose name looks like it.
fn find(wanted: &str, classes: &BTreeMap<String, Vec<Object>>) -> Result<String> {
    if classes.contains_key(wanted) {
        return Ok(wanted.to_owned());
    }
    let alike: Vec<_> = classes
        .keys()
        .filter(|name| folded(name) == folded(wanted))
        .collect();
    if let [only] = alike[..] {
        return Ok(only.clone());
    }
    let (what, known) = match alike.is_empty() {
        true => (
            format!("there are {}", classes.len()),
            classes.keys().collect(),
        ),
        false => (format!("{} look like it", alike.len()), alike),
    };
    let named: Vec<_> = known
        .iter()
        .take(MAX_NAMED)
        .map(|name| name.as_str())
        .collect();
    let named = told_apart(&named);
    let more = if known.len() > named.len() {
        ", ..."
    } else {
        ""
    };
    let (wanted, named) = (revealed(wanted), named.join(", "));
    Err(Error::Invalid(format!(
        "no class {wanted}; {what}: {named}{more}"
    )))
}

/// The objects that `params` leaves, sorted by key. Files that cannot be used by their size are kept, for the list of the
/// rejected, and counted nowhere.
pub(super) fn choose(
    mut classes: BTreeMap<String, Vec<Object>>,
    params: &LoadParams,
) -> Result<Vec<Object>> {
    if let Some(wanted) = &params.classes {
        let found = wanted.iter().map(|name| find(name, &classes));
        let found = found.collect::<Result<BTreeSet<_>>>()?;
        classes.retain(|name, _| found.contains(name));
    }
    if let Some(n) = params.top_classes {
        let mut by_size: Vec<_> = classes
            .iter()
            .map(|(name, o)| (o.iter().filter(|o| is_usable(o)).count(), name.clone()))
            .collect();
        by_size.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, name) in by_size.into_iter().skip(n) {
            classes.remove(&name);
        }
    }
    let mut objects: Vec<_> = classes.into_values().flatten().collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    let n = objects.iter().filter(|object| is_usable(object)).count();
    if let Some(limit) = params.limit.filter(|&limit| limit < n) {
        let mut next = (0..limit).map(|i| i * n / limit).peekable();
        let mut i = 0..;
        objects.retain(|object| {
            !is_usable(object) || i.next().is_some_and(|i| next.next_if_eq(&i).is_some())
        });
    }
    Ok(objects)
}
