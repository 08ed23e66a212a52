//! The projections that two runs have between them.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{ProjectionRecord, Run};
use crate::schema::TSNE;
use crate::steps::tsne;

/// What is needed to name a projection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub rearranges: bool,
}

/// Each projection of either run, t-SNE first, whether it is there or not.
pub(super) fn projections<'a>(baseline: &'a Run, now: &'a Run) -> Vec<Named<'a>> {
    let mut all = vec![Named {
        name: TSNE,
        title: tsne::TITLE,
        rearranges: true,
    }];
    let mut seen = BTreeSet::from([TSNE]);
    for record in now.projections.iter().chain(&baseline.projections) {
        if seen.insert(&record.name) {
            all.push(Named {
                name: &record.name,
                title: &record.title,
                rearranges: record.rearranges,
            });
        }
    }
    all
}

/// What the records of the baseline and of this run say of projections, by name; of several by one name the first.
pub(super) struct Records<'a>([BTreeMap<&'a str, &'a ProjectionRecord>; 2]);

impl<'a> Records<'a> {
    pub fn of(runs: [&'a Run; 2]) -> Self {
        Self(runs.map(|run| {
            let last_first = run.projections.iter().rev();
            last_first
                .map(|record| (record.name.as_str(), record))
                .collect()
        }))
    }

    pub fn get(&self, name: &str) -> [Option<&'a ProjectionRecord>; 2] {
        self.0.each_ref().map(|records| records.get(name).copied())
    }
}
