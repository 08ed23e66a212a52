//! Columns of frames as values and matrices.

use std::collections::BTreeMap;

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::schema::{KEY, pc};

/// A matrix out of columns of a frame, and back.
pub trait MatrixExt: Sized {
    /// Takes scalar columns side by side; each becomes one column of the matrix.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a column is missing, not numeric, or holds a null.
    fn from_columns<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self>;

    /// The scores `pc1` ... `pcK` of a frame, as far as they go without a gap.
    ///
    /// # Errors
    /// As [`from_columns`](Self::from_columns), and if there is no `pc1`.
    fn from_scores(frame: &DataFrame) -> Result<Self>;

    /// Takes one column of fixed-size arrays, `Array(Float32, n)`; each becomes one row.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the column is missing, of another type, or holds a null.
    fn from_arrays(frame: &DataFrame, name: &str) -> Result<Self>;

    /// The rows as one Binary column, each as its values in little-endian bytes: what a file is read back from at the speed of
    /// memory, where arrays are decoded value by value.
    #[must_use]
    fn to_binaries(&self, name: &str) -> Column;

    /// Takes back what [`to_binaries`](Self::to_binaries) gave.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the column is missing, of another type, or holds a null or a row that is not `n_cols` values long.
    fn from_binaries(frame: &DataFrame, name: &str, n_cols: usize) -> Result<Self>;

    /// The rows as one column of fixed-size arrays, `Array(Float32, n_cols)`.
    ///
    /// # Errors
    /// [`Error::Frame`] if polars refuses the shape.
    fn into_arrays(self, name: &str) -> Result<Column>;
}

impl MatrixExt for Matrix {
    fn from_columns<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self> {
        let (n_rows, n_cols) = (frame.height(), names.len());
        let mut values = vec![0.0; n_rows * n_cols];
        for (j, name) in names.iter().enumerate() {
            let name = name.as_ref();
            let column = column(frame, name)?.cast(&DataType::Float32)?;
            for (i, value) in column.f32()?.iter().enumerate() {
                values[i * n_cols + j] = value.ok_or_else(|| {
                    Error::Invalid(format!("column `{name}` holds a null in row {i}"))
                })?;
            }
        }
        Ok(Self::new(n_rows, n_cols, values)?)
    }

    fn from_scores(frame: &DataFrame) -> Result<Self> {
        let names: Vec<String> = (0..)
            .map(pc)
            .take_while(|name| frame.column(name).is_ok())
            .collect();
        if names.is_empty() {
            return Err(Error::Invalid(
                "no column `pc1`: run the PCA first".to_owned(),
            ));
        }
        Self::from_columns(frame, &names)
    }

    fn from_arrays(frame: &DataFrame, name: &str) -> Result<Self> {
        let column = column(frame, name)?;
        let DataType::Array(inner, n_cols) = column.dtype() else {
            return Err(Error::Invalid(format!(
                "column `{name}` is {}, not an array of float32",
                column.dtype()
            )));
        };
        if **inner != DataType::Float32 || column.null_count() > 0 {
            return Err(Error::Invalid(format!(
                "column `{name}` must hold arrays of float32 without nulls"
            )));
        }
        let inner = column.array()?.get_inner();
        if inner.null_count() > 0 {
            return Err(Error::Invalid(format!(
                "column `{name}` holds {} nulls within its arrays; there must be none",
                inner.null_count()
            )));
        }
        let mut values = Vec::with_capacity(frame.height() * n_cols);
        for chunk in inner.f32()?.downcast_iter() {
            values.extend_from_slice(chunk.values().as_slice());
        }
        Ok(Self::new(frame.height(), *n_cols, values)?)
    }

    fn to_binaries(&self, name: &str) -> Column {
        let row = |i| self.row(i).iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = (0..self.n_rows()).map(row).collect::<Vec<Vec<u8>>>();
        BinaryChunked::from_iter_values(name.into(), rows.iter()).into_column()
    }

    fn from_binaries(frame: &DataFrame, name: &str, n_cols: usize) -> Result<Self> {
        let rows = binaries(frame, name)?;
        // As many as there are, whatever `n_cols` says.
        let n_bytes: usize = rows.iter().map(|row| row.len()).sum();
        let mut values = Vec::with_capacity(n_bytes / 4);
        for row in &rows {
            let (words, rest) = row.as_chunks::<4>();
            if words.len() != n_cols || !rest.is_empty() {
                return Err(Error::Invalid(format!(
                    "column `{name}` holds a row of {} bytes, not of {n_cols} float32",
                    row.len()
                )));
            }
            values.extend(words.iter().map(|&word| f32::from_le_bytes(word)));
        }
        Ok(Self::new(rows.len(), n_cols, values)?)
    }

    fn into_arrays(self, name: &str) -> Result<Column> {
        let n_cols = self.n_cols();
        if self.n_rows() == 0 {
            let dtype = DataType::Array(Box::new(DataType::Float32), n_cols);
            return Ok(Column::new_empty(name.into(), &dtype));
        }
        let flat = Series::from_vec(name.into(), self.into_values());
        let shape = [
            ReshapeDimension::Infer,
            ReshapeDimension::new(n_cols as i64),
        ];
        Ok(flat.reshape_array(&shape)?.into_column())
    }
}

