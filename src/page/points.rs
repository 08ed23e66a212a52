//! What the script needs to know of every image, small.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Serialize;

use super::rows::{Plane, Rows};
use super::sprites::{SHEET_COLUMNS, Sprites};
use crate::error::Result;
use crate::plot::{marker_shapes, shown};
use crate::record::ClassCount;
use crate::schema::{LABEL_AGREEMENT, OUTLIER_SCORE, TSNE, trust};

/// Largest number a position becomes; the one above says that the point is not drawn.
const STEPS: u16 = u16::MAX - 1;
const MISSING: u16 = u16::MAX;

/// The points of both plots.
#[derive(Debug, Serialize)]
pub(super) struct Points {
    n: usize,
    labels: Vec<String>,
    /// Keys, see [`front_coded`].
    keys: String,
    /// Class numbers, base64 of little-endian `u16`.
    class: String,
    shapes: Vec<Option<Vec<(f64, f64)>>>,
    pca: Option<Quantised>,
    projections: Vec<Projected>,
    scores: Vec<ScoreOfAll>,
    thumbs: Thumbs,
}

/// A number an image that can colour the points.
#[derive(Debug, Serialize)]
struct ScoreOfAll {
    id: String,
    name: String,
    /// What it says, in a sentence.
    about: String,
    /// `log`: range and values are natural logarithms.
    scale: &'static str,
    range: (f32, f32),
    /// As positions; those without a value are [`MISSING`].
    values: String,
}

/// Positions by a projection.
#[derive(Debug, Serialize)]
struct Projected {
    id: String,
    title: String,
    #[serde(flatten)]
    positions: Quantised,
}

/// Positions as multiples of a 65,534th of their range.
#[derive(Debug, Serialize)]
struct Quantised {
    /// Smallest and largest value.
    rx: (f32, f32),
    ry: (f32, f32),
    /// Base64 of little-endian `u16`.
    x: String,
    y: String,
}

/// Where thumbnails are.
#[derive(Debug, Serialize)]
struct Thumbs {
    edge: u32,
    columns: usize,
    n_sheets: usize,
    /// Base64 of little-endian `u32`; absent if cell `i` is image `i`.
    cells: Option<String>,
}

impl Points {
    pub(super) fn new(rows: &Rows, classes: &[ClassCount], sprites: &Sprites) -> Result<Self> {
        let keys: Vec<String> = rows.images.iter().map(|row| shown(row.key)).collect();
        let class = rows.class_numbers(classes)?;
        let cells = sprites.cells.as_ref();
        Ok(Self {
            n: keys.len(),
            labels: classes.iter().map(|class| shown(&class.label)).collect(),
            keys: front_coded(&keys),
            class: BASE64_STANDARD.encode(little_endian(&class)),
            shapes: marker_shapes(),
            pca: rows.pca.as_ref().map(quantised_plane),
            projections: rows
                .projections
                .iter()
                .map(|(record, plane)| Projected {
                    id: record.name.clone(),
                    title: shown(&record.title),
                    positions: quantised_plane(plane),
                })
                .collect(),
            scores: scores(rows),
            thumbs: Thumbs {
                edge: sprites.edge,
                columns: SHEET_COLUMNS,
                n_sheets: sprites.sheets.len(),
                cells: cells.map(|cells| {
                    let bytes: Vec<u8> = cells.iter().flat_map(|c| c.to_le_bytes()).collect();
                    BASE64_STANDARD.encode(bytes)
                }),
            },
        })
    }
}

