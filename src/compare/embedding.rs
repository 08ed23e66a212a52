//! The embeddings of a run over those of its baseline.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use fruits_maths::Matrix;
use fruits_maths::neighbors::nearest_with;
use fruits_maths::procrustes::{Collapsed, Point, Similarity, distance};
use fruits_maths::votes::DEFAULT_NEIGHBORS;
use polars::prelude::*;

use super::descriptors::two_descriptors;
use super::named::{self, Named};
use super::side::Side;
use crate::error::Result;
use crate::frame::{MatrixExt, strings};
use crate::record::{Alignment, EmbeddingComparison, Moved, ProjectionComparison};
use crate::schema::{self, KEY, LABEL};

/// Two points are always similar to two others.
const MIN_POINTS: usize = 3;
/// Images listed that moved most: eight rows of three in the report.
const MAX_MOVED: usize = 24;
/// Displacement from which an image has moved: coordinates have seven digits.
const MIN_DISPLACEMENT: f64 = 1e-6;

/// Coordinates by key, if there is an embedding by the projection.
pub(super) fn positions<'a>(
    frame: &'a DataFrame,
    projection: &str,
) -> Result<Option<BTreeMap<&'a str, [f32; 2]>>> {
    let [x, y] = schema::positions(projection);
    if frame.column(&x).is_err() {
        return Ok(None);
    }
    let points = Matrix::from_columns(frame, &[x, y])?;
    let keys = strings(frame, KEY)?.into_iter().enumerate();
    let at = |i: usize| [points.row(i)[0], points.row(i)[1]];
    Ok(Some(keys.map(|(i, key)| (key, at(i))).collect()))
}

/// The comparisons, t-SNE first, and where the images lie by those that could be aligned.
pub(super) fn embeddings(
    baseline: &Side,
    now: &Side,
    stop: &AtomicBool,
) -> Result<(Vec<ProjectionComparison>, Option<DataFrame>)> {
    let mut projections = Vec::new();
    let mut all: Option<DataFrame> = None;
    for named in named::projections(baseline.run, now.run) {
        let (embedding, moves) = embedding(baseline, now, &named, stop)?;
        projections.push(ProjectionComparison {
            name: named.name.to_owned(),
            title: named.title.to_owned(),
            rearranges: named.rearranges,
            embedding,
        });
        all = match (all, moves) {
            (Some(above), Some(moves)) => Some(above.vstack(&moves)?),
            (above, moves) => above.or(moves),
        };
    }
    Ok((projections, all))
}

