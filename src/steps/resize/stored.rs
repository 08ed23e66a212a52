//! Images as they are stored: how large they may be, and their colours as RGB.

use std::sync::{Mutex, MutexGuard, PoisonError};

use image::metadata::Orientation;

use super::fault::Fault;
use crate::storage::rejection::Reason;

/// Images with more pixels are refused before they are decoded: a 40 kB file can claim 10^9 of them. The figure is
/// where Pillow starts to warn of a decompression bomb, a quarter of 2^30 bytes as RGB.
pub const MAX_PIXELS: u64 = 89_478_485;
/// Images whose decoded form takes more memory are refused before they are decoded.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;
/// Images with a longer side are refused: JPEG and GIF have none. A strip of 8 x 11 million pixels takes seconds to resize.
pub const MAX_SIDE: u64 = 65_535;
/// Images with a shorter side are refused: less than one 8 x 8 block of a JPEG shows nothing.
pub const MIN_SIDE: u64 = 8;

/// Decoded images above this size are worked on one at a time: 21 megapixels of RGB.
const LARGE_BYTES: u64 = 64 << 20;
static LARGE: Mutex<()> = Mutex::new(());

/// An image as it is stored, in RGB, and how it is to be turned.
pub(super) struct Stored {
    pub size: Size,
    pub rgb: Vec<u8>,
    pub mode: String,
    pub orientation: Orientation,
}

/// Width and height that were found fit to decode. Of images that take much memory there is one at a time, so that the bound
/// of a run's memory holds whatever the number of threads.
pub(super) struct Size {
    pub width: usize,
    pub height: usize,
    pub alone: Option<Alone>,
    n_bytes: u64,
}

/// Held while a large image is decoded and resized.
pub(super) type Alone = MutexGuard<'static, ()>;

impl Size {
    /// Looks at the size in a header before anything is decoded. `bytes_a_pixel` is what the
    /// decoder takes, at least the three of RGB.
    pub fn admit(width: u64, height: u64, bytes_a_pixel: u64) -> Result<Self, Fault> {
        let n_bytes = width
            .saturating_mul(height)
            .saturating_mul(bytes_a_pixel.max(3));
        if width.saturating_mul(height) > MAX_PIXELS || n_bytes > MAX_DECODED_BYTES {
            let message = format!(
                "{width} x {height} pixels take {n_bytes} bytes decoded; at most {MAX_PIXELS} pixels and \
                 {MAX_DECODED_BYTES} bytes are accepted; shrink the image"
            );
            return Err(Fault::new(Reason::TooLarge, message));
        }
        if width.max(height) > MAX_SIDE {
            let message = format!(
                "{width} x {height} pixels; a side of at most {MAX_SIDE} is accepted; cut the image into pieces"
            );
            return Err(Fault::new(Reason::TooLarge, message));
        }
        if width.min(height) < MIN_SIDE {
            let message = format!("{width} x {height} pixels; each side needs at least {MIN_SIDE}");
            return Err(Fault::new(Reason::TooSmall, message));
        }
        Ok(Self {
            width: width as usize,
            height: height as usize,
            alone: alone(n_bytes),
            n_bytes,
        })
    }

    /// The same where `what`, in the plural, takes memory beside the pixels.
    pub fn with_more(mut self, more_bytes: u64, what: &str) -> Result<Self, Fault> {
        let n_bytes = self.n_bytes.saturating_add(more_bytes);
        if n_bytes > MAX_DECODED_BYTES {
            let message = format!(
                "{what} take more memory than its pixels may; at most {MAX_DECODED_BYTES} bytes in all are accepted; \
                 save it again"
            );
            return Err(Fault::new(Reason::TooLarge, message));
        }
        self.n_bytes = n_bytes;
        self.alone = self.alone.take().or_else(|| alone(n_bytes));
        Ok(self)
    }

    pub fn pixels(&self) -> usize {
        self.width * self.height
    }
}

/// Waits until no other large image is worked on, if this one is large.
fn alone(n_bytes: u64) -> Option<Alone> {
    (n_bytes > LARGE_BYTES).then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// RGB of grey.
pub(super) fn from_grey(grey: &[u8]) -> Vec<u8> {
    let mut rgb = vec![0; grey.len() * 3];
    let (pixels, _) = rgb.as_chunks_mut::<3>();
    for (to, from) in pixels.iter_mut().zip(grey) {
        *to = [*from; 3];
    }
    rgb
}

/// RGB of RGB and alpha, over white.
pub(super) fn from_rgba(rgba: &[u8]) -> Vec<u8> {
    let (from, _) = rgba.as_chunks::<4>();
    let mut rgb = vec![0; from.len() * 3];
    let (to, _) = rgb.as_chunks_mut::<3>();
    for (to, [r, g, b, a]) in to.iter_mut().zip(from) {
        *to = [*r, *g, *b].map(|value| over_white(value, *a));
    }
    rgb
}

/// A value over white, as Pillow's `alpha_composite` has it.
pub(super) fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// The RGB of inks, as Pillow has it.
pub(super) fn of_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let rest = 255 - u32::from(k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * rest + 128;
        (rest - (((product >> 8) + product) >> 8)) as u8
    })
}
