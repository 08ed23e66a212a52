//! What is asked of an embedding.

use super::*;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::neighbors::{Space, check_finite, nearest};
use crate::testing::{normal, on_any_number_of_threads};

/// Three clusters, 20 apart.
fn clusters(n: usize) -> Matrix {
    let points = normal(n, 6, 11);
    let shifted = points.values().iter().enumerate().map(|(at, value)| {
        let (i, j) = (at / 6, at % 6);
        value + if i % 3 == j { 20.0 } else { 0.0 }
    });
    Matrix::new(n, 6, shifted.collect()).unwrap()
}

fn short() -> TsneParams {
    TsneParams {
        perplexity: 10.0,
        n_iter: 300,
        early_exaggeration_iter: 100,
        ..TsneParams::default()
    }
}

fn run(scores: &Matrix, params: &TsneParams) -> Embedding {
    embed(scores, params, &mut |_, _| true).unwrap()
}

#[test]
fn clusters_stay_apart() {
    let embedding = run(&clusters(240), &short());
    let neighbors = nearest(&embedding.positions, 5).unwrap();
    for i in 0..240 {
        assert!(
            neighbors
                .indices(i)
                .iter()
                .all(|&j| j as usize % 3 == i % 3),
            "row {i}"
        );
    }
    assert!(embedding.kl_divergence > 0.0 && embedding.kl_divergence < 1.0);
    let (mut sum, n) = ([0.0f64; 2], 240.0);
    embedding.positions.values().chunks(2).for_each(|p| {
        sum[0] += f64::from(p[0]);
        sum[1] += f64::from(p[1]);
    });
    assert!(
        sum[0].abs() / n < 1e-3 && sum[1].abs() / n < 1e-3,
        "centred: {sum:?}"
    );
}

#[test]
fn gives_the_same_bytes_on_any_number_of_threads() {
    let scores = clusters(500);
    on_any_number_of_threads(|| run(&scores, &short()));
}

#[test]
fn theta_zero_and_a_half_end_in_equally_good_pictures() {
    let scores = clusters(240);
    let exact = run(
        &scores,
        &TsneParams {
            theta: 0.0,
            ..short()
        },
    )
    .kl_divergence;
    let approximate = run(&scores, &short()).kl_divergence;
    assert!(
        (exact - approximate).abs() < 0.1 * exact,
        "{exact} {approximate}"
    );
}

#[test]
fn an_embedding_has_the_divergence_it_reports() {
    let scores = clusters(240);
    let embedding = run(&scores, &short());
    let found = divergence(&scores, &embedding.positions, 10.0).unwrap();
    assert!((found - embedding.kl_divergence).abs() < 1e-12);
    assert!(divergence(&scores, &normal(239, 2, 1), 10.0).is_err());
    assert!(divergence(&scores, &normal(240, 3, 1), 10.0).is_err());
    assert!(divergence(&scores, &embedding.positions, 0.0).is_err());
}

#[test]
fn perplexity_is_reduced_to_a_third_of_the_rows() {
    let embedding = run(
        &normal(31, 4, 1),
        &TsneParams {
            perplexity: 30.0,
            ..short()
        },
    );
    assert_eq!(embedding.perplexity, 10.0);
    assert_eq!(run(&normal(4, 4, 1), &short()).perplexity, 1.0);
}

#[test]
fn duplicates_neither_hang_nor_leave_the_numbers() {
    let alike = Matrix::new(90, 3, vec![0.1; 270]).unwrap();
    let embedding = run(&alike, &short());
    assert_eq!(embedding.init, Init::Noise);
    let two_places = (0..90)
        .flat_map(|i| [if i < 45 { 1.0 } else { -1.0 }, 0.0])
        .collect();
    let embedding_of_two = run(&Matrix::new(90, 2, two_places).unwrap(), &short());
    assert_eq!(embedding_of_two.init, Init::JitteredComponents);
    for embedding in [embedding, embedding_of_two] {
        assert!(check_finite(&embedding.positions).is_ok() && embedding.kl_divergence.is_finite());
    }
}

#[test]
fn the_seed_counts_only_where_there_is_jitter() {
    let other = TsneParams { seed: 1, ..short() };
    let scores = normal(30, 3, 2);
    assert_eq!(run(&scores, &short()), run(&scores, &other));
    let line = Matrix::new(30, 1, scores.values()[..30].to_vec()).unwrap();
    assert_ne!(run(&line, &short()), run(&line, &other));
}

#[test]
fn a_graph_with_more_neighbours_gives_the_same_bytes() {
    let scores = clusters(120);
    let space = Space::new(&scores, 40).unwrap();
    let given = embed_in(&space, &short(), &mut |_, _| true).unwrap();
    assert_eq!(given, run(&scores, &short()));
    let few = Space::new(&scores, 29).unwrap();
    assert!(embed_in(&few, &short(), &mut |_, _| true).is_err());
}

#[test]
fn stops_when_asked_to() {
    let mut calls = Vec::new();
    let stopped = embed(&normal(20, 3, 1), &short(), &mut |done, total| {
        calls.push((done, total));
        done < 3
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(calls, [(0, 300), (1, 300), (2, 300), (3, 300)]);
    let searching = embed(&normal(20, 3, 1), &short(), &mut |_, _| false);
    assert!(matches!(searching, Err(Error::Cancelled)));
}

#[test]
fn refuses_bad_input() {
    let scores = normal(20, 3, 1);
    let refused = |scores: &Matrix, params: TsneParams| match embed(scores, &params, &mut |_, _| {
        true
    }) {
        Err(
            error @ (Error::Parameter { .. } | Error::TooFewRows { .. } | Error::NotFinite { .. }),
        ) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(&normal(3, 3, 1), short()).contains("4 rows or more, not 3"));
    assert!(
        refused(
            &scores,
            TsneParams {
                perplexity: f64::NAN,
                ..short()
            }
        )
        .contains("perplexity must be 1 or more, not NaN")
    );
    assert!(
        refused(
            &scores,
            TsneParams {
                perplexity: 0.5,
                ..short()
            }
        )
        .contains("1 or more")
    );
    assert!(
        refused(
            &scores,
            TsneParams {
                theta: 1.5,
                ..short()
            }
        )
        .contains("0 to 1")
    );
    assert!(
        refused(
            &scores,
            TsneParams {
                n_iter: 100,
                ..short()
            }
        )
        .contains("iterations must be more than the 100 of the early exaggeration, not 100")
    );
    let mut values = scores.values().to_vec();
    values[7] = f32::INFINITY;
    assert!(refused(&Matrix::new(20, 3, values).unwrap(), short()).starts_with("row 2 holds inf"));
}
