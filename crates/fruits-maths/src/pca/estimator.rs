//! The analysis behind linfa's traits.

use std::borrow::Cow;

use ::linfa::DatasetBase;
use ::linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix2, s};

use super::blocks::{BLOCK_ROWS, RowBlocks};
use super::fitted::Pca;
use super::params::PcaParams;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Rows of an array.
struct Rows<'a>(ArrayView2<'a, f32>);

impl RowBlocks for Rows<'_> {
    fn n_rows(&self) -> usize {
        self.0.nrows()
    }

    fn n_cols(&self) -> usize {
        self.0.ncols()
    }

    fn n_blocks(&self) -> usize {
        self.0.nrows().div_ceil(BLOCK_ROWS)
    }

    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        let end = self.0.nrows().min((i + 1) * BLOCK_ROWS);
        let rows = self.0.slice(s![i * BLOCK_ROWS..end, ..]);
        Ok(Cow::Owned(rows.iter().copied().collect()))
    }
}

/// Records are n x d; targets are not looked at.
impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, Error> for PcaParams {
    type Object = Pca;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Pca> {
        self.fit_blocks(&Rows(dataset.records().view()), &mut |_, _| true)
    }
}

/// Scores, n x d -> n x k.
///
/// # Panics
/// linfa's trait has no error: rows of another length or with NaN or infinity panic. [`Pca::transform_block`] does
/// not.
impl<D: Data<Elem = f32>> PredictInplace<ArrayBase<D, Ix2>, Array2<f32>> for Pca {
    fn predict_inplace(&self, records: &ArrayBase<D, Ix2>, scores: &mut Array2<f32>) {
        let values = records.iter().copied().collect();
        let found = Matrix::new(records.nrows(), records.ncols(), values)
            .and_then(|rows| self.transform_block(&rows));
        match found {
            Ok(found) => scores
                .iter_mut()
                .zip(found.values())
                .for_each(|(s, &f)| *s = f),
            Err(error) => panic!("{error}"),
        }
    }

    fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array2<f32> {
        Array2::zeros((records.nrows(), self.n_components()))
    }
}

impl From<::linfa::Error> for Error {
    fn from(error: ::linfa::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}
