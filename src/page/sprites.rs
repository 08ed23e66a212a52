//! Thumbnails as a few JPEG sheets that fit a budget.

use base64::prelude::{BASE64_STANDARD, Engine};
use rayon::prelude::*;

use crate::error::Result;
use crate::plot::contact_sheet;

/// Cells of a sheet in a row, and rows: small enough that a browser decodes one in a few
/// milliseconds, large enough that the headers (600 bytes) do not count.
pub(super) const SHEET_COLUMNS: usize = 16;
const CELLS: usize = SHEET_COLUMNS * SHEET_COLUMNS;

/// Edge of a thumbnail in pixels and quality of the JPEG, best first. Edges are multiples of the
/// 8 pixels of a JPEG block, so that no image bleeds into its neighbour.
const STEPS: [(u32, u8); 6] = [(64, 80), (64, 65), (48, 75), (48, 60), (32, 65), (32, 45)];

/// Thumbnails of a report, on sheets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sprites {
    /// Width and height of a cell in pixels.
    pub(super) edge: u32,
    /// The sheets, base64 of JPEG.
    pub(super) sheets: Vec<String>,
    /// Cell of each image, counted over all sheets; `None` if every image has its own number.
    pub(super) cells: Option<Vec<u32>>,
    /// What was made smaller to fit, as a sentence.
    pub(super) smaller: Option<String>,
    /// What was left out to fit, as a sentence.
    pub(super) left_out: Option<String>,
}

/// No thumbnail: the cell of an image that has none.
pub(super) const NO_CELL: u32 = u32::MAX;

/// Lays out `thumbnails` so that the sheets take at most `budget` bytes as base64: smaller ones
/// first, then only those of `wanted` (sorted indices) and as many others, evenly spread, as fit.
pub(super) fn sprites(thumbnails: &[&[u8]], wanted: &[usize], budget: usize) -> Result<Sprites> {
    let n = thumbnails.len();
    let all: Vec<usize> = (0..n).collect();
    let mut bytes_each = f64::INFINITY;
    for (step, &(edge, quality)) in STEPS.iter().enumerate() {
        bytes_each = estimate(thumbnails, edge, quality)?;
        if bytes_each * n as f64 > budget as f64 {
            continue;
        }
        let sheets = sheets(thumbnails, &all, edge, quality)?;
        if sheets.iter().map(String::len).sum::<usize>() > budget {
            continue;
        }
        let smaller = (step > 0).then(|| {
            format!(
                "To keep this file small, thumbnails under the pointer are {edge} pixels wide, \
                 at JPEG quality {quality}."
            )
        });
        return Ok(Sprites {
            edge,
            sheets,
            cells: None,
            smaller,
            left_out: None,
        });
    }

    let (edge, quality) = STEPS[STEPS.len() - 1];
    // A twentieth is left for what the estimate may miss.
    let mut room = (0.95 * budget as f64 / bytes_each) as usize;
    loop {
        let chosen = spread(n, wanted, room);
        let sheets = sheets(thumbnails, &chosen, edge, quality)?;
        if sheets.iter().map(String::len).sum::<usize>() <= budget || chosen.is_empty() {
            let mut cells = vec![NO_CELL; n];
            for (cell, &image) in chosen.iter().enumerate() {
                cells[image] = cell as u32;
            }
            let left_out = format!(
                "To keep this file small, {} of {n} images have a thumbnail under the pointer, \
                 {edge} pixels wide.",
                chosen.len()
            );
            let left_out = Some(left_out);
            return Ok(Sprites {
                edge,
                sheets,
                cells: Some(cells),
                smaller: None,
                left_out,
            });
        }
        room = room * 9 / 10;
    }
}

/// `room` of `0..n`: those of `wanted` first, then others at even distances.
fn spread(n: usize, wanted: &[usize], room: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = wanted
        .iter()
        .copied()
        .filter(|&i| i < n)
        .take(room)
        .collect();
    let rest: Vec<usize> = (0..n)
        .filter(|i| chosen.binary_search(i).is_err())
        .collect();
    let more = room.saturating_sub(chosen.len()).min(rest.len());
    chosen.extend((0..more).map(|i| rest[i * rest.len() / more]));
    chosen.sort_unstable();
    chosen
}

/// Bytes a thumbnail takes as base64 on a sheet, from at most two sheets of evenly spread ones.
fn estimate(thumbnails: &[&[u8]], edge: u32, quality: u8) -> Result<f64> {
    let n = thumbnails.len();
    let sample = spread(n, &[], n.min(2 * CELLS));
    let bytes: usize = sheets(thumbnails, &sample, edge, quality)?
        .iter()
        .map(String::len)
        .sum();
    Ok(bytes as f64 / sample.len().max(1) as f64)
}

fn sheets(thumbnails: &[&[u8]], chosen: &[usize], edge: u32, quality: u8) -> Result<Vec<String>> {
    chosen
        .par_chunks(CELLS)
        .map(|chunk| {
            let images: Vec<&[u8]> = chunk.iter().map(|&i| thumbnails[i]).collect();
            Ok(BASE64_STANDARD.encode(contact_sheet(&images, SHEET_COLUMNS, edge, quality)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    fn thumbnail(i: u32) -> Vec<u8> {
        let noise = |x: u32, y: u32| (x * 31 + y * 17 + i * 101).wrapping_mul(2_654_435_761);
        let image = RgbImage::from_fn(64, 40, |x, y| image::Rgb([(noise(x, y) >> 24) as u8; 3]));
        let mut jpeg = Vec::new();
        JpegEncoder::new(&mut jpeg).encode_image(&image).unwrap();
        jpeg
    }

    #[test]
    fn whatever_the_budget_it_holds() {
        let thumbnails: Vec<_> = (0..300).map(thumbnail).collect();
        let thumbnails: Vec<_> = thumbnails.iter().map(Vec::as_slice).collect();
        let mut last = 65;
        for budget in [10_000_000, 600_000, 250_000, 50_000, 0] {
            let sprites = sprites(&thumbnails, &[3, 299], budget).unwrap();
            assert!(sprites.sheets.iter().map(String::len).sum::<usize>() <= budget);
            assert!(sprites.edge <= last);
            let said = sprites.smaller.is_some() || sprites.left_out.is_some();
            assert_eq!(said, budget < 10_000_000);
            last = sprites.edge;
            if let (Some(cells), true) = (sprites.cells, budget > 0) {
                assert_ne!((cells[3], cells[299]), (NO_CELL, NO_CELL));
            }
        }
    }

    #[test]
    fn wanted_thumbnails_come_first() {
        assert_eq!(spread(10, &[7, 9], 2), [7, 9]);
        assert_eq!(spread(10, &[7], 3), [0, 4, 7]);
        assert_eq!(spread(2, &[], 5), [0, 1]);
    }
}
