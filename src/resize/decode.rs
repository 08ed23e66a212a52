//! From an encoded file to upright 8-bit RGB.

use std::io::{self, Cursor};
use std::sync::{Mutex, PoisonError};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits, RgbImage,
};

use super::jpeg;
use crate::rejection::{Reason, Rejection};

/// Images with more pixels are refused before they are decoded: a 40 kB file can claim 10^9 of them. The figure is
/// where Pillow starts to warn of a decompression bomb, a quarter of 2^30 bytes as RGB.
pub const MAX_PIXELS: u64 = 89_478_485;
/// Images whose decoded form takes more memory are refused before they are decoded; the `image` crate's own default.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;
/// Images with a shorter side are refused: less than one 8 x 8 block of a JPEG shows nothing.
pub const MIN_SIDE: u32 = 8;

/// Decoded images above this size are decoded one at a time: 21 megapixels of RGB.
const LARGE_BYTES: u64 = 64 << 20;
static LARGE: Mutex<()> = Mutex::new(());

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

/// Why a file is no usable image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// As a code.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Fault {
    /// The decoder gave up in a way it should not.
    pub(super) fn of_decoder() -> Self {
        let message = "the decoder failed on this content".to_owned();
        Self {
            reason: Reason::DecodeError,
            message,
        }
    }

    /// The row of `rejected.csv` for the file `key`.
    #[must_use]
    pub fn rejects(self, key: &str, size_bytes: u64) -> Rejection {
        Rejection {
            key: key.to_owned(),
            size_bytes,
            reason: self.reason,
            message: self.message,
        }
    }
}

/// Decodes BMP, GIF and WebP (first frame), JPEG, PNG or TIFF, told apart by content. Grey, palette, CMYK and 16-bit
/// images become 8-bit RGB; alpha is laid over white, as the studio photographs are; EXIF orientation is applied.
///
/// # Errors
/// A [`Fault`] for anything that is no whole image between [`MIN_SIDE`] and [`MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Decoded, Fault> {
    let fault = |reason, message: String| Fault { reason, message };
    if bytes.is_empty() {
        return Err(fault(Reason::ZeroBytes, "the file is empty".to_owned()));
    }
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(io_fault)?;
    let Some(format) = reader.format() else {
        let message = "the content is no BMP, GIF, JPEG, PNG, TIFF or WebP".to_owned();
        return Err(fault(Reason::UnknownFormat, message));
    };
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        let message = "the JPEG data stops before its end marker; fetch the file again".to_owned();
        return Err(fault(Reason::Truncated, message));
    }
    let mut decoder = reader.into_decoder().map_err(image_fault)?;
    let (width, height) = decoder.dimensions();
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels > MAX_PIXELS || decoder.total_bytes() > MAX_DECODED_BYTES {
        let message = format!(
            "{width} x {height} pixels take {} bytes decoded; at most {MAX_PIXELS} pixels and {MAX_DECODED_BYTES} \
             bytes are accepted; shrink the image",
            decoder.total_bytes()
        );
        return Err(fault(Reason::TooLarge, message));
    }
    if width.min(height) < MIN_SIDE {
        let message = format!("{width} x {height} pixels; each side needs at least {MIN_SIDE}");
        return Err(fault(Reason::TooSmall, message));
    }
    // Of images that take much memory, one at a time: the bound of a run's memory holds whatever the number of threads.
    let _alone = (decoder.total_bytes() > LARGE_BYTES)
        .then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    decoder.set_limits(limits).map_err(image_fault)?;
    let mode = mode(decoder.original_color_type());
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let is_jpeg = format == ImageFormat::Jpeg;
    let damaged = |message| fault(Reason::DecodeError, message);
    let by_libjpeg = if is_jpeg {
        jpeg::decode(bytes).map_err(damaged)?
    } else {
        None
    };
    let (mut image, mode) = match by_libjpeg {
        Some(rgb) => (DynamicImage::ImageRgb8(rgb), mode),
        None => {
            let mode = if is_jpeg { "cmyk8".to_owned() } else { mode };
            (
                DynamicImage::from_decoder(decoder).map_err(image_fault)?,
                mode,
            )
        }
    };
    image.apply_orientation(orientation);
    let rgb = over_white(image);
    Ok(Decoded {
        width: rgb.width(),
        height: rgb.height(),
        rgb: rgb.into_raw(),
        mode,
        orientation: orientation.to_exif(),
    })
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
    written.map_err(image_fault)
}

/// `Rgb8` -> `rgb8`.
fn mode(color: ExtendedColorType) -> String {
    format!("{color:?}").to_lowercase()
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, a] = from.0;
        to.0 = [r, g, b].map(|value| blend(value, a));
    }
    rgb
}

/// Whether an end-of-image marker follows the first scan. Decoders fill the missing part of a truncated JPEG with
/// grey and say nothing, and a half-grey photograph must not become a descriptor.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            // Entropy-coded data stuffs 0xFF, so these two bytes are the marker and nothing else.
            return bytes[at..].windows(2).any(|pair| pair == [0xFF, 0xD9]);
        }
        let fill = marker == 0xFF;
        at += if fill {
            1
        } else {
            2 + usize::from(u16::from_be_bytes([high, low]))
        };
    }
    false
}

fn io_fault(error: io::Error) -> Fault {
    image_fault(ImageError::IoError(error))
}

fn image_fault(error: ImageError) -> Fault {
    let reason = match &error {
        ImageError::Limits(_) => Reason::TooLarge,
        ImageError::Unsupported(_) => Reason::UnknownFormat,
        _ if ends_early(&error) => Reason::Truncated,
        _ => Reason::DecodeError,
    };
    Fault {
        reason,
        message: error.to_string(),
    }
}

fn ends_early(error: &ImageError) -> bool {
    // The PNG decoder keeps the I/O error to itself and gives its text.
    if error.to_string().contains("unexpected end of file") {
        return true;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        cause = e.source();
    }
    false
}
