//! Step 2: decode and resize to the network's input, 224 x 224 x 3.
//!
//! Pixels are stretched to the square, not cropped, with the bytes of Pillow's `Image.resize`: that is what pipelines in
//! Keras and PySpark feed to VGG16, so descriptors can be compared with theirs.

mod bmp;
mod decode;
mod fault;
mod gif;
mod ifd;
mod jpeg;
mod kind;
mod orientation;
mod pillow;
mod png;
mod stored;
mod tiff;
mod webp;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::*;
use rayon::prelude::*;

use self::decode::decode_alone;
pub use self::decode::{Decoded, decode};
pub use self::fault::Fault;
pub use self::stored::{MAX_DECODED_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE};
use crate::error::{Error, Result};
use crate::frame::{binaries, check_free, keys};
use crate::schema::{CONTENT, HEIGHT, MODE, ORIENTATION, PIXELS, SIDE, THUMBNAIL, WIDTH};
use crate::storage::rejection::Rejection;

/// Largest side of a thumbnail in pixels: readable in a report, about 2 kB as JPEG.
pub const THUMBNAIL_SIDE: usize = 64;
/// JPEG quality of a thumbnail: they are encoded once more in the report, so this first time keeps more.
const THUMBNAIL_QUALITY: u8 = 90;

/// How pixels between pixels are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    /// Cubic convolution with a = -0.5 over 4 x 4 pixels, wider when shrinking (Keys 1981), bit for bit as Pillow.
    #[default]
    Bicubic,
    /// The pixel that covers the centre.
    Nearest,
}

impl Filter {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bicubic => "bicubic",
            Self::Nearest => "nearest",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "bicubic" => Ok(Self::Bicubic),
            "nearest" => Ok(Self::Nearest),
            _ => Err(Error::Invalid(format!(
                "no filter `{text}`; there are bicubic and nearest"
            ))),
        }
    }
}

/// Images of one size, and the files that are none.
#[derive(Debug, Clone)]
pub struct Resized {
    /// The input's other columns, and `width`, `height` `UInt32` and `mode` String of the original, `orientation`
    /// `UInt32`, `pixels` Binary (224 x 224 x 3 bytes, row-major RGB), `thumbnail` Binary (JPEG, at most 64 x 64).
    pub images: DataFrame,
    /// One entry for each file that cannot be used.
    pub rejected: Vec<Rejection>,
}

/// One image, ready for the network.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The original.
    pub width: u32,
    /// The original.
    pub height: u32,
    /// Colour mode of the original.
    pub mode: String,
    /// EXIF orientation that was applied.
    pub orientation: u8,
    /// 224 x 224 x 3 bytes, row-major RGB.
    pub pixels: Vec<u8>,
    /// JPEG.
    pub thumbnail: Vec<u8>,
}

/// Decodes and resizes the `content` column; rows keep their order.
///
/// # Errors
/// [`Error::Column`] if `key` or `content` is missing or of another type, a key is there twice, or a column that is to be added
/// is there.
pub fn resize(frame: &DataFrame, filter: Filter) -> Result<Resized> {
    resize_with(frame, filter, &|_| true)
}

/// [`resize`], with `keep_going` asked before every image with the number of images done.
///
/// # Errors
/// As [`resize`], and [`Error::Cancelled`] if `keep_going` says no.
pub fn resize_with(
    frame: &DataFrame,
    filter: Filter,
    keep_going: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Resized> {
    let keys = keys(frame)?;
    let contents = binaries(frame, CONTENT)?;
    check_free(
        frame,
        &[WIDTH, HEIGHT, MODE, ORIENTATION, PIXELS, THUMBNAIL],
    )?;
    let n_done = AtomicUsize::new(0);
    let prepared = contents.par_iter().map(|bytes| {
        if !keep_going(n_done.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled);
        }
        let prepared = prepare(bytes, filter);
        n_done.fetch_add(1, Ordering::Relaxed);
        Ok(prepared)
    });
    let outcomes: Vec<_> = prepared.collect::<Result<_>>()?;

    let mut kept = Vec::with_capacity(contents.len());
    let mut images = Vec::with_capacity(contents.len());
    let mut rejected = Vec::new();
    for ((outcome, key), content) in outcomes.into_iter().zip(keys.no_null_iter()).zip(contents) {
        kept.push(outcome.is_ok());
        match outcome {
            Ok(image) => images.push(image),
            Err(fault) => rejected.push(fault.rejects(key, content.len() as u64)),
        }
    }
    let kept = BooleanChunked::from_slice("kept".into(), &kept);
    let mut frame = frame.drop(CONTENT)?.filter(&kept)?;
    let bytes = |name: &str, f: fn(&Prepared) -> &[u8]| {
        BinaryChunked::from_iter_values(name.into(), images.iter().map(f)).into_column()
    };
    for column in [
        Column::new(
            WIDTH.into(),
            images.iter().map(|p| p.width).collect::<Vec<_>>(),
        ),
        Column::new(
            HEIGHT.into(),
            images.iter().map(|p| p.height).collect::<Vec<_>>(),
        ),
        Column::new(
            MODE.into(),
            images.iter().map(|p| p.mode.clone()).collect::<Vec<_>>(),
        ),
        Column::new(
            ORIENTATION.into(),
            images
                .iter()
                .map(|p| u32::from(p.orientation))
                .collect::<Vec<_>>(),
        ),
        bytes(PIXELS, |p| &p.pixels),
        bytes(THUMBNAIL, |p| &p.thumbnail),
    ] {
        frame.with_column(column)?;
    }
    Ok(Resized {
        images: frame,
        rejected,
    })
}

