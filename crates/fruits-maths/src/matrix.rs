//! A dense row-major `f32` matrix.

use crate::error::{Error, Result};

/// Dense matrix of `n_rows` x `n_cols` values, row-major: a row is a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    n_rows: usize,
    n_cols: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Takes `values` in row-major order.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are not `n_rows * n_cols` values.
    pub fn new(n_rows: usize, n_cols: usize, values: Vec<f32>) -> Result<Self> {
        if n_rows.checked_mul(n_cols) != Some(values.len()) {
            return Err(Error::Invalid(format!(
                "a {n_rows} x {n_cols} matrix takes as many values as that product, not {}",
                values.len()
            )));
        }
        Ok(Self {
            n_rows,
            n_cols,
            values,
        })
    }

    /// Number of samples.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of values a sample has.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// All values, row after row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row after row, taken out.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The `i`-th sample.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.n_cols..][..self.n_cols]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_matrix_is_larger_than_its_values() {
        assert!(Matrix::new(2, 3, vec![0.0; 6]).is_ok());
        assert!(Matrix::new(2, 3, vec![0.0; 5]).is_err());
        // The product has no room.
        assert!(Matrix::new(1 << 63, 2, Vec::new()).is_err());
    }
}
