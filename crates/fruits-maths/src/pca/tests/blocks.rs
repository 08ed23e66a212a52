//! How rows are cut, read and refused changes no number.

use std::borrow::Cow;

use super::rows::{Cut, fault, fit, params, rows_with, sparse_rows};
use crate::error::Error;
use crate::matrix::Matrix;
use crate::pca::panel::Panel;
use crate::pca::sums::Passes;
use crate::pca::sweep::Sweep;
use crate::pca::{Keep, PcaParams, RowBlocks, Solver};
use crate::testing::{normal, on_any_number_of_threads};

#[test]
fn block_size_and_row_order_change_nothing_beyond_rounding() {
    for rows in [
        sparse_rows(300, 400),
        rows_with(&[9.0, 4.0, 2.0, 1.0, 0.5], 300, 400, 3.0),
    ] {
        let whole = fit(&params(5), &rows);
        let reversed = (0..300).rev().flat_map(|i| rows.row(i).to_vec()).collect();
        let reversed = Matrix::new(300, 400, reversed).unwrap();
        for other in [
            fit(&params(5), &Cut(rows.clone(), 7)),
            fit(&params(5), &reversed),
        ] {
            for (a, b) in whole
                .explained_variance()
                .iter()
                .zip(other.explained_variance())
            {
                assert!((a - b).abs() < 1e-6 * whole.total_variance());
            }
            for (a, b) in whole.components().iter().zip(other.components()) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
    }
}

#[test]
fn rows_that_are_kept_or_read_again_give_the_same_bytes() {
    let rows = sparse_rows(1100, 300);
    let q = normal(300, 5, 6);
    let mut panel = Panel::zeros(300, 5);
    for i in 0..300 {
        (0..5).for_each(|j| panel.values[i * panel.stride + j] = q.row(i)[j]);
    }
    let passes = |keep_bytes: usize| {
        let mut sweep = Sweep::new(&rows).unwrap();
        sweep.keep_bytes = keep_bytes;
        [(); 3].map(|()| {
            let product = sweep.pass(&panel, None, false).unwrap();
            (product.z, product.t)
        })
    };
    let read_again = passes(0);
    assert_eq!(read_again[0], read_again[2]);
    // All nine blocks, of 17 kB each, and some of them.
    assert_eq!(passes(usize::MAX), read_again);
    assert_eq!(passes(80_000), read_again);
}

#[test]
fn scores_of_blocks_are_those_of_the_whole() {
    let rows = sparse_rows(300, 400);
    let pca = fit(&params(5), &rows);
    let whole = pca.transform_block(&rows).unwrap();
    let lost = pca.reconstruction_loss(&rows, &whole).unwrap();
    for n_rows in [7, 128, 1000] {
        let (scores, losses) = pca.transform_blocks(&Cut(rows.clone(), n_rows)).unwrap();
        assert_eq!(scores.n_rows(), 300);
        // The last bits of a product depend on the rows beside it.
        for (a, b) in whole.values().iter().zip(scores.values()) {
            assert!((a - b).abs() < 1e-4, "{n_rows}: {a} {b}");
        }
        for (a, b) in lost.iter().zip(losses) {
            assert!((a - b).abs() < 1e-5, "{n_rows}: {a} {b}");
        }
    }
    assert!(pca.transform_blocks(&sparse_rows(20, 399)).is_err());
    let mut values = rows.values().to_vec();
    values[200 * 400 + 3] = f32::NAN;
    let damaged = Matrix::new(300, 400, values).unwrap();
    let error = pca.transform_blocks(&damaged).unwrap_err();
    let is_told =
        matches!(error, Error::NotFinite { row: 200, column: 3, value } if value.is_nan());
    assert!(is_told, "{error}");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for rows in [
        sparse_rows(1200, 2100),
        rows_with(&[9.0, 4.0, 2.0, 1.0], 1200, 2100, 3.0),
    ] {
        on_any_number_of_threads(|| {
            let pca = fit(&params(4), &rows);
            let scores = pca.transform_blocks(&rows).unwrap();
            (pca, scores)
        });
    }
}

fn solvers() -> Vec<Solver> {
    match cfg!(feature = "linfa") {
        true => vec![Solver::Krylov, Solver::Linfa],
        false => vec![Solver::Krylov],
    }
}

#[test]
fn unusable_rows_and_parameters_are_refused() {
    let one = Matrix::new(1, 3, vec![1.0, 2.0, 3.0]).unwrap();
    assert!(fault(&params(2), &one).contains("2 rows or more, not 1"));
    let same = Matrix::new(200, 3, [0.1, 0.2, 0.3].repeat(200)).unwrap();
    let zero = Matrix::new(200, 3, vec![0.0; 600]).unwrap();
    for solver in solvers() {
        let params = PcaParams {
            solver,
            ..params(2)
        };
        assert!(fault(&params, &same).contains("all 200 rows are identical"));
        assert!(fault(&params, &zero).contains("all 200 rows are identical"));
        for bad in [f32::NAN, f32::INFINITY] {
            let mut values = rows_with(&[1.0, 0.5], 200, 3, 0.0).values().to_vec();
            values[150 * 3 + 1] = bad;
            let text = fault(&params, &Matrix::new(200, 3, values).unwrap());
            assert!(
                text.contains("row 150 holds") && text.contains("in column 1"),
                "{text}"
            );
        }
    }
    let rows = rows_with(&[1.0, 0.5], 20, 3, 0.0);
    assert!(fault(&params(0), &rows).contains("at least 1"));
    let share = |share| PcaParams {
        keep: Keep::Variance(share),
        ..PcaParams::default()
    };
    assert!(fault(&share(1.0), &rows).contains("below 1"));
    assert!(fault(&share(f64::NAN), &rows).contains("below 1"));
    assert!(
        "pca"
            .parse::<Solver>()
            .unwrap_err()
            .to_string()
            .contains("krylov or linfa")
    );
    let stopped = params(2).fit_blocks(&rows, &mut |_, _| false);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

/// Rows that say they are another number.
struct Lying(Matrix, usize);

impl RowBlocks for Lying {
    fn n_rows(&self) -> usize {
        self.1
    }

    fn n_cols(&self) -> usize {
        self.0.n_cols()
    }

    fn n_blocks(&self) -> usize {
        RowBlocks::n_blocks(&self.0)
    }

    fn block(&self, i: usize) -> crate::error::Result<Cow<'_, [f32]>> {
        RowBlocks::block(&self.0, i)
    }
}

#[test]
fn blocks_that_hold_other_rows_than_they_say_are_refused() {
    let rows = rows_with(&[1.0, 0.5], 200, 3, 0.0);
    for solver in solvers() {
        let params = PcaParams {
            solver,
            ..params(2)
        };
        for said in [199, 201] {
            let lying = Lying(rows.clone(), said);
            let fault = params.fit_blocks(&lying, &mut |_, _| true).unwrap_err();
            assert!(fault.to_string().contains("hold 200 rows"), "{fault}");
        }
    }
}
