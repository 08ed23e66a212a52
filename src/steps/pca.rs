//! Principal component analysis of descriptors: scores on the directions of largest variance.
//!
//! Input: `features`, `Array(Float32, d)`, a row per image; output: `pc1` ... `pcK`, `Float32`, in its place.
//! A [`PcaParams`] is fitted to a frame, or to any [`RowBlocks`] that need not fit in memory, and gives an owned
//! [`Pca`]. What it computes, and how, stands in [`fruits_maths::pca`].

mod record;
mod saved;

use std::path::Path;

use fruits_maths::Matrix;
pub use fruits_maths::pca::{
    BLOCK_ROWS, DEFAULT_COMPONENTS, DEFAULT_MAX_PASSES, FAN_IN, KEEP_BYTES, Keep, Leaf, Needed,
    Panel, Passes, Pca, PcaParams, RowBlocks, Solution, Solver, Sums, WINDOW,
    wire::{Factor, Reader, put, put_count},
};
use polars::prelude::*;

pub use self::record::{PcaRecord, Reconstruction};

use crate::error::Result;
use crate::frame::{MatrixExt, check_free, of_vectors};
use crate::schema::{FEATURES, pc};

/// A fit to a frame.
pub trait PcaParamsExt {
    /// Fits to the column `features` of `frame`.
    ///
    /// # Errors
    /// As [`PcaParamsExt::fit_column`].
    fn fit(&self, frame: &DataFrame) -> Result<Pca>;

    /// Fits to any column of vectors, see [`MatrixExt::from_vectors`].
    ///
    /// # Errors
    /// As [`PcaParams::fit_blocks`], and [`Error::Column`](crate::Error::Column) if the column is missing, is none of vectors of one
    /// length, or holds a null, a NaN or an infinity.
    fn fit_column(&self, frame: &DataFrame, column: &str) -> Result<Pca>;
}

impl PcaParamsExt for PcaParams {
    fn fit(&self, frame: &DataFrame) -> Result<Pca> {
        self.fit_column(frame, FEATURES)
    }

    fn fit_column(&self, frame: &DataFrame, column: &str) -> Result<Pca> {
        let rows = Matrix::from_vectors(frame, column)?;
        let fitted = self.fit_blocks(&rows, &mut |_, _| true);
        fitted.map_err(|error| of_vectors(error, column))
    }
}

/// Scores of a frame, and an analysis as a file.
pub trait PcaExt: Sized {
    /// Scores of the rows of `frame`: its columns, with `pc1` ... `pcK`, `Float32`, in the place of `features`; rows keep their order.
    ///
    /// # Errors
    /// As [`PcaExt::transform_column`].
    fn transform(&self, frame: &DataFrame) -> Result<DataFrame>;

    /// [`PcaExt::transform`] of another column of vectors than `features`.
    ///
    /// # Errors
    /// [`Error::Column`](crate::Error::Column) as [`PcaParamsExt::fit_column`], and [`Error::Invalid`](crate::Error::Invalid) for
    /// vectors of another length than the fit had; [`Error::Column`](crate::Error::Column) also where a score is there already.
    fn transform_column(&self, frame: &DataFrame, column: &str) -> Result<DataFrame>;

    /// Writes the analysis to `path`, whole or not at all: a parquet file that any reader opens.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if the file cannot be written.
    fn save(&self, path: impl AsRef<Path>) -> Result<()>;

    /// Reads what [`PcaExt::save`] wrote, bit for bit.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if the file cannot be read, [`Error::Invalid`](crate::Error::Invalid) if it is
    /// not whole or not such a file.
    fn load(path: impl AsRef<Path>) -> Result<Self>;
}

impl PcaExt for Pca {
    fn transform(&self, frame: &DataFrame) -> Result<DataFrame> {
        self.transform_column(frame, FEATURES)
    }

    fn transform_column(&self, frame: &DataFrame, column: &str) -> Result<DataFrame> {
        let names: Vec<String> = (0..self.n_components()).map(pc).collect();
        check_free(frame, &names)?;
        let mut rows = Matrix::from_vectors(frame, column)?;
        if rows.n_rows() == 0 {
            // A list says nothing of the length of a vector then.
            rows = Matrix::new(0, self.n_features(), Vec::new())?;
        }
        let scores = self.transform_block(&rows);
        let scores = scores.map_err(|error| of_vectors(error, column))?;
        let columns: Vec<Column> = score_columns(&scores).collect();
        Ok(frame.drop(column)?.hstack(&columns)?)
    }

    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(self, path.as_ref())
    }

    fn load(path: impl AsRef<Path>) -> Result<Self> {
        saved::load(path.as_ref())
    }
}

