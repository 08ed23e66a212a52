//! A run held against a second one of the same parameters.
//!
//! The same bytes need no more words. Other bytes come from another kind of processor or another program, or somebody
//! changed them: then the difference is measured so that what may differ does not count. Components turn into each
//! other where their variances are nearly equal, so single ones are never compared; t-SNE is chaotic, so its
//! coordinates are not compared either, but what they are worth.
//!
//! Tolerances are what is left between `f32` and `bf16` on one processor with AVX512-BF16, rounded up to at least twice
//! the largest that was seen on 40 and 180 images of `data-sample/` and 512 of Fruits-360. A run is computed again in
//! its own precision, which leaves less.

use std::collections::{BTreeMap, BTreeSet};

use super::spaces::{components_named, distances, n_stable, products};
use super::{Finding, Recorded, Rejected, named};
use crate::atomic;
use crate::error::Result;
use crate::matrix::strings;
use crate::outputs::{EMBEDDINGS, PCA, REJECTED};
use crate::pca::Pca;
use crate::quality::{DEFAULT_NEIGHBORS, quality};
use crate::record::{Provenance, Run};
use crate::schema::{KEY, LABEL, SHA256, TSNE_X};

/// Largest difference of an explained variance ratio; 4.6e-4 was seen on 512 images, 6e-5 on 180.
const RATIO_TOLERANCE: f64 = 1e-3;
/// Largest distance of the means, relative to the root of the total variance; 4.1e-3 was seen.
const MEAN_TOLERANCE: f64 = 1e-2;
/// Largest share of the variance that one set of components keeps and the other loses; 1.1e-4 was seen.
const LOST_TOLERANCE: f64 = 1e-3;
/// Largest distance between an image as one set of components and scores describes it and as the other does, relative
/// to the root mean square of all images; 0.026 was seen, half of the images were below 0.013.
const IMAGE_TOLERANCE: f64 = 0.06;

/// A number of a run that may differ a little.
struct Metric {
    name: &'static str,
    of: fn(&Run) -> Option<f64>,
    tolerance: Tolerance,
}

/// How far two numbers may be apart.
#[derive(Clone, Copy)]
enum Tolerance {
    Absolute(f64),
    /// Of the larger one.
    Relative(f64),
    /// Absolute, of a share of images: two images may always differ.
    Images(f64),
}

/// What is compared of `run.json`; the comments say what was seen.
const METRICS: [Metric; 7] = [
    // 4.4e-4.
    Metric {
        name: "mean norm",
        of: |run| run.features.as_ref().map(|f| f.norm_mean),
        tolerance: Tolerance::Relative(1e-3),
    },
    // 1.2e-3.
    Metric {
        name: "total variance",
        of: |run| run.pca.as_ref().map(|p| p.total_variance),
        tolerance: Tolerance::Relative(3e-3),
    },
    // 1.1e-4.
    Metric {
        name: "variance kept",
        of: |run| run.pca.as_ref().map(|p| p.explained_variance_ratio_sum),
        tolerance: Tolerance::Absolute(RATIO_TOLERANCE),
    },
    // 0.017 on 40 images, 0.004 on 180, 0.001 on 512.
    Metric {
        name: "KL divergence",
        of: |run| run.tsne.as_ref().map(|t| t.kl_divergence),
        tolerance: Tolerance::Absolute(0.05),
    },
    // 0.004.
    Metric {
        name: "trustworthiness",
        of: |run| run.quality.as_ref().map(|q| q.trustworthiness),
        tolerance: Tolerance::Absolute(0.01),
    },
    // One image of 180.
    Metric {
        name: "kNN accuracy, PCA",
        of: |run| run.quality.as_ref()?.knn_accuracy_pca,
        tolerance: Tolerance::Images(0.01),
    },
    // None.
    Metric {
        name: "kNN accuracy, t-SNE",
        of: |run| run.quality.as_ref()?.knn_accuracy_tsne,
        tolerance: Tolerance::Images(0.01),
    },
];

/// What a comparison gives.
enum Outcome {
    /// The same bytes, or the same numbers.
    Equal,
    /// Within tolerance, with the figure.
    Close(String),
    /// Neither, and where.
    Other(String),
}

use Outcome::{Close, Equal, Other};

impl Outcome {
    fn finding(self, what: &str) -> Finding {
        let what = format!("again: {what}");
        match self {
            Equal => Finding::ok(what, "equal"),
            Close(figure) => Finding::ok(what, format!("equal within tolerance: {figure}")),
            Other(fault) => Finding::differs(what, fault),
        }
    }
}

