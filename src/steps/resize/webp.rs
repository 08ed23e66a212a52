//! WebP: the first frame.

mod codes;

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
    let codes = codes_bytes(bytes, (width as usize, height as usize))?;
    let size = size.with_more(codes, "the codes of the WebP")?;
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

/// What the codes of the picture take. Where chunks contradict each other it is that of any which the decoder may take.
fn codes_bytes(bytes: &[u8], canvas: (usize, usize)) -> Result<u64, Fault> {
    let all = bytes.get(12..).unwrap_or_default();
    let frame = chunks(all).find(|(kind, ..)| *kind == b"ANMF");
    let (head, inside) = frame
        .and_then(|(_, frame, _)| frame.split_at_checked(16))
        .unwrap_or_default();
    let is_animated = all.starts_with(b"VP8X") && all.get(8).is_some_and(|flags| flags & 2 != 0);
    let in_frame: Vec<_> = chunks(inside).take(2).collect();
    let (pictures, size) = match (is_animated, head) {
        (true, &[_, _, _, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
            let sides = [[w0, w1, w2, 0], [h0, h1, h2, 0]];
            let [width, height] = sides.map(|side| u32::from_le_bytes(side) as usize + 1);
            (in_frame, (width, height))
        }
        _ => (chunks(all).chain(in_frame).collect(), canvas),
    };
    let mut most = 0;
    let mut is_behind_alpha = false;
    for (kind, chunk, _) in pictures {
        let taken = match kind {
            b"VP8L" => codes::of_image(chunk, size),
            b"ALPH" => codes::of_alpha(chunk, size),
            // Its own size decides what is allocated. Behind the alpha of a frame nobody looks at the name.
            b"VP8 " => is_lossy_of(chunk, size).then_some(0),
            _ if is_animated && is_behind_alpha => is_lossy_of(chunk, size).then_some(0),
            _ => Some(0),
        };
        is_behind_alpha = kind == b"ALPH";
        let damaged = || Fault::damaged("WebP", "what its pictures say of themselves is wrong");
        most = most.max(taken.ok_or_else(damaged)?);
    }
    Ok(most)
}

/// Whether a `VP8 ` chunk is of an image of this size (RFC 6386, section 9.1).
fn is_lossy_of(chunk: &[u8], (width, height): (usize, usize)) -> bool {
    let side = |side: [u8; 2]| usize::from(u16::from_le_bytes(side) & 0x3FFF);
    matches!(chunk, &[_, _, _, _, _, _, w0, w1, h0, h1, ..]
        if side([w0, w1]) == width && side([h0, h1]) == height)
}

/// The first chunk of a kind, if it is whole.
fn chunk<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let (_, chunk, is_whole) = chunks(bytes.get(12..)?).find(|(kind, ..)| *kind == wanted)?;
    is_whole.then_some(chunk)
}

/// Kind and content of chunks, and whether that is all of it: the last one may be cut off.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8], bool)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (size, after) = after.split_first_chunk()?;
        let size = u32::from_le_bytes(*size) as usize;
        let padded = size.checked_next_multiple_of(2)?;
        rest = after.get(padded..).unwrap_or_default();
        let chunk = &after[..size.min(after.len())];
        Some((kind, chunk, chunk.len() == size))
    })
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::of_image(error),
        error => Fault::damaged("WebP", error),
    }
}
