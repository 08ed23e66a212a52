//! One column of a frame, held to what is expected of it.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::schema::KEY;

/// The column `name` of `frame`, of any type.
///
/// # Errors
/// [`Error::Column`] that lists the columns there are.
pub fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column> {
    frame
        .column(name)
        .map_err(|_| missing(frame, name, "a column of that name"))
}

/// The values of a String column without nulls.
///
/// # Errors
/// [`Error::Column`] if the column is missing, of another type, or holds a null.
pub fn strings<'a>(frame: &'a DataFrame, name: &str) -> Result<Vec<&'a str>> {
    let expected = "strings without nulls";
    let column = typed(frame, name, expected, |dtype| *dtype == DataType::String)?;
    Ok(column.str()?.no_null_iter().collect())
}

/// The values of a column of strings or whole numbers without nulls, as text.
///
/// # Errors
/// [`Error::Column`] if the column is missing, of another type, or holds a null.
pub fn names(frame: &DataFrame, name: &str) -> Result<StringChunked> {
    let expected = "strings or whole numbers without nulls";
    let is_name = |dtype: &DataType| *dtype == DataType::String || dtype.is_integer();
    let column = typed(frame, name, expected, is_name)?;
    Ok(column.cast(&DataType::String)?.str()?.clone())
}

/// The column `key`: strings or whole numbers, as text; each is there once.
///
/// # Errors
/// As [`names`], and [`Error::Column`] with the first key that is there twice.
pub fn keys(frame: &DataFrame) -> Result<StringChunked> {
    let keys = names(frame, KEY)?;
    let mut rows = BTreeMap::new();
    for (row, key) in keys.no_null_iter().enumerate() {
        if let Some(first) = rows.insert(key, row) {
            let found = format!("`{key}` in rows {first} and {row}");
            return Err(wrong(KEY, "another key in each row", found));
        }
    }
    drop(rows);
    Ok(keys)
}

/// The values of a Binary column without nulls.
///
/// # Errors
/// [`Error::Column`] if the column is missing, of another type, or holds a null.
pub fn binaries<'a>(frame: &'a DataFrame, name: &str) -> Result<Vec<&'a [u8]>> {
    let expected = "bytes (Binary) without nulls";
    let column = typed(frame, name, expected, |dtype| *dtype == DataType::Binary)?;
    Ok(column.binary()?.no_null_iter().collect())
}

/// The values of a column of whole numbers, 0 or more, without nulls.
///
/// # Errors
/// [`Error::Column`] if the column is missing, of another type, or holds a null or a negative number.
pub fn sizes(frame: &DataFrame, name: &str) -> Result<Vec<u64>> {
    let expected = "whole numbers of 0 or more, without nulls";
    let column = typed(frame, name, expected, DataType::is_integer)?;
    let sizes = column.cast(&DataType::UInt64)?;
    let sizes = sizes.u64()?;
    match sizes.iter().position(|size| size.is_none()) {
        None => Ok(sizes.no_null_iter().collect()),
        Some(row) => Err(wrong(
            name,
            expected,
            format!("{} in row {row}", column.get(row)?),
        )),
    }
}

/// Refuses a frame that has one of the columns which a step is to add.
///
/// # Errors
/// [`Error::Column`].
pub fn check_free<S: AsRef<str>>(frame: &DataFrame, added: &[S]) -> Result<()> {
    let taken = added
        .iter()
        .find(|name| frame.column(name.as_ref()).is_ok());
    match taken {
        None => Ok(()),
        Some(name) => Err(wrong(
            name.as_ref(),
            "none of that name, which this step adds",
            "one already: drop or rename it".to_owned(),
        )),
    }
}

/// The column `name`, of a type that is meant, without nulls.
pub(super) fn typed<'a>(
    frame: &'a DataFrame,
    name: &str,
    expected: &str,
    is_meant: impl Fn(&DataType) -> bool,
) -> Result<&'a Column> {
    let column = frame
        .column(name)
        .map_err(|_| missing(frame, name, expected))?;
    if !is_meant(column.dtype()) {
        return Err(wrong(name, expected, column.dtype().to_string()));
    }
    if column.null_count() == 0 {
        return Ok(column);
    }
    let first = column
        .is_null()
        .iter()
        .position(|is_null| is_null == Some(true));
    let found = format!("a null in row {}", first.unwrap_or_default());
    Err(wrong(name, expected, found))
}

/// What is said where there is no column `name`.
pub(super) fn missing(frame: &DataFrame, name: &str, expected: &str) -> Error {
    let names = frame.get_column_names().into_iter();
    let names: Vec<&str> = names.map(PlSmallStr::as_str).collect();
    let found = match names.is_empty() {
        true => "a frame without columns".to_owned(),
        false => format!("only the columns {}", names.join(", ")),
    };
    wrong(name, expected, found)
}

/// What is said of a column that is another than expected.
pub(super) fn wrong(name: &str, expected: &str, found: String) -> Error {
    Error::Column {
        name: name.to_owned(),
        expected: expected.to_owned(),
        found,
    }
}
