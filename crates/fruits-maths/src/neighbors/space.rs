//! Points with their neighbours.

use super::graph::{Neighbors, nearest_with};
use crate::error::Result;
use crate::matrix::Matrix;

/// Points (n_samples x n_columns) and the exact neighbours of each: searched once, for the most neighbours that anyone asks
/// for, and handed to all of them.
#[derive(Debug, Clone)]
pub struct Space<'a> {
    points: &'a Matrix,
    near: Neighbors,
}

impl<'a> Space<'a> {
    /// Searches for the `k` nearest rows of each row, see [`nearest`](super::nearest).
    ///
    /// # Errors
    /// As [`nearest`](super::nearest).
    pub fn new(points: &'a Matrix, k: usize) -> Result<Self> {
        Self::new_with(points, k, &mut |_, _| true)
    }

    /// [`Space::new`], with `progress(rows done, rows in all)` now and then; `false` stops.
    ///
    /// # Errors
    /// As [`nearest_with`].
    pub fn new_with(
        points: &'a Matrix,
        k: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        let near = nearest_with(points, k, progress)?;
        Ok(Self { points, near })
    }

    /// The points.
    #[must_use]
    pub fn points(&self) -> &'a Matrix {
        self.points
    }

    /// The first `k` neighbours of each row, see [`Neighbors::first`].
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if fewer were searched for.
    pub fn near(&self, k: usize) -> Result<Neighbors> {
        self.near.first(k)
    }
}