/// Holds the run `recorded` against `again`, which was computed with its parameters: one finding a result, `equal`,
/// `equal within tolerance` with the figure, or what differs and where.
#[must_use]
pub fn compare(recorded: &Recorded, again: &Recorded) -> Vec<Finding> {
    let mut findings = vec![program(&recorded.run.provenance, &again.run.provenance)];
    let images = images(recorded, again);
    let are_same = matches!(images, Equal);
    findings.push(images.finding("images"));
    findings.push(rejected(recorded, again).finding(REJECTED));
    if !are_same {
        let reason = "not compared: other images were used";
        findings.push(Finding::skipped("again: results", reason));
        return findings;
    }
    if results(&recorded.run) == results(&again.run) {
        findings.push(Equal.finding("numbers"));
    } else {
        findings.push(counted(&recorded.run, &again.run).finding("counts"));
        if let Some(outcome) = ratios(&recorded.run, &again.run) {
            findings.push(outcome.finding("explained variance"));
        }
        for metric in &METRICS {
            if let Some(outcome) = metric.compare(&recorded.run, &again.run) {
                findings.push(outcome.finding(metric.name));
            }
        }
    }
    for (name, compare) in [(PCA, components as Comparison), (EMBEDDINGS, scores)] {
        let outcome = match [recorded, again].map(|run| atomic::read(&run.folder.join(name))) {
            [Ok(then), Ok(now)] if then == now => Equal,
            [Ok(_), Ok(_)] => compare(recorded, again).unwrap_or_else(|e| Other(e.sentence())),
            [Err(_), Err(_)] => continue,
            [Ok(_), Err(_)] => Other("was written then and is not now".to_owned()),
            [Err(_), Ok(_)] => Other("is written now and was not then".to_owned()),
        };
        findings.push(outcome.finding(name));
    }
    findings
}

type Comparison = fn(&Recorded, &Recorded) -> Result<Outcome>;

/// What computed the run, and what computed it again: why bytes may differ.
fn program(then: &Provenance, now: &Provenance) -> Finding {
    let mut others = Vec::new();
    let mut compare = |what: &str, then: &str, now: &str| {
        if then != now {
            others.push(format!("{what} {then} then, {now} now"));
        }
    };
    compare("version", &then.version, &now.version);
    compare("commit", &then.git_commit, &now.git_commit);
    compare("compiler", &then.rustc, &now.rustc);
    for library in &now.libraries {
        let old = then.libraries.iter().find(|l| l.name == library.name);
        let old = old.map_or("none", |l| l.version.as_str());
        compare(&library.name, old, &library.version);
    }
    compare("processor", &then.cpu, &now.cpu);
    let (old, new) = (then.cpu_features.join("+"), now.cpu_features.join("+"));
    compare("instructions", &old, &new);
    let detail = match others.is_empty() {
        true => "by the same program on the same kind of processor".to_owned(),
        false => format!("last digits may differ: {}", others.join("; ")),
    };
    Finding::ok("computed again", detail)
}

fn images(recorded: &Recorded, again: &Recorded) -> Outcome {
    let list = |run: &Recorded| -> Result<BTreeMap<String, [String; 2]>, String> {
        let frame = run.manifest.as_ref().map_err(Clone::clone)?;
        let column = |name| strings(frame, name).map_err(|e| e.sentence());
        let values = column(LABEL)?.into_iter().zip(column(SHA256)?);
        let rows = column(KEY)?.into_iter().zip(values);
        Ok(rows
            .map(|(key, (label, sha256))| (key.to_owned(), [label.to_owned(), sha256.to_owned()]))
            .collect())
    };
    match (list(recorded), list(again)) {
        (Ok(then), Ok(now)) if then == now => Equal,
        (Ok(then), Ok(now)) => {
            let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            let other = keys
                .into_iter()
                .filter(|key| then.get(*key) != now.get(*key));
            let other: Vec<_> = other.collect();
            Other(format!("{} are others: {}", other.len(), named(&other)))
        }
        (Err(reason), _) | (_, Err(reason)) => Other(reason),
    }
}

