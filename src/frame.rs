//! Columns of frames as values and matrices: what a step takes is found, and checked, here alone.

mod columns;
mod matrix;

use std::collections::BTreeMap;

use fruits_maths::neighbors::Space;
use polars::prelude::*;

use self::columns::wrong;
pub use self::columns::{binaries, check_free, column, keys, names, sizes, strings};
pub use self::matrix::MatrixExt;
pub(crate) use self::matrix::of_vectors;
use crate::error::{Error, Result};
use crate::schema::KEY;

/// Adds the columns `names` of `from` to `frame`: to each row what `from` holds under the same `key`. A column of that name is
/// replaced.
///
/// # Errors
/// [`Error::Column`] if one is missing, a key is in `from` twice, or one of `frame` is not in it.
pub fn add_by_key(frame: &mut DataFrame, from: &DataFrame, names: &[&str]) -> Result<()> {
    let (own, others) = (self::names(frame, KEY)?, keys(from)?);
    let rows: BTreeMap<&str, IdxSize> = others.no_null_iter().zip(0..).collect();
    let row = |key: &str| {
        let row = rows.get(key).copied();
        row.ok_or_else(|| {
            let expected = format!("a row for `{key}` in the frame that is joined");
            wrong(KEY, &expected, "none: it is of other images".to_owned())
        })
    };
    let rows = own.no_null_iter().map(row).collect::<Result<_>>()?;
    let rows = IdxCa::from_vec("row".into(), rows);
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(
                matches!(&error, Error::Column { name, .. } if name == KEY),
                "{error}"
            );
        }
        assert_eq!(frame, expected);
    }
}
