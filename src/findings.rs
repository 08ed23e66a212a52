//! Images that stand out among the descriptors: outliers, the one that stands for its class, and labels that neighbours
//! do not share.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::{Matrix, strings};
use crate::neighbors::{Neighbors, nearest};
use crate::record::{Disagreement, FindingsRecord, Outlier, Representative};
use crate::schema::{KEY, LABEL, LABEL_AGREEMENT, OUTLIER_SCORE};
use crate::votes::{Classes, DEFAULT_NEIGHBORS, vote};

/// Neighbours of the outlier score (the default of scikit-learn; Breunig et al. advise 10 to 20 and more).
const OUTLIER_NEIGHBORS: usize = 20;
/// Images in each list of the record.
const MAX_LISTED: usize = 12;
/// Nearest images named with each of them.
const MAX_NEIGHBORS: usize = 4;

/// What [`findings`] found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The images that stand out most.
    pub record: FindingsRecord,
    /// `outlier_score` and `label_agreement`, float32, a row an image in the order of the input.
    pub scores: DataFrame,
}

/// Finds what stands out in the space of `pc1` ... `pcK`.
///
/// In: those columns, numeric, and `key` and `label` (strings), one row an image. The outlier score is the local outlier
/// factor of 20 neighbours: how much sparser an image lies than its neighbours; 1 is as dense as they are. Label agreement
/// is the share of the 10 nearest that have the image's label. Of few rows there are fewer neighbours, n - 1.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing, holds a null, NaN or infinity, or there are fewer than 2 rows.
///
/// # References
/// Breunig, Kriegel, Ng & Sander 2000, "LOF: identifying density-based local outliers".
pub fn findings(frame: &DataFrame) -> Result<Findings> {
    let (keys, labels) = (strings(frame, KEY)?, strings(frame, LABEL)?);
    if keys.len() < 2 {
        return Err(Error::Invalid(format!(
            "findings in {} rows: it takes 2, or nothing has a neighbour",
            keys.len()
        )));
    }
    let points = Matrix::from_scores(frame)?;
    let classes = Classes::of(&labels);
    let near = nearest(&points, OUTLIER_NEIGHBORS)?;
    let factors = local_outlier_factors(&near, keys.len());
    let agreements: Vec<f64> = (0..keys.len())
        .map(|i| {
            let voters = voters(&near, i);
            let same = voters
                .iter()
                .filter(|&&j| labels[j as usize] == labels[i])
                .count();
            same as f64 / voters.len() as f64
        })
        .collect();

    let named = |i: usize| {
        let nearest = near.indices(i).iter().take(MAX_NEIGHBORS);
        nearest.map(|&j| keys[j as usize].to_owned()).collect()
    };
    let mut by_factor: Vec<usize> = (0..keys.len()).collect();
    by_factor.sort_by(|&a, &b| factors[b].total_cmp(&factors[a]).then(a.cmp(&b)));
    let mut disagreeing: Vec<(usize, &str)> = (0..keys.len())
        .map(|i| (i, classes.names[vote(voters(&near, i), &classes.numbers)]))
        .filter(|&(i, vote)| vote != labels[i])
        .collect();
    let n_disagreements = disagreeing.len() as u64;
    disagreeing.sort_by(|a, b| {
        let of = |pair: &(usize, &str)| agreements[pair.0];
        of(a).total_cmp(&of(b)).then(a.0.cmp(&b.0))
    });
    let record = FindingsRecord {
        outlier_neighbors: near.k(),
        label_neighbors: DEFAULT_NEIGHBORS.min(near.k()),
        outliers: by_factor
            .iter()
            .take(MAX_LISTED)
            .map(|&i| Outlier {
                key: keys[i].to_owned(),
                score: factors[i],
                neighbors: named(i),
            })
            .collect(),
        representatives: representatives(&points, &keys, &labels),
        n_disagreements,
        disagreements: disagreeing
            .iter()
            .take(MAX_LISTED)
            .map(|&(i, vote)| Disagreement {
                key: keys[i].to_owned(),
                predicted: vote.to_owned(),
                agreement: agreements[i],
                neighbors: named(i),
            })
            .collect(),
    };
    let column = |name: &str, values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Column::new(name.into(), values)
    };
    let scores = vec![
        column(OUTLIER_SCORE, &factors),
        column(LABEL_AGREEMENT, &agreements),
    ];
    Ok(Findings {
        record,
        scores: DataFrame::new(keys.len(), scores)?,
    })
}

fn voters(near: &Neighbors, i: usize) -> &[u32] {
    &near.indices(i)[..DEFAULT_NEIGHBORS.min(near.k())]
}