fn rejected(recorded: &Recorded, again: &Recorded) -> Outcome {
    let (then, now) = match (&recorded.rejected, &again.rejected) {
        (Ok(then), Ok(now)) if then == now => return Equal,
        (Ok(then), Ok(now)) => (then, now),
        (Err(reason), _) | (_, Err(reason)) => return Other(reason.clone()),
    };
    let reasons = |rows: &[Rejected]| -> BTreeSet<String> {
        let reason = |row: &Rejected| format!("{}: {}", row.key, row.reason);
        rows.iter().map(reason).collect()
    };
    let (then, now) = (reasons(then), reasons(now));
    if then == now {
        return Close(format!(
            "the same {} files and reasons, other messages",
            now.len()
        ));
    }
    let only = |of: &BTreeSet<String>, in_none: &BTreeSet<String>| {
        let only: Vec<_> = of.difference(in_none).cloned().collect();
        match only.is_empty() {
            true => "none".to_owned(),
            false => named(&only),
        }
    };
    let (gone, new) = (only(&then, &now), only(&now, &then));
    Other(format!(
        "rejected then and not now: {gone}; now and not then: {new}"
    ))
}

/// What the parameters and the images decide of a record.
fn results(run: &Run) -> impl PartialEq {
    let mut features = run.features.clone();
    if let Some(features) = &mut features {
        // `auto` then, the precision itself now.
        features.precision_reason.clear();
    }
    (
        (run.status.clone(), run.images, run.classes.clone()),
        (run.dataset.clone(), features, run.pca.clone()),
        (run.tsne.clone(), run.quality.clone(), run.warnings.clone()),
    )
}

/// What is counted and not computed.
fn counted(then: &Run, now: &Run) -> Outcome {
    let dataset = |run: &Run| {
        let mut dataset = run.dataset.clone();
        dataset.near_duplicates.clear();
        dataset
    };
    let parts = [
        ("status", then.status == now.status),
        ("images", then.images == now.images),
        ("classes", then.classes == now.classes),
        ("dataset", dataset(then) == dataset(now)),
    ];
    let other = parts.iter().filter(|(_, is_equal)| !is_equal);
    let other: Vec<_> = other.map(|(name, _)| *name).collect();
    match other.is_empty() {
        true => Equal,
        false => Other(format!("run.json differs in {}", named(&other))),
    }
}

fn ratios(then: &Run, now: &Run) -> Option<Outcome> {
    let (then, now) = (then.pca.as_ref()?, now.pca.as_ref()?);
    let (then, now) = (
        &then.explained_variance_ratio,
        &now.explained_variance_ratio,
    );
    Some(close_ratios(then, now))
}

fn close_ratios(then: &[f64], now: &[f64]) -> Outcome {
    if then.len() != now.len() {
        return Other(format!("{} components then, {} now", then.len(), now.len()));
    }
    let pairs = then.iter().zip(now).map(|(a, b)| (a - b).abs());
    let Some((i, most)) = pairs.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Equal;
    };
    let figure = format!(
        "the ratio of component {} is off by {most:.1e} (at most {RATIO_TOLERANCE:.0e})",
        i + 1
    );
    match most <= RATIO_TOLERANCE {
        true if most == 0.0 => Equal,
        true => Close(figure),
        false => Other(figure),
    }
}

impl Metric {
    fn compare(&self, then: &Run, now: &Run) -> Option<Outcome> {
        let (a, b) = match ((self.of)(then), (self.of)(now)) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => return Some(Equal),
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => return Some(Other(format!("{a:.4} then, none now"))),
            (None, Some(b)) => return Some(Other(format!("none then, {b:.4} now"))),
        };
        let allowed = match self.tolerance {
            Tolerance::Absolute(most) => most,
            Tolerance::Relative(most) => most * a.abs().max(b.abs()),
            Tolerance::Images(most) => {
                let n = now.quality.as_ref().map_or(1, |q| q.n_sampled.max(1));
                most.max(2.0 / n as f64)
            }
        };
        let figure = format!("{a:.4} then, {b:.4} now (at most {allowed:.2} apart)");
        // Half a unit of the last place of a count must not decide.
        Some(match (a - b).abs() <= allowed * (1.0 + 1e-9) {
            true => Close(figure),
            false => Other(figure),
        })
    }
}

