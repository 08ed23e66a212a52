//! BMP.

use std::io::{self, Cursor};

use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};

use super::fault::Fault;
use super::stored::{Size, Stored, from_grey, from_rgba};

/// Decodes to RGB.
///
/// # Errors
/// A [`Fault`].
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    let (width, height) = dimensions(bytes).ok_or_else(|| Fault::truncated("BMP"))?;
    // Colours and alpha.
    let size = Size::admit(width, height, 4)?;
    let sixteen = Sixteen::of(bytes)?;
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(fault)?;
    if decoder.dimensions() != (size.width as u32, size.height as u32) {
        return Err(Fault::damaged("BMP", "its header says two sizes"));
    }
    let color = decoder.color_type();
    let n_samples = usize::from(color.channel_count());
    let mode = format!("{:?}", decoder.original_color_type()).to_lowercase();
    let mut samples = vec![0; size.pixels() * n_samples];
    decoder.read_image(&mut samples).map_err(fault)?;
    let rgb = match color {
        ColorType::Rgb8 => samples,
        ColorType::L8 => from_grey(&samples),
        ColorType::Rgba8 => from_rgba(&samples),
        other => {
            let what = format!("the BMP has pixels of {other:?}");
            return Err(Fault::unsupported(what, "save it as PNG"));
        }
    };
    let rgb = match sixteen {
        Some(sixteen) => sixteen.as_pillow(rgb),
        None => rgb,
    };
    Ok(Stored {
        size,
        rgb,
        mode,
        orientation: Orientation::NoTransforms,
    })
}

/// Width and height of the header; a negative height says that rows come from the top.
fn dimensions(bytes: &[u8]) -> Option<(u64, u64)> {
    let two = |at: usize| bytes.get(at..at + 2)?.first_chunk().copied();
    match number(bytes, 14)? {
        12 => Some((
            u64::from(u16::from_le_bytes(two(18)?)),
            u64::from(u16::from_le_bytes(two(20)?)),
        )),
        _ => {
            let side = |at| Some(u64::from((number(bytes, at)? as i32).unsigned_abs()));
            Some((side(18)?, side(22)?))
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// How the bits of a pixel of 16 bits are shared.
struct Sixteen {
    /// Largest values of red, green and blue.
    most: [u32; 3],
}

impl Sixteen {
    /// `None` if pixels have another number of bits.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let number = |at| number(bytes, at);
        let has_16 = number(14).is_some_and(|header| header > 12)
            && number(26).is_some_and(|planes_and_bits| planes_and_bits >> 16 == 16);
        if !has_16 {
            return Ok(None);
        }
        let masks = match number(30) {
            Some(3) => [54, 58, 62].map(number),
            _ => [0x7C00, 0x3E0, 0x1F].map(Some),
        };
        match masks {
            [Some(0x7C00), Some(0x3E0), Some(0x1F)] => Ok(Some(Self { most: [31, 31, 31] })),
            [Some(0xF800), Some(0x7E0), Some(0x1F)] => Ok(Some(Self { most: [31, 63, 31] })),
            _ => {
                let what =
                    "the BMP shares 16 bits among its colours in a way that is not read here";
                Err(Fault::unsupported(what, "save it as PNG"))
            }
        }
    }

    /// The decoder rounds to 8 bits where Pillow cuts off.
    fn as_pillow(&self, mut rgb: Vec<u8>) -> Vec<u8> {
        let (pixels, _) = rgb.as_chunks_mut::<3>();
        for pixel in pixels {
            for (value, most) in pixel.iter_mut().zip(self.most) {
                let stored = (u32::from(*value) * most + 127) / 255;
                *value = (stored * 255 / most) as u8;
            }
        }
        rgb
    }
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Unsupported(e) => {
            Fault::unsupported(format!("the BMP is not read here ({e})"), "save it as PNG")
        }
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Fault::truncated("BMP")
        }
        ImageError::Limits(_) => Fault::of_image(error),
        error => Fault::damaged("BMP", error),
    }
}
