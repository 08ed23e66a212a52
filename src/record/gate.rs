//! Limits that a run was held to.

use serde::{Deserialize, Serialize};

/// A limit and what the run has in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The option that set it.
    pub name: GateName,
    /// The largest or smallest value that passes.
    pub limit: f64,
    /// What was measured; absent if the run did not come that far, which fails.
    pub value: Option<f64>,
    /// What both count.
    pub unit: Unit,
    /// Whether the value is within the limit.
    pub passed: bool,
}

/// What a gate limits, as its option is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateName {
    /// Files that are rejected.
    MaxRejected,
    /// Variance that the kept components explain.
    MinVariance,
    /// Trustworthiness of the embedding.
    MinTrust,
    /// Label accuracy of the nearest neighbours in PCA space.
    MinKnnAccuracy,
}

impl GateName {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::MaxRejected,
        Self::MinVariance,
        Self::MinTrust,
        Self::MinKnnAccuracy,
    ];

    /// The option, without dashes.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::MaxRejected => "max-rejected",
            Self::MinVariance => "min-variance",
            Self::MinTrust => "min-trust",
            Self::MinKnnAccuracy => "min-knn-accuracy",
        }
    }
}

/// What the numbers of a gate count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Files.
    Files,
    /// Shares of 1.
    Share,
    /// A score from 0 to 1.
    Score,
}
