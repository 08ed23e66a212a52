//! Candidates by blocked matrix products, distances of these recomputed directly.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::distance::squared_distance;
use crate::matrix::Matrix;
use crate::simd::clear_upper_halves;

/// Parts of a row per neighbour when a bound on the k-th distance is taken from the minima of the
/// parts. At 4 the bound lets 1.15 k candidates through on shuffled points.
const PARTS_PER_NEIGHBOR: usize = 4;

/// What one worker reuses from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    products: Vec<f32>,
    minima: Vec<f32>,
    candidates: Vec<(f64, u32)>,
}

/// Bounds on all distances of a block of rows, from one float32 matrix product.
///
/// With |a - b|^2 = |a|^2 + |b|^2 - 2ab, a product of d terms is off by at most
/// gamma |a||b| <= gamma (|a|^2 + |b|^2) / 2, gamma = d u / (1 - d u), u = 2^-24 (Higham 2002,
/// section 3.1); the two additions and the rounded norms add a few u more. So
/// (1 -+ margin)(|a|^2 + |b|^2) - 2ab encloses the distance for margin = 2 (d + 8) u.
pub(super) struct Proposal<'a> {
    points: &'a Matrix,
    /// `points` times a power of two, largest magnitude below 1: the product cannot overflow.
    scaled: Vec<f32>,
    /// (1 - margin) |a|^2 and (1 + margin) |a|^2.
    lower: Vec<f32>,
    upper: Vec<f32>,
}

impl<'a> Proposal<'a> {
    pub fn new(points: &'a Matrix) -> Self {
        let largest = points.values().iter().fold(0.0f32, |m, v| m.max(v.abs()));
        // The exponent of the largest value, so that the scaling itself rounds nothing.
        let scale = if largest > 0.0 {
            (-f64::from(largest).log2().floor() - 1.0).exp2()
        } else {
            1.0
        };
        let scaled: Vec<f32> = points
            .values()
            .iter()
            .map(|&v| (f64::from(v) * scale) as f32)
            .collect();
        let margin = 2.0 * (points.n_cols() as f64 + 8.0) * f64::from(f32::EPSILON) / 2.0;
        let underflow = f64::from(f32::MIN_POSITIVE);
        let norms: Vec<f64> = (0..points.n_rows())
            .map(|i| {
                scaled[i * points.n_cols()..][..points.n_cols()]
                    .iter()
                    .map(|&v| f64::from(v).powi(2))
                    .sum()
            })
            .collect();
        let lower = norms
            .iter()
            .map(|norm| (norm * (1.0 - margin) - underflow) as f32)
            .collect();
        let upper = norms
            .iter()
            .map(|norm| (norm * (1.0 + margin) + underflow) as f32)
            .collect();
        Self {
            points,
            scaled,
            lower,
            upper,
        }
    }

    /// The neighbours of the rows from `first` on, as many as fit in `indices`.
    pub fn block(
        &self,
        first: usize,
        k: usize,
        scratch: &mut Scratch,
        indices: &mut [u32],
        distances: &mut [f64],
    ) {
        let (n, d) = (self.points.n_rows(), self.points.n_cols());
        let n_block = indices.len() / k;
        scratch.products.resize(n_block * n, 0.0);
        let all = MatRef::from_row_major_slice(&self.scaled, n, d);
        matmul(
            MatMut::from_row_major_slice_mut(&mut scratch.products, n_block, n),
            Accum::Replace,
            all.subrows(first, n_block),
            all.transpose(),
            -2.0,
            Par::Seq,
        );
        clear_upper_halves();
        let rows = indices
            .chunks_exact_mut(k)
            .zip(distances.chunks_exact_mut(k));
        for (offset, (indices, distances)) in rows.enumerate() {
            let i = first + offset;
            let products = &mut scratch.products[offset * n..][..n];
            // Nothing may bound the distance to itself.
            products[i] = f32::INFINITY;
            let bound = self.bound(i, k, products, &mut scratch.minima);
            scratch.candidates.clear();
            let lower = self.lower[i];
            for (j, (&product, &norm)) in products.iter().zip(&self.lower).enumerate() {
                if lower + norm + product <= bound {
                    let distance = squared_distance(self.points.row(i), self.points.row(j));
                    scratch.candidates.push((distance, j as u32));
                }
            }
            let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            scratch.candidates.select_nth_unstable_by(k - 1, nearer);
            scratch.candidates[..k].sort_unstable_by(nearer);
            for (slot, &(distance, j)) in scratch.candidates[..k].iter().enumerate() {
                indices[slot] = j;
                distances[slot] = distance;
            }
        }
    }

    /// A value that the k-th smallest distance of row `i` cannot exceed: the k-th smallest of the
    /// minima of disjoint parts of the row.
    fn bound(&self, i: usize, k: usize, products: &[f32], minima: &mut Vec<f32>) -> f32 {
        // At least k + 1 parts: the one that holds nothing but the row itself counts as infinite.
        let part = (products.len() / (PARTS_PER_NEIGHBOR * k)).max(1);
        let upper = self.upper[i];
        minima.clear();
        minima.extend(products.chunks(part).zip(self.upper.chunks(part)).map(
            |(products, norms)| {
                let values = products
                    .iter()
                    .zip(norms)
                    .map(|(product, norm)| upper + norm + product);
                values.fold(
                    f32::INFINITY,
                    |least, value| if value < least { value } else { least },
                )
            },
        ));
        *minima.select_nth_unstable_by(k - 1, f32::total_cmp).1
    }
}
