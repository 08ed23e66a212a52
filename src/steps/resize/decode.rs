//! From an encoded file to upright 8-bit RGB.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};

use super::fault::Fault;
use super::kind::{self, Kind};
use super::stored::{Alone, Stored};
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::storage::guard::guarded;

/// An upright RGB image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Pixels, after EXIF orientation.
    pub width: u32,
    /// Pixels, after EXIF orientation.
    pub height: u32,
    /// Row-major, 3 bytes a pixel.
    pub rgb: Vec<u8>,
    /// Colour mode of the file: `rgb8`, `l8`, `cmyk8` ...
    pub mode: String,
    /// EXIF orientation that was applied, 1 to 8.
    pub orientation: u8,
}

/// Decodes BMP, GIF, PNG and WebP (the first frame), JPEG or TIFF (the first page), told apart by content, to the pixels of
/// Pillow's `ImageOps.exif_transpose(image).convert("RGB")`, with two differences: what is transparent is laid over white, as
/// the studio photographs are, and of 16-bit grey the high byte is taken, as Pillow does in colour (in grey it clips to white).
///
/// # Errors
/// A [`Fault`] for anything that is no whole image with sides from [`super::MIN_SIDE`] to [`super::MAX_SIDE`] and at most
/// [`super::MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Decoded, Fault> {
    decode_alone(bytes).map(|(decoded, _)| decoded)
}

/// [`decode`]; the guard is to be held as long as the pixels are worked on.
pub(super) fn decode_alone(bytes: &[u8]) -> Result<(Decoded, Option<Alone>), Fault> {
    // A defect of a decoder must cost one image, not the run.
    let outcome = guarded(|| stored(bytes).and_then(upright));
    outcome.unwrap_or_else(|| Err(Fault::of_decoder()))
}

fn stored(bytes: &[u8]) -> Result<Stored, Fault> {
    match kind::kind(bytes)? {
        Kind::Bmp => bmp::decode(bytes),
        Kind::Gif => gif::decode(bytes),
        Kind::Jpeg => jpeg::decode(bytes),
        Kind::Png => png::decode(bytes),
        Kind::Tiff => tiff::decode(bytes),
        Kind::WebP => webp::decode(bytes),
    }
}

fn upright(stored: Stored) -> Result<(Decoded, Option<Alone>), Fault> {
    let Stored {
        size,
        rgb,
        mode,
        orientation,
    } = stored;
    let (width, height) = (size.width as u32, size.height as u32);
    let (width, height, rgb) = match orientation {
        Orientation::NoTransforms => (width, height, rgb),
        _ => match RgbImage::from_raw(width, height, rgb) {
            None => return Err(Fault::of_decoder()),
            Some(image) => {
                let mut image = DynamicImage::ImageRgb8(image);
                image.apply_orientation(orientation);
                let image = image.into_rgb8();
                (image.width(), image.height(), image.into_raw())
            }
        },
    };
    let decoded = Decoded {
        width,
        height,
        rgb,
        mode,
        orientation: orientation.to_exif(),
    };
    Ok((decoded, size.alone))
}

/// Encodes RGB bytes as JPEG.
pub(super) fn to_jpeg(
    rgb: &[u8],
    width: usize,
    height: usize,
    quality: u8,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    encode(
        JpegEncoder::new_with_quality(&mut out, quality),
        rgb,
        width,
        height,
    )?;
    Ok(out)
}

/// Encodes RGB bytes as PNG.
pub(super) fn to_png(rgb: &[u8], width: usize, height: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    encode(PngEncoder::new(&mut out), rgb, width, height)?;
    Ok(out)
}

fn encode(
    encoder: impl ImageEncoder,
    rgb: &[u8],
    width: usize,
    height: usize,
) -> Result<(), Fault> {
    let written = encoder.write_image(rgb, width as u32, height as u32, ExtendedColorType::Rgb8);
    written.map_err(Fault::of_image)
}
