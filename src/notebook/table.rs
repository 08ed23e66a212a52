//! Frames as HTML tables.

use base64::prelude::{BASE64_STANDARD, Engine};
use polars::prelude::*;

use crate::page::format::{bytes, count, counted};
use crate::plot::{escaped, shortened};
use crate::schema::{ETAG, MESSAGE, PIXELS, PIXELS_LEN, SHA256, SIDE, THUMBNAIL};

/// Rows shown whole; of more, this many halves from both ends.
const MAX_ROWS: usize = 12;
/// Columns shown whole; of more, the first and the last.
const MAX_COLUMNS: usize = 14;
const FIRST_COLUMNS: usize = 9;
const LAST_COLUMNS: usize = 4;
/// Characters of a cell: what is longer puts the columns after it out of sight.
const MAX_CHARS: usize = 32;
/// Characters of a digest, which is known by its ends, and of a sentence.
const DIGEST_CHARS: usize = 13;
const MESSAGE_CHARS: usize = 200;
/// Values shown of an array.
const MAX_VALUES: usize = 4;
/// Bytes of a thumbnail that a table carries; more would make the notebook heavy.
const MAX_THUMBNAIL_BYTES: usize = 20_000;

/// Shape, names, dtypes, head and tail.
pub(super) fn table(frame: &DataFrame) -> String {
    let columns = shown_columns(frame.columns());
    let n = frame.height();
    let rows: Vec<Option<usize>> = match n {
        0..=MAX_ROWS => (0..n).map(Some).collect(),
        _ => {
            let head = (0..MAX_ROWS / 2).map(Some);
            head.chain([None])
                .chain((n - MAX_ROWS / 2..n).map(Some))
                .collect()
        }
    };
    let mut html = String::from("<table><thead><tr>");
    for column in &columns {
        html += &match column {
            Some(column) => format!("<th>{}</th>", escaped(&shortened(column.name(), MAX_CHARS))),
            None => "<th>…</th>".to_owned(),
        };
    }
    html += "</tr><tr>";
    for column in &columns {
        html += &match column {
            Some(column) => format!("<td><i>{}</i></td>", escaped(&column.dtype().to_string())),
            None => "<td></td>".to_owned(),
        };
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for column in &columns {
            let text = match (row, column) {
                (Some(row), Some(column)) => cell(column, row),
                _ => "…".to_owned(),
            };
            html += &format!("<td>{text}</td>");
        }
        html += "</tr>";
    }
    html += "</tbody></table>";
    let (rows, columns) = (frame.height() as u64, frame.width() as u64);
    format!(
        "<p>{} × {}</p>{html}",
        counted(rows, "row", "rows"),
        counted(columns, "column", "columns")
    )
}

/// All columns, or the first and the last with `None` between.
fn shown_columns(columns: &[Column]) -> Vec<Option<&Column>> {
    if columns.len() <= MAX_COLUMNS {
        return columns.iter().map(Some).collect();
    }
    let head = columns[..FIRST_COLUMNS].iter().map(Some);
    let tail = columns[columns.len() - LAST_COLUMNS..].iter().map(Some);
    head.chain([None]).chain(tail).collect()
}

fn cell(column: &Column, row: usize) -> String {
    let Ok(value) = column.get(row) else {
        return String::new();
    };
    match value {
        AnyValue::Null => "<i>null</i>".to_owned(),
        AnyValue::String(text) => string(column.name(), text),
        AnyValue::StringOwned(text) => string(column.name(), &text),
        AnyValue::Binary(data) => binary(column.name(), data),
        AnyValue::BinaryOwned(data) => binary(column.name(), &data),
        AnyValue::Array(values, _) | AnyValue::List(values) => array(&values),
        value => scalar(&value),
    }
}

fn string(name: &str, text: &str) -> String {
    let n_chars = match name {
        ETAG | SHA256 => DIGEST_CHARS,
        MESSAGE => MESSAGE_CHARS,
        _ => MAX_CHARS,
    };
    escaped(&shortened(text, n_chars))
}

fn scalar(value: &AnyValue) -> String {
    match value {
        AnyValue::Float32(v) => float(f64::from(*v)),
        AnyValue::Float64(v) => float(*v),
        value => escaped(&shortened(&value.to_string(), MAX_CHARS)),
    }
}

/// Five significant digits, in the notation that is shorter.
fn float(v: f64) -> String {
    match v.abs() {
        0.0 => "0".to_owned(),
        a if (1e-4..1e6).contains(&a) => {
            let decimals = (4.0 - a.log10().floor()).clamp(0.0, 8.0) as usize;
            format!("{v:.decimals$}")
        }
        _ => format!("{v:.4e}"),
    }
}

fn binary(name: &str, data: &[u8]) -> String {
    match name {
        THUMBNAIL if !data.is_empty() && data.len() <= MAX_THUMBNAIL_BYTES => format!(
            "<img alt=\"thumbnail\" src=\"data:image/jpeg;base64,{}\">",
            BASE64_STANDARD.encode(data)
        ),
        PIXELS if data.len() == PIXELS_LEN => format!("{SIDE} × {SIDE} × 3"),
        _ => bytes(data.len() as u64),
    }
}

fn array(values: &Series) -> String {
    let shown: Vec<String> = (0..values.len().min(MAX_VALUES))
        .filter_map(|i| values.get(i).ok())
        .map(|value| scalar(&value))
        .collect();
    match values.len() {
        n if n > MAX_VALUES => format!("[{}, …] {} values", shown.join(", "), count(n as u64)),
        _ => format!("[{}]", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: usize) -> DataFrame {
        let texts: Vec<String> = (0..n)
            .map(|i| format!("<b>{i}</b>\nEVCXR_END_CONTENT"))
            .collect();
        let numbers: Vec<Option<f32>> =
            (0..n).map(|i| (i != 1).then_some(i as f32 / 3.0)).collect();
        let columns = vec![
            Column::new("<i>".into(), texts),
            Column::new("number".into(), numbers),
        ];
        DataFrame::new(n, columns).unwrap()
    }

    #[test]
    fn a_table_is_well_formed_escaped_and_one_line() {
        for n in [0, 1, 12, 13, 4000] {
            let html = table(&frame(n));
            let body =
                roxmltree::Document::parse(&html[html.find("<table>").unwrap()..]).map(|_| ());
            assert_eq!(body, Ok(()));
            assert!(!html.contains("<b>") && !html.contains('\n'));
            assert!(html.contains(&counted(n as u64, "row", "rows")) && html.contains("2 columns"));
        }
        let html = table(&frame(4000));
        assert!(html.contains("<i>f32</i>") && html.contains("<i>null</i>"));
        assert!(html.contains("&lt;b&gt;3999&lt;/b&gt;") && !html.contains("&lt;b&gt;100&lt;"));
        assert_eq!(html.matches("<tr>").count(), 2 + MAX_ROWS + 1);
    }

    #[test]
    fn many_columns_are_cut() {
        let columns = (0..64)
            .map(|i| Column::new(format!("pc{i}").into(), [0.5f32]))
            .collect();
        let html = table(&DataFrame::new(1, columns).unwrap());
        assert_eq!(
            html.matches("<th>").count(),
            FIRST_COLUMNS + 1 + LAST_COLUMNS
        );
    }

    #[test]
    fn numbers_have_five_digits() {
        let shown = [0.0, 1.0 / 3.0, -12345.678, 2e-7, f64::NAN].map(float);
        assert_eq!(shown, ["0", "0.33333", "-12346", "2.0000e-7", "NaN"]);
    }
}
