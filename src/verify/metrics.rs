//! Numbers of a run that may differ from those of a second one, and how far.
//!
//! Tolerances are what is left between `f32` and `bf16` on one processor with AVX512-BF16, rounded up to at least twice
//! the largest that was seen on 40 and 180 images of `data-sample/` and 512 of Fruits-360. A run is computed again in
//! its own precision, which leaves less.

use std::collections::BTreeMap;

use super::outcome::Outcome::{self, Close, Equal, Other};
use crate::record::{PcaRecord, ProjectionLabels, ProjectionRecord, Run};
use crate::schema::TSNE;

/// Largest difference of an explained variance ratio; 4.6e-4 was seen on 512 images, 6e-5 on 180.
const RATIO_TOLERANCE: f64 = 1e-3;
/// Largest difference of the share that is lost of an image; 3.5e-3 was seen on 180 images.
const WORST_TOLERANCE: f64 = 1e-2;
/// Largest difference of a trustworthiness; 0.004 was seen, with t-SNE.
const TRUST_TOLERANCE: f64 = 0.01;
/// Largest difference of a label accuracy; one image of 180 was seen in PCA space, none in the plane of t-SNE.
const ACCURACY_TOLERANCE: f64 = 0.01;

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

/// What is compared of `run.json` beside the projections; the comments say what was seen.
const METRICS: [Metric; 10] = [
    // 2.2e-5.
    Metric {
        name: "zeros",
        of: |run| run.features.as_ref().map(|f| f.stats.zero_ratio),
        tolerance: Tolerance::Absolute(1e-4),
    },
    // Both 0, as behind a rectifier.
    Metric {
        name: "smallest value",
        of: |run| run.features.as_ref().map(|f| f.stats.min),
        tolerance: Tolerance::Relative(3e-3),
    },
    // 9.2e-4.
    Metric {
        name: "largest value",
        of: |run| run.features.as_ref().map(|f| f.stats.max),
        tolerance: Tolerance::Relative(3e-3),
    },
    // 6.4e-4.
    Metric {
        name: "mean value",
        of: |run| run.features.as_ref().map(|f| f.stats.mean),
        tolerance: Tolerance::Relative(2e-3),
    },
    // 6.2e-4.
    Metric {
        name: "smallest norm",
        of: |run| run.features.as_ref().map(|f| f.stats.norm_min),
        tolerance: Tolerance::Relative(2e-3),
    },
    // 1.0e-3.
    Metric {
        name: "largest norm",
        of: |run| run.features.as_ref().map(|f| f.stats.norm_max),
        tolerance: Tolerance::Relative(3e-3),
    },
    // 2 of 8,578.
    Metric {
        name: "constant features",
        of: |run| run.features.as_ref().map(|f| f.stats.n_constant as f64),
        tolerance: Tolerance::Absolute(10.0),
    },
    // 4.4e-4.
    Metric {
        name: "mean norm",
        of: |run| run.features.as_ref().map(|f| f.stats.norm_mean),
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
];

pub(super) fn ratios(then: &Run, now: &Run) -> Option<Outcome> {
    let (then, now) = (then.pca.as_ref()?, now.pca.as_ref()?);
    let (then, now) = (
        &then.explained_variance_ratio,
        &now.explained_variance_ratio,
    );
    Some(close_ratios(then, now))
}

pub(super) fn close_ratios(then: &[f64], now: &[f64]) -> Outcome {
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

/// The images that the components describe worst: a list that ends somewhere, so images near its end may be on one only.
pub(super) fn worst(then: &Run, now: &Run) -> Option<Outcome> {
    let (then, now) = (then.pca.as_ref()?, now.pca.as_ref()?);
    if then.worst_reconstructed == now.worst_reconstructed {
        return Some(Equal);
    }
    let lost = |pca: &PcaRecord| -> BTreeMap<String, f64> {
        let rows = pca.worst_reconstructed.iter();
        rows.map(|row| (row.key.clone(), row.lost)).collect()
    };
    let (a, b) = (lost(then), lost(now));
    let least = |list: &BTreeMap<String, f64>| list.values().copied().fold(1.0, f64::min);
    let (least_a, least_b) = (least(&a), least(&b));
    let mut most = 0.0_f64;
    for key in a.keys().chain(b.keys()) {
        let apart = match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => (a - b).abs(),
            (Some(a), None) => a - least_b,
            (None, Some(b)) => b - least_a,
            (None, None) => 0.0,
        };
        // NaN is far from everything.
        if apart.is_nan() || apart > WORST_TOLERANCE {
            return Some(Other(format!(
                "what is lost of `{key}` is off by {apart:.1e} (at most {WORST_TOLERANCE:.0e})"
            )));
        }
        most = most.max(apart);
    }
    let are_as_many = then.worst_reconstructed.len() == now.worst_reconstructed.len();
    Some(
        match are_as_many && a.len() == then.worst_reconstructed.len() {
            true => Close(format!("off by {most:.1e} (at most {WORST_TOLERANCE:.0e})")),
            false => Other("the lists are not as long".to_owned()),
        },
    )
}

/// Every number of two runs that may differ a little, by name: those of [`METRICS`], then those of the projections of
/// `now`.
pub(super) fn metrics(then: &Run, now: &Run) -> Vec<(String, Outcome)> {
    let of_run = METRICS.iter().map(|metric| {
        let values = [(metric.of)(then), (metric.of)(now)];
        (metric.name.to_owned(), values, metric.tolerance)
    });
    let all = of_run.chain(of_projections(then, now));
    all.filter_map(|(name, values, tolerance)| {
        let n = now.projections.iter().find_map(|p| p.quality.as_ref());
        let n_sampled = n.map_or(1, |quality| quality.n_sampled.max(1));
        Some((name, compared(values, tolerance, n_sampled)?))
    })
    .collect()
}

/// A name, the numbers then and now, and how far they may be apart.
type Numbers = (String, [Option<f64>; 2], Tolerance);

fn of_projections(then: &Run, now: &Run) -> Vec<Numbers> {
    let pairs = now.projections.iter().map(|now| {
        let then = then.projections.iter().find(|then| then.name == now.name);
        [then, Some(now)]
    });
    let pairs: Vec<[Option<&ProjectionRecord>; 2]> = pairs.collect();
    // t-SNE had these names before there were others.
    let named = |what: &str, of: &ProjectionRecord| match of.name.as_str() {
        TSNE => what.to_owned(),
        _ => format!("{what}, {}", of.title),
    };
    let mut all = Vec::new();
    for (pair, of) in pairs.iter().zip(&now.projections) {
        // What this program allows, not what a record claims.
        for figure in &of.figures {
            if let Some(measured) = &figure.measured {
                let values = pair.map(|p| p?.figure(&figure.name)?.number());
                let name = named(&figure.name, of);
                all.push((name, values, Tolerance::Absolute(measured.tolerance)));
            }
        }
    }
    for (pair, of) in pairs.iter().zip(&now.projections) {
        let values = pair.map(|p| Some(p?.quality.as_ref()?.trustworthiness));
        let name = named("trustworthiness", of);
        all.push((name, values, Tolerance::Absolute(TRUST_TOLERANCE)));
    }
    let accuracy = Tolerance::Images(ACCURACY_TOLERANCE);
    let labels = |p: Option<&ProjectionRecord>, of: fn(&ProjectionLabels) -> f64| {
        Some(of(p?.quality.as_ref()?.labels.as_ref()?))
    };
    // PCA space is the same whichever projection it was measured with.
    if let Some(pair) = pairs.first() {
        let values = pair.map(|p| labels(p, |l| l.pca.accuracy));
        all.push(("kNN accuracy, PCA".to_owned(), values, accuracy));
    }
    for (pair, of) in pairs.iter().zip(&now.projections) {
        let values = pair.map(|p| labels(p, |l| l.plane.accuracy));
        all.push((format!("kNN accuracy, {}", of.title), values, accuracy));
    }
    all
}

/// None where neither run has the number; `n_sampled` images were measured now.
fn compared(values: [Option<f64>; 2], tolerance: Tolerance, n_sampled: usize) -> Option<Outcome> {
    let (a, b) = match values {
        [None, None] => return None,
        [Some(a), Some(b)] if a == b => return Some(Equal),
        [Some(a), Some(b)] => (a, b),
        [Some(a), None] => return Some(Other(format!("{a:.4} then, none now"))),
        [None, Some(b)] => return Some(Other(format!("none then, {b:.4} now"))),
    };
    let allowed = match tolerance {
        Tolerance::Absolute(most) => most,
        Tolerance::Relative(most) => most * a.abs().max(b.abs()),
        Tolerance::Images(most) => most.max(2.0 / n_sampled as f64),
    };
    let [shown_a, shown_b] = told_apart(a, b);
    let most = two_digits(allowed);
    let figure = format!("{shown_a} then, {shown_b} now (at most {most} apart)");
    // Half a unit of the last place of a count must not decide.
    Some(match (a - b).abs() <= allowed * (1.0 + 1e-9) {
        true => Close(figure),
        false => Other(figure),
    })
}

/// Both with four decimals, or as many more as it takes to see that they are two numbers.
fn told_apart(a: f64, b: f64) -> [String; 2] {
    let texts = |n: usize| [a, b].map(|x| format!("{x:.n$}"));
    let differ = |texts: &[String; 2]| texts[0] != texts[1];
    (4..17)
        .map(texts)
        .find(differ)
        .unwrap_or_else(|| [a, b].map(|x| format!("{x:e}")))
}

/// With two significant digits: 0.0010, 0.050, 12.
fn two_digits(x: f64) -> String {
    let n_decimals = (1.0 - x.abs().log10().floor()).clamp(0.0, 17.0) as usize;
    format!("{x:.n_decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_can_be_told_apart() {
        assert_eq!(told_apart(0.5, 0.25), ["0.5000", "0.2500"]);
        assert_eq!(told_apart(0.123_451, 0.123_459), ["0.12345", "0.12346"]);
    }

    #[test]
    fn tolerances_have_two_digits() {
        let shown = [1e-3, 0.05, 0.011_111, 2.0, 31.4, 0.0].map(two_digits);
        assert_eq!(shown[..5], ["0.0010", "0.050", "0.011", "2.0", "31"]);
        assert!(shown[5].starts_with("0.0"), "{}", shown[5]);
    }
}
