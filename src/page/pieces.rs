//! Pieces that several sections have: pictures of images, and the classes with their markers.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::format::{count, percent};
use super::rows::Rows;
use super::widgets::{ClassRow, Thumb};
use crate::plot::{marker_svg, shortened, shown};
use crate::record::Run;

/// Characters of a key and of a label beside a thumbnail: four and two lines.
pub(super) const KEY_CHARS: usize = 80;
pub(super) const LABEL_CHARS: usize = 40;

/// An image in the text.
pub(super) fn thumb(rows: &Rows, key: &str, note: String) -> Thumb {
    let row = rows.find(key).map(|i| &rows.images[i]);
    let jpeg = row.map(|row| row.thumbnail).filter(|jpeg| !jpeg.is_empty());
    Thumb {
        jpeg: jpeg.map(|jpeg| BASE64_STANDARD.encode(jpeg)),
        key: shortened(key, KEY_CHARS),
        label: row.map_or_else(String::new, |row| shortened(row.label, LABEL_CHARS)),
        note,
    }
}

/// Classes with their markers, as a legend and as a table.
pub(super) fn class_rows(run: &Run) -> Vec<ClassRow> {
    let classes = run.classes.iter().enumerate();
    classes
        .map(|(i, class)| ClassRow {
            marker: marker_svg(i),
            label: shown(&class.label),
            n: count(class.n),
            share: share(class.n, run.images.accepted),
        })
        .collect()
}

pub(super) fn share(n: u64, all: u64) -> String {
    if all == 0 {
        "–".into()
    } else {
        percent(n as f64 / all as f64)
    }
}
