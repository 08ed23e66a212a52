//! Exact nearest neighbours: candidates by blocked matrix products, distances recomputed directly.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::simd::clear_upper_halves;

/// Rows of one matrix product. A block of products takes `4 * ROWS_PER_BLOCK * n` bytes, 17 MB at
/// n = 67,692; 64 rows already reach the full speed of the product (measured at 64 columns).
const ROWS_PER_BLOCK: usize = 64;

/// Parts of a row per neighbour when a bound on the k-th distance is taken from the minima of the
/// parts. At 4 the bound lets 1.15 k candidates through on shuffled points.
const PARTS_PER_NEIGHBOR: usize = 4;

/// The k nearest rows of every row, nearest first, a row itself excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    k: usize,
    indices: Vec<u32>,
    squared_distances: Vec<f64>,
}

impl Neighbors {
    /// Neighbours of each row.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The neighbours of row `i`, nearest first; of two at one distance the smaller index first.
    #[must_use]
    pub fn indices(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..][..self.k]
    }

    /// Squared Euclidean distances of row `i` to [`indices`](Self::indices), ascending.
    #[must_use]
    pub fn squared_distances(&self, i: usize) -> &[f64] {
        &self.squared_distances[i * self.k..][..self.k]
    }
}

/// The exact `k` nearest rows of each row of `points` (n_samples x n_columns), Euclidean.
///
/// `k` is clipped to n_samples - 1. Duplicates of a row are its neighbours at distance 0. Every
/// distance is a sum of squared differences in float64, so the result depends neither on the
/// number of threads nor on the rounding of the matrix products that propose the candidates.
///
/// # Errors
/// [`Error::Invalid`] if a value is NaN or infinite, or there are more than 2^32 - 1 rows.
pub fn nearest(points: &Matrix, k: usize) -> Result<Neighbors> {
    check_finite(points)?;
    let n = points.n_rows();
    if u32::try_from(n).is_err() {
        return Err(Error::Invalid(format!(
            "neighbours of {n} rows: at most 2^32 - 1 are possible"
        )));
    }
    let k = k.min(n.saturating_sub(1));
    let mut indices = vec![0; n * k];
    let mut squared_distances = vec![0.0; n * k];
    if k > 0 {
        let proposal = Proposal::new(points);
        indices
            .par_chunks_mut(ROWS_PER_BLOCK * k)
            .zip(squared_distances.par_chunks_mut(ROWS_PER_BLOCK * k))
            .enumerate()
            .for_each_init(
                Scratch::default,
                |scratch, (block, (indices, distances))| {
                    proposal.block(block * ROWS_PER_BLOCK, k, scratch, indices, distances);
                },
            );
    }
    Ok(Neighbors {
        k,
        indices,
        squared_distances,
    })
}

/// Squared Euclidean distance of two rows in float64, summed in a fixed order.
#[must_use]
pub fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 4;
    let mut sums = [0.0f64; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            let difference = f64::from(a[lane]) - f64::from(b[lane]);
            sums[lane] += difference * difference;
        }
    }
    for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        let difference = f64::from(a) - f64::from(b);
        sums[lane] += difference * difference;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Refuses NaN and infinities.
///
/// # Errors
/// [`Error::Invalid`] that names the first row with such a value.
pub fn check_finite(points: &Matrix) -> Result<()> {
    match points.values().iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::Invalid(format!(
            "row {} holds {} in column {}; every value must be a finite number: remove that row",
            at / points.n_cols(),
            points.values()[at],
            at % points.n_cols()
        ))),
    }
}

/// What one worker reuses from block to block.
#[derive(Default)]
struct Scratch {
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
struct Proposal<'a> {
    points: &'a Matrix,
    /// `points` times a power of two, largest magnitude below 1: the product cannot overflow.
    scaled: Vec<f32>,
    /// (1 - margin) |a|^2 and (1 + margin) |a|^2.
    lower: Vec<f32>,
    upper: Vec<f32>,
}

impl<'a> Proposal<'a> {
    fn new(points: &'a Matrix) -> Self {
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
    fn block(
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, d: usize, seed: u64) -> Matrix {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Matrix::new(
            n,
            d,
            (0..n * d)
                .map(|_| StandardNormal.sample(&mut random))
                .collect(),
        )
        .unwrap()
    }

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
    fn does_not_depend_on_threads() {
        let points = normal(300, 16, 5);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| nearest(&points, 15).unwrap())
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(5));
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
}
