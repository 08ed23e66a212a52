//! How well an embedding keeps the neighbours and the labels of the space it was made from.

use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::{Matrix, strings};
use crate::neighbors::{Neighbors, nearest, squared_distance};
use crate::record::QualityRecord;
use crate::schema::{LABEL, TSNE_X, TSNE_Y, pc};
use crate::simd::clear_upper_halves;

/// Most rows that are measured; of more, as many are drawn. The measures take n^2 distances, about
/// 2 s at 10,000 rows of 64 values on two cores.
const MAX_ROWS: usize = 10_000;

/// Neighbours that a run measures with (Fruits-360's targets are stated at 10).
pub const DEFAULT_NEIGHBORS: usize = 10;

/// Rows a worker takes at a time; only speed depends on it.
const ROWS_PER_TASK: usize = 32;

/// Compares `tsne_x`, `tsne_y` with `pc1` ... `pcK`, and both with `label`.
///
/// In: the columns above, numeric but for `label` (strings), one row an image. Of more than 10,000
/// rows, 10,000 drawn with `seed` are compared among themselves. `k` is lowered to what the rows
/// allow, (n - 1) / 2; the record holds the `k` that was used.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing, holds a null, NaN or infinity, or there are fewer
/// than 3 rows.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods".
pub fn quality(frame: &DataFrame, k: usize, seed: u64) -> Result<QualityRecord> {
    let names: Vec<String> = (0..)
        .map(pc)
        .take_while(|name| frame.column(name).is_ok())
        .collect();
    if names.is_empty() {
        return Err(Error::Invalid(
            "no column `pc1`: run the PCA first".to_owned(),
        ));
    }
    let rows = sample(frame.height(), seed);
    let high = take_rows(&Matrix::from_columns(frame, &names)?, &rows)?;
    let low = take_rows(&Matrix::from_columns(frame, &[TSNE_X, TSNE_Y])?, &rows)?;
    let k = k.min(rows.len().saturating_sub(1) / 2);
    check(&high, &low, k)?;
    let (near_high, near_low) = (nearest(&high, k)?, nearest(&low, k)?);
    let mut record = QualityRecord {
        k,
        trustworthiness: trustworthiness_of(&high, &near_high, &near_low),
        knn_accuracy_pca: None,
        knn_accuracy_tsne: None,
        n_sampled: rows.len(),
    };
    if frame.column(LABEL).is_ok() {
        let labels = strings(frame, LABEL)?;
        let labels = identifiers(&rows.iter().map(|&i| labels[i]).collect::<Vec<_>>());
        if labels.iter().any(|label| *label != labels[0]) {
            record.knn_accuracy_pca = Some(accuracy_of(&near_high, &labels));
            record.knn_accuracy_tsne = Some(accuracy_of(&near_low, &labels));
        }
    }
    Ok(record)
}

/// Trustworthiness of `low` (n_samples x any) as a picture of `high` (n_samples x any), 0 to 1.
///
/// T = 1 - 2 / (n k (2n - 3k - 1)) * sum over i, and over the k nearest j of i in `low` that are
/// not among its k nearest in `high`, of rank(i, j) - k, where the nearest row in `high` has
/// rank 1. Exact: every rank is counted, ties go by index. Duplicates in `high` therefore rank in
/// their order, as neighbours do.
///
/// # Errors
/// [`Error::Invalid`] if the numbers of rows differ, `k` is 0 or above (n - 1) / 2, or a value is
/// NaN or infinite.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods".
pub fn trustworthiness(high: &Matrix, low: &Matrix, k: usize) -> Result<f64> {
    check(high, low, k)?;
    Ok(trustworthiness_of(
        high,
        &nearest(high, k)?,
        &nearest(low, k)?,
    ))
}

/// Share of the rows of `points` (n_samples x any) whose label the `k` nearest other rows vote
/// for, 0 to 1. Of labels with as many votes, the one of the nearest neighbour among them wins.
///
/// # Errors
/// [`Error::Invalid`] if there is not one label a row, `k` is 0, there are fewer than 2 rows, or a
/// value is NaN or infinite.
pub fn knn_accuracy(points: &Matrix, labels: &[&str], k: usize) -> Result<f64> {
    let n = points.n_rows();
    if labels.len() != n || k == 0 || n < 2 {
        return Err(Error::Invalid(format!(
            "accuracy of {k} neighbours on {n} rows with {} labels: it takes 1 neighbour, 2 rows and a label a row",
            labels.len()
        )));
    }
    Ok(accuracy_of(&nearest(points, k)?, &identifiers(labels)))
}

fn check(high: &Matrix, low: &Matrix, k: usize) -> Result<()> {
    let n = high.n_rows();
    if low.n_rows() != n {
        return Err(Error::Invalid(format!(
            "{} rows cannot be a picture of {n} rows: one row each",
            low.n_rows()
        )));
    }
    if k == 0 || k > n.saturating_sub(1) / 2 {
        return Err(Error::Invalid(format!(
            "trustworthiness at {k} neighbours of {n} rows: it is defined from 1 to (n - 1) / 2"
        )));
    }
    Ok(())
}