/// The fitted analyses: ratios, mean, and how much of the variance that one keeps the other loses.
fn components(recorded: &Recorded, again: &Recorded) -> Result<Outcome> {
    let (then, now) = analyses(recorded, again)?;
    if then.n_features() != now.n_features() {
        let (then, now) = (then.n_features(), now.n_features());
        return Ok(Other(format!("{then} features then, {now} now")));
    }
    let ratio = match close_ratios(
        &then.explained_variance_ratio(),
        &now.explained_variance_ratio(),
    ) {
        Other(fault) => return Ok(Other(fault)),
        Close(figure) => format!("{figure}; "),
        Equal => String::new(),
    };
    let squares = then
        .mean()
        .iter()
        .zip(now.mean())
        .map(|(a, b)| (a - b).powi(2));
    let mean = (squares.sum::<f64>() / now.total_variance()).sqrt();
    let n_stable = n_stable(&now).min(then.n_components());
    let products = products(&then, &now);
    let (mut kept, mut lost) = (0.0, 0.0);
    for (j, variance) in now.explained_variance().iter().enumerate().take(n_stable) {
        let in_then = (0..n_stable).map(|i| products[i * now.n_components() + j].powi(2));
        kept += variance;
        lost += variance * (1.0 - in_then.sum::<f64>());
    }
    // Rounding may make a loss of nothing negative.
    let lost = if kept > 0.0 {
        (lost / kept).max(0.0)
    } else {
        0.0
    };
    let figure = format!(
        "{ratio}mean off by {mean:.1e} (at most {MEAN_TOLERANCE:.0e}), {} lose {lost:.1e} of the variance (at most \
         {LOST_TOLERANCE:.0e})",
        components_named(n_stable, &now)
    );
    Ok(match mean <= MEAN_TOLERANCE && lost <= LOST_TOLERANCE {
        true => Close(figure),
        false => Other(figure),
    })
}

/// The scores, by the images that they and the components describe; and what the coordinates of t-SNE are worth.
fn scores(recorded: &Recorded, again: &Recorded) -> Result<Outcome> {
    let (frame, fresh) = match (&recorded.embeddings, &again.embeddings) {
        (Ok(then), Ok(now)) => (then, now),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Other(reason.clone())),
    };
    for name in [KEY, LABEL] {
        if strings(frame, name)? != strings(fresh, name)? {
            return Ok(Other(format!("column `{name}` holds other values")));
        }
    }
    let (then, now) = analyses(recorded, again)?;
    if (then.n_features(), then.n_components()) != (now.n_features(), now.n_components()) {
        return Ok(Other("the components are not as many".to_owned()));
    }
    let n_stable = n_stable(&now);
    let distances = distances((&then, frame), (&now, fresh), n_stable)?;
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
    // NaN is not near.
    let is_near = |i: usize| distances[i] <= IMAGE_TOLERANCE;
    let far = order.iter().filter(|&&i| !is_near(i));
    let keys = strings(frame, KEY)?;
    let far: Vec<_> = far.map(|&i| keys[i]).collect();
    let most = order.first().map_or(0.0, |&i| distances[i]);
    let figure = format!(
        "scores of {} are off by {most:.1e} of the images' spread (at most {IMAGE_TOLERANCE})",
        components_named(n_stable, &now)
    );
    if !far.is_empty() {
        return Ok(Other(format!(
            "{figure}: {} images, most of all {}",
            far.len(),
            named(&far)
        )));
    }
    let (has_then, has_now) = (frame.column(TSNE_X).is_ok(), fresh.column(TSNE_X).is_ok());
    let Some(measured) = again.run.quality.as_ref().filter(|_| has_then && has_now) else {
        return Ok(match has_then == has_now {
            true => Close(figure),
            false => Other("the coordinates of t-SNE are there only once".to_owned()),
        });
    };
    let seed = again.run.tsne.as_ref().map_or(0, |t| t.seed);
    let of_coordinates = quality(frame, DEFAULT_NEIGHBORS, seed)?.record;
    let mut then = again.run.clone();
    then.quality = Some(of_coordinates);
    for metric in &METRICS {
        if let Some(Other(fault)) = metric.compare(&then, &again.run) {
            return Ok(Other(format!(
                "{} of the coordinates: {fault}",
                metric.name
            )));
        }
    }
    Ok(Close(format!(
        "{figure}; trustworthiness of the coordinates {:.4} then, {:.4} now",
        then.quality.map_or(0.0, |q| q.trustworthiness),
        measured.trustworthiness
    )))
}

fn analyses(recorded: &Recorded, again: &Recorded) -> Result<(Pca, Pca)> {
    let load = |run: &Recorded| Pca::load(run.folder.join(PCA));
    Ok((load(recorded)?, load(again)?))
}
