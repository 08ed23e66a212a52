//! Cells of CSV files. Keys are chosen by whoever names a file, and a spreadsheet computes a cell that begins like a formula.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// What a formula begins with, or what a spreadsheet skips before one: OWASP, "CSV Injection".
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// With a `'` before it where a spreadsheet would compute it. Such a text keeps all `'` it begins with, so that the first one
/// can always be taken away again.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    match is_formula(text) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// The text of a cell, as it was before it was guarded.
///
/// # Errors
/// Those of the reader.
pub(crate) fn text<'de, D: Deserializer<'de>>(reader: D) -> std::result::Result<String, D::Error> {
    let mut cell = String::deserialize(reader)?;
    if is_formula(&cell) && cell.starts_with('\'') {
        cell.remove(0);
    }
    Ok(cell)
}

fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// The bytes of a file of these rows.
pub(super) fn csv<const N: usize>(
    name: &str,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<Vec<u8>> {
    let internal = |e: String| Error::Internal(format!("{name}: {e}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer
        .write_record(header)
        .map_err(|e| internal(e.to_string()))?;
    for row in rows {
        writer
            .write_record(row)
            .map_err(|e| internal(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| internal(e.to_string()))
}
