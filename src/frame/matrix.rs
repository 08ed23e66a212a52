//! Columns of numbers and of vectors as matrices, and back.

use fruits_maths::Matrix;
use fruits_maths::neighbors::check_finite;
use polars::prelude::*;

use super::columns::{missing, typed, wrong};
use crate::error::{Error, Result};
use crate::schema::pc;

/// A matrix out of columns of a frame, and back.
pub trait MatrixExt: Sized {
    /// Takes scalar columns side by side; each becomes one column of the matrix, as `f32`.
    ///
    /// # Errors
    /// [`Error::Column`] if one is missing, is of no type of numbers, or holds a null.
    fn from_columns<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self>;

    /// [`from_columns`](Self::from_columns) of finite numbers.
    ///
    /// # Errors
    /// As there, and [`Error::Column`] if one holds a NaN or an infinity.
    fn from_finite<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self>;

    /// The scores `pc1` ... `pcK` of a frame, as far as they go without a gap.
    ///
    /// # Errors
    /// As [`from_finite`](Self::from_finite), and if there is no `pc1`.
    fn from_scores(frame: &DataFrame) -> Result<Self>;

    /// Takes one column of vectors of one length; each becomes one row, as `f32`. A vector is an `Array` or a `List` of `Float32` or
    /// `Float64`, or a `Binary` of `f32` in little-endian bytes.
    ///
    /// # Errors
    /// [`Error::Column`] if the column is missing, of another type, or holds a null or vectors of different lengths or of none.
    fn from_vectors(frame: &DataFrame, name: &str) -> Result<Self>;

    /// The rows as one Binary column, each as its values in little-endian bytes: what a file is read back from at the speed of
    /// memory, where arrays are decoded value by value.
    #[must_use]
    fn to_binaries(&self, name: &str) -> Column;

    /// Takes back what [`to_binaries`](Self::to_binaries) gave.
    ///
    /// # Errors
    /// [`Error::Column`] if the column is missing, of another type, or holds a null or a row that is not `n_cols` values long.
    fn from_binaries(frame: &DataFrame, name: &str, n_cols: usize) -> Result<Self>;

    /// The rows as one column of fixed-size arrays, `Array(Float32, n_cols)`.
    ///
    /// # Errors
    /// [`Error::Frame`] if polars refuses the shape.
    fn into_arrays(self, name: &str) -> Result<Column>;
}

const NUMBERS: &str = "numbers without nulls";
const FINITE: &str = "finite numbers, as float32 and without nulls";
const VECTORS: &str =
    "vectors of one length (Array or List of Float32 or Float64, or Binary of float32)";

impl MatrixExt for Matrix {
    fn from_columns<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self> {
        let (n_rows, n_cols) = (frame.height(), names.len());
        let mut values = vec![0.0; n_rows * n_cols];
        for (j, name) in names.iter().enumerate() {
            let column = typed(
                frame,
                name.as_ref(),
                NUMBERS,
                DataType::is_primitive_numeric,
            )?;
            let column = column.cast(&DataType::Float32)?;
            for (i, value) in column.f32()?.no_null_iter().enumerate() {
                values[i * n_cols + j] = value;
            }
        }
        Ok(Self::new(n_rows, n_cols, values)?)
    }

    fn from_finite<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self> {
        let matrix = Self::from_columns(frame, names)?;
        match check_finite(&matrix) {
            Err(fruits_maths::Error::NotFinite { row, column, value }) => Err(wrong(
                names[column].as_ref(),
                FINITE,
                format!("{value} in row {row}: remove that row"),
            )),
            checked => Ok(checked.map(|()| matrix)?),
        }
    }

    fn from_scores(frame: &DataFrame) -> Result<Self> {
        let is_there = |name: &String| frame.column(name).is_ok();
        let names: Vec<String> = (0..).map(pc).take_while(is_there).collect();
        if names.is_empty() {
            return Err(missing(frame, &pc(0), "scores of a PCA, which comes first"));
        }
        Self::from_finite(frame, &names)
    }

    fn from_vectors(frame: &DataFrame, name: &str) -> Result<Self> {
        let column = typed(frame, name, VECTORS, is_of_vectors)?;
        let n_rows = column.len();
        let (values, n_cols) = match column.dtype() {
            DataType::Array(_, n_cols) => (of_arrays(column.array()?, name)?, *n_cols),
            DataType::List(_) => of_lists(column.list()?, name)?,
            _ => of_bytes(column.binary()?, name)?,
        };
        if n_cols == 0 && n_rows > 0 {
            return Err(wrong(name, VECTORS, "vectors without a value".to_owned()));
        }
        Ok(Self::new(n_rows, n_cols, values)?)
    }

