//! The similarities that t-SNE reproduces: a sparse symmetric matrix P.

use rayon::prelude::*;

use crate::neighbors::Neighbors;
use crate::simd::clear_upper_halves;

/// Rows a worker takes at a time; only speed depends on it.
const ROWS_PER_TASK: usize = 64;

/// Largest difference between the entropy of a row and the logarithm of the perplexity. Half the
/// digits of float64: KL moves with its square around the solution.
const ENTROPY_TOLERANCE: f64 = 1e-8;

/// Steps of the search for a bandwidth. 64 halvings exhaust the mantissa; the doublings before
/// them start at a scale taken from the row. A row that cannot reach the perplexity (neighbours
/// at equal distances) ends here, with the uniform distribution it already has.
const MAX_STEPS: usize = 128;

/// Joint probabilities P, symmetric, summing to 1: row `i` is `starts[i]..starts[i + 1]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affinities {
    pub starts: Vec<usize>,
    /// Ascending within a row.
    pub columns: Vec<u32>,
    pub values: Vec<f64>,
}

impl Affinities {
    pub fn n(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }
}

/// P = (p(j|i) + p(i|j)) / 2n over the given neighbours, every row at the given perplexity.
///
/// No entry is dropped however small, and duplicates are neighbours like any other.
pub(super) fn affinities(neighbors: &Neighbors, perplexity: f64) -> Affinities {
    let (n, k) = (neighbors.n_rows(), neighbors.k());
    let mut conditional = vec![0.0; n * k];
    conditional
        .par_chunks_mut(ROWS_PER_TASK * k)
        .enumerate()
        .for_each(|(task, rows)| {
            clear_upper_halves();
            for (offset, row) in rows.chunks_exact_mut(k).enumerate() {
                let i = task * ROWS_PER_TASK + offset;
                conditional_row(neighbors.squared_distances(i), perplexity, row);
            }
        });
    symmetrise(neighbors, &conditional)
}

/// p(j|i) = exp(-beta d^2) / sum, with beta such that the entropy is ln(perplexity).
///
/// The entropy H falls with beta, dH / d(ln beta) = -beta^2 var(d^2): Newton's step in ln beta
/// where it stays inside the bracket, else the bracket's (geometric) middle.
fn conditional_row(squared_distances: &[f64], perplexity: f64, row: &mut [f64]) {
    // Ascending: the first is the smallest. Without it the sum could underflow to 0.
    let nearest = squared_distances[0];
    let mean = squared_distances.iter().map(|d| d - nearest).sum::<f64>() / row.len() as f64;
    let target = perplexity.ln();
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut beta = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    for _ in 0..MAX_STEPS {
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for (p, distance) in row.iter_mut().zip(squared_distances) {
            let exponent = beta * (distance - nearest);
            *p = (-exponent).exp();
            sum += *p;
            first += *p * exponent;
            second += *p * exponent * exponent;
        }
        row.iter_mut().for_each(|p| *p /= sum);
        let mean = first / sum;
        let excess = sum.ln() + mean - target;
        if excess.abs() < ENTROPY_TOLERANCE {
            return;
        }
        if excess > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        let newton = beta * (excess / (second / sum - mean * mean)).exp();
        beta = if low < newton && newton < high && newton < 16.0 * beta {
            newton
        } else if high.is_infinite() {
            2.0 * beta
        } else {
            f64::midpoint(low, high)
        };
    }
}