fn trustworthiness_of(high: &Matrix, near_high: &Neighbors, near_low: &Neighbors) -> f64 {
    let (n, k) = (high.n_rows(), near_high.k());
    let mut excesses = vec![0u64; n];
    excesses
        .par_chunks_mut(ROWS_PER_TASK)
        .enumerate()
        .for_each(|(task, excesses)| {
            clear_upper_halves();
            for (i, excess) in (task * ROWS_PER_TASK..).zip(excesses) {
                *excess = rank_excess(high, i, near_high.indices(i), near_low.indices(i));
            }
        });
    let (n, k) = (n as f64, k as f64);
    1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * excesses.iter().sum::<u64>() as f64
}

/// The sum of rank - k in `high` over the neighbours of row `i` in the embedding that are none.
fn rank_excess(high: &Matrix, i: usize, near_high: &[u32], near_low: &[u32]) -> u64 {
    let intruders: Vec<u32> = near_low
        .iter()
        .copied()
        .filter(|j| !near_high.contains(j))
        .collect();
    if intruders.is_empty() {
        return 0;
    }
    let distance = |j: usize| squared_distance(high.row(i), high.row(j));
    let distances: Vec<f64> = (0..high.n_rows()).map(distance).collect();
    let rank = |j: usize| {
        let nearer = |l: usize| (distances[l], l) < (distances[j], j);
        1 + (0..distances.len())
            .filter(|&l| l != i && nearer(l))
            .count() as u64
    };
    intruders
        .iter()
        .map(|&j| rank(j as usize) - near_high.len() as u64)
        .sum()
}

fn accuracy_of(neighbors: &Neighbors, labels: &[usize]) -> f64 {
    let right = (0..labels.len())
        .filter(|&i| {
            let votes: Vec<usize> = neighbors
                .indices(i)
                .iter()
                .map(|&j| labels[j as usize])
                .collect();
            winner(&votes) == Some(labels[i])
        })
        .count();
    right as f64 / labels.len() as f64
}

/// The most frequent vote; of several, the one that comes first.
fn winner(votes: &[usize]) -> Option<usize> {
    let mut best = (0, None);
    for &vote in votes {
        let count = votes.iter().filter(|&&other| other == vote).count();
        if count > best.0 {
            best = (count, Some(vote));
        }
    }
    best.1
}

/// A number for each label, the same for the same label.
fn identifiers(labels: &[&str]) -> Vec<usize> {
    let mut names = labels.to_vec();
    names.sort_unstable();
    names.dedup();
    labels
        .iter()
        .map(|label| names.partition_point(|name| name < label))
        .collect()
}

