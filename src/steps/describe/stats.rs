//! What descriptors are like: bounds, zeros and norms, summed in the order of the rows.

use fruits_maths::Matrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What the descriptors of a run are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescriptorStats {
    /// Share of exact zeros, 0 to 1.
    pub zero_ratio: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean of all values.
    pub mean: f64,
    /// Smallest Euclidean norm of a descriptor.
    pub norm_min: f64,
    /// Mean Euclidean norm.
    pub norm_mean: f64,
    /// Largest Euclidean norm.
    pub norm_max: f64,
    /// Features with the same value in every image.
    pub n_constant: u64,
}

/// What is to know of some descriptors.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Least value of each feature.
    pub lowest: Vec<f32>,
    /// Largest value of each feature.
    pub highest: Vec<f32>,
    /// Zeros of each row.
    pub zeros: Vec<u64>,
    /// Sum of each row.
    pub sums: Vec<f64>,
    /// Sum of squares of each row.
    pub squares: Vec<f64>,
}

impl Survey {
    /// Of no row.
    #[must_use]
    pub fn empty(n_features: usize) -> Self {
        Self {
            lowest: vec![f32::INFINITY; n_features],
            highest: vec![f32::NEG_INFINITY; n_features],
            zeros: Vec::new(),
            sums: Vec::new(),
            squares: Vec::new(),
        }
    }

    /// Of the rows of `matrix`.
    #[must_use]
    pub fn of(matrix: &Matrix) -> Self {
        let mut survey = Self::empty(matrix.n_cols());
        let rows: Vec<_> = matrix
            .values()
            .par_chunks_exact(matrix.n_cols())
            .map(row_sums)
            .collect();
        for (zeros, sum, squares) in rows {
            survey.zeros.push(zeros);
            survey.sums.push(sum);
            survey.squares.push(squares);
        }
        for row in matrix.values().chunks_exact(matrix.n_cols()) {
            survey.bound(row, row);
        }
        survey
    }

    fn bound(&mut self, lowest: &[f32], highest: &[f32]) {
        let bounds = self.lowest.iter_mut().zip(&mut self.highest);
        for ((low, high), (least, most)) in bounds.zip(lowest.iter().zip(highest)) {
            *low = low.min(*least);
            *high = high.max(*most);
        }
    }

    /// Of these rows and then those of `next`.
    pub fn append(&mut self, next: &Self) {
        self.bound(&next.lowest, &next.highest);
        self.zeros.extend(&next.zeros);
        self.sums.extend(&next.sums);
        self.squares.extend(&next.squares);
    }
}

/// Sums over the descriptors, in the order of the rows.
pub struct Running {
    bounds: Survey,
    norms: Vec<f64>,
    sum: f64,
    n_zeros: u64,
}

impl Running {
    /// Of no row.
    #[must_use]
    pub fn new(n_features: usize) -> Self {
        Self {
            bounds: Survey::empty(n_features),
            norms: Vec::new(),
            sum: 0.0,
            n_zeros: 0,
        }
    }

    /// The rows of `survey` come next.
    pub fn add(&mut self, survey: &Survey) {
        self.n_zeros += survey.zeros.iter().sum::<u64>();
        survey.sums.iter().for_each(|sum| self.sum += sum);
        self.norms.extend(survey.squares.iter().map(|s| s.sqrt()));
        self.bounds.bound(&survey.lowest, &survey.highest);
    }

    /// Of all rows.
    #[must_use]
    pub fn finish(self) -> DescriptorStats {
        let Survey {
            lowest, highest, ..
        } = self.bounds;
        let n_values = (self.norms.len() * lowest.len()).max(1) as f64;
        let n_rows = self.norms.len().max(1) as f64;
        let constant = lowest
            .iter()
            .zip(&highest)
            .filter(|(low, high)| low == high);
        let least = |values: &[f32]| values.iter().copied().fold(f32::INFINITY, f32::min);
        let most = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        DescriptorStats {
            zero_ratio: self.n_zeros as f64 / n_values,
            min: f64::from(least(&lowest)),
            max: f64::from(most(&highest)),
            mean: self.sum / n_values,
            norm_min: self.norms.iter().copied().fold(f64::INFINITY, f64::min),
            norm_mean: self.norms.iter().sum::<f64>() / n_rows,
            norm_max: self.norms.iter().copied().fold(0.0, f64::max),
            n_constant: constant.count() as u64,
        }
    }
}

/// Zeros, sum and sum of squares of one descriptor.
fn row_sums(row: &[f32]) -> (u64, f64, f64) {
    let zeros = row.iter().filter(|&&v| v == 0.0).count() as u64;
    let sum = row.iter().map(|&v| f64::from(v)).sum();
    let squares = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    (zeros, sum, squares)
}
