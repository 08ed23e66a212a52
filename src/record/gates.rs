//! Limits that a run is held to.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::record::{Gate, GateName, Run, Unit};

/// The limits; a field that is absent limits nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gates {
    /// Most files that may be rejected.
    pub max_rejected: Option<MostRejected>,
    /// Least share of the total variance that the kept components explain, 0 to 1.
    pub min_variance: Option<f64>,
    /// Least trustworthiness of the embedding, 0 to 1.
    pub min_trust: Option<f64>,
    /// Least label accuracy of the nearest neighbours in PCA space, 0 to 1.
    pub min_knn_accuracy: Option<f64>,
}

/// Most files that may be rejected: a number, or a share of those that were wanted (listed and not skipped).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MostRejected {
    /// So many.
    Files(u64),
    /// Of 1.
    Share(f64),
}

impl FromStr for MostRejected {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(|p: f64| p / 100.0),
            None => return text.parse().map(Self::Files).map_err(|_| not_a_limit(text)),
        };
        match parsed {
            Some(share) if (0.0..=1.0).contains(&share) => Ok(Self::Share(share)),
            _ => Err(not_a_limit(text)),
        }
    }
}

fn not_a_limit(text: &str) -> Error {
    Error::Invalid(format!(
        "`{text}` is neither a number of files, such as 10, nor a share, such as 1%"
    ))
}

impl Gates {
    /// Holds a run to the limits. What it has no value for fails.
    #[must_use]
    pub fn check(&self, run: &Run) -> Vec<Gate> {
        let n = run.images;
        let rejected = self.max_rejected.map(|most| match most {
            MostRejected::Files(limit) => at_most(limit as f64, n.rejected as f64, Unit::Files),
            MostRejected::Share(limit) => {
                let wanted = (n.accepted + n.rejected).max(1) as f64;
                at_most(limit, n.rejected as f64 / wanted, Unit::Share)
            }
        });
        let quality = run.quality.as_ref();
        let least = [
            (
                GateName::MinVariance,
                self.min_variance,
                run.pca.as_ref().map(|p| p.explained_variance_ratio_sum),
                Unit::Share,
            ),
            (
                GateName::MinTrust,
                self.min_trust,
                quality.map(|q| q.trustworthiness),
                Unit::Score,
            ),
            (
                GateName::MinKnnAccuracy,
                self.min_knn_accuracy,
                quality.and_then(|q| q.knn_accuracy_pca),
                Unit::Share,
            ),
        ];
        let least = least.into_iter().filter_map(|(name, limit, value, unit)| {
            let limit = limit?;
            Some(Gate {
                name,
                limit,
                value,
                unit,
                passed: value.is_some_and(|value| value >= limit),
            })
        });
        rejected.into_iter().chain(least).collect()
    }
}

fn at_most(limit: f64, value: f64, unit: Unit) -> Gate {
    Gate {
        name: GateName::MaxRejected,
        limit,
        value: Some(value),
        unit,
        passed: value <= limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_on_rejected_files() {
        assert_eq!("0".parse::<MostRejected>().unwrap(), MostRejected::Files(0));
        assert_eq!(
            "2.5%".parse::<MostRejected>().unwrap(),
            MostRejected::Share(0.025)
        );
        for wrong in ["", "-1", "1.5", "101%", "x%", "NaN%"] {
            let error = wrong.parse::<MostRejected>().unwrap_err().to_string();
            assert!(error.contains("such as 1%"), "{error}");
        }
    }
}
