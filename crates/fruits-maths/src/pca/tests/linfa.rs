//! Beside `linfa-reduction`, and behind linfa's traits.

use std::borrow::Cow;

use ::linfa::DatasetBase;
use ::linfa::traits::{Fit, Predict};
use ndarray::Array2;

use super::rows::{Cut, fit, params, rows_with};
use crate::error::Result;
use crate::matrix::Matrix;
use crate::pca::{Pca, PcaParams, RowBlocks, Solver};

#[test]
fn linfa_and_krylov_agree() {
    let spectrum: Vec<f64> = (0..40).map(|i| 100.0 * 0.7_f64.powi(i)).collect();
    let rows = rows_with(&spectrum, 200, 150, 10.0);
    let ours = fit(&params(8), &rows);
    let theirs = fit(
        &PcaParams {
            solver: Solver::Linfa,
            ..params(8)
        },
        &rows,
    );
    assert_eq!(theirs.residual(), None);
    assert!(ours.total_variance() - theirs.total_variance() < 1e-6 * ours.total_variance());
    for (a, b) in ours
        .explained_variance_ratio()
        .iter()
        .zip(theirs.explained_variance_ratio())
    {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    for (a, b) in ours.components().iter().zip(theirs.components()) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    let large = Cut(Matrix::new(2, 1, vec![0.0, 1.0]).unwrap(), 1);
    struct Many(Cut);
    impl RowBlocks for Many {
        fn n_rows(&self) -> usize {
            1 << 40
        }
        fn n_cols(&self) -> usize {
            self.0.n_cols()
        }
        fn n_blocks(&self) -> usize {
            self.0.n_blocks()
        }
        fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
            self.0.block(i)
        }
    }
    let params = PcaParams {
        solver: Solver::Linfa,
        ..params(1)
    };
    let refused = params
        .fit_blocks(&Many(large), &mut |_, _| true)
        .unwrap_err();
    assert!(refused.to_string().contains("2 GiB"));
}

#[test]
fn it_stands_behind_the_traits_of_linfa() {
    let rows = rows_with(&[4.0, 2.0, 1.0], 150, 20, 0.0);
    let records = Array2::from_shape_vec((150, 20), rows.values().to_vec()).unwrap();
    let dataset = DatasetBase::from(records.clone());
    let pca: Pca = Fit::fit(&params(2), &dataset).unwrap();
    assert_eq!(pca, fit(&params(2), &rows));
    let scores: Array2<f32> = pca.predict(&records);
    assert_eq!(
        scores.as_slice().unwrap(),
        pca.transform_block(&rows).unwrap().values()
    );
}
