//! The projections that two runs have between them.

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
    for record in now.projections.iter().chain(&baseline.projections) {
        if all.iter().all(|known| known.name != record.name) {
            all.push(Named {
                name: &record.name,
                title: &record.title,
                rearranges: record.rearranges,
            });
        }
    }
    all
}

/// What the record of `run` says of a projection.
pub(super) fn of<'a>(run: &'a Run, name: &str) -> Option<&'a ProjectionRecord> {
    run.projections.iter().find(|p| p.name == name)
}
