//! Rows with a known covariance, and what holds for every fit.

use std::borrow::Cow;

use faer::{Mat, MatRef, Side};

use crate::error::Result;
use crate::matrix::Matrix;
use crate::pca::{Keep, Pca, PcaParams, RowBlocks};
use crate::testing::normals;

pub const N: usize = 500;
pub const D: usize = 700;

fn normal(rows: usize, cols: usize, seed: u64) -> Mat<f64> {
    let values: Vec<f64> = normals(seed).take(rows * cols).collect();
    Mat::from_fn(rows, cols, |i, j| values[i * cols + j])
}

/// n x d rows whose covariance has exactly the given eigenvalues (up to f32), about a mean of `offset`.
pub fn rows_with(spectrum: &[f64], n: usize, d: usize, offset: f64) -> Matrix {
    let r = spectrum.len();
    let mut u = normal(n, r, 1);
    for j in 0..r {
        let mean = (0..n).map(|i| u[(i, j)]).sum::<f64>() / n as f64;
        (0..n).for_each(|i| u[(i, j)] -= mean);
    }
    let u = u.qr().compute_thin_Q();
    let v = normal(d, r, 2).qr().compute_thin_Q();
    let scaled = Mat::from_fn(n, r, |i, j| {
        u[(i, j)] * (spectrum[j] * (n - 1) as f64).sqrt()
    });
    let x = &scaled * v.transpose();
    let values = (0..n).flat_map(|i| (0..d).map(move |j| (i, j)));
    Matrix::new(n, d, values.map(|ij| (x[ij] + offset) as f32).collect()).unwrap()
}

/// Rows that are mostly zero, as features after a ReLU are.
pub fn sparse_rows(n: usize, d: usize) -> Matrix {
    let latent = normal(n, 12, 3);
    let x = &latent * normal(12, d, 4);
    let noise = normal(n, d, 5);
    let values = (0..n).flat_map(|i| (0..d).map(move |j| (i, j)));
    let values = values
        .map(|ij| (x[ij] + 0.3 * noise[ij] - 5.0).max(0.0) as f32)
        .collect();
    let rows = Matrix::new(n, d, values).unwrap();
    let share = rows.values().iter().filter(|&&x| x != 0.0).count() as f64 / (n * d) as f64;
    assert!(share < 0.25, "{share}");
    rows
}

pub fn params(k: usize) -> PcaParams {
    PcaParams {
        keep: Keep::Components(k),
        ..PcaParams::default()
    }
}

pub fn fit(params: &PcaParams, rows: &dyn RowBlocks) -> Pca {
    params.fit_blocks(rows, &mut |_, _| true).unwrap()
}

pub fn fault(params: &PcaParams, rows: &Matrix) -> String {
    params
        .fit_blocks(rows, &mut |_, _| true)
        .unwrap_err()
        .to_string()
}

/// All eigenvalues and the total variance from the n x n Gram matrix in f64.
pub fn oracle(rows: &Matrix) -> (Vec<f64>, f64) {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let mean: Vec<f64> = (0..d)
        .map(|j| (0..n).map(|i| f64::from(rows.row(i)[j])).sum::<f64>() / n as f64)
        .collect();
    let x = Mat::from_fn(n, d, |i, j| f64::from(rows.row(i)[j]) - mean[j]);
    let gram = &x * x.transpose();
    let values = gram.self_adjoint_eigenvalues(Side::Lower).unwrap();
    let values: Vec<f64> = values.iter().rev().map(|v| v / (n - 1) as f64).collect();
    let total = values.iter().sum();
    (values, total)
}

pub fn assert_ratios(pca: &Pca, rows: &Matrix, tolerance: f64) {
    let (values, total) = oracle(rows);
    assert!((pca.total_variance() / total - 1.0).abs() < tolerance);
    for (i, ratio) in pca.explained_variance_ratio().into_iter().enumerate() {
        assert!(
            (ratio - values[i] / total).abs() < tolerance,
            "ratio {i}: {ratio} {}",
            values[i] / total
        );
    }
    for (i, ratio) in pca.further_ratios().into_iter().enumerate() {
        let exact = values[pca.n_components() + i] / total;
        assert!(
            (ratio / exact - 1.0).abs() < 1e-2,
            "further {i}: {ratio} {exact}"
        );
    }
}

/// V^T V = I, cov(scores) = diag(theta), reconstruction = TV - sum(theta), signs.
pub fn assert_properties(pca: &Pca, rows: &Matrix) {
    let (n, k, d) = (rows.n_rows(), pca.n_components(), pca.n_features());
    let v = MatRef::from_row_major_slice(pca.components(), k, d);
    let v = Mat::from_fn(k, d, |i, j| f64::from(v[(i, j)]));
    let product = &v * v.transpose();
    let scores = pca.transform_block(rows).unwrap();
    let s = Mat::from_fn(n, k, |i, j| f64::from(scores.row(i)[j]));
    let covariance = s.transpose() * &s;
    let theta = pca.explained_variance();
    for i in 0..k {
        for j in 0..k {
            let unit = if i == j { 1.0 } else { 0.0 };
            assert!(
                (product[(i, j)] - unit).abs() < 1e-6,
                "V^T V ({i}, {j}) {}",
                product[(i, j)]
            );
            let expected = unit * theta[i];
            let found = covariance[(i, j)] / (n - 1) as f64;
            assert!(
                (found - expected).abs() < 1e-5 * theta[0],
                "cov ({i}, {j}) {found} {expected}"
            );
        }
        let row = &pca.components()[i * d..][..d];
        let largest = row
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap();
        assert!(largest > 0.0);
    }
    let back = &s * &v;
    let mut lost = 0.0;
    for i in 0..n {
        for j in 0..d {
            lost += (f64::from(rows.row(i)[j]) - pca.mean()[j] - back[(i, j)]).powi(2);
        }
    }
    let expected = pca.total_variance() - theta.iter().sum::<f64>();
    assert!((lost / (n - 1) as f64 - expected).abs() < 1e-5 * pca.total_variance());
}

/// The same rows in blocks of another size.
pub struct Cut(pub Matrix, pub usize);

impl RowBlocks for Cut {
    fn n_rows(&self) -> usize {
        self.0.n_rows()
    }

    fn n_cols(&self) -> usize {
        self.0.n_cols()
    }

    fn n_blocks(&self) -> usize {
        self.0.n_rows().div_ceil(self.1)
    }

    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        let size = self.1 * self.0.n_cols();
        let end = self.0.values().len().min((i + 1) * size);
        Ok(Cow::Borrowed(&self.0.values()[i * size..end]))
    }
}
