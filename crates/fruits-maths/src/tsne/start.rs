//! Where the points of an embedding start.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::matrix::Matrix;

/// Standard deviation of the first axis at the start (Kobak & Berens 2019).
const INIT_STD: f64 = 1e-4;

/// Standard deviation of the jitter, relative to [`INIT_STD`] (openTSNE, `jitter`).
const JITTER: f64 = 0.01;

/// How the points started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// The first two components around 0, one factor on both, standard deviation 1e-4 of the first.
    Components,
    /// The same with seeded normal jitter of standard deviation 1e-6 on every point: there is one
    /// component only, or two points would have started at one place and never parted.
    JitteredComponents,
    /// Seeded normal noise of standard deviation 1e-4: the first component has no variance.
    Noise,
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Components => "first two components, standard deviation 1e-4",
            Self::JitteredComponents => {
                "first two components, standard deviation 1e-4, with seeded jitter of 1e-6"
            }
            Self::Noise => "seeded normal noise, standard deviation 1e-4",
        })
    }
}

/// Where the points start: see [`Init`].
pub(super) fn start(scores: &Matrix, seed: u64) -> (Vec<[f32; 2]>, Init) {
    let n = scores.n_rows();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = |std: f64| -> [f64; 2] {
        [0, 1].map(|_| std * Distribution::<f64>::sample(&StandardNormal, &mut random))
    };
    let mut positions = vec![[0.0f64; 2]; n];
    for axis in 0..scores.n_cols().min(2) {
        let mean = (0..n).map(|i| f64::from(scores.row(i)[axis])).sum::<f64>() / n as f64;
        for (i, position) in positions.iter_mut().enumerate() {
            position[axis] = f64::from(scores.row(i)[axis]) - mean;
        }
    }
    let variance = positions
        .iter()
        .map(|position| position[0] * position[0])
        .sum::<f64>()
        / n as f64;
    let factor = INIT_STD / variance.sqrt();
    // A column of one value has its mean wrong in the last digit: no variance either.
    let is_constant = (1..n).all(|i| scores.row(i)[0] == scores.row(0)[0]);
    if is_constant || !factor.is_finite() {
        let positions = (0..n)
            .map(|_| noise(INIT_STD).map(|value| value as f32))
            .collect();
        return (positions, Init::Noise);
    }
    let scaled: Vec<[f32; 2]> = positions
        .iter()
        .map(|position| position.map(|value| (value * factor) as f32))
        .collect();
    let mut places: Vec<[u32; 2]> = scaled
        .iter()
        .map(|position| position.map(|value| (value + 0.0).to_bits()))
        .collect();
    places.sort_unstable();
    let coincide = places.windows(2).any(|pair| pair[0] == pair[1]);
    if scores.n_cols() > 1 && !coincide {
        return (scaled, Init::Components);
    }
    let jittered = positions.iter().map(|position| {
        let noise = noise(INIT_STD * JITTER);
        [0, 1].map(|axis| (position[axis] * factor + noise[axis]) as f32)
    });
    (jittered.collect(), Init::JitteredComponents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    #[test]
    fn starts_at_the_components() {
        let scores = normal(50, 3, 9);
        let (positions, init) = start(&scores, 0);
        assert_eq!(init, Init::Components);
        let variance: f64 = positions
            .iter()
            .map(|p| f64::from(p[0]).powi(2))
            .sum::<f64>()
            / 50.0;
        assert!((variance.sqrt() / INIT_STD - 1.0).abs() < 1e-6);
        let ratio =
            |i: usize| (positions[i][1] - positions[0][1]) / (positions[i][0] - positions[0][0]);
        let expected = |i: usize| {
            (scores.row(i)[1] - scores.row(0)[1]) / (scores.row(i)[0] - scores.row(0)[0])
        };
        assert!((1..50).all(|i| (ratio(i) / expected(i) - 1.0).abs() < 1e-3));
    }

    #[test]
    fn coincident_starts_and_constant_columns_get_noise() {
        let on = |values: [f32; 8]| start(&Matrix::new(4, 2, values.to_vec()).unwrap(), 3);
        let (positions, init) = on([0.0, 1.0, 2.0, 3.0, 0.0, 1.0, -2.0, 0.0]);
        assert_eq!(init, Init::JitteredComponents);
        assert_ne!(positions[0], positions[2]);
        let (positions, init) = on([0.1, 1.0, 0.1, 3.0, 0.1, 1.0, 0.1, 0.0]);
        assert_eq!(init, Init::Noise);
        assert!(positions.iter().flatten().all(|value| value.abs() < 1e-3));
    }
}
