//! The Kullback-Leibler divergence that the descent lowers.

use rayon::prelude::*;

use super::affinities::Affinities;
use super::quadtree::Quadtree;
use super::sources::Repulsion;
use crate::simd::clear_upper_halves;

/// Most points for which Z of the divergence is summed over all pairs: 0.4 s at 20,000.
const EXACT_Z_LIMIT: usize = 20_000;

/// Accuracy of the tree that Z comes from above it. The 0.5 of the descent was 0.7 % too low at 67,692 points, this one 0.03 %.
const Z_THETA: f32 = 0.1;

/// Points a worker takes at a time; only speed depends on it.
const POINTS_PER_TASK: usize = 128;

/// Z, the sum of q over all ordered pairs: exact up to `EXACT_Z_LIMIT` points, from the tree above.
pub(super) fn normaliser(positions: &[[f32; 2]]) -> f64 {
    match positions.len() {
        0..=EXACT_Z_LIMIT => exact_normaliser(positions),
        _ => tree_normaliser(positions),
    }
}

fn tree_normaliser(positions: &[[f32; 2]]) -> f64 {
    let mut tree = Quadtree::default();
    tree.build(positions);
    let mut repulsions = vec![Repulsion::default(); positions.len()];
    tree.repulsion(Z_THETA, &mut repulsions);
    repulsions
        .iter()
        .map(|repulsion| f64::from(repulsion.z))
        .sum()
}

pub(super) fn exact_normaliser(positions: &[[f32; 2]]) -> f64 {
    let rows = by_row(positions.len(), |i| {
        positions[..i]
            .iter()
            .map(|&other| similarity(positions[i], other))
            .sum()
    });
    2.0 * rows.iter().sum::<f64>()
}

/// KL(P || Q) in natural units, of P as it is: without exaggeration. `z` is the sum of q over all ordered pairs.
pub(super) fn kl_divergence(p: &Affinities, positions: &[[f32; 2]], z: f64) -> f64 {
    let rows = by_row(positions.len(), |i| {
        let (columns, values) = p.row(i);
        let entries = columns.iter().zip(values).filter(|&(_, &p)| p > 0.0);
        entries
            .map(|(&j, &p)| p * (p * z / similarity(positions[i], positions[j as usize])).ln())
            .sum()
    });
    rows.iter().sum()
}

/// A value of each row, computed in parallel, in order.
fn by_row(n: usize, value: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
    let mut values = vec![0.0; n];
    values
        .par_chunks_mut(POINTS_PER_TASK)
        .enumerate()
        .for_each(|(task, values)| {
            clear_upper_halves();
            for (i, slot) in (task * POINTS_PER_TASK..).zip(values) {
                *slot = value(i);
            }
        });
    values
}

/// 1 / (1 + |a - b|^2).
fn similarity(a: [f32; 2], b: [f32; 2]) -> f64 {
    let dx = f64::from(a[0]) - f64::from(b[0]);
    let dy = f64::from(a[1]) - f64::from(b[1]);
    1.0 / (1.0 + (dx * dx + dy * dy))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::neighbors::nearest;
    use crate::testing::normal;
    use crate::tsne::affinities::affinities;

    /// Affinities of random points, and random places.
    pub(in crate::tsne) fn problem(n: usize) -> (Affinities, Vec<[f32; 2]>) {
        let points = normal(n, 4, 8);
        let p = affinities(&nearest(&points, 15).unwrap(), 5.0);
        let places = normal(n, 2, 9);
        (p, places.values().as_chunks::<2>().0.to_vec())
    }

    pub(in crate::tsne) fn direct_divergence(p: &Affinities, positions: &[[f64; 2]]) -> f64 {
        let n = positions.len();
        let q = |i: usize, j: usize| {
            let [dx, dy] = [0, 1].map(|axis| positions[i][axis] - positions[j][axis]);
            1.0 / (1.0 + dx * dx + dy * dy)
        };
        let pairs = (0..n).flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)));
        let z: f64 = pairs.map(|(i, j)| q(i, j)).sum();
        let mut sum = 0.0;
        for i in 0..n {
            let (columns, values) = p.row(i);
            for (&j, &p) in columns.iter().zip(values) {
                sum += p * (p / (q(i, j as usize) / z)).ln();
            }
        }
        sum
    }

    #[test]
    fn the_divergence_equals_its_definition() {
        let (p, positions) = problem(90);
        let exact: Vec<_> = positions
            .iter()
            .map(|position| position.map(f64::from))
            .collect();
        let found = kl_divergence(&p, &positions, normaliser(&positions));
        assert!((found - direct_divergence(&p, &exact)).abs() < 1e-12);
    }

    #[test]
    fn the_tree_gives_z_to_a_ten_thousandth() {
        for scale in [1e-4, 1.0, 30.0] {
            let (_, positions) = problem(2_000);
            let positions: Vec<_> = positions.iter().map(|p| p.map(|v| scale * v)).collect();
            let off = tree_normaliser(&positions) / exact_normaliser(&positions) - 1.0;
            assert!(off.abs() < 1e-4, "{scale}: {off}");
        }
    }
}