/// The column `name` of `frame`.
///
/// # Errors
/// [`Error::Invalid`] that lists the columns there are.
pub fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column> {
    frame.column(name).map_err(|_| {
        let names: Vec<_> = frame
            .get_column_names()
            .iter()
            .map(|n| n.to_string())
            .collect();
        Error::Invalid(format!("no column `{name}` among: {}", names.join(", ")))
    })
}

/// The values of a String column without nulls.
///
/// # Errors
/// [`Error::Invalid`] if the column is missing, of another type, or holds a null.
pub fn strings<'a>(frame: &'a DataFrame, name: &str) -> Result<Vec<&'a str>> {
    let column = without_nulls(frame, name)?;
    Ok(column.str()?.no_null_iter().collect())
}

/// The values of a Binary column without nulls.
///
/// # Errors
/// [`Error::Invalid`] if the column is missing, of another type, or holds a null.
pub fn binaries<'a>(frame: &'a DataFrame, name: &str) -> Result<Vec<&'a [u8]>> {
    let column = without_nulls(frame, name)?;
    Ok(column.binary()?.no_null_iter().collect())
}

/// Adds the columns `names` of `from` to `frame`: to each row what `from` holds under the same `key`. A column of that name is
/// replaced.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing, a key of `frame` is not in `from`, or one is there twice.
pub fn add_by_key(frame: &mut DataFrame, from: &DataFrame, names: &[&str]) -> Result<()> {
    let mut rows = BTreeMap::new();
    for (row, key) in (0..).zip(strings(from, KEY)?) {
        if rows.insert(key, row).is_some() {
            return Err(Error::Invalid(format!("key `{key}` is there twice")));
        }
    }
    let row = |key: &str| {
        let row: Option<&IdxSize> = rows.get(key);
        row.copied().ok_or_else(|| {
            Error::Invalid(format!(
                "nothing belongs to key `{key}`: the frames are of other images"
            ))
        })
    };
    let rows = strings(frame, KEY)?.into_iter().map(row);
    let rows = IdxCa::from_vec("row".into(), rows.collect::<Result<_>>()?);
    for name in names {
        let column = column(from, name)?.take(&rows)?;
        frame.with_column(column)?;
    }
    Ok(())
}

/// Refuses points that are not as many as the rows of `frame`.
pub(crate) fn check_rows(frame: &DataFrame, space: &Space) -> Result<()> {
    match (frame.height(), space.points().n_rows()) {
        (rows, points) if rows == points => Ok(()),
        (rows, points) => Err(Error::Invalid(format!(
            "a space of {points} points and a frame of {rows} rows: they must be the same images"
        ))),
    }
}

fn without_nulls<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column> {
    let column = column(frame, name)?;
    match column.null_count() {
        0 => Ok(column),
        n => Err(Error::Invalid(format!("column `{name}` holds {n} nulls"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_bytes_and_arrays() {
        let values = vec![0.0, -0.0, f32::MIN_POSITIVE, 1.5, f32::NAN, f32::INFINITY];
        let matrix = Matrix::new(2, 3, values).unwrap();
        let columns = vec![
            matrix.to_binaries("b"),
            matrix.clone().into_arrays("a").unwrap(),
        ];
        let frame = DataFrame::new(2, columns).unwrap();
        let bits = |m: Matrix| {
            m.into_values()
                .into_iter()
                .map(f32::to_bits)
                .collect::<Vec<_>>()
        };
        let expected = bits(matrix);
        assert_eq!(
            bits(Matrix::from_binaries(&frame, "b", 3).unwrap()),
            expected
        );
        assert_eq!(bits(Matrix::from_arrays(&frame, "a").unwrap()), expected);
        for (name, n_cols) in [("b", 4), ("b", 2), ("b", usize::MAX), ("a", 3), ("c", 3)] {
            assert!(
                Matrix::from_binaries(&frame, name, n_cols).is_err(),
                "{name} {n_cols}"
            );
        }
    }

    #[test]
    fn nulls_within_arrays_are_no_values() {
        let values = Series::new("a".into(), [Some(1.0_f32), None, Some(3.0), Some(4.0)]);
        let arrays = values.reshape_array(&[ReshapeDimension::new(2), ReshapeDimension::new(2)]);
        let frame = DataFrame::new(2, vec![arrays.unwrap().into_column()]).unwrap();
        let fault = Matrix::from_arrays(&frame, "a").unwrap_err();
        assert!(fault.to_string().contains("1 nulls within"), "{fault}");
    }

    #[test]
    fn columns_are_added_by_key() {
        let mut frame = df!(KEY => ["a", "b", "c"], "x" => [0, 0, 0]).unwrap();
        let from =
            df!(KEY => ["c", "a", "d", "b"], "x" => [3, 1, 4, 2], "y" => [3, 1, 4, 2]).unwrap();
        add_by_key(&mut frame, &from, &["x", "y"]).unwrap();
        let expected = df!(KEY => ["a", "b", "c"], "x" => [1, 2, 3], "y" => [1, 2, 3]).unwrap();
        assert_eq!(frame, expected);
        assert!(add_by_key(&mut frame, &from, &["z"]).is_err());
        let few = df!(KEY => ["a", "b"], "x" => [1, 2]).unwrap();
        let twice = df!(KEY => ["a", "b", "c", "a"], "x" => [1, 2, 3, 4]).unwrap();
        for from in [few, twice] {
            let error = add_by_key(&mut frame, &from, &["x"]).unwrap_err();
            assert!(error.to_string().contains("key `"), "{error}");
        }
        assert_eq!(frame, expected);
    }
}
