//! PNG, and the default image of an animated one.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;
use png::{BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Limits, Transformations};

use super::fault::{self, Fault};
use super::orientation;
use super::stored::{MAX_DECODED_BYTES, Size, Stored, from_grey, from_rgba, over_white};
use crate::storage::rejection::Reason;

/// What the texts of a file may unpack to: a profile with all tags of a camera takes less.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Decodes to RGB; of 16 bits the high byte counts, as in Pillow.
///
/// # Errors
/// A [`Fault`].
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    // Texts and profiles may unpack to anything, and no pixel follows from them.
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    // Damage in a chunk of transparency is damage, too.
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits {
        bytes: MAX_DECODED_BYTES as usize,
    });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fault)?;
    let info = reader.info();
    let (color, depth) = reader.output_color_type();
    let n_samples = color.samples();
    let wide = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let size = Size::admit(
        u64::from(info.width),
        u64::from(info.height),
        (n_samples * wide) as u64,
    )?;
    let mode = mode(info.color_type, info.bit_depth, color);
    let mut samples = vec![0; size.pixels() * n_samples * wide];
    reader.next_frame(&mut samples).map_err(fault)?;
    drop(reader);
    if wide == 2 {
        // In place: a second copy of 16-bit samples would be the largest part of the memory.
        for i in 0..samples.len() / 2 {
            samples[i] = samples[2 * i];
        }
        samples.truncate(samples.len() / 2);
    }
    let rgb = match color {
        ColorType::Rgb => samples,
        ColorType::Grayscale | ColorType::Indexed => from_grey(&samples),
        ColorType::GrayscaleAlpha => {
            let (pixels, _) = samples.as_chunks::<2>();
            let grey: Vec<_> = pixels.iter().map(|[v, a]| over_white(*v, *a)).collect();
            from_grey(&grey)
        }
        ColorType::Rgba => from_rgba(&samples),
    };
    Ok(Stored {
        size,
        rgb,
        mode,
        orientation: orientation_of(bytes),
    })
}

/// `rgb8`, `l16`; a palette is what its colours are, and small depths keep their name.
fn mode(stored: ColorType, depth: BitDepth, expanded: ColorType) -> String {
    let depth = if stored == ColorType::Indexed {
        8
    } else {
        depth as u8
    };
    let name = match expanded {
        ColorType::Grayscale | ColorType::Indexed => "l",
        ColorType::GrayscaleAlpha => "la",
        ColorType::Rgb => "rgb",
        ColorType::Rgba => "rgba",
    };
    format!("{name}{depth}")
}

fn fault(error: DecodingError) -> Fault {
    // The decoder keeps the I/O error to itself and gives its text.
    let text = error.to_string();
    match error {
        DecodingError::LimitsExceeded => {
            Fault::new(Reason::TooLarge, format!("{text}; shrink the image"))
        }
        error if fault::ends_early(&error) || text.contains("unexpected end of file") => {
            Fault::truncated("PNG")
        }
        _ => Fault::damaged("PNG", text),
    }
}

/// From the chunk for EXIF, or a text that ImageMagick writes, or XMP, before the pixels or behind.
fn orientation_of(bytes: &[u8]) -> Orientation {
    let (mut exif, mut profile, mut xmp) = (None, None, None);
    let mut left = MAX_TEXT_BYTES;
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut has_pixels = false;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((kind, after)) = after.split_first_chunk::<4>() else {
            break;
        };
        let Some(data) = after.get(..length) else {
            break;
        };
        match kind {
            b"eXIf" => exif = Some(Cow::Borrowed(data)),
            b"tEXt" | b"zTXt" | b"iTXt" => match text(kind, data, &mut left) {
                Some((b"Raw profile type exif", text)) => profile = Some(text),
                Some((b"XML:com.adobe.xmp", text)) => xmp = Some(text),
                _ => {}
            },
            b"IDAT" => has_pixels = true,
            // Behind its first frame Pillow looks no further.
            b"fcTL" if has_pixels => break,
            _ => {}
        }
        rest = after.get(length + 4..).unwrap_or_default();
    }
    let exif = exif.or_else(|| {
        profile
            .and_then(|text: Cow<[u8]>| from_hex(&text))
            .map(Cow::Owned)
    });
    orientation::of(exif.as_deref(), xmp.as_deref())
}

/// Keyword and text of a chunk, unpacked to what is left of the bound.
fn text<'a>(kind: &[u8; 4], data: &'a [u8], left: &mut usize) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
    let split = |data: &'a [u8]| -> Option<(&'a [u8], &'a [u8])> {
        let at = data.iter().position(|&byte| byte == 0)?;
        Some((&data[..at], &data[at + 1..]))
    };
    let (keyword, rest) = split(data)?;
    if !matches!(keyword, b"Raw profile type exif" | b"XML:com.adobe.xmp") {
        return None;
    }
    let (is_packed, rest) = match kind {
        b"zTXt" => (true, rest.get(1..)?),
        b"iTXt" => {
            let (_language, after) = split(rest.get(2..)?)?;
            let (_translated, after) = split(after)?;
            (rest[0] != 0, after)
        }
        _ => (false, rest),
    };
    if !is_packed {
        return Some((keyword, Cow::Borrowed(rest)));
    }
    let mut out = Vec::new();
    let unpacked = ZlibDecoder::new(rest)
        .take(*left as u64)
        .read_to_end(&mut out);
    *left -= out.len();
    unpacked.ok().map(|_| (keyword, Cow::Owned(out)))
}

/// The lines behind the name and the length of a profile.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(3);
    let mut digits = lines.flatten().filter(|byte| !byte.is_ascii_whitespace());
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let mut bytes = Vec::new();
    while let Some(high) = digits.next() {
        let low = digits.next()?;
        bytes.push((value(high)? * 16 + value(low)?) as u8);
    }
    Some(bytes)
}
