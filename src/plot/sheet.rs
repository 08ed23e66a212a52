//! Thumbnails in rows, as one picture.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};

use crate::error::{Error, Result};

/// Edge of a cell of a contact sheet in pixels: thumbnails come no larger.
pub const CONTACT_EDGE: u32 = 64;
/// JPEG quality of a contact sheet: no visible blocks at this size.
pub const CONTACT_QUALITY: u8 = 82;

/// One JPEG with `thumbnails` in rows of `columns`, each centred in a white cell of `edge` pixels; one that cannot be read leaves its
/// cell white.
///
/// # Errors
/// [`Error::Internal`] if the picture cannot be encoded.
pub fn contact_sheet(
    thumbnails: &[&[u8]],
    columns: usize,
    edge: u32,
    quality: u8,
) -> Result<Vec<u8>> {
    let columns = columns.min(thumbnails.len()).max(1);
    let rows = thumbnails.len().div_ceil(columns).max(1);
    let (width, height) = (columns as u32 * edge, rows as u32 * edge);
    let mut canvas = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    for (i, bytes) in thumbnails.iter().enumerate() {
        let Ok(thumbnail) = image::load_from_memory(bytes) else {
            continue;
        };
        let mut thumbnail = thumbnail.into_rgb8();
        let longest = thumbnail.width().max(thumbnail.height());
        if longest > edge {
            let scaled = |side: u32| (side * edge / longest).max(1);
            let (width, height) = (scaled(thumbnail.width()), scaled(thumbnail.height()));
            thumbnail = imageops::thumbnail(&thumbnail, width, height);
        }
        let x = (i % columns) as u32 * edge + (edge - thumbnail.width()) / 2;
        let y = (i / columns) as u32 * edge + (edge - thumbnail.height()) / 2;
        imageops::replace(&mut canvas, &thumbnail, i64::from(x), i64::from(y));
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, quality)
        .encode(&canvas, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| Error::Internal(format!("thumbnails could not be encoded: {error}")))?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_thumbnails_leave_white_cells() {
        let mut jpeg = Vec::new();
        let grey = RgbImage::from_pixel(64, 40, image::Rgb([90; 3]));
        JpegEncoder::new(&mut jpeg).encode_image(&grey).unwrap();
        let jpeg = contact_sheet(&[b"", &jpeg, b"no image"], 2, 64, 80).unwrap();
        let image = image::load_from_memory(&jpeg).unwrap().into_luma8();
        assert_eq!((image.width(), image.height()), (128, 128));
        assert!(image.get_pixel(10, 32)[0] > 250 && image.get_pixel(96, 32)[0] < 100);
    }
}
