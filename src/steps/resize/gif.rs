//! GIF: the first frame on its canvas.

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError};
use image::metadata::Orientation;

use super::fault::{self, Fault};
use super::stored::{Size, Stored};
use crate::storage::rejection::Reason;

/// Decodes to RGB. As in Pillow, a frame that reaches beyond the canvas makes it larger, and where the frame is not, the canvas
/// has the first colour; what is transparent becomes white.
///
/// # Errors
/// A [`Fault`].
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.check_frame_consistency(false);
    options.allow_unknown_blocks(true);
    let mut decoder = options.read_info(bytes).map_err(fault)?;
    let canvas = (usize::from(decoder.width()), usize::from(decoder.height()));
    let frame = decoder.next_frame_info().map_err(fault)?;
    let frame = frame.ok_or_else(|| Fault::truncated("GIF"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let clear = frame.transparent;
    let canvas = (canvas.0.max(left + width), canvas.1.max(top + height));
    // An index and three colours a pixel.
    let size = Size::admit(canvas.0 as u64, canvas.1 as u64, 4)?;
    let colours = colours(&decoder, clear);
    let mut indices = vec![0; width * height];
    decoder.read_into_buffer(&mut indices).map_err(fault)?;
    let beside = colours[usize::from(clear.unwrap_or(0))];
    let mut rgb = beside.repeat(size.pixels());
    for (y, row) in indices.chunks_exact(width.max(1)).enumerate() {
        let start = ((top + y) * size.width + left) * 3;
        let (pixels, _) = rgb[start..start + width * 3].as_chunks_mut::<3>();
        for (to, from) in pixels.iter_mut().zip(row) {
            *to = colours[usize::from(*from)];
        }
    }
    Ok(Stored {
        size,
        rgb,
        mode: "rgba8".to_owned(),
        orientation: Orientation::NoTransforms,
    })
}

/// What each index shows: the palette of the frame or of the file, or grey where there is none.
fn colours(decoder: &Decoder<&[u8]>, clear: Option<u8>) -> Vec<[u8; 3]> {
    let mut colours: Vec<_> = (0..=255).map(|grey| [grey; 3]).collect();
    let (palette, _) = decoder.palette().unwrap_or_default().as_chunks::<3>();
    for (to, from) in colours.iter_mut().zip(palette) {
        *to = *from;
    }
    if let Some(clear) = clear {
        colours[usize::from(clear)] = [255; 3];
    }
    colours
}

fn fault(error: DecodingError) -> Fault {
    let text = error.to_string();
    match error {
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => {
            Fault::new(Reason::TooLarge, format!("{text}; shrink the image"))
        }
        error if fault::ends_early(&error) || text.contains("Unexpected End of File") => {
            Fault::truncated("GIF")
        }
        _ => Fault::damaged("GIF", text),
    }
}
