//! Parameters of an analysis.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Components kept unless told otherwise: of 4,098 images of Fruits-360 they keep 77 % of the variance, in 256 bytes an
/// image.
pub const DEFAULT_COMPONENTS: usize = 64;
/// Passes over the rows after which the Krylov solver gives up; 64 components of 4,098 VGG16 features take 7.
pub const DEFAULT_MAX_PASSES: usize = 30;

/// Rule that fixes the number of components.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// That many, at least 1.
    Components(usize),
    /// The fewest that explain this share of the total variance, above 0 and below 1.
    Variance(f64),
}

/// How the components are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Solver {
    /// Block Krylov on streamed rows, `f32` products summed in `f64`, to a stated residual.
    #[default]
    Krylov,
    /// `linfa_reduction::Pca`: LOBPCG in memory, in `f64`; no residual, fixed seed of its own.
    Linfa,
}

/// Parameters of a principal component analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct PcaParams {
    /// How many components; default [`DEFAULT_COMPONENTS`]. More than min(n - 1, d) are reduced to that number,
    /// which [`Pca::requested`](super::Pca::requested) shows.
    pub keep: Keep,
    /// Default [`Solver::Krylov`].
    pub solver: Solver,
    /// Seed of the starting block; default 42. Another seed changes results within the residual.
    pub seed: u64,
    /// Most passes over the rows, at least 1; default [`DEFAULT_MAX_PASSES`]. [`Pca::converged`](super::Pca::converged) says if they were
    /// enough.
    pub max_passes: usize,
}

impl Default for PcaParams {
    fn default() -> Self {
        Self {
            keep: Keep::Components(DEFAULT_COMPONENTS),
            solver: Solver::default(),
            seed: 42,
            max_passes: DEFAULT_MAX_PASSES,
        }
    }
}

impl PcaParams {
    /// What can be said of the parameters before there are rows.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the first one out of its range, [`Error::Invalid`] for a share that the solver does not take.
    pub fn check_params(&self) -> Result<()> {
        let fault = |name, rule: String| Err(Error::Parameter { name, rule });
        match self.keep {
            Keep::Components(0) => return fault("components", "must be at least 1, not 0".into()),
            Keep::Variance(share) if !(share > 0.0 && share < 1.0) => {
                let rule = format!("must be above 0 and below 1, not {share}; 0.99 keeps 99 %");
                return fault("variance", rule);
            }
            _ => {}
        }
        if self.max_passes == 0 {
            return fault("max_passes", "must be at least 1, not 0".into());
        }
        if self.solver == Solver::Linfa && matches!(self.keep, Keep::Variance(_)) {
            return Err(Error::Invalid(
                "the linfa solver takes a number of components; use krylov for a share of variance"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The same, and whether there are rows of n x d values to fit to.
    pub(super) fn check(&self, n: usize, d: usize) -> Result<()> {
        self.check_params()?;
        if n < 2 {
            return Err(Error::TooFewRows {
                what: "PCA",
                needed: 2,
                found: n,
            });
        }
        if d == 0 {
            return Err(Error::Invalid(
                "PCA takes rows of 1 value or more, not of none".to_owned(),
            ));
        }
        self.check_shape(n, d)
    }
}

impl FromStr for Solver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "krylov" => Ok(Self::Krylov),
            "linfa" => Ok(Self::Linfa),
            _ => Err(Error::Invalid(format!(
                "no PCA solver `{text}`; take krylov or linfa"
            ))),
        }
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Krylov => "krylov",
            Self::Linfa => "linfa",
        })
    }
}