/// Decodes and resizes one encoded image.
///
/// # Errors
/// A [`Fault`] with its reason code.
pub fn prepare(bytes: &[u8], filter: Filter) -> Result<Prepared, Fault> {
    let (image, _alone) = decode_alone(bytes)?;
    let size = (image.width as usize, image.height as usize);
    let pixels = resampled(&image.rgb, size, (SIDE, SIDE), filter);
    let small_size = fit(size, THUMBNAIL_SIDE);
    let small = resampled(&image.rgb, size, small_size, Filter::Bicubic);
    let thumbnail = decode::to_jpeg(&small, small_size.0, small_size.1, THUMBNAIL_QUALITY)?;
    Ok(Prepared {
        width: image.width,
        height: image.height,
        mode: image.mode,
        orientation: image.orientation,
        pixels,
        thumbnail,
    })
}

/// Resizes `width` x `height` RGB bytes to `to_width` x `to_height`, stretching. Beside the result it takes the memory of a few
/// rows.
///
/// # Errors
/// [`Error::Invalid`] if `rgb` has not 3 bytes for each pixel, a side is 0, or the result would have more than [`MAX_PIXELS`].
///
/// # References
/// R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.
pub fn resample(
    rgb: &[u8],
    width: usize,
    height: usize,
    to_width: usize,
    to_height: usize,
    filter: Filter,
) -> Result<Vec<u8>> {
    let n_bytes = |width: usize, height: usize| width.checked_mul(height)?.checked_mul(3);
    if n_bytes(width, height) != Some(rgb.len()) || rgb.is_empty() {
        return Err(Error::Invalid(format!(
            "{} bytes are no image of {width} x {height} pixels, each 3 bytes; give the size they have",
            rgb.len()
        )));
    }
    let n_pixels = to_width
        .checked_mul(to_height)
        .map_or(u64::MAX, |n| n as u64);
    if !(1..=MAX_PIXELS).contains(&n_pixels) {
        return Err(Error::Invalid(format!(
            "an image cannot be resized to {to_width} x {to_height} pixels; ask for 1 to {MAX_PIXELS} of them"
        )));
    }
    Ok(resampled(
        rgb,
        (width, height),
        (to_width, to_height),
        filter,
    ))
}

/// [`resample`] of what is known to fit.
fn resampled(rgb: &[u8], from: (usize, usize), to: (usize, usize), filter: Filter) -> Vec<u8> {
    match filter {
        Filter::Nearest => pillow::nearest(rgb, from, to),
        Filter::Bicubic => pillow::bicubic(rgb, from, to),
    }
}

/// An image before and after the resize, for a reader.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The upright original, shrunk to at most 448 pixels a side.
    pub original_png: Vec<u8>,
    /// 224 x 224 pixels.
    pub resized_png: Vec<u8>,
}

/// Twice the network's input: more is not seen beside it.
const PREVIEW_SIDE: usize = 2 * SIDE;

/// Shows what [`prepare`] does to an encoded image.
///
/// # Errors
/// A [`Fault`] with its reason code.
pub fn preview(bytes: &[u8], filter: Filter) -> Result<Preview, Fault> {
    let (image, _alone) = decode_alone(bytes)?;
    let size = (image.width as usize, image.height as usize);
    let small_size = fit(size, PREVIEW_SIDE);
    let small = resampled(&image.rgb, size, small_size, Filter::Bicubic);
    let resized = resampled(&image.rgb, size, (SIDE, SIDE), filter);
    Ok(Preview {
        original_png: decode::to_png(&small, small_size.0, small_size.1)?,
        resized_png: decode::to_png(&resized, SIDE, SIDE)?,
    })
}

/// The size of an image shrunk into a square of `side` pixels with its shape kept.
fn fit((width, height): (usize, usize), side: usize) -> (usize, usize) {
    let scale = (side as f64 / width.max(height) as f64).min(1.0);
    let shrink = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    (shrink(width), shrink(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_stays_flat() {
        for filter in [Filter::Bicubic, Filter::Nearest] {
            for (w, h) in [(1, 1), (7, 300), (100, 100), (224, 224), (500, 3)] {
                let rgb = [200, 3, 77].repeat(w * h);
                assert_eq!(
                    resample(&rgb, w, h, 224, 224, filter).unwrap(),
                    [200, 3, 77].repeat(224 * 224)
                );
            }
        }
    }

    #[test]
    fn the_same_size_keeps_every_byte() {
        let rgb: Vec<u8> = (0..224 * 224 * 3).map(|i| (i * 31 % 251) as u8).collect();
        for filter in [Filter::Bicubic, Filter::Nearest] {
            assert_eq!(resample(&rgb, 224, 224, 224, 224, filter).unwrap(), rgb);
        }
    }

    #[test]
    fn what_is_no_image_is_an_error() {
        for filter in [Filter::Bicubic, Filter::Nearest] {
            for (n_bytes, from, to) in [
                (0, (0, 0), (8, 8)),
                (0, (0, 9), (8, 8)),
                (26, (3, 3), (8, 8)),
                (28, (3, 3), (8, 8)),
                (27, (usize::MAX, 3), (8, 8)),
                (27, (3, 3), (0, 8)),
                (27, (3, 3), (8, 0)),
                (27, (3, 3), (usize::MAX, 2)),
                (27, (3, 3), (1 << 20, 1 << 20)),
            ] {
                let rgb = vec![9; n_bytes];
                let error = resample(&rgb, from.0, from.1, to.0, to.1, filter).unwrap_err();
                assert!(matches!(error, Error::Invalid(_)), "{error}");
            }
        }
    }
}
