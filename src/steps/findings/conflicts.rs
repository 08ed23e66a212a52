//! One image under several labels.

use std::collections::{BTreeMap, BTreeSet};

use fruits_maths::copies::{Distinct, Groups};
use serde::{Deserialize, Serialize};

/// Copies named of a conflict.
const MAX_COPIES: usize = 12;

/// One image that is in the set under several labels, of which at most one is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// How much alike its copies are.
    pub likeness: Likeness,
    /// The copies, the first of each label before others, at most twelve.
    pub copies: Vec<LabelledCopy>,
    /// How many there are.
    pub n_copies: u64,
    /// Labels that they have.
    pub n_labels: u64,
}

/// How much alike the copies of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Files of the same bytes have different labels.
    SameFile,
    /// Files whose components are nearly the same have.
    NearlySame,
}

/// A copy of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledCopy {
    /// The file.
    pub key: String,
    /// Its class.
    pub label: String,
}

/// The images under several labels: same files first, then by the first of their keys. `digests` of the files, if they are known.
pub(super) fn conflicts(
    keys: &[&str],
    labels: &[&str],
    digests: Option<&[&str]>,
    distinct: &Distinct,
) -> Vec<Conflict> {
    let mut same = Groups::new(keys.len());
    for (i, &first) in distinct.first().iter().enumerate() {
        same.join(first, i);
    }
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, &digest) in digests.into_iter().flatten().enumerate() {
        same.join(*first_of.entry(digest).or_insert(i), i);
    }
    // Frames of one object are nearly the same, too: only another label makes that a finding.
    let nearly = distinct.nearly_same().into_iter();
    for (i, j) in nearly.filter(|&(i, j)| labels[i] != labels[j]) {
        same.join(i, j);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..keys.len() {
        groups.entry(same.first(i)).or_default().push(i);
    }
    let groups = groups.into_values().filter(|rows| rows.len() > 1);
    let found = groups.filter_map(|rows| conflict(&rows, keys, labels, digests));
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| (a.likeness, &a.copies[0].key).cmp(&(b.likeness, &b.copies[0].key)));
    found
}

fn conflict(
    rows: &[usize],
    keys: &[&str],
    labels: &[&str],
    digests: Option<&[&str]>,
) -> Option<Conflict> {
    let mut seen = BTreeSet::new();
    let rows = rows.iter().copied();
    let (firsts, others): (Vec<usize>, Vec<usize>) =
        rows.clone().partition(|&i| seen.insert(labels[i]));
    if seen.len() < 2 {
        return None;
    }
    let mut label_of: BTreeMap<&str, &str> = BTreeMap::new();
    let is_same_file = digests.is_some_and(|digests| {
        rows.clone()
            .any(|i| *label_of.entry(digests[i]).or_insert(labels[i]) != labels[i])
    });
    let copies = firsts.into_iter().chain(others).take(MAX_COPIES);
    Some(Conflict {
        likeness: match is_same_file {
            true => Likeness::SameFile,
            false => Likeness::NearlySame,
        },
        copies: copies
            .map(|i| LabelledCopy {
                key: keys[i].to_owned(),
                label: labels[i].to_owned(),
            })
            .collect(),
        n_copies: rows.len() as u64,
        n_labels: seen.len() as u64,
    })
}
