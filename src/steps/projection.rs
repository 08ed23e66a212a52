//! What every picture of the components in two dimensions has in common; each is a step of its own.

mod record;

use std::fmt::Debug;

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;

use crate::error::{Error, Result};

pub use self::record::{
    Figure, FigureValue, Measured, ProjectionLabels, ProjectionQuality, ProjectionRecord,
    TsneRecord,
};

/// Names that a projection cannot have: the other stages of a run, and what else has an id in the report.
const TAKEN: [&str; 20] = [
    "list",
    "features",
    "gather",
    "pca",
    "findings",
    "quality",
    "report",
    "comparison",
    "dataset",
    "files",
    "glossary",
    "main",
    "parameters",
    "points",
    "provenance",
    "run",
    "sheet",
    "summary",
    "timing",
    "variance",
];

/// A way to show the principal components in two dimensions, with its parameters.
pub trait Project: Debug + Send + Sync {
    /// Lower-case letters and digits. The stage of the run and the section of the report have this name, and so the columns
    /// `NAME_x` and `NAME_y`.
    fn name(&self) -> &'static str;

    /// Every parameter that can change a position, in words, for the record: `seed 7, 200 iterations`.
    fn recipe(&self) -> String;

    /// # Errors
    /// [`Error::Parameter`] that names the first one out of its range.
    fn check(&self) -> Result<()>;

    /// Nearest neighbours of each of `n_samples` images that it takes from the space it is given; none by default.
    fn n_neighbors(&self, n_samples: usize) -> usize {
        let _ = n_samples;
        0
    }

    /// Iterations, for who watches; 0 if there is nothing to count.
    fn n_iter(&self) -> usize {
        0
    }

    /// The parts of the work for `timings.json`, each with the iteration that ends it; the time after the last iteration
    /// counts for a part that ends with [`usize::MAX`].
    fn parts(&self) -> Vec<(usize, &'static str)> {
        Vec::new()
    }

    /// Computes the positions of the points of `space`: scores, n_samples x n_components, principal components first to
    /// last, with [`n_neighbors`](Self::n_neighbors) of each, or more. `progress(iterations done, iterations in all)` is
    /// called after each iteration; `false` stops.
    ///
    /// # Errors
    /// One that [`Error::is_of_input`] if these rows have no such picture, which the report then says; [`Error::Cancelled`] if `progress` returns `false`.
    fn project(
        &self,
        space: &Space,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Projected>;
}

/// What a projection gives.
#[derive(Debug, Clone)]
pub struct Projected {
    /// n_samples x 2, in the order of the scores.
    pub positions: Matrix,
    /// What the record says of it, without its quality.
    pub record: ProjectionRecord,
    /// What a reader must know first, as sentences.
    pub warnings: Vec<String>,
    /// The most important number in a few words, for who watches the run.
    pub note: String,
    /// What `run.json` says of t-SNE in a place of its own; absent of any other projection.
    pub tsne: Option<TsneRecord>,
}

/// Checks the projections of a run: the parameters of each, and that no two write the same columns.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check(projections: &[&dyn Project]) -> Result<()> {
    for (i, projection) in projections.iter().enumerate() {
        let name = projection.name();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !name.chars().all(is_plain) || TAKEN.contains(&name) {
            return Err(Error::Invalid(format!(
                "a projection cannot be named `{name}`: it takes lower-case letters and digits, a letter first, and no \
                 name of a stage of the run"
            )));
        }
        if projections[..i].iter().any(|other| other.name() == name) {
            return Err(Error::Invalid(format!(
                "two projections are named `{name}`: give each a name of its own, since it names columns"
            )));
        }
        projection.check()?;
    }
    Ok(())
}
