//! From the samples of a TIFF to RGB, by the rules of Pillow.

use super::layout::{Place, tag};
use crate::steps::resize::fault::Fault;
use crate::steps::resize::ifd::Directory;
use crate::steps::resize::stored::{of_cmyk, over_white};

/// What the samples of a pixel mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Color {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// What the first sample behind the colours is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alpha {
    None,
    Straight,
    Premultiplied,
}

/// How pixels are stored.
pub(super) struct Samples {
    color: Color,
    pub is_jpeg_ycbcr: bool,
    pub bits: usize,
    pub n_samples: usize,
    pub is_planar: bool,
    pub is_big_endian: bool,
    pub has_differences: bool,
    alpha: Alpha,
    colours: Vec<[u8; 3]>,
}

const RESAVE: &str = "save it as 8-bit RGB, or as PNG";

/// Pillow takes no more, either.
const MAX_SAMPLES: u64 = 6;

impl Samples {
    pub fn of(directory: &Directory) -> Result<Self, Fault> {
        let refuse = |what: String| {
            Err(Fault::unsupported(
                format!("the TIFF has {what}, which is not read here"),
                RESAVE,
            ))
        };
        let value = |tag, default| directory.value(tag).unwrap_or(default);
        let all = |tag| -> Vec<u64> {
            directory
                .values(tag)
                .into_iter()
                .flatten()
                .take(16)
                .collect()
        };
        let color = match value(tag::PHOTOMETRIC, 0) {
            0 => Color::WhiteIsZero,
            1 => Color::BlackIsZero,
            2 => Color::Rgb,
            3 => Color::Palette,
            5 => Color::Cmyk,
            6 => Color::YCbCr,
            8..=10 => return refuse("colours in L*a*b*".to_owned()),
            other => return refuse(format!("the colour space {other}")),
        };
        let n_colours = color.n_samples();
        let n_samples = value(tag::SAMPLES, 1);
        let n_extra = n_samples.checked_sub(n_colours as u64);
        let Some(n_extra) = n_extra.filter(|_| n_samples <= MAX_SAMPLES) else {
            return refuse(format!(
                "{n_samples} samples a pixel in a colour space of {n_colours}"
            ));
        };
        let mut bits = all(tag::BITS);
        bits.truncate(n_samples as usize);
        let depth = bits.first().copied().unwrap_or(1);
        if bits.iter().any(|bits| *bits != depth) {
            return refuse("samples of different numbers of bits".to_owned());
        }
        let formats = all(tag::FORMAT);
        match formats.iter().find(|format| !matches!(format, 1 | 4)) {
            None => {}
            Some(3) => {
                return refuse(format!(
                    "{depth}-bit floating-point samples, whose black and white nobody can know"
                ));
            }
            Some(2) if depth == 8 && color == Color::BlackIsZero => {}
            Some(_) => return refuse("signed or complex samples".to_owned()),
        }
        let is_known = match (color, depth) {
            (_, 8) => true,
            (Color::WhiteIsZero, 1 | 2 | 4) => n_extra == 0,
            (Color::BlackIsZero, 1 | 2 | 4 | 12) | (Color::Palette, 1 | 2 | 4) => n_extra == 0,
            (Color::BlackIsZero | Color::Rgb | Color::Cmyk, 16) => true,
            _ => false,
        };
        if !is_known {
            return refuse(format!("{depth}-bit samples in {}", color.name()));
        }
        let extra = all(tag::EXTRA);
        let alpha = match (extra.first(), color) {
            _ if n_extra == 0 => Alpha::None,
            (Some(2), Color::WhiteIsZero | Color::BlackIsZero | Color::Palette) if n_extra == 1 => {
                Alpha::Straight
            }
            (Some(2 | 999), Color::Rgb) => Alpha::Straight,
            (Some(1), Color::Rgb) => Alpha::Premultiplied,
            // Pillow takes a fourth sample that nothing is said of for alpha.
            (None, Color::Rgb) if n_extra == 1 => Alpha::Straight,
            (Some(0), Color::Rgb | Color::Palette | Color::Cmyk) => Alpha::None,
            _ => {
                return refuse(format!(
                    "{n_extra} samples behind the colours that it does not explain"
                ));
            }
        };
        let is_jpeg = directory.value(tag::COMPRESSION) == Some(7);
        if color == Color::YCbCr && !is_jpeg && all(tag::YCBCR_SAMPLING) != [1, 1] {
            return refuse("YCbCr with fewer samples of colour than pixels".to_owned());
        }
        let has_differences = match value(tag::PREDICTOR, 1) {
            1 => false,
            2 if matches!(depth, 8 | 16) => true,
            _ => return refuse("a predictor for such samples".to_owned()),
        };
        let is_jpeg_ycbcr = is_jpeg && color == Color::YCbCr;
        Ok(Self {
            // libjpeg makes RGB of it.
            color: if is_jpeg_ycbcr { Color::Rgb } else { color },
            is_jpeg_ycbcr,
            bits: depth as usize,
            n_samples: n_samples as usize,
            is_planar: value(tag::PLANES, 1) == 2 && n_samples > 1,
            is_big_endian: directory.is_big_endian(),
            has_differences,
            alpha,
            colours: match color {
                Color::Palette => colours(directory, depth)?,
                _ => Vec::new(),
            },
        })
    }

    pub fn bytes_a_pixel(&self) -> u64 {
        (self.bits * self.n_samples).div_ceil(8) as u64
    }

    /// Samples of a pixel in one piece.
    pub fn n_in_piece(&self) -> usize {
        if self.is_planar { 1 } else { self.n_samples }
    }

