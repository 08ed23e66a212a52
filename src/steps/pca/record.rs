//! What is recorded of a fitted PCA.

use serde::{Deserialize, Serialize};

use super::{Keep, Needed, Pca};

/// Shares of the variance a reader asks for.
const SHARES: [f64; 3] = [0.90, 0.95, 0.99];

/// The principal components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PcaRecord {
    /// `krylov` or `linfa`.
    pub solver: String,
    /// Seed of the starting block.
    pub seed: u64,
    /// Components kept.
    pub n_components: usize,
    /// The rule that fixed that number, in words.
    pub rule: String,
    /// Largest number of components with variance: min(n - 1, n_features).
    pub rank_limit: usize,
    /// Variance along each kept component (divided by n - 1).
    pub explained_variance: Vec<f64>,
    /// The same, relative to the total variance of all features.
    pub explained_variance_ratio: Vec<f64>,
    /// Sum of the ratios.
    pub explained_variance_ratio_sum: f64,
    /// Ratios past the kept components that the solver also found, for the scree plot.
    pub further_ratios: Vec<f64>,
    /// Total variance of all features (divided by n - 1).
    pub total_variance: f64,
    /// Largest relative residual of a kept component; absent where the solver gives none.
    pub residual: Option<f64>,
    /// Passes over the descriptors.
    pub n_passes: usize,
    /// Whether the stopping rule was met before the cap.
    pub converged: bool,
    /// How many components 90, 95 and 99 % of the variance take.
    pub needed: Vec<Needed>,
    /// Images that the kept components describe worst, worst first, at most twelve.
    pub worst_reconstructed: Vec<Reconstruction>,
}

/// How badly the kept components describe an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    /// The image.
    pub key: String,
    /// Share of the image's squared distance from the mean that is lost, 0 to 1.
    pub lost: f64,
}

impl PcaRecord {
    /// Of a fitted PCA.
    #[must_use]
    pub fn of(pca: &Pca, worst_reconstructed: Vec<Reconstruction>) -> Self {
        let ratios = pca.explained_variance_ratio();
        Self {
            solver: pca.solver().to_string(),
            seed: pca.seed(),
            n_components: pca.n_components(),
            rule: rule(pca.requested()),
            rank_limit: pca.rank_limit(),
            explained_variance: pca.explained_variance().to_vec(),
            explained_variance_ratio_sum: ratios.iter().sum(),
            explained_variance_ratio: ratios,
            further_ratios: pca.further_ratios(),
            total_variance: pca.total_variance(),
            residual: pca.residual(),
            n_passes: pca.n_passes(),
            converged: pca.converged(),
            needed: SHARES.iter().map(|&share| pca.needed(share)).collect(),
            worst_reconstructed,
        }
    }
}

/// How the number of components was fixed, in words.
fn rule(keep: Keep) -> String {
    match keep {
        Keep::Components(n) => format!("the first {n} components, a fixed number"),
        Keep::Variance(share) => {
            format!(
                "the fewest components that explain {} % of the total variance",
                100.0 * share
            )
        }
    }
}