/// The mean density of the neighbours relative to the own one. The density is the inverse of the mean reachability
/// distance, max(distance, the neighbour's distance to its own k-th neighbour), plus 1e-10 against division by 0 among
/// duplicates, as in scikit-learn.
fn local_outlier_factors(near: &Neighbors, n: usize) -> Vec<f64> {
    let k = near.k();
    let reach = |i: usize| near.squared_distances(i)[k - 1].sqrt();
    let density = |i: usize| {
        let pairs = near.indices(i).iter().zip(near.squared_distances(i));
        let sum: f64 = pairs.map(|(&j, &d)| reach(j as usize).max(d.sqrt())).sum();
        1.0 / (sum / k as f64 + 1e-10)
    };
    let densities: Vec<f64> = (0..n).map(density).collect();
    (0..n)
        .map(|i| {
            let sum: f64 = near
                .indices(i)
                .iter()
                .map(|&j| densities[j as usize] / densities[i])
                .sum();
            sum / k as f64
        })
        .collect()
}

/// The image nearest to the mean of its class, class after class.
fn representatives(points: &Matrix, keys: &[&str], labels: &[&str]) -> Vec<Representative> {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, &label) in labels.iter().enumerate() {
        rows.entry(label).or_default().push(i);
    }
    rows.into_iter()
        .filter_map(|(label, rows)| {
            let mut mean = vec![0.0f64; points.n_cols()];
            for &i in &rows {
                for (sum, &value) in mean.iter_mut().zip(points.row(i)) {
                    *sum += f64::from(value);
                }
            }
            mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
            let distance = |i: usize| -> f64 {
                let pairs = points.row(i).iter().zip(&mean);
                pairs.map(|(&x, m)| (f64::from(x) - m).powi(2)).sum()
            };
            let nearest = rows
                .iter()
                .map(|&i| (distance(i), i))
                .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            nearest.map(|(_, i)| Representative {
                label: label.to_owned(),
                key: keys[i].to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(points: &[(f32, f32)], labels: &[&str]) -> DataFrame {
        df!(
            KEY => (0..points.len()).map(|i| format!("k{i:03}")).collect::<Vec<_>>(),
            LABEL => labels,
            "pc1" => points.iter().map(|p| p.0).collect::<Vec<_>>(),
            "pc2" => points.iter().map(|p| p.1).collect::<Vec<_>>(),
        )
        .unwrap()
    }

    /// Two grids of 5 x 5, far apart.
    fn grids() -> (Vec<(f32, f32)>, Vec<&'static str>) {
        let grid = |x: f32| (0..25).map(move |i| (x + (i % 5) as f32, (i / 5) as f32));
        let points = grid(0.0).chain(grid(100.0)).collect();
        (points, [["a"; 25], ["b"; 25]].concat())
    }

    #[test]
    fn what_lies_apart_is_an_outlier_and_the_middle_stands_for_its_class() {
        let (mut points, labels) = grids();
        points[7] = (2.0, 60.0);
        let found = findings(&frame(&points, &labels)).unwrap();
        assert_eq!(found.record.outliers[0].key, "k007");
        assert!(found.record.outliers[0].score > 5.0);
        assert_eq!(found.record.outliers[0].neighbors.len(), MAX_NEIGHBORS);
        let second = &found.record.representatives[1];
        assert_eq!((second.label.as_str(), second.key.as_str()), ("b", "k037"));
        assert_eq!(found.record.n_disagreements, 0);
    }

    #[test]
    fn a_wrong_label_is_found() {
        let (points, mut labels) = grids();
        labels[12] = "b";
        let found = findings(&frame(&points, &labels)).unwrap();
        assert_eq!(found.record.n_disagreements, 1);
        let wrong = &found.record.disagreements[0];
        assert_eq!(
            (
                wrong.key.as_str(),
                wrong.predicted.as_str(),
                wrong.agreement
            ),
            ("k012", "a", 0.0)
        );
        let agreement = found.scores.column(LABEL_AGREEMENT).unwrap();
        assert_eq!(agreement.f32().unwrap().get(12), Some(0.0));
    }

    #[test]
    fn duplicates_and_few_rows_have_finite_scores() {
        let found = findings(&frame(&[(1.0, 1.0); 30], &["a"; 30])).unwrap();
        assert!(found.record.outliers.iter().all(|o| o.score == 1.0));
        let found = findings(&frame(&[(0.0, 0.0), (1.0, 0.0)], &["a", "b"])).unwrap();
        assert_eq!(found.record.outlier_neighbors, 1);
        assert_eq!(found.record.n_disagreements, 2);
        assert!(findings(&frame(&[(0.0, 0.0)], &["a"])).is_err());
    }
}