/// The union of the rows and of the columns, sorted, halved and divided by n.
fn symmetrise(neighbors: &Neighbors, conditional: &[f64]) -> Affinities {
    let (n, k) = (neighbors.n_rows(), neighbors.k());
    // Columns of the conditional matrix, as (row, value): ascending, since rows are visited in order.
    let mut column_starts = vec![0usize; n + 1];
    for i in 0..n {
        for &j in neighbors.indices(i) {
            column_starts[j as usize + 1] += 1;
        }
    }
    for j in 0..n {
        column_starts[j + 1] += column_starts[j];
    }
    let mut transposed = vec![(0u32, 0.0f64); n * k];
    let mut next = column_starts.clone();
    for i in 0..n {
        for (&j, &p) in neighbors.indices(i).iter().zip(&conditional[i * k..]) {
            transposed[next[j as usize]] = (i as u32, p);
            next[j as usize] += 1;
        }
    }
    let scale = 0.5 / n as f64;
    let mut starts = Vec::with_capacity(n + 1);
    let (mut columns, mut values) = (Vec::with_capacity(2 * n * k), Vec::with_capacity(2 * n * k));
    let mut row: Vec<(u32, f64)> = Vec::with_capacity(k);
    starts.push(0);
    for i in 0..n {
        row.clear();
        row.extend(
            neighbors
                .indices(i)
                .iter()
                .copied()
                .zip(conditional[i * k..].iter().copied()),
        );
        row.sort_unstable_by_key(|&(j, _)| j);
        let column = &transposed[column_starts[i]..column_starts[i + 1]];
        let (mut a, mut b) = (0, 0);
        while a < row.len() || b < column.len() {
            let from_row = row.get(a).map_or(u32::MAX, |entry| entry.0);
            let from_column = column.get(b).map_or(u32::MAX, |entry| entry.0);
            let j = from_row.min(from_column);
            let mut p = 0.0;
            if from_row == j {
                p += row[a].1;
                a += 1;
            }
            if from_column == j {
                p += column[b].1;
                b += 1;
            }
            columns.push(j);
            values.push(p * scale);
        }
        starts.push(columns.len());
    }
    Affinities {
        starts,
        columns,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::nearest;
    use crate::testing::normal;

    fn reached(row: &[f64]) -> f64 {
        row.iter()
            .filter(|&&p| p > 0.0)
            .map(|p| -p * p.ln())
            .sum::<f64>()
            .exp()
    }

    #[test]
    fn every_row_reaches_the_perplexity_at_any_scale() {
        for scale in [1e-12, 1.0, 1e12] {
            let distances: Vec<f64> = (0..30)
                .map(|i| scale * (1e6 + f64::from(i).powf(1.4)))
                .collect();
            let mut row = vec![0.0; 30];
            conditional_row(&distances, 10.0, &mut row);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(
                (reached(&row) - 10.0).abs() < 1e-5,
                "{scale}: {}",
                reached(&row)
            );
        }
    }

    #[test]
    fn far_neighbours_and_duplicates_are_no_obstacle() {
        let mut row = vec![0.0; 6];
        for (distances, perplexity) in [
            ([0.0, 0.0, 1.0, 2.0, 1e9, 1e18], 2.0),
            ([0.0, 1e-30, 1e-20, 1e-10, 1.0, 1e10], 2.0),
            ([1.0, 1e300, 1e300, 1e300, 1e300, 1e300], 2.0),
            ([3.0; 6], 2.0),
            ([0.0; 6], 2.0),
        ] {
            conditional_row(&distances, perplexity, &mut row);
            assert!(
                (row.iter().sum::<f64>() - 1.0).abs() < 1e-12,
                "{distances:?} {row:?}"
            );
        }
        assert_eq!(row, [1.0 / 6.0; 6]);
    }

    #[test]
    fn the_joint_matrix_is_symmetric_sums_to_one_and_is_the_mean_of_both_rows() {
        let points = normal(120, 5, 5);
        let neighbors = nearest(&points, 15).unwrap();
        let p = affinities(&neighbors, 5.0);
        let mut dense = vec![0.0; 120 * 120];
        for i in 0..120 {
            let (columns, values) = p.row(i);
            assert!(columns.windows(2).all(|pair| pair[0] < pair[1]));
            columns
                .iter()
                .zip(values)
                .for_each(|(&j, &p)| dense[i * 120 + j as usize] = p);
        }
        assert!((dense.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut expected = vec![0.0; 120 * 120];
        for i in 0..120 {
            let mut row = vec![0.0; 15];
            conditional_row(neighbors.squared_distances(i), 5.0, &mut row);
            for (&j, p) in neighbors.indices(i).iter().zip(row) {
                expected[i * 120 + j as usize] += p / 240.0;
                expected[j as usize * 120 + i] += p / 240.0;
            }
        }
        assert!(
            dense
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-15)
        );
    }
}
