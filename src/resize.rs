//! Step 2: decode and resize to the network's input, 224 x 224 x 3.
//!
//! Pixels are stretched to the square, not cropped, as the first version of this chain did with Pillow.

mod decode;
mod jpeg;
mod pillow;

use std::fmt;
use std::str::FromStr;

use polars::prelude::*;
use rayon::prelude::*;

pub use self::decode::{Decoded, Fault, MAX_DECODED_BYTES, MAX_PIXELS, MIN_SIDE, decode};
pub use self::pillow::resample;
use crate::error::{Error, Result};
use crate::matrix::{binaries, strings};
use crate::rejection::Rejection;
use crate::schema::{CONTENT, HEIGHT, KEY, MODE, ORIENTATION, PIXELS, SIDE, THUMBNAIL, WIDTH};

/// Largest side of a thumbnail in pixels: readable in a report, about 2 kB as JPEG.
pub const THUMBNAIL_SIDE: usize = 64;
/// JPEG quality of a thumbnail: they are encoded once more in the report, so this first time keeps more.
const THUMBNAIL_QUALITY: u8 = 90;

/// Images that are decoded between two looks whether to go on: a tenth of a second, if they are small, on two cores.
const IMAGES_AT_A_TIME: usize = 256;

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
/// [`Error::Invalid`] if `key` or `content` is missing.
pub fn resize(frame: &DataFrame, filter: Filter) -> Result<Resized> {
    resize_with(frame, filter, &mut |_| true)
}

/// [`resize`], with `keep_going` asked now and then with the number of images done.
///
/// # Errors
/// As [`resize`], and [`Error::Interrupted`] if `keep_going` says no.
pub fn resize_with(
    frame: &DataFrame,
    filter: Filter,
    keep_going: &mut dyn FnMut(usize) -> bool,
) -> Result<Resized> {
    let keys = strings(frame, KEY)?;
    let contents = binaries(frame, CONTENT)?;
    let mut outcomes = Vec::with_capacity(contents.len());
    for part in contents.chunks(IMAGES_AT_A_TIME) {
        if !keep_going(outcomes.len()) {
            return Err(Error::Interrupted);
        }
        let prepared: Vec<_> = part
            .par_iter()
            .map(|bytes| prepare(bytes, filter))
            .collect();
        outcomes.extend(prepared);
    }

    let mut kept = Vec::with_capacity(keys.len());
    let mut images = Vec::with_capacity(keys.len());
    let mut rejected = Vec::new();
    for (i, outcome) in outcomes.into_iter().enumerate() {
        kept.push(outcome.is_ok());
        match outcome {
            Ok(image) => images.push(image),
            Err(fault) => rejected.push(fault.rejects(keys[i], contents[i].len() as u64)),
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
    // A defect of a decoder must cost one image, not the run.
    let image =
        std::panic::catch_unwind(|| decode(bytes)).unwrap_or_else(|_| Err(Fault::of_decoder()))?;
    let (width, height) = (image.width as usize, image.height as usize);
    let pixels = resample(&image.rgb, width, height, SIDE, SIDE, filter);
    let (small_width, small_height) = fit(width, height, THUMBNAIL_SIDE);
    let small = resample(
        &image.rgb,
        width,
        height,
        small_width,
        small_height,
        Filter::Bicubic,
    );
    let thumbnail = decode::to_jpeg(&small, small_width, small_height, THUMBNAIL_QUALITY)?;
    Ok(Prepared {
        width: image.width,
        height: image.height,
        mode: image.mode,
        orientation: image.orientation,
        pixels,
        thumbnail,
    })
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
    let image = decode(bytes)?;
    let (width, height) = (image.width as usize, image.height as usize);
    let (small_width, small_height) = fit(width, height, PREVIEW_SIDE);
    let small = resample(
        &image.rgb,
        width,
        height,
        small_width,
        small_height,
        Filter::Bicubic,
    );
    let resized = resample(&image.rgb, width, height, SIDE, SIDE, filter);
    Ok(Preview {
        original_png: decode::to_png(&small, small_width, small_height)?,
        resized_png: decode::to_png(&resized, SIDE, SIDE)?,
    })
}

/// The size of an image shrunk into a square of `side` pixels with its shape kept.
fn fit(width: usize, height: usize, side: usize) -> (usize, usize) {
    let scale = (side as f64 / width.max(height) as f64).min(1.0);
    let shrink = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    (shrink(width), shrink(height))
}
