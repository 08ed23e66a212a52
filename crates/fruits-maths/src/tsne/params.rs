//! What decides an embedding.

use crate::error::{Error, Result};

/// Neighbours per unit of perplexity; the rest of a row of P is negligible (van der Maaten 2014).
const NEIGHBORS_PER_PERPLEXITY: f64 = 3.0;

/// What decides an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct TsneParams {
    /// Effective number of neighbours, 1 or more; at most (n - 1) / 3 is used. 30 (van der Maaten
    /// & Hinton 2008: 5 to 50).
    pub perplexity: f64,
    /// Iterations, early exaggeration included; more than those. 1,000 (van der Maaten 2014).
    pub n_iter: usize,
    /// Factor on P in the first iterations, 1 or more. 12 (van der Maaten 2014).
    pub early_exaggeration: f64,
    /// Number of these first iterations. 250 (van der Maaten 2014).
    pub early_exaggeration_iter: usize,
    /// Accuracy of the repulsion, 0 (exact) to 1. 0.5 (van der Maaten 2014).
    pub theta: f64,
    /// Seed of the jitter, for starts that need one: see [`Init`](super::Init). 42, as for PCA.
    pub seed: u64,
}

impl Default for TsneParams {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            n_iter: 1000,
            early_exaggeration: 12.0,
            early_exaggeration_iter: 250,
            theta: 0.5,
            seed: 42,
        }
    }
}

impl TsneParams {
    /// The largest perplexity that `n_samples` points allow, (n_samples - 1) / 3.
    #[must_use]
    pub fn most_perplexity(n_samples: usize) -> f64 {
        n_samples.saturating_sub(1) as f64 / NEIGHBORS_PER_PERPLEXITY
    }

    /// The perplexity that is used for `n_samples` points.
    pub(super) fn perplexity_of(&self, n_samples: usize) -> f64 {
        self.perplexity.min(Self::most_perplexity(n_samples))
    }

    /// Neighbours of each of `n_samples` points that the embedding takes.
    #[must_use]
    pub fn n_neighbors(&self, n_samples: usize) -> usize {
        // Rounded down, but not for an error in the last digit of a perplexity that was reduced.
        (NEIGHBORS_PER_PERPLEXITY * self.perplexity_of(n_samples) + 1e-9) as usize
    }

    /// The most bytes that `n_samples` points take at one time for their neighbours and affinities: index and distance of each
    /// neighbour, its probability, the same by columns, and both directions in the end.
    #[must_use]
    pub fn memory_bytes(&self, n_samples: usize) -> u64 {
        const PER_NEIGHBOR: u64 = (4 + 8) + 8 + 16 + 2 * (4 + 8);
        let neighbors = n_samples as u64 * self.n_neighbors(n_samples) as u64;
        neighbors.saturating_mul(PER_NEIGHBOR)
    }

    /// What can be said of the parameters before there are points.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the first one out of its range.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("perplexity", self.perplexity, 1.0, f64::MAX),
            (
                "early_exaggeration",
                self.early_exaggeration,
                1.0,
                f64::from(f32::MAX),
            ),
            ("theta", self.theta, 0.0, 1.0),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                let rule = if high > 1.0 {
                    "1 or more".to_owned()
                } else {
                    format!("{low} to {high}")
                };
                return Err(Error::Parameter {
                    name,
                    rule: format!("must be {rule}, not {value}"),
                });
            }
        }
        if self.n_iter <= self.early_exaggeration_iter {
            return Err(Error::Parameter {
                name: "iterations",
                rule: format!(
                    "must be more than the {} of the early exaggeration, not {}",
                    self.early_exaggeration_iter, self.n_iter
                ),
            });
        }
        Ok(())
    }
}