    fn to_binaries(&self, name: &str) -> Column {
        let row = |i| self.row(i).iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = (0..self.n_rows()).map(row).collect::<Vec<Vec<u8>>>();
        BinaryChunked::from_iter_values(name.into(), rows.iter()).into_column()
    }

    fn from_binaries(frame: &DataFrame, name: &str, n_cols: usize) -> Result<Self> {
        let expected = format!("Binary of {n_cols} float32 in each row");
        let column = typed(frame, name, &expected, |dtype| *dtype == DataType::Binary)?;
        let (values, found) = of_bytes(column.binary()?, name)?;
        if found != n_cols && frame.height() > 0 {
            return Err(wrong(name, &expected, format!("{found} in each")));
        }
        Ok(Self::new(frame.height(), n_cols, values)?)
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

fn is_of_vectors(dtype: &DataType) -> bool {
    match dtype {
        DataType::Array(inner, _) | DataType::List(inner) => {
            matches!(**inner, DataType::Float32 | DataType::Float64)
        }
        dtype => *dtype == DataType::Binary,
    }
}

fn of_arrays(column: &ArrayChunked, name: &str) -> Result<Vec<f32>> {
    let inner = column.get_inner();
    without_inner_nulls(&inner, name)?;
    let mut values = Vec::with_capacity(inner.len());
    push_values(&inner, &mut values)?;
    Ok(values)
}

fn of_lists(column: &ListChunked, name: &str) -> Result<(Vec<f32>, usize)> {
    let (mut values, mut n_cols) = (Vec::new(), 0);
    for (i, row) in column.no_null_series_iter().enumerate() {
        if i == 0 {
            n_cols = row.len();
        }
        check_length(name, i, row.len(), n_cols)?;
        without_inner_nulls(&row, name)?;
        push_values(&row, &mut values)?;
    }
    Ok((values, n_cols))
}

fn of_bytes(column: &BinaryChunked, name: &str) -> Result<(Vec<f32>, usize)> {
    // As many as there are.
    let n_bytes: usize = column.no_null_iter().map(<[u8]>::len).sum();
    let (mut values, mut n_cols) = (Vec::with_capacity(n_bytes / 4), 0);
    for (i, row) in column.no_null_iter().enumerate() {
        let (words, rest) = row.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(wrong(
                name,
                VECTORS,
                format!("{} bytes in row {i}", row.len()),
            ));
        }
        if i == 0 {
            n_cols = words.len();
        }
        check_length(name, i, words.len(), n_cols)?;
        values.extend(words.iter().map(|&word| f32::from_le_bytes(word)));
    }
    Ok((values, n_cols))
}

fn push_values(series: &Series, values: &mut Vec<f32>) -> Result<()> {
    let single = series.cast(&DataType::Float32)?;
    for chunk in single.f32()?.downcast_iter() {
        values.extend_from_slice(chunk.values().as_slice());
    }
    Ok(())
}

fn check_length(name: &str, row: usize, found: usize, first: usize) -> Result<()> {
    match found == first {
        true => Ok(()),
        false => Err(wrong(
            name,
            VECTORS,
            format!("{found} values in row {row} and {first} in row 0"),
        )),
    }
}

fn without_inner_nulls(series: &Series, name: &str) -> Result<()> {
    match series.null_count() {
        0 => Ok(()),
        n => Err(wrong(
            name,
            VECTORS,
            format!("{n} nulls within its vectors"),
        )),
    }
}

/// What is said of a value of the vectors in a column that is no finite number.
pub(crate) fn of_vectors(error: fruits_maths::Error, name: &str) -> Error {
    match error {
        fruits_maths::Error::NotFinite { row, column, value } => wrong(
            name,
            "vectors of finite numbers",
            format!("{value} as value {column} of row {row}: remove that row"),
        ),
        error => error.into(),
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
        assert_eq!(bits(Matrix::from_vectors(&frame, "a").unwrap()), expected);
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
        let fault = Matrix::from_vectors(&frame, "a").unwrap_err();
        assert!(fault.to_string().contains("1 nulls within"), "{fault}");
    }
}
