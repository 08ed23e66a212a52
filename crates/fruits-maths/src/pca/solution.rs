//! What a solver finds.

use crate::error::Error;

/// What a solver brings home: leading eigenpairs of the covariance and the moments of the rows, n x d.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Rows, n.
    pub n_samples: usize,
    /// Mean of the rows, d values.
    pub mean: Vec<f64>,
    /// Variance of all d features together, divided by n - 1.
    pub total_variance: f64,
    /// Eigenvalues, largest first: the kept ones, then those found beside them.
    pub values: Vec<f64>,
    /// Kept eigenvectors, k x d, row-major; the largest entry of each is positive.
    pub components: Vec<f32>,
    /// Largest relative residual of a kept component; none where the solver gives none.
    pub residual: Option<f64>,
    /// Passes over the rows.
    pub n_passes: usize,
    /// Whether the stopping rule was met.
    pub converged: bool,
}

impl Solution {
    /// Whether the parts fit together.
    pub(super) fn is_whole(&self) -> bool {
        let (d, n_values) = (self.mean.len(), self.components.len());
        self.n_samples > 1
            && d > 0
            && n_values > 0
            && n_values.is_multiple_of(d)
            && n_values / d <= self.values.len()
    }
}

/// The fewest leading values whose sum reaches `least`.
pub(super) fn reaches(values: &[f64], least: f64) -> Option<usize> {
    let mut sum = 0.0;
    let mut sums = values.iter().map(|v| {
        sum += v;
        sum
    });
    sums.position(|sum| sum >= least).map(|i| i + 1)
}

/// What is said of rows without variance.
pub(super) fn identical(n: usize) -> Error {
    Error::Invalid(format!(
        "all {n} rows are identical: there is no variance to explain"
    ))
}

/// Turns each of the k rows so that its largest entry, by magnitude, is positive; the first wins a tie.
pub(super) fn fix_signs(components: &mut [f32], d: usize) {
    for row in components.chunks_exact_mut(d) {
        let mut largest = 0.0_f32;
        for &x in row.iter() {
            if x.abs() > largest.abs() {
                largest = x;
            }
        }
        if largest < 0.0 {
            row.iter_mut().for_each(|x| *x = -*x);
        }
    }
}
