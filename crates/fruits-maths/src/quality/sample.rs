//! Which rows are measured.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};

/// Distances in each space that are measured one by one, at most: about 4 s on two cores at 64 columns. Of more than
/// 14,142 rows a sample is measured, each against all others.
pub(super) const MAX_DISTANCES: usize = 200_000_000;

/// Rows to measure against all `n`, ascending: all, or those with the smallest random numbers.
pub(super) fn sample(n: usize, seed: u64) -> Vec<usize> {
    let n_rows = n.min(MAX_DISTANCES / n.max(1));
    if n_rows == n {
        return (0..n).collect();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Permutations of the labels take the first streams.
    random.set_stream(u64::MAX);
    let mut keys: Vec<(u64, usize)> = (0..n)
        .map(|i| (StandardUniform.sample(&mut random), i))
        .collect();
    keys.sort_unstable();
    let mut rows: Vec<usize> = keys[..n_rows].iter().map(|&(_, i)| i).collect();
    rows.sort_unstable();
    rows
}
