//! Cells of CSV files. Keys are chosen by whoever names a file, and a spreadsheet computes a cell that begins like a formula.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// What a formula begins with, or what a spreadsheet skips before one: OWASP, "CSV Injection".
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
/// Behind these begins a cell where a spreadsheet separates by semicolons, as it does in many languages, or by tabs. Quotes do not
/// help: of such a line they hold only the first cell together.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

/// With a `'` before each part that a spreadsheet would compute. Such a part keeps all `'` it begins with, so that the first one
/// can always be taken away again.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    if !parts(text).any(is_formula) {
        return Cow::Borrowed(text);
    }
    let guard = |part| if is_formula(part) { "'" } else { "" };
    Cow::Owned(parts(text).flat_map(|part| [guard(part), part]).collect())
}

/// The text of a cell, as it was before it was guarded.
///
/// # Errors
/// Those of the reader.
pub(crate) fn text<'de, D: Deserializer<'de>>(reader: D) -> std::result::Result<String, D::Error> {
    let cell = String::deserialize(reader)?;
    let unguarded = parts(&cell).map(|part| match part.strip_prefix('\'') {
        Some(rest) if is_formula(part) => rest,
        _ => part,
    });
    Ok(unguarded.collect())
}

/// What may become a cell of its own, each with the separator at its end.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(SEPARATORS)
}

/// Quotes before a formula are skipped: a spreadsheet may take them for those of the file.
fn is_formula(part: &str) -> bool {
    part.trim_start_matches(['\'', '"']).starts_with(FORMULA)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As it comes out of a file.
    fn back(cell: &str) -> String {
        let reader = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(cell);
        text(reader).unwrap()
    }

    #[test]
    fn no_part_of_a_cell_is_a_formula_whatever_separates_the_cells() {
        for (key, cell) in [
            ("=1+1/a.jpg", "'=1+1/a.jpg"),
            ("'=1", "''=1"),
            ("Apple;=1+1/a.jpg", "Apple;'=1+1/a.jpg"),
            ("Apple;'@a;b", "Apple;''@a;b"),
            ("Apple\t-2", "Apple\t'-2"),
            ("Apple\n=1", "Apple\n'=1"),
            ("\tTab", "'\tTab"),
            ("a;\t+1", "a;'\t'+1"),
            ("Apple;\"=1\"", "Apple;'\"=1\""),
            (";;＝1", ";;'＝1"),
            ("=1;=2", "'=1;'=2"),
        ] {
            assert_eq!(guarded(key), cell, "{key:?}");
            assert_eq!(back(cell), key);
        }
        for ordinary in [
            "",
            "Apple Red/1_0.jpg",
            "a;b",
            "a-1; b=2",
            "'Ananas'",
            "a\tb",
            "it's; 'so'",
            ";",
        ] {
            assert_eq!(guarded(ordinary), ordinary);
            assert_eq!(back(ordinary), ordinary);
        }
    }

    #[test]
    fn every_text_comes_back() {
        let of = ["'", ";", "=", "\t", "\n", "\"", "a"];
        let longer = |texts: &[String]| -> Vec<String> {
            let with = |text: &String| of.map(|c| format!("{text}{c}"));
            texts.iter().flat_map(with).collect()
        };
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            texts = longer(&texts);
            for text in &texts {
                let cell = guarded(text);
                assert_eq!(back(&cell), *text, "{cell:?}");
                let is_guarded = |part: &str| !is_formula(part) || part.starts_with('\'');
                assert!(parts(&cell).all(is_guarded), "{text:?}: {cell:?}");
            }
        }
    }
}
