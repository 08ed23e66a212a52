//! Against the eigenvalues of the Gram matrix.

use super::rows::{D, N, assert_properties, assert_ratios, fit, params, rows_with, sparse_rows};
use crate::matrix::Matrix;
use crate::pca::solution::reaches;
use crate::pca::{Keep, Pca, PcaParams, Solution};

#[test]
fn known_spectra_about_a_large_mean() {
    let fast: Vec<f64> = (0..60).map(|i| 100.0 * 0.8_f64.powi(i)).collect();
    let slow: Vec<f64> = (1..=400).map(|i| 100.0 / f64::from(i)).collect();
    let tied: Vec<f64> = (0..300).map(|i| if i < 30 { 10.0 } else { 1.0 }).collect();
    for (name, spectrum) in [("fast", fast), ("slow", slow), ("tied", tied)] {
        let rows = rows_with(&spectrum, N, D, 1e3);
        let pca = fit(&params(20), &rows);
        assert!(
            pca.converged() && pca.residual().unwrap() < 1e-3,
            "{name} {:?} {}",
            pca.residual(),
            pca.n_passes()
        );
        assert_ratios(&pca, &rows, 1e-6);
        assert_properties(&pca, &rows);
    }
}

#[test]
fn sparse_rows_match_the_gram_matrix() {
    let rows = sparse_rows(N, D);
    let pca = fit(&params(20), &rows);
    assert!(pca.converged());
    assert_ratios(&pca, &rows, 1e-6);
    assert_properties(&pca, &rows);
}

#[test]
fn more_components_than_directions_are_reduced() {
    let rows = rows_with(
        &[4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.06, 0.03],
        10,
        50,
        0.0,
    );
    let pca = fit(&params(64), &rows);
    assert_eq!((pca.n_components(), pca.rank_limit()), (9, 9));
    assert_eq!(pca.requested(), Keep::Components(64));
    assert!((pca.explained_variance_ratio().iter().sum::<f64>() - 1.0).abs() < 1e-6);
    let narrow = rows_with(&[3.0, 2.0, 1.0], 40, 3, 0.0);
    let pca = fit(&params(64), &narrow);
    assert_eq!(pca.n_components(), 3);
    assert_properties(&pca, &narrow);
}

#[test]
fn fewer_directions_than_components_stay_orthonormal() {
    // Every row twice, and columns that are constant or zero.
    let half = rows_with(&[4.0, 3.0, 2.0, 1.0], 30, 80, 1.0);
    let twice = (0..60).flat_map(|i| {
        let mut row = half.row(i / 2).to_vec();
        row[3] = 7.0;
        row[5] = 0.0;
        row
    });
    let rows = Matrix::new(60, 80, twice.collect()).unwrap();
    let pca = fit(&params(40), &rows);
    assert_eq!(pca.n_components(), 40);
    assert_ratios(&pca, &rows, 1e-6);
    assert_properties(&pca, &rows);
    for row in pca.components().chunks_exact(80).take(4) {
        assert!(row[3].abs() < 1e-4 && row[5].abs() < 1e-4);
    }
}

#[test]
fn few_rows_give_the_whole_spectrum() {
    let spectrum: Vec<f64> = (1..=119).map(|i| 1.0 / f64::from(i)).collect();
    let rows = rows_with(&spectrum, 120, 300, 2.0);
    let pca = fit(&params(64), &rows);
    let total: f64 = spectrum.iter().sum();
    for share in [0.9, 0.95, 0.99] {
        let needed = pca.needed(share);
        assert!(needed.exact);
        assert_eq!(Some(needed.n_components), reaches(&spectrum, share * total));
    }
}

#[test]
fn a_share_out_of_reach_gets_a_lower_bound() {
    let spectrum: Vec<f64> = (1..=450).map(|i| 100.0 / f64::from(i)).collect();
    let rows = rows_with(&spectrum, N, D, 0.0);
    let pca = fit(&params(10), &rows);
    let total: f64 = spectrum.iter().sum();
    let exact = reaches(&spectrum, 0.99 * total).unwrap();
    let needed = pca.needed(0.99);
    assert!(
        !needed.exact && needed.n_components <= exact && needed.n_components > 10,
        "{needed:?}"
    );
    assert!(pca.needed(0.3).exact);
}

#[test]
fn a_share_of_variance_fixes_the_number() {
    let spectrum: Vec<f64> = (0..400).map(|i| 100.0 * 0.99_f64.powi(i)).collect();
    let rows = rows_with(&spectrum, N, D, 5.0);
    let total: f64 = spectrum.iter().sum();
    for share in [0.5, 0.9, 0.95] {
        let params = PcaParams {
            keep: Keep::Variance(share),
            ..PcaParams::default()
        };
        let pca = fit(&params, &rows);
        let exact = reaches(&spectrum, share * total).unwrap();
        assert!(
            pca.n_components().abs_diff(exact) <= 1,
            "{share}: {} {exact}",
            pca.n_components()
        );
        assert!(pca.converged());
    }
}

#[test]
fn the_cap_is_reported() {
    let spectrum: Vec<f64> = (1..=450).map(|i| 1.0 / f64::from(i)).collect();
    let pca = fit(
        &PcaParams {
            max_passes: 1,
            ..params(20)
        },
        &rows_with(&spectrum, N, D, 0.0),
    );
    assert!(!pca.converged() && pca.n_passes() == 1 && pca.residual().unwrap() > 1e-4);
}

#[test]
fn a_flat_spectrum_restarts_and_converges() {
    let spectrum: Vec<f64> = (0..1100).map(|i| 1.0 - 1e-4 * f64::from(i)).collect();
    let rows = rows_with(&spectrum, 1200, 1200, 0.0);
    let pca = fit(
        &PcaParams {
            max_passes: 60,
            ..params(2)
        },
        &rows,
    );
    assert!(pca.converged(), "{:?} {}", pca.residual(), pca.n_passes());
    assert_ratios(&pca, &rows, 1e-6);
}

#[test]
fn no_bound_is_below_what_was_found() {
    let found = Solution {
        n_samples: 9,
        mean: vec![0.0; 4],
        total_variance: 10.0,
        // So many of the last one are needed that no number holds them.
        values: vec![1.0, 1e-300],
        components: vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        residual: None,
        n_passes: 1,
        converged: true,
    };
    let pca = Pca::new(PcaParams::default(), found).unwrap();
    let needed = pca.needed(0.9);
    assert_eq!((needed.n_components, needed.exact), (4, false));
}
