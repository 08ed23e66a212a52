//! The numbers that are held against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::descriptors::same_descriptor;
use super::named::{self, Named, Records};
use crate::record::{Figure, Metric, ProjectionLabels, ProjectionQuality, ProjectionRecord, Run};
use crate::schema::TSNE;

/// A number of a run's own; `None` if the run did not come that far.
type OfRun = fn(&Run) -> Option<f64>;
/// A number of a projection's quality.
type OfQuality = fn(&ProjectionQuality) -> Option<f64>;
/// A number of the labels in one space.
type OfLabels = fn(&ProjectionLabels) -> [Option<f64>; 2];

const VARIANCE: &str = "explained variance ratio";

/// What comes before the projections, in the order it is shown.
const FIRST: &[(&str, OfRun)] = &[
    ("images accepted", |run| Some(run.images.accepted as f64)),
    ("files rejected", |run| Some(run.images.rejected as f64)),
    ("classes", |run| Some(run.classes.len() as f64)),
    ("components kept", |run| {
        Some(run.pca.as_ref()?.n_components as f64)
    }),
    (VARIANCE, |run| {
        Some(run.pca.as_ref()?.explained_variance_ratio_sum)
    }),
];

/// What is measured of every projection.
const OF_PROJECTIONS: &[(&str, OfQuality)] = &[
    ("trustworthiness", |q| Some(q.trustworthiness)),
    ("continuity", |q| Some(q.continuity)),
    ("neighbour recall", |q| Some(q.neighbor_recall)),
];

/// What is measured in PCA space and in every plane.
const OF_LABELS: &[(&str, OfLabels)] = &[
    ("label kNN accuracy", |l| {
        [Some(l.pca.accuracy), Some(l.plane.accuracy)]
    }),
    ("label kNN accuracy, own sequence left out", |l| {
        [
            l.pca.accuracy_other_sequences,
            l.plane.accuracy_other_sequences,
        ]
    }),
];

/// The numbers of both runs, whether they differ or not. Variance, and what came out of a projection, are of a space that the
/// descriptor spans.
pub(super) fn metrics(baseline: &Run, now: &Run) -> Vec<Metric> {
    let runs = [baseline, now];
    let same_space = same_descriptor(baseline, now);
    let mut all: Vec<Metric> = FIRST
        .iter()
        .map(|(name, of)| {
            let is_comparable = *name != VARIANCE || same_space;
            metric((*name).to_owned(), runs.map(of), is_comparable)
        })
        .collect();
    let projections = named::projections(baseline, now);
    let records = Records::of(runs);
    // t-SNE had these names before there were others.
    let named = |what: &str, projection: &Named| match projection.name {
        TSNE => what.to_owned(),
        _ => format!("{what}, {}", projection.title),
    };
    for projection in &projections {
        for (name, figures) in figures(records.get(projection.name)) {
            let at = |figure: Option<&Figure>| figure?.measured.as_ref()?.at;
            let is_comparable = same_space && at(figures[0]) == at(figures[1]);
            let values = figures.map(|figure| figure?.number());
            all.push(metric(named(name, projection), values, is_comparable));
        }
    }
    for (what, value) in OF_PROJECTIONS {
        all.extend(projections.iter().map(|projection| {
            let both = records.get(projection.name);
            let values = both.map(|record| value(record?.quality.as_ref()?));
            metric(named(what, projection), values, true)
        }));
    }
    for (what, values) in OF_LABELS {
        let in_space = |name: &str, space: usize| {
            let both = records.get(name);
            both.map(|record| values(record?.quality.as_ref()?.labels.as_ref()?)[space])
        };
        // PCA space is the same whichever projection it was measured with.
        let of_pca = projections.iter().map(|p| in_space(p.name, 0));
        let of_pca = of_pca.fold([None, None], |a, b| [a[0].or(b[0]), a[1].or(b[1])]);
        all.push(metric(format!("{what}, PCA"), of_pca, true));
        all.extend(projections.iter().map(|p| {
            let name = format!("{what}, {}", p.title);
            metric(name, in_space(p.name, 1), true)
        }));
    }
    let disagreements = runs.map(|run| Some(run.findings.as_ref()?.n_disagreements as f64));
    let name = "labels that neighbours do not share".to_owned();
    all.push(metric(name, disagreements, true));
    all
}

/// The numbers that came out of a projection, in the baseline and in this run, by name.
fn figures(records: [Option<&ProjectionRecord>; 2]) -> Vec<(&str, [Option<&Figure>; 2])> {
    let of = records.map(|record| record.map_or(&[][..], |record| record.figures.as_slice()));
    // Of several by one name the first.
    let by_name = of.map(|figures| -> BTreeMap<&str, &Figure> {
        let last_first = figures.iter().rev();
        last_first
            .map(|figure| (figure.name.as_str(), figure))
            .collect()
    });
    let numbers = of.into_iter().rev().flatten();
    let numbers = numbers.filter(|figure| figure.number().is_some());
    let mut seen = BTreeSet::new();
    let names = numbers.map(|figure| figure.name.as_str());
    let names = names.filter(|name| seen.insert(*name));
    names
        .map(|name| {
            (
                name,
                by_name.each_ref().map(|figures| figures.get(name).copied()),
            )
        })
        .collect()
}

fn metric(name: String, values: [Option<f64>; 2], is_comparable: bool) -> Metric {
    let [before, after] = values.map(|value| value.filter(|value| value.is_finite()));
    Metric {
        name,
        before,
        after,
        difference: before
            .zip(after)
            .filter(|_| is_comparable)
            .map(|(before, after)| after - before),
    }
}