fn scores(rows: &Rows) -> Vec<ScoreOfAll> {
    let known = [
        (
            LABEL_AGREEMENT,
            "Label agreement",
            "Share of the nearest images in PCA space that have the same label.",
        ),
        (
            OUTLIER_SCORE,
            "Outlier score",
            "Local outlier factor in PCA space: 1 lies as dense as its neighbours, more lies apart.",
        ),
    ];
    let known = known.map(|(id, name, about)| (id.to_owned(), name.to_owned(), about.to_owned()));
    let of_projections = rows.projections.iter().map(|(record, _)| {
        let title = shown(&record.title);
        let name = match record.name.as_str() {
            TSNE => "Trust".to_owned(),
            _ => format!("Trust, {title}"),
        };
        let about = format!(
            "The image's own part of trustworthiness: below 1 it has neighbours in the {title} plane that it has not in \
             PCA space."
        );
        (trust(&record.name), name, about)
    });
    let score = |(id, name, about): (String, String, String)| {
        let values: &Vec<f32> = rows.scores.get(&id)?;
        // An image apart from dense ones has a factor far above the others, and would leave them few steps.
        let is_log = id == OUTLIER_SCORE;
        let values: Vec<f32> = match is_log {
            true => values.iter().map(|v| v.ln()).collect(),
            false => values.clone(),
        };
        let finite: Vec<bool> = values.iter().map(|v| v.is_finite()).collect();
        let (range, values) = quantised(&values, &finite);
        Some(ScoreOfAll {
            id,
            name,
            about,
            scale: if is_log { "log" } else { "linear" },
            range,
            values: BASE64_STANDARD.encode(little_endian(&values)),
        })
    };
    known
        .into_iter()
        .chain(of_projections)
        .filter_map(score)
        .collect()
}

fn quantised_plane(plane: &Plane) -> Quantised {
    let finite: Vec<bool> = plane
        .x
        .iter()
        .zip(&plane.y)
        .map(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let (rx, x) = quantised(&plane.x, &finite);
    let (ry, y) = quantised(&plane.y, &finite);
    let text = |values: &[u16]| BASE64_STANDARD.encode(little_endian(values));
    Quantised {
        rx,
        ry,
        x: text(&x),
        y: text(&y),
    }
}

/// `values` on a grid between their smallest and largest; those not to draw become [`MISSING`].
fn quantised(values: &[f32], drawn: &[bool]) -> ((f32, f32), Vec<u16>) {
    let kept = values
        .iter()
        .zip(drawn)
        .filter(|(_, drawn)| **drawn)
        .map(|(value, _)| *value);
    let (min, max) = kept.fold((f32::MAX, f32::MIN), |(min, max), v| {
        (min.min(v), max.max(v))
    });
    let (min, max) = if min > max { (0.0, 0.0) } else { (min, max) };
    let span = f64::from(max) - f64::from(min);
    let step = |value: f32| match span > 0.0 {
        true => ((f64::from(value) - f64::from(min)) / span * f64::from(STEPS)).round() as u16,
        false => 0,
    };
    let steps = values
        .iter()
        .zip(drawn)
        .map(|(v, drawn)| if *drawn { step(*v) } else { MISSING });
    ((min, max), steps.collect())
}

fn little_endian(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Sorted keys, each without the beginning it shares with the one before: lines of the length of
/// that beginning in UTF-16 units, base 36, a colon, and the rest. Keys as shown hold no newline.
fn front_coded(keys: &[String]) -> String {
    let mut out = String::new();
    let mut last = "";
    for key in keys {
        let same = last.chars().zip(key.chars()).take_while(|(a, b)| a == b);
        let (units, bytes) = same.fold((0, 0), |(u, b), (c, _)| {
            (u + c.len_utf16(), b + c.len_utf8())
        });
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&base36(units));
        out.push(':');
        out.push_str(&key[bytes..]);
        last = key;
    }
    out
}

fn base36(mut n: usize) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[n % 36] as char);
        n /= 36;
        if n == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_within_half_a_step() {
        let values = [-3.5, 0.25, 7.0, f32::NAN, 1.0];
        let drawn = [true, true, true, false, true];
        let ((min, max), steps) = quantised(&values, &drawn);
        assert_eq!((min, max, steps[3]), (-3.5, 7.0, MISSING));
        for (value, step) in values
            .iter()
            .zip(&steps)
            .filter(|(value, _)| value.is_finite())
        {
            let back = min + (max - min) * f32::from(*step) / f32::from(STEPS);
            assert!((back - value).abs() <= (max - min) / f32::from(STEPS) / 2.0 + 1e-6);
        }
        assert_eq!(quantised(&[2.0, 2.0], &[true, true]).1, [0, 0]);
    }

    #[test]
    fn keys_share_their_beginnings() {
        let keys = ["a/é1.jpg", "a/é2.jpg", "b"].map(String::from);
        assert_eq!(front_coded(&keys), "0:a/é1.jpg\n3:2.jpg\n0:b");
        assert_eq!(base36(300), "8c");
    }
}
