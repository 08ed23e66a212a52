//! Against brute force.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::testing::{normal, on_any_number_of_threads};

fn brute_force(points: &Matrix, k: usize) -> Vec<Vec<(f64, u32)>> {
    (0..points.n_rows())
        .map(|i| {
            let mut row: Vec<_> = (0..points.n_rows())
                .filter(|&j| j != i)
                .map(|j| (squared_distance(points.row(i), points.row(j)), j as u32))
                .collect();
            row.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            row.truncate(k);
            row
        })
        .collect()
}

fn assert_equals_brute_force(points: &Matrix, k: usize) {
    let found = nearest(points, k).unwrap();
    for (i, row) in brute_force(points, k).iter().enumerate() {
        let pairs = found.squared_distances(i).iter().zip(found.indices(i));
        let pairs: Vec<_> = pairs.map(|(&d, &j)| (d, j)).collect();
        assert_eq!(&pairs, row, "row {i}");
    }
}

/// Points on a coarse grid, where many lie in one place and more at one distance, or anywhere; and how many to look for.
fn points_and_k() -> impl Strategy<Value = (Matrix, usize)> {
    (1..90_usize, 1..=70_usize, any::<bool>()).prop_flat_map(|(n, d, is_grid)| {
        let value = match is_grid {
            true => (-1..=1_i8).prop_map(f32::from).boxed(),
            false => (-1e3_f32..1e3).boxed(),
        };
        let values = proptest::collection::vec(value, n * d);
        let points = values.prop_map(move |values| Matrix::new(n, d, values).unwrap());
        (points, 1..=n + 2)
    })
}

proptest! {
    // The same cases in every run; what fails is printed, and nothing is written.
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(42),
        ..ProptestConfig::default()
    })]

    #[test]
    fn neighbours_of_any_points_are_those_of_brute_force((points, k) in points_and_k()) {
        assert_equals_brute_force(&points, k);
        on_any_number_of_threads(|| nearest(&points, k).unwrap());
    }
}

#[test]
fn equals_brute_force() {
    for (n, d, k) in [
        (2, 1, 1),
        (5, 3, 4),
        (130, 7, 10),
        (400, 64, 30),
        (333, 2, 12),
    ] {
        assert_equals_brute_force(&normal(n, d, 7), k);
    }
}

#[test]
fn equals_brute_force_far_from_the_origin_and_at_any_scale() {
    for (scale, offset) in [(1e-3, 1e3), (1e30, 0.0), (1e-30, 0.0), (1.0, -1e6)] {
        let points = normal(150, 5, 3);
        let values = points.values().iter().map(|v| v * scale + offset).collect();
        assert_equals_brute_force(&Matrix::new(150, 5, values).unwrap(), 9);
    }
}

#[test]
fn duplicates_are_neighbours_but_a_row_never_is_its_own() {
    let mut values = normal(40, 6, 1).values().to_vec();
    for i in (0..40).step_by(2) {
        values.copy_within(0..6, i * 6);
    }
    let points = Matrix::new(40, 6, values).unwrap();
    assert_equals_brute_force(&points, 25);
    let found = nearest(&points, 25).unwrap();
    assert_eq!(found.squared_distances(4)[..19], [0.0; 19]);
    assert!((0..40).all(|i| !found.indices(i).contains(&(i as u32))));
}

#[test]
fn all_rows_equal() {
    let found = nearest(&Matrix::new(70, 3, vec![0.25; 210]).unwrap(), 4).unwrap();
    assert_eq!(found.indices(0), [1, 2, 3, 4]);
    assert_eq!(found.indices(69), [0, 1, 2, 3]);
}

#[test]
fn k_is_clipped() {
    assert_eq!(nearest(&normal(3, 2, 0), 10).unwrap().k(), 2);
    assert_eq!(nearest(&normal(1, 2, 0), 10).unwrap().k(), 0);
    assert_eq!(
        nearest(&Matrix::new(0, 2, vec![]).unwrap(), 10)
            .unwrap()
            .k(),
        0
    );
}

#[test]
fn the_first_of_many_are_those_of_a_search_for_few() {
    // Among points of a grid and their copies many distances are equal.
    let grid = (0..300).flat_map(|i| [(i / 2 % 12) as f32, (i / 24) as f32]);
    for points in [
        normal(300, 16, 5),
        Matrix::new(300, 2, grid.collect()).unwrap(),
    ] {
        let all = nearest(&points, 90).unwrap();
        for k in [0, 1, 12, 20, 89, 90] {
            assert_eq!(all.first(k).unwrap(), nearest(&points, k).unwrap(), "{k}");
        }
        let few = all.first(12).unwrap();
        assert_eq!(few.first(5).unwrap(), all.first(5).unwrap());
        assert!(few.first(13).is_err());
    }
    let all = nearest(&normal(5, 2, 0), 90).unwrap();
    assert_eq!(all.first(20).unwrap().k(), 4);
}

#[test]
fn does_not_depend_on_threads() {
    let points = normal(300, 16, 5);
    on_any_number_of_threads(|| nearest(&points, 15).unwrap());
}

#[test]
fn refuses_values_that_are_not_finite() {
    let error = nearest(
        &Matrix::new(2, 2, vec![0.0, 1.0, 2.0, f32::NAN]).unwrap(),
        1,
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("row 1 holds NaN in column 1")
    );
}

#[test]
fn a_search_can_be_stopped() {
    let points = normal(5_000, 2, 1);
    let mut calls = Vec::new();
    let stopped = nearest_with(&points, 3, &mut |done, all| {
        calls.push((done, all));
        false
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let (done, all) = calls[0];
    assert!(calls.len() == 1 && 0 < done && done <= all && all == 5_000);
}
