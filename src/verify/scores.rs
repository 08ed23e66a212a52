//! Components and scores of two runs, as the spaces and the images that they describe; and what the coordinates of
//! the projections are worth.

use std::sync::atomic::AtomicBool;

use fruits_maths::Matrix;

use super::derived::{goes_on, neighbours};
use super::finding::named;
use super::metrics::{close_ratios, metrics};
use super::outcome::Outcome::{self, Close, Equal, Other, Unknown};
use super::recorded::Recorded;
use super::spaces::{components_named, distances, n_stable, products};
use crate::error::Result;
use crate::frame::{MatrixExt, strings};
use crate::record::ProjectionQuality;
use crate::schema::{KEY, LABEL, TSNE, positions};
use crate::steps::pca::Pca;
use crate::steps::quality::{DEFAULT_NEIGHBORS, quality_in};

/// Largest distance of the means, relative to the root of the total variance; 4.1e-3 was seen.
const MEAN_TOLERANCE: f64 = 1e-2;
/// Largest share of the variance that one set of components keeps and the other loses; 1.1e-4 was seen.
const LOST_TOLERANCE: f64 = 1e-3;
/// Largest distance between an image as one set of components and scores describes it and as the other does, relative
/// to the root mean square of all images; 0.026 was seen, half of the images were below 0.013.
const IMAGE_TOLERANCE: f64 = 0.06;

/// The variance falls nowhere by so much that the components before are the same space in every computation.
const NONE_STABLE: &str = "no leading components can be told apart";

/// The fitted analyses: ratios, mean, and how much of the variance that one keeps the other loses.
pub(super) fn components(
    recorded: &Recorded,
    again: &Recorded,
    _stop: &AtomicBool,
) -> Result<Outcome> {
    let (then, now) = match analyses(recorded, again) {
        Ok(both) => both,
        Err(reason) => return Ok(Unknown(reason)),
    };
    if then.n_features() != now.n_features() {
        let (then, now) = (then.n_features(), now.n_features());
        return Ok(Other(format!("{then} features then, {now} now")));
    }
    let ratio = match close_ratios(
        &then.explained_variance_ratio(),
        &now.explained_variance_ratio(),
    ) {
        Other(fault) | Unknown(fault) => return Ok(Other(fault)),
        Close(figure) => format!("{figure}; "),
        Equal => String::new(),
    };
    let squares = then
        .mean()
        .iter()
        .zip(now.mean())
        .map(|(a, b)| (a - b).powi(2));
    let mean = (squares.sum::<f64>() / now.total_variance()).sqrt();
    let n_stable = n_stable(now).min(then.n_components());
    let products = products(then, now);
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
    let spaces = match n_stable {
        0 => NONE_STABLE.to_owned(),
        n => format!(
            "{} lose {lost:.1e} of the variance (at most {LOST_TOLERANCE:.0e})",
            components_named(n, now)
        ),
    };
    let figure = format!("{ratio}mean off by {mean:.1e} (at most {MEAN_TOLERANCE:.0e}), {spaces}");
    Ok(match mean <= MEAN_TOLERANCE && lost <= LOST_TOLERANCE {
        true => Close(figure),
        false => Other(figure),
    })
}