    /// Bytes of a row of a piece.
    pub fn row_bytes(&self, width: usize) -> usize {
        (width * self.bits * self.n_in_piece()).div_ceil(8)
    }

    /// `rgb8`, `l16` ...
    pub fn mode(&self) -> String {
        let name = match (self.color, self.alpha) {
            (Color::WhiteIsZero | Color::BlackIsZero, Alpha::None) => "l",
            (Color::WhiteIsZero | Color::BlackIsZero, _) => "la",
            (Color::Rgb | Color::YCbCr, Alpha::None) => "rgb",
            (Color::Rgb | Color::YCbCr, _) => "rgba",
            (Color::Palette, _) => return "rgb8".to_owned(),
            (Color::Cmyk, _) => "cmyk",
        };
        format!("{name}{}", self.bits)
    }

    /// Writes the pixels of a piece, one row of bytes for all samples or for each, to their place.
    pub fn write(
        &self,
        planes: &[Vec<u8>],
        place: &Place,
        rgb: &mut [u8],
        width: usize,
    ) -> Result<(), Fault> {
        let row_bytes = self.row_bytes(place.stored_width);
        let n_in_piece = self.n_in_piece();
        let mut row = vec![[0_u8; MAX_SAMPLES as usize]; place.width];
        for y in 0..place.rows {
            for (plane, bytes) in planes.iter().enumerate() {
                let bytes = &bytes[y * row_bytes..][..row_bytes];
                self.read_row(bytes, n_in_piece, plane, &mut row);
            }
            let start = ((place.top + y) * width + place.left) * 3;
            let (to, _) = rgb[start..][..place.width * 3].as_chunks_mut::<3>();
            for (to, from) in to.iter_mut().zip(&row) {
                *to = self.pixel(from).ok_or_else(|| {
                    Fault::damaged(
                        "TIFF",
                        "a pixel has a colour that the palette does not have",
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Brings samples to 8 bits: of more the high ones, as Pillow does.
    fn read_row(
        &self,
        bytes: &[u8],
        n_in_piece: usize,
        plane: usize,
        row: &mut [[u8; MAX_SAMPLES as usize]],
    ) {
        let high = if self.is_big_endian { 0 } else { 1 };
        for (x, pixel) in row.iter_mut().enumerate() {
            for i in 0..n_in_piece {
                let at = x * n_in_piece + i;
                pixel[plane + i] = match self.bits {
                    8 => bytes[at],
                    16 => bytes[at * 2 + high],
                    // Two samples in three bytes, the high bits first.
                    12 if at.is_multiple_of(2) => bytes[at / 2 * 3],
                    12 => bytes[at / 2 * 3 + 1] << 4 | bytes[at / 2 * 3 + 2] >> 4,
                    bits => bytes[at * bits / 8] >> (8 - bits - at * bits % 8) & ((1 << bits) - 1),
                };
            }
        }
    }

    fn pixel(&self, s: &[u8; MAX_SAMPLES as usize]) -> Option<[u8; 3]> {
        let n_colours = self.color.n_samples();
        let most = if self.bits < 8 {
            (1_u8 << self.bits) - 1
        } else {
            255
        };
        let rgb = match self.color {
            Color::BlackIsZero => [s[0] * (255 / most); 3],
            Color::WhiteIsZero => [255 - s[0] * (255 / most); 3],
            Color::Rgb => [s[0], s[1], s[2]],
            Color::Palette => *self.colours.get(usize::from(s[0]))?,
            Color::Cmyk => of_cmyk([s[0], s[1], s[2], s[3]]),
            Color::YCbCr => of_ycbcr([s[0], s[1], s[2]]),
        };
        let alpha = s[n_colours.min(s.len() - 1)];
        Some(match self.alpha {
            Alpha::None => rgb,
            Alpha::Straight => rgb.map(|v| over_white(v, alpha)),
            Alpha::Premultiplied => rgb.map(|v| match alpha {
                0 => 255,
                255 => v,
                _ => over_white(
                    (u32::from(v) * 255 / u32::from(alpha)).min(255) as u8,
                    alpha,
                ),
            }),
        })
    }
}

impl Color {
    fn n_samples(self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::WhiteIsZero => "grey whose zero is white",
            Self::BlackIsZero => "grey",
            Self::Rgb => "RGB",
            Self::Palette => "a palette",
            Self::Cmyk => "CMYK",
            Self::YCbCr => "YCbCr",
        }
    }
}

/// The palette: all reds, then all greens, then all blues, of which the high byte counts.
fn colours(directory: &Directory, bits: u64) -> Result<Vec<[u8; 3]>, Fault> {
    let values: Vec<_> = directory
        .values(tag::COLOURS)
        .into_iter()
        .flatten()
        .take(3 << bits)
        .collect();
    let n = values.len() / 3;
    if n == 0 {
        return Err(Fault::damaged("TIFF", "its palette is missing"));
    }
    let colour = |i| [i, n + i, 2 * n + i].map(|at: usize| (values[at] >> 8) as u8);
    Ok((0..n).map(colour).collect())
}

/// As Pillow's tables have it: 6 fractional bits, cut off towards minus infinity.
fn of_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // Tables of the C code hold (factor * 64 * (v - 128) + 0.5) towards zero.
    let table = |factor: f64, v: u8| (factor * 64.0 * (f64::from(v) - 128.0) + 0.5) as i32;
    let y = i32::from(y);
    let r = y + (table(1.402, cr) >> 6);
    let g = y + ((table(-0.344_14, cb) + table(-0.714_14, cr)) >> 6);
    let b = y + (table(1.772, cb) >> 6);
    [r, g, b].map(|v| v.clamp(0, 255) as u8)
}