/// At most [`MAX_ROWS`] of `n` rows, ascending: those with the smallest random numbers.
fn sample(n: usize, seed: u64) -> Vec<usize> {
    if n <= MAX_ROWS {
        return (0..n).collect();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut keys: Vec<(u64, usize)> = (0..n)
        .map(|i| (StandardUniform.sample(&mut random), i))
        .collect();
    keys.sort_unstable();
    let mut rows: Vec<usize> = keys[..MAX_ROWS].iter().map(|&(_, i)| i).collect();
    rows.sort_unstable();
    rows
}

fn take_rows(points: &Matrix, rows: &[usize]) -> Result<Matrix> {
    let values = rows.iter().flat_map(|&i| points.row(i)).copied().collect();
    Matrix::new(rows.len(), points.n_cols(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::StandardNormal;

    fn normal(n: usize, d: usize, seed: u64) -> Matrix {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Matrix::new(
            n,
            d,
            (0..n * d)
                .map(|_| StandardNormal.sample(&mut random))
                .collect(),
        )
        .unwrap()
    }

    fn direct_trustworthiness(high: &Matrix, low: &Matrix, k: usize) -> f64 {
        let n = high.n_rows();
        let order = |points: &Matrix, i: usize| {
            let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let distance = |j: usize| squared_distance(points.row(i), points.row(j));
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
            others
        };
        let mut sum = 0;
        for i in 0..n {
            let high = order(high, i);
            for j in &order(low, i)[..k] {
                let rank = 1 + high.iter().position(|other| other == j).unwrap();
                sum += rank.saturating_sub(k);
            }
        }
        let (n, k) = (n as f64, k as f64);
        1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * sum as f64
    }

    #[test]
    fn a_space_is_a_trustworthy_picture_of_itself() {
        let points = normal(60, 5, 1);
        assert_eq!(trustworthiness(&points, &points, 7).unwrap(), 1.0);
        let alike = Matrix::new(40, 3, vec![2.0; 120]).unwrap();
        assert_eq!(trustworthiness(&alike, &alike, 7).unwrap(), 1.0);
    }

    #[test]
    fn trustworthiness_equals_its_definition() {
        let high = normal(80, 5, 1);
        for (low, k) in [
            (normal(80, 2, 2), 10),
            (normal(80, 2, 3), 1),
            (normal(80, 2, 4), 39),
        ] {
            let found = trustworthiness(&high, &low, k).unwrap();
            assert!((found - direct_trustworthiness(&high, &low, k)).abs() < 1e-14);
        }
    }

    #[test]
    fn a_picture_of_something_else_is_worth_a_half() {
        let found = trustworthiness(&normal(300, 5, 1), &normal(300, 2, 2), 5).unwrap();
        assert!((found - 0.5).abs() < 0.05, "{found}");
    }

    #[test]
    fn does_not_depend_on_the_order_of_rows() {
        let (high, low) = (normal(70, 4, 5), normal(70, 2, 6));
        let reversed: Vec<usize> = (0..70).rev().collect();
        let turned = trustworthiness(
            &take_rows(&high, &reversed).unwrap(),
            &take_rows(&low, &reversed).unwrap(),
            5,
        );
        assert_eq!(trustworthiness(&high, &low, 5).unwrap(), turned.unwrap());
    }

    #[test]
    fn votes() {
        assert_eq!(winner(&[3, 1, 1, 3, 2]), Some(3));
        assert_eq!(winner(&[2, 1, 1, 3]), Some(1));
        assert_eq!(winner(&[]), None);
        let line = Matrix::new(5, 1, vec![0.0, 1.0, 2.0, 10.0, 11.0]).unwrap();
        // The third and the fourth row's nearest are of the other class.
        let accuracy = knn_accuracy(&line, &["a", "a", "b", "a", "b"], 1).unwrap();
        assert_eq!(accuracy, 0.4);
        assert_eq!(
            knn_accuracy(&line, &["a", "a", "a", "b", "b"], 1).unwrap(),
            1.0
        );
    }

    #[test]
    fn refuses_what_is_not_defined() {
        let points = normal(9, 2, 0);
        for k in [0, 5] {
            let error = trustworthiness(&points, &points, k)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("at {k} neighbours of 9 rows")),
                "{error}"
            );
        }
        assert!(trustworthiness(&points, &normal(8, 2, 0), 2).is_err());
        assert!(knn_accuracy(&points, &["a"], 2).is_err());
    }

    #[test]
    fn a_sample_is_seeded_sorted_and_without_repetition() {
        let rows = sample(12_000, 4);
        assert_eq!(rows.len(), MAX_ROWS);
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(rows, sample(12_000, 4));
        assert_ne!(rows, sample(12_000, 5));
        assert_eq!(sample(3, 4), [0, 1, 2]);
    }

    fn frame(n: usize, labels: &[&str]) -> DataFrame {
        let (high, low) = (normal(n, 3, 1), normal(n, 2, 2));
        let column = |points: &Matrix, j: usize, name: &str| {
            let values: Vec<f32> = (0..n).map(|i| points.row(i)[j]).collect();
            Column::new(name.into(), values)
        };
        let mut columns: Vec<Column> = (0..3).map(|j| column(&high, j, &pc(j))).collect();
        columns.push(column(&low, 0, TSNE_X));
        columns.push(column(&low, 1, TSNE_Y));
        let labels: Vec<&str> = labels.iter().copied().cycle().take(n).collect();
        columns.push(Column::new(LABEL.into(), labels));
        DataFrame::new(n, columns).unwrap()
    }

    #[test]
    fn a_frame_is_measured() {
        let record = quality(&frame(50, &["a", "b"]), 10, 0).unwrap();
        assert_eq!((record.k, record.n_sampled), (10, 50));
        let expected = trustworthiness(&normal(50, 3, 1), &normal(50, 2, 2), 10).unwrap();
        assert_eq!(record.trustworthiness, expected);
        let labels: Vec<&str> = ["a", "b"].into_iter().cycle().take(50).collect();
        let expected = knn_accuracy(&normal(50, 2, 2), &labels, 10).unwrap();
        assert_eq!(record.knn_accuracy_tsne, Some(expected));
    }

    #[test]
    fn one_class_has_no_accuracy_and_few_rows_lower_k() {
        let record = quality(&frame(7, &["a"]), 10, 0).unwrap();
        assert_eq!(
            (record.k, record.knn_accuracy_pca, record.knn_accuracy_tsne),
            (3, None, None)
        );
        assert!(quality(&frame(2, &["a"]), 10, 0).is_err());
        assert!(quality(&frame(9, &["a"]).drop(TSNE_X).unwrap(), 10, 0).is_err());
        assert!(quality(&frame(9, &["a"]).select([LABEL]).unwrap(), 10, 0).is_err());
    }
}