/// The scores, by the images that they and the components describe; and what the coordinates of the projections are
/// worth.
pub(super) fn scores(recorded: &Recorded, again: &Recorded, stop: &AtomicBool) -> Result<Outcome> {
    let (frame, fresh) = match (&recorded.embeddings, &again.embeddings) {
        (Ok(then), Ok(now)) => (then, now),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Other(reason.clone())),
    };
    for name in [KEY, LABEL] {
        if strings(frame, name)? != strings(fresh, name)? {
            return Ok(Other(format!("column `{name}` holds other values")));
        }
    }
    let (then, now) = match analyses(recorded, again) {
        Ok(both) => both,
        Err(reason) => return Ok(Unknown(reason)),
    };
    if (then.n_features(), then.n_components()) != (now.n_features(), now.n_components()) {
        return Ok(Other("the components are not as many".to_owned()));
    }
    let n_stable = n_stable(now);
    // Of no components every distance is 0 of 0.
    let distances = match n_stable {
        0 => Vec::new(),
        n => distances((then, frame), (now, fresh), n)?,
    };
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
    // NaN is not near.
    let is_near = |i: usize| distances[i] <= IMAGE_TOLERANCE;
    let far = order.iter().filter(|&&i| !is_near(i));
    let keys = strings(frame, KEY)?;
    let far: Vec<_> = far.map(|&i| keys[i]).collect();
    let most = order.first().map_or(0.0, |&i| distances[i]);
    let figure = match n_stable {
        0 => format!("{NONE_STABLE}, so scores are not compared"),
        n => format!(
            "scores of {} are off by {most:.1e} of the images' spread (at most {IMAGE_TOLERANCE})",
            components_named(n, now)
        ),
    };
    if !far.is_empty() {
        return Ok(Other(format!(
            "{figure}: {} images, most of all {}",
            far.len(),
            named(&far)
        )));
    }
    let mut then = again.run.clone();
    let mut worth = String::new();
    for of in recorded
        .run
        .projections
        .iter()
        .chain(&again.run.projections)
    {
        let [x, _] = positions(&of.name);
        if frame.column(&x).is_ok() != fresh.column(&x).is_ok() {
            let fault = format!("the coordinates of {} are there only once", of.title);
            return Ok(Other(fault));
        }
    }
    let points = Matrix::from_scores(frame)?;
    let mut space = None;
    for projection in &mut then.projections {
        let Some(quality) = projection.quality.as_mut() else {
            continue;
        };
        let space = match &mut space {
            Some(space) => space,
            none => none.insert(neighbours(&points, stop)?),
        };
        let (name, seed) = (&projection.name, again.seed());
        let mut keep_going = |_, _| goes_on(stop);
        let found = quality_in(frame, name, space, DEFAULT_NEIGHBORS, seed, &mut keep_going)?;
        let found = found.record;
        let of = match projection.name.as_str() {
            TSNE => String::new(),
            _ => format!(" of {}", projection.title),
        };
        worth += &format!(
            "; trustworthiness of the coordinates{of} {:.4} then, {:.4} now",
            found.trustworthiness, quality.trustworthiness
        );
        *quality = ProjectionQuality::from(&found);
    }
    for (name, outcome) in metrics(&then, &again.run) {
        if let Other(fault) = outcome {
            return Ok(Other(format!("{name} of the coordinates: {fault}")));
        }
    }
    Ok(Close(figure + &worth))
}

fn analyses<'a>(recorded: &'a Recorded, again: &'a Recorded) -> Result<(&'a Pca, &'a Pca), String> {
    match (&recorded.pca, &again.pca) {
        (Ok(then), Ok(now)) => Ok((then, now)),
        (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use polars::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::record::Run;
    use crate::steps::pca::{Keep, PcaExt, PcaParams, PcaParamsExt};

    fn run() -> Run {
        let run = json!({
            "schema": "", "status": { "state": "complete" },
            "source": { "kind": "folder", "name": "", "n_objects": 4, "size_bytes": 4, "label_rule": "" },
            "images": { "listed": 4, "accepted": 4, "rejected": 0, "skipped": 0 },
            "classes": [],
            "dataset": {
                "sizes": [], "n_sizes": 0, "modes": [], "n_rotated": 0, "duplicates": [], "n_duplicate_groups": 0,
            },
            "features": null, "pca": null, "findings": null, "tsne": null, "quality": null,
            "warnings": [], "parameters": [],
            "provenance": {
                "command": "", "version": "", "git_commit": "", "rustc": "", "lock_sha256": "", "libraries": [],
                "cpu": "", "cpu_features": [], "manifest_sha256": "", "outputs": [],
            },
        });
        serde_json::from_value(run).unwrap()
    }

    /// One component of four points whose variance is the same in every direction, turned by `angle`.
    fn turned(angle: f32) -> Recorded {
        let (sin, cos) = angle.sin_cos();
        let points = [cos, sin, -cos, -sin, -sin, cos, sin, -cos].to_vec();
        let features = Matrix::new(4, 2, points).unwrap();
        let features = features.into_arrays("features").unwrap();
        let params = PcaParams {
            keep: Keep::Components(1),
            ..PcaParams::default()
        };
        let keys = ["a", "b", "c", "d"];
        let frame = df!(KEY => keys, LABEL => keys).unwrap();
        let frame = frame.hstack(&[features]).unwrap();
        let pca = params.fit(&frame).unwrap();
        Recorded {
            folder: PathBuf::new(),
            run: run(),
            at: None,
            files: BTreeMap::new(),
            manifest: Err(String::new()),
            embeddings: Ok(pca.transform(&frame).unwrap()),
            pca: Ok(pca),
            rejected: Err(String::new()),
            duplicates: Err(String::new()),
        }
    }

    #[test]
    fn components_that_turn_freely_are_not_compared() {
        let (then, now) = (turned(0.1), turned(0.9));
        assert_eq!(n_stable(analyses(&then, &now).unwrap().1), 0);
        for compare in [components, scores] {
            match compare(&then, &now, &AtomicBool::new(false)).unwrap() {
                Close(figure) => assert!(figure.contains(NONE_STABLE), "{figure}"),
                Equal => panic!("turned components are not equal"),
                Other(fault) | Unknown(fault) => panic!("{fault}"),
            }
        }
    }
}
