//! Against definitions, and what must not matter.

use super::sample::{MAX_DISTANCES, sample};
use super::*;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::neighbors::{Space, nearest, squared_distance};
use crate::testing::{normal, on_any_number_of_threads};

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
    let reversed = |points: &Matrix| {
        let values = (0..70).rev().flat_map(|i| points.row(i).to_vec());
        Matrix::new(70, points.n_cols(), values.collect()).unwrap()
    };
    let turned = trustworthiness(&reversed(&high), &reversed(&low), 5);
    assert_eq!(trustworthiness(&high, &low, 5).unwrap(), turned.unwrap());
}

#[test]
fn accuracy_counts_the_rows_whose_neighbours_agree() {
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
    let rows = sample(20_000, 4);
    assert_eq!(rows.len() * 20_000, MAX_DISTANCES);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(rows, sample(20_000, 4));
    assert_ne!(rows, sample(20_000, 5));
    assert_eq!(sample(10_000, 4).len(), 10_000);
    assert_eq!(sample(3, 4), [0, 1, 2]);
}

fn of(high: &Matrix, low: &Matrix, labels: &[&str]) -> Result<Quality> {
    let spaces = [high, low].map(|points| Space::new(points, n_neighbors(10)).unwrap());
    measure(&spaces[0], &spaces[1], labels, None, 10, 0, &mut |_, _| {
        true
    })
}

/// A picture that has nothing to do with its space; labels come again and again.
fn measured(n: usize, labels: &[&str]) -> Quality {
    let labels: Vec<&str> = labels.iter().copied().cycle().take(n).collect();
    of(&normal(n, 3, 1), &normal(n, 2, 2), &labels).unwrap()
}

#[test]
fn all_together_are_the_measures_alone() {
    let measures = measured(50, &["a", "b"]).measures;
    assert_eq!((measures.k, measures.n_sampled), (10, 50));
    let expected = trustworthiness(&normal(50, 3, 1), &normal(50, 2, 2), 10).unwrap();
    assert_eq!(measures.trustworthiness, expected);
    let labels: Vec<&str> = ["a", "b"].into_iter().cycle().take(50).collect();
    let expected = knn_accuracy(&normal(50, 2, 2), &labels, 10).unwrap();
    assert_eq!(measures.knn_accuracy_tsne, Some(expected));
}

#[test]
fn one_class_has_no_accuracy_and_few_rows_lower_k() {
    let measures = measured(7, &["a"]).measures;
    assert_eq!(
        (
            measures.k,
            measures.knn_accuracy_pca,
            measures.knn_accuracy_tsne
        ),
        (3, None, None)
    );
    let (high, low) = (normal(9, 3, 1), normal(9, 2, 2));
    assert!(of(&high, &low, &["a"; 9]).is_ok());
    assert!(of(&high, &low, &["a"; 8]).is_err());
    assert!(of(&high, &normal(8, 2, 2), &["a"; 9]).is_err());
    assert!(of(&normal(2, 3, 1), &normal(2, 2, 2), &["a"; 2]).is_err());
    let few = [&high, &low].map(|points| Space::new(points, 3).unwrap());
    assert!(measure(&few[0], &few[1], &["a"; 9], None, 10, 0, &mut |_, _| true).is_err());
}

#[test]
fn trust_of_the_rows_is_trustworthiness_and_recall_counts_neighbours() {
    let Quality { measures, trust } = measured(60, &["a", "b"]);
    let mean = trust.iter().flatten().sum::<f64>() / 60.0;
    assert!((mean - measures.trustworthiness).abs() < 1e-12);
    let (high, low) = (normal(60, 3, 1), normal(60, 2, 2));
    let (high, low) = (nearest(&high, 10).unwrap(), nearest(&low, 10).unwrap());
    let kept = |i: usize| {
        high.indices(i)
            .iter()
            .filter(|j| low.indices(i).contains(j))
            .count()
    };
    let kept: usize = (0..60).map(kept).sum();
    assert_eq!(measures.neighbor_recall, kept as f64 / 600.0);
}

#[test]
fn graphs_with_more_neighbours_give_the_same() {
    let (high, low, labels) = (normal(60, 3, 1), normal(60, 2, 2), ["a", "b"].repeat(30));
    let more = [&high, &low].map(|points| Space::new(points, 40).unwrap());
    let given = measure(&more[0], &more[1], &labels, None, 10, 0, &mut |_, _| true).unwrap();
    assert_eq!(given, of(&high, &low, &labels).unwrap());
}

#[test]
fn labels_that_mean_nothing_are_not_told_apart() {
    let measures = measured(200, &["a", "b", "b", "a", "b", "a", "a"]).measures;
    let null = measures.labels.unwrap().pca.null;
    assert!(null.p_value > 0.05, "{null:?}");
    assert!((null.mean - 0.5).abs() < 0.05);
}

#[test]
fn does_not_depend_on_threads() {
    on_any_number_of_threads(|| measured(300, &["a", "b", "c"]));
}

#[test]
fn many_rows_are_sampled_each_against_all() {
    let n = 20_000;
    let points = normal(n, 2, 1);
    let found = of(&points, &points, &vec![""; n]).unwrap();
    assert_eq!(found.measures.n_sampled, 10_000);
    assert_eq!(
        (
            found.measures.trustworthiness,
            found.measures.neighbor_recall
        ),
        (1.0, 1.0)
    );
    assert_eq!(found.trust.iter().flatten().count(), 10_000);
}

#[test]
fn it_can_be_stopped_at_every_look() {
    let (high, low, labels) = (normal(60, 3, 1), normal(60, 2, 2), ["a", "b"].repeat(30));
    let spaces = [&high, &low].map(|points| Space::new(points, 12).unwrap());
    let stopped_at = |last: usize| {
        let mut n_calls = 0;
        let mut progress = |done: usize, all: usize| {
            assert!(0 < done && done <= all && all == 60);
            n_calls += 1;
            n_calls < last
        };
        measure(&spaces[0], &spaces[1], &labels, None, 10, 0, &mut progress)
    };
    let looks: Vec<_> = (1..)
        .map(stopped_at)
        .take_while(|found| matches!(found, Err(Error::Cancelled)))
        .collect();
    // While rows are measured, and in the permutations of either space.
    assert!(looks.len() >= 3);
}
