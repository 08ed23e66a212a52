//! A dense row-major `f32` matrix: what frames turn into before arithmetic.

use faer::MatRef;
use polars::prelude::*;

use crate::error::{Error, Result};
use crate::schema::pc;

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
        if values.len() != n_rows * n_cols {
            return Err(Error::Invalid(format!(
                "a {n_rows} x {n_cols} matrix takes {} values, not {}",
                n_rows * n_cols,
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

    /// The matrix as `faer` sees it, without a copy.
    #[must_use]
    pub fn as_faer(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(&self.values, self.n_rows, self.n_cols)
    }

    /// Takes scalar columns side by side; each becomes one column of the matrix.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a column is missing, not numeric, or holds a null.
    pub fn from_columns<S: AsRef<str>>(frame: &DataFrame, names: &[S]) -> Result<Self> {
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
        Self::new(n_rows, n_cols, values)
    }

    /// The scores `pc1` ... `pcK` of a frame, as far as they go without a gap.
    ///
    /// # Errors
    /// As [`from_columns`](Self::from_columns), and if there is no `pc1`.
    pub fn from_scores(frame: &DataFrame) -> Result<Self> {
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

    /// Takes one column of fixed-size arrays, `Array(Float32, n)`; each becomes one row.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the column is missing, of another type, or holds a null.
    pub fn from_arrays(frame: &DataFrame, name: &str) -> Result<Self> {
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
        let mut values = Vec::with_capacity(frame.height() * n_cols);
        for chunk in inner.f32()?.downcast_iter() {
            values.extend_from_slice(chunk.values().as_slice());
        }
        Self::new(frame.height(), *n_cols, values)
    }

    /// The rows as one Binary column, each as its values in little-endian bytes: what a file is read back from at the speed of
    /// memory, where arrays are decoded value by value.
    #[must_use]
    pub fn to_binaries(&self, name: &str) -> Column {
        let row = |i| self.row(i).iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = (0..self.n_rows).map(row).collect::<Vec<Vec<u8>>>();
        BinaryChunked::from_iter_values(name.into(), rows.iter()).into_column()
    }

    /// Takes back what [`to_binaries`](Self::to_binaries) gave.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the column is missing, of another type, or holds a null or a row that is not `n_cols` values long.
    pub fn from_binaries(frame: &DataFrame, name: &str, n_cols: usize) -> Result<Self> {
        let rows = binaries(frame, name)?;
        let mut values = Vec::with_capacity(rows.len() * n_cols);
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
        Self::new(rows.len(), n_cols, values)
    }

    /// The rows as one column of fixed-size arrays, `Array(Float32, n_cols)`.
    ///
    /// # Errors
    /// [`Error::Frame`] if polars refuses the shape.
    pub fn into_arrays(self, name: &str) -> Result<Column> {
        let shape = [
            ReshapeDimension::Infer,
            ReshapeDimension::new(self.n_cols as i64),
        ];
        let flat = Series::from_vec(name.into(), self.values);
        if self.n_rows == 0 {
            let dtype = DataType::Array(Box::new(DataType::Float32), self.n_cols);
            return Ok(Column::new_empty(name.into(), &dtype));
        }
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
        for (name, n_cols) in [("b", 4), ("b", 2), ("a", 3), ("c", 3)] {
            assert!(
                Matrix::from_binaries(&frame, name, n_cols).is_err(),
                "{name} {n_cols}"
            );
        }
    }
}
