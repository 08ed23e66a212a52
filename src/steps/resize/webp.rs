//! WebP: the first frame.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::fault::Fault;
use super::orientation;
use super::stored::{Size, Stored, from_rgba};

/// Decodes to RGB.
///
/// # Errors
/// A [`Fault`].
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    let said = bytes.get(4..8).and_then(|size| size.first_chunk());
    let is_whole = said.is_some_and(|size| u32::from_le_bytes(*size) as usize + 8 <= bytes.len());
    if !is_whole {
        return Err(Fault::truncated("WebP"));
    }
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(fault)?;
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let n_samples = usize::from(color.channel_count());
    let size = Size::admit(u64::from(width), u64::from(height), n_samples as u64)?;
    let mode = format!("{:?}", decoder.original_color_type()).to_lowercase();
    let mut samples = vec![0; size.pixels() * n_samples];
    decoder.read_image(&mut samples).map_err(fault)?;
    let rgb = match color {
        ColorType::Rgba8 => from_rgba(&samples),
        _ => samples,
    };
    let orientation = orientation::of(chunk(bytes, b"EXIF"), chunk(bytes, b"XMP "));
    Ok(Stored {
        size,
        rgb,
        mode,
        orientation,
    })
}

/// The first chunk of a kind.
fn chunk<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (size, after) = after.split_first_chunk()?;
        let size = u32::from_le_bytes(*size) as usize;
        if kind == wanted {
            return after.get(..size);
        }
        rest = after.get(size.checked_next_multiple_of(2)?..)?;
    }
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::of_image(error),
        error => Fault::damaged("WebP", error),
    }
}