/// What [`PcaExt::load`] reads, from the bytes of a file that anybody may have written; or what is wrong with it.
pub(crate) fn parse(bytes: Vec<u8>) -> Result<Pca, String> {
    saved::parse(bytes)
}

/// The columns `pc1` ... `pcK` of n x k scores.
pub(crate) fn score_columns(scores: &Matrix) -> impl Iterator<Item = Column> {
    (0..scores.n_cols()).map(|j| {
        let values: Vec<f32> = (0..scores.n_rows()).map(|i| scores.row(i)[j]).collect();
        Column::new(pc(j).into(), values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose directions are spread unevenly.
    fn rows(n: usize, d: usize) -> Matrix {
        let value = |at: usize| ((at * 7919 % 1013) as f32 / 100.0).sin() * (1 + at % d) as f32;
        Matrix::new(n, d, (0..n * d).map(value).collect()).unwrap()
    }

    fn fit(keep: Keep, rows: &Matrix) -> Pca {
        let params = PcaParams {
            keep,
            ..PcaParams::default()
        };
        params.fit_blocks(rows, &mut |_, _| true).unwrap()
    }

    #[test]
    fn frames_keep_their_keys() {
        let rows = rows(30, 8);
        let keys: Vec<String> = (0..30).map(|i| format!("a/{i}.jpg")).collect();
        let columns = vec![
            Column::new("key".into(), keys),
            rows.clone().into_arrays(FEATURES).unwrap(),
        ];
        let frame = DataFrame::new(30, columns).unwrap();
        let params = PcaParams {
            keep: Keep::Components(3),
            ..PcaParams::default()
        };
        let pca = params.fit(&frame).unwrap();
        let scores = pca.transform(&frame).unwrap();
        let names: Vec<_> = scores
            .get_column_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["key", "pc1", "pc2", "pc3"]);
        let block = pca.transform_block(&rows).unwrap();
        assert_eq!(
            scores.column("pc2").unwrap().f32().unwrap().get(7),
            Some(block.row(7)[1])
        );
        assert!(params.fit_column(&frame, "nothing").is_err());
    }

    #[test]
    fn saved_and_loaded_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pca.parquet");
        let rows = rows(300, 400);
        for keep in [Keep::Components(7), Keep::Variance(0.3)] {
            let pca = fit(keep, &rows).with_fingerprint("abc");
            pca.save(&path).unwrap();
            let loaded = Pca::load(&path).unwrap();
            assert_eq!(pca, loaded);
            assert_eq!(
                pca.mean().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                loaded
                    .mean()
                    .iter()
                    .map(|x| x.to_bits())
                    .collect::<Vec<_>>()
            );
            let bytes = std::fs::read(&path).unwrap();
            loaded.save(&path).unwrap();
            assert_eq!(bytes, std::fs::read(&path).unwrap());
        }
        let bytes = std::fs::read(&path).unwrap();
        for broken in [&bytes[..bytes.len() / 2], b"", b"PAR1 no parquet PAR1"] {
            std::fs::write(&path, broken).unwrap();
            let text = Pca::load(&path).unwrap_err().to_string();
            assert!(text.contains("no saved PCA"), "{text}");
        }
        let mut foreign = df!["mean" => [1.0, 2.0]].unwrap();
        let file = std::fs::File::create(&path).unwrap();
        ParquetWriter::new(file).finish(&mut foreign).unwrap();
        assert!(
            Pca::load(&path)
                .unwrap_err()
                .to_string()
                .contains("metadata")
        );
        assert!(matches!(
            Pca::load(folder.path().join("none")),
            Err(crate::Error::Storage { .. })
        ));
        assert!(matches!(
            fit(Keep::Components(2), &rows).save(folder.path().join("no/folder")),
            Err(crate::Error::Storage { .. })
        ));
    }

    #[test]
    fn numbers_that_no_fit_gives_are_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pca.parquet");
        let good = fit(Keep::Components(2), &rows(30, 8));
        let spoilt: [fn(&mut Solution); 5] = [
            |found| found.mean[3] = f64::NAN,
            |found| found.components[3] = f32::INFINITY,
            |found| found.values[0] = -1.0,
            |found| found.values[1] = f64::NAN,
            |found| found.total_variance = -1.0,
        ];
        for (i, spoil) in spoilt.iter().enumerate() {
            let mut found = good.found().clone();
            spoil(&mut found);
            let pca = Pca::new(good.params().clone(), found).unwrap();
            pca.save(&path).unwrap();
            assert!(Pca::load(&path).is_err(), "{i}");
        }
        good.save(&path).unwrap();
        assert_eq!(Pca::load(&path).unwrap(), good);
    }
}
