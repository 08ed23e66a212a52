//! The numbers that are held against each other.

use crate::record::{Metric, QualityRecord, Run};

/// A number of a run; `None` if the run did not come that far.
type Accessor = fn(&Run) -> Option<f64>;

const DIVERGENCE: &str = "Kullback-Leibler divergence";

/// All of them, in the order they are shown.
const METRICS: &[(&str, Accessor)] = &[
    ("images accepted", |run| Some(run.images.accepted as f64)),
    ("files rejected", |run| Some(run.images.rejected as f64)),
    ("classes", |run| Some(run.classes.len() as f64)),
    ("components kept", |run| {
        Some(run.pca.as_ref()?.n_components as f64)
    }),
    ("explained variance ratio", |run| {
        Some(run.pca.as_ref()?.explained_variance_ratio_sum)
    }),
    (DIVERGENCE, |run| Some(run.tsne.as_ref()?.kl_divergence)),
    ("trustworthiness", |run| {
        quality(run, |q| Some(q.trustworthiness))
    }),
    ("continuity", |run| quality(run, |q| Some(q.continuity))),
    ("neighbour recall", |run| {
        quality(run, |q| Some(q.neighbor_recall))
    }),
    ("label kNN accuracy, PCA", |run| {
        quality(run, |q| q.knn_accuracy_pca)
    }),
    ("label kNN accuracy, t-SNE", |run| {
        quality(run, |q| q.knn_accuracy_tsne)
    }),
    ("label kNN accuracy, own sequence left out, PCA", |run| {
        quality(run, |q| q.labels.as_ref()?.pca.accuracy_other_sequences)
    }),
    ("label kNN accuracy, own sequence left out, t-SNE", |run| {
        quality(run, |q| q.labels.as_ref()?.tsne.accuracy_other_sequences)
    }),
    ("labels that neighbours do not share", |run| {
        Some(run.findings.as_ref()?.n_disagreements as f64)
    }),
];

/// A divergence is measured against neighbourhoods whose size is the perplexity.
fn comparable(name: &str, baseline: &Run, now: &Run) -> bool {
    let perplexity = |run: &Run| run.tsne.as_ref().map(|t| t.perplexity);
    name != DIVERGENCE || perplexity(baseline) == perplexity(now)
}

fn quality(run: &Run, value: fn(&QualityRecord) -> Option<f64>) -> Option<f64> {
    value(run.quality.as_ref()?)
}

pub(super) fn metrics(baseline: &Run, now: &Run) -> Vec<Metric> {
    let metric = |(name, of): &(&str, Accessor)| {
        let finite = |run| of(run).filter(|value| value.is_finite());
        let (before, after) = (finite(baseline), finite(now));
        Metric {
            name: (*name).to_owned(),
            before,
            after,
            difference: before
                .zip(after)
                .filter(|_| comparable(name, baseline, now))
                .map(|(before, after)| after - before),
        }
    };
    METRICS.iter().map(metric).collect()
}
