//! What descriptors look like.

use fruits_maths::Matrix;
use image::{ExtendedColorType, GrayImage, Luma};
use polars::prelude::*;

use super::picture::{KEY_CHARS, Picture, image, png};
use super::sentence::Sentence;
use crate::error::Error;
use crate::frame::{MatrixExt, binaries, strings};
use crate::page::format::{counted, percent};
use crate::plot::{escaped, shortened};
use crate::schema::{FEATURES, KEY, N_FEATURES, THUMBNAIL};

/// VGG16's last layer: 512 channels of 7 x 7 cells.
const MAP: usize = 7;
const N_CHANNELS: usize = N_FEATURES / (MAP * MAP);
/// Channels in a row of the picture of a descriptor.
const CHANNELS_A_ROW: usize = 32;
/// The descriptors of `n` images, evenly spread over the rows: each channel of VGG16's last layer as a tile of 7 x 7,
/// white for 0, black for the largest value shown. In: `key`, `features`, and `thumbnail` if there.
///
/// # Errors
/// A column is missing, or a descriptor is not VGG16's.
pub fn descriptors(images: &DataFrame, n: usize) -> Result<Picture, Sentence> {
    let n_images = images.height();
    let n = n.min(n_images);
    let rows: Vec<IdxSize> = (0..n).map(|i| (i * n_images / n) as IdxSize).collect();
    let chosen = images.take(&IdxCa::new("row".into(), rows))?;
    let features = Matrix::from_vectors(&chosen, FEATURES)?;
    if features.n_cols() != N_FEATURES {
        let message = format!(
            "a descriptor of {} values is not VGG16's ({N_FEATURES})",
            features.n_cols()
        );
        return Err(Error::Invalid(message).into());
    }
    let thumbnails = chosen
        .column(THUMBNAIL)
        .is_ok()
        .then(|| binaries(&chosen, THUMBNAIL))
        .transpose()?;
    let largest = features
        .values()
        .iter()
        .copied()
        .fold(f32::MIN_POSITIVE, f32::max);
    let mut cells = Vec::new();
    for (i, key) in strings(&chosen, KEY)?.into_iter().enumerate() {
        let values = features.row(i);
        let zeros = values.iter().filter(|v| **v == 0.0).count() as f64 / N_FEATURES as f64;
        let tiles = tiles(values, largest);
        let size = (tiles.width() as usize, tiles.height() as usize);
        let picture = png(tiles.as_raw(), size.0, size.1, ExtendedColorType::L8)?;
        let thumbnail = thumbnails
            .as_ref()
            .map_or(String::new(), |t| image("image/jpeg", t[i], key));
        let picture = image("image/png", &picture, &format!("512 channels of {key}"));
        let picture = picture.replacen("<img ", "<img width=\"400\" ", 1);
        cells.push(format!(
            "<td>{thumbnail}</td><td style=\"text-align:left\">{}, {} zeros<br>{picture}</td>",
            escaped(&shortened(key, KEY_CHARS)),
            percent(zeros)
        ));
    }
    let rows = cells
        .chunks(2)
        .map(|pair| format!("<tr>{}</tr>", pair.concat()));
    Ok(Picture {
        html: format!("<table>{}</table>", rows.collect::<String>()),
        description: format!(
            "{} of {N_FEATURES} values each",
            counted(n as u64, "descriptor", "descriptors")
        ),
    })
}

/// 512 tiles of 7 x 7, two pixels a value, with a line between tiles. Square roots, so that small values are seen.
fn tiles(values: &[f32], largest: f32) -> GrayImage {
    const SCALE: usize = 2;
    let pitch = MAP * SCALE + 1;
    let n_rows = N_CHANNELS / CHANNELS_A_ROW;
    let size = |n: usize| (n * pitch + 1) as u32;
    let mut picture = GrayImage::from_pixel(size(CHANNELS_A_ROW), size(n_rows), Luma([222]));
    for channel in 0..N_CHANNELS {
        let (left, top) = (
            channel % CHANNELS_A_ROW * pitch + 1,
            channel / CHANNELS_A_ROW * pitch + 1,
        );
        for y in 0..MAP * SCALE {
            for x in 0..MAP * SCALE {
                // Channels come last.
                let value = values[(y / SCALE * MAP + x / SCALE) * N_CHANNELS + channel];
                let grey = 255.0 * (1.0 - (value.max(0.0) / largest).sqrt());
                picture.put_pixel((left + x) as u32, (top + y) as u32, Luma([grey as u8]));
            }
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_shows_its_channel() {
        let mut values = vec![0.0; N_FEATURES];
        // Row 2, column 3 of channel 33: the second row of tiles, second tile.
        values[(2 * MAP + 3) * N_CHANNELS + 33] = 4.0;
        let picture = tiles(&values, 4.0);
        assert_eq!(
            (picture.width(), picture.height()),
            (32 * 15 + 1, 16 * 15 + 1)
        );
        let black: Vec<(u32, u32)> = picture
            .enumerate_pixels()
            .filter(|(_, _, p)| p[0] == 0)
            .map(|(x, y, _)| (x, y))
            .collect();
        let (x, y) = (15 + 1 + 2 * 3, 15 + 1 + 2 * 2);
        assert_eq!(black, [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]);
    }
}