/// The comparison; and where the images lie, unless there is no alignment.
fn embedding(
    baseline: &Side,
    now: &Side,
    &Named { name, title, .. }: &Named,
    stop: &AtomicBool,
) -> Result<(EmbeddingComparison, Option<DataFrame>)> {
    let not_aligned = |reason: &str| {
        let reason = reason.to_owned();
        Ok((EmbeddingComparison::NotAligned { reason }, None))
    };
    if let Some([before, after]) = two_descriptors(baseline.run, now.run) {
        return not_aligned(&format!(
            "they show other spaces, that of {before} in the baseline and that of {after} in this run"
        ));
    }
    let read = |frame: Option<_>| frame.map_or(Ok(None), |frame| positions(frame, name));
    let (before, after) = match (read(baseline.embeddings)?, read(now.embeddings)?) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(_)) => return not_aligned(&format!("the baseline has no {title} embedding")),
        (Some(_), None) => return not_aligned(&format!("this run has no {title} embedding")),
        (None, None) => return not_aligned(&format!("neither run has a {title} embedding")),
    };
    let common = after
        .iter()
        .filter_map(|(key, after)| Some((*key, *before.get(key)?, *after)));
    let common: Vec<_> = common.collect();
    let finite = |at: &[f32; 2]| at.iter().all(|v| v.is_finite());
    let points: Vec<_> = common
        .iter()
        .filter(|(_, before, after)| finite(before) && finite(after))
        .copied()
        .collect();
    if points.len() < MIN_POINTS {
        return not_aligned(&match common.len() - points.len() {
            0 => format!(
                "the embeddings have {} images in common, and it takes {MIN_POINTS}",
                points.len()
            ),
            n => format!(
                "the embeddings have {} images in common, {n} of them without a finite position, and it takes {MIN_POINTS}",
                common.len()
            ),
        });
    }
    let wide = |[x, y]: [f32; 2]| [f64::from(x), f64::from(y)];
    let from: Vec<Point> = points.iter().map(|(_, _, after)| wide(*after)).collect();
    let to: Vec<Point> = points.iter().map(|(_, before, _)| wide(*before)).collect();
    let fit = match Similarity::fit(&from, &to) {
        Ok(fit) => fit,
        Err(Collapsed::To) => {
            return not_aligned("in the baseline all common images lie at one place");
        }
        Err(Collapsed::From) => {
            return not_aligned("in this run all common images lie at one place");
        }
    };
    let aligned: Vec<Point> = from.iter().map(|point| fit.apply(*point)).collect();
    let displacement: Vec<f64> = aligned
        .iter()
        .zip(&to)
        .map(|(a, b)| distance(*a, *b) / fit.radius)
        .collect();

    let labels = labels(now)?;
    let keys: Vec<&str> = points.iter().map(|(key, _, _)| *key).collect();
    let labels: Vec<&str> = keys.iter().map(|key| labels[key]).collect();
    let shared = shared_neighbors(&points, stop)?;
    let alignment = Alignment {
        n_points: points.len() as u64,
        n_dropped: (common.len() - points.len()) as u64,
        disparity: fit.disparity,
        scale: fit.scale,
        rotation_degrees: fit.degrees(),
        reflected: fit.reflected,
        median_displacement: median(&displacement),
        most_moved: most_moved(&keys, &labels, &displacement),
        k: shared.k,
        shared_neighbors: shared.share,
        shared_by_chance: shared.k as f64 / (points.len() - 1) as f64,
    };
    let axis = |points: &[Point], axis: usize| -> Vec<f64> {
        points.iter().map(|point| point[axis]).collect()
    };
    let moves = df!(
        "projection" => vec![name; keys.len()],
        KEY => keys,
        LABEL => labels,
        "before_x" => axis(&to, 0),
        "before_y" => axis(&to, 1),
        "after_x" => axis(&aligned, 0),
        "after_y" => axis(&aligned, 1),
        "displacement" => displacement,
    )?;
    Ok((EmbeddingComparison::Aligned(alignment), Some(moves)))
}

fn labels<'a>(side: &Side<'a>) -> Result<BTreeMap<&'a str, &'a str>> {
    let frame = side.embeddings.unwrap_or(side.manifest);
    let labels = strings(frame, LABEL)?;
    Ok(strings(frame, KEY)?.into_iter().zip(labels).collect())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

fn most_moved(keys: &[&str], labels: &[&str], displacement: &[f64]) -> Vec<Moved> {
    let mut order: Vec<usize> = (0..keys.len())
        .filter(|&i| displacement[i] > MIN_DISPLACEMENT)
        .collect();
    // By key where two are as far, since the keys are sorted.
    order.sort_by(|&a, &b| displacement[b].total_cmp(&displacement[a]).then(a.cmp(&b)));
    let first = order.into_iter().take(MAX_MOVED);
    first
        .map(|i| Moved {
            key: keys[i].to_owned(),
            label: labels[i].to_owned(),
            displacement: displacement[i],
        })
        .collect()
}

struct Shared {
    k: usize,
    share: f64,
}

/// Which nearest neighbours are the same before and after.
fn shared_neighbors(points: &[(&str, [f32; 2], [f32; 2])], stop: &AtomicBool) -> Result<Shared> {
    let n = points.len();
    // All others are neighbours of an image in a small set, and would be shared whatever the embeddings.
    let k = DEFAULT_NEIGHBORS.min((n - 1) / 2);
    let before = points.iter().flat_map(|(_, before, _)| *before).collect();
    let after = points.iter().flat_map(|(_, _, after)| *after).collect();
    let mut keep_going = |_, _| !stop.load(Ordering::Relaxed);
    let before = nearest_with(&Matrix::new(n, 2, before)?, k, &mut keep_going)?;
    let after = nearest_with(&Matrix::new(n, 2, after)?, k, &mut keep_going)?;
    let in_both = |i: usize| {
        let near = before.indices(i);
        let shared = after.indices(i).iter().filter(|j| near.contains(j));
        shared.count()
    };
    let total: usize = (0..n).map(in_both).sum();
    Ok(Shared {
        k,
        share: total as f64 / (n * k) as f64,
    })
}
