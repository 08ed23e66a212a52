//! The strips or tiles of a TIFF, and what unpacks them.

use std::borrow::Cow;
use std::io;

use fax::decoder::{DecodeStatus, Group3Decoder, Group4Decoder, pels};

use super::layout::{Place, tag};
use super::samples::Samples;
use super::unpack;
use crate::steps::resize::fault::Fault;
use crate::steps::resize::ifd::Directory;
use crate::steps::resize::jpeg;
use crate::steps::resize::stored::{MAX_DECODED_BYTES, MAX_PIXELS, MAX_SIDE, Size};
use crate::storage::rejection::Reason;

/// Strips or tiles of an image: one a row of the tallest image that is accepted.
const MAX_PIECES: usize = 65_535;
/// What one may take unpacked whatever the size of the image: a tile of 2,048 x 2,048 pixels of RGB.
const MAX_PIECE_BYTES: usize = 12 << 20;
/// Longest side of one: the longest of an image, in whole tiles, whose sides are multiples of 16.
const MAX_PIECE_SIDE: usize = (MAX_SIDE as usize).next_multiple_of(16);
/// Tiles reach beyond the right and lower sides of an image: all together are at most so many times the largest one that is
/// accepted, in pixels and unpacked, one after the other.
const MAX_BEYOND: usize = 2;

/// Four tables of quantisation and eight of codes take less than 3,000 bytes; they are read for each piece.
const MAX_TABLES_BYTES: usize = 4096;

const RESAVE: &str = "save it with LZW or Deflate compression, or as PNG";

/// How pieces are packed.
pub(super) enum Compression<'a> {
    None,
    /// CCITT group 3 with one dimension.
    Fax3,
    Fax4,
    Lzw,
    Jpeg(Option<&'a [u8]>),
    Deflate,
    PackBits,
}

impl<'a> Compression<'a> {
    pub fn of(directory: &Directory<'a>) -> Result<Self, Fault> {
        let name = match directory.value(tag::COMPRESSION).unwrap_or(1) {
            1 => return Ok(Self::None),
            2 => "CCITT run lengths",
            // Bit 0: rows are told by the row above.
            3 if directory.value(tag::FAX_OPTIONS).unwrap_or(0) & 1 == 0 => return Ok(Self::Fax3),
            3 => "CCITT group 3 in two dimensions",
            4 => return Ok(Self::Fax4),
            5 => return Ok(Self::Lzw),
            6 => "JPEG in the old way",
            7 => {
                let tables = directory.bytes(tag::JPEG_TABLES);
                return match tables.is_some_and(|tables| tables.len() > MAX_TABLES_BYTES) {
                    true => Err(Fault::damaged(
                        "TIFF",
                        "its JPEG tables are larger than all tables there are",
                    )),
                    false => Ok(Self::Jpeg(tables)),
                };
            }
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            32809 => "ThunderScan",
            34661 | 34663 | 34664 => "JBIG",
            34712 | 33003 | 33005 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            50000 => "Zstandard",
            50001 => "WebP",
            50002 => "JPEG XL",
            other => return refuse(&format!("compression {other}")),
        };
        refuse(name)
    }
}

fn refuse<T>(compression: &str) -> Result<T, Fault> {
    let what = format!("the TIFF is packed by {compression}, which is not read here");
    Err(Fault::unsupported(what, RESAVE))
}

/// Strips or tiles, checked against the size of the image.
pub(super) struct Pieces<'a> {
    samples: &'a Samples,
    width: usize,
    height: usize,
    piece: (usize, usize),
    across: usize,
    /// Of all places, also beyond the image.
    all_pixels: usize,
    /// Offset and length, the pieces of one plane after the other.
    ranges: Vec<(usize, usize)>,
    bytes: &'a [u8],
    is_reversed: bool,
}

impl<'a> Pieces<'a> {
    pub fn of(
        directory: &Directory,
        bytes: &'a [u8],
        size: &Size,
        samples: &'a Samples,
    ) -> Result<Self, Fault> {
        let damaged = |what: &str| Err(Fault::damaged("TIFF", what));
        let (width, height) = (size.width, size.height);
        let number = |tag| directory.value(tag).and_then(|v| usize::try_from(v).ok());
        let is_tiled = directory.bytes(tag::TILES).is_some();
        let piece = match is_tiled {
            true => (
                number(tag::TILE_WIDTH).unwrap_or(0),
                number(tag::TILE_HEIGHT).unwrap_or(0),
            ),
            false => (
                width,
                number(tag::ROWS_PER_STRIP).unwrap_or(height).min(height),
            ),
        };
        if piece.0 == 0 || piece.1 == 0 {
            return damaged("its strips or tiles have no size");
        }
        let across = width.div_ceil(piece.0);
        let n_planes = if samples.is_planar {
            samples.n_samples
        } else {
            1
        };
        let n_places = across.saturating_mul(height.div_ceil(piece.1));
        let n = n_places.saturating_mul(n_planes);
        let piece_bytes = samples
            .row_bytes(piece.0.min(MAX_PIECE_SIDE))
            .saturating_mul(piece.1);
        let all_pixels = [piece.0, piece.1]
            .into_iter()
            .fold(n_places, usize::saturating_mul);
        if n > MAX_PIECES
            || piece.0 > MAX_PIECE_SIDE
            || piece_bytes > MAX_PIECE_BYTES.max(size.pixels() * 8)
            || piece_bytes.saturating_mul(n) > MAX_BEYOND * MAX_DECODED_BYTES as usize
            || all_pixels > MAX_BEYOND * MAX_PIXELS as usize
        {
            let message = format!(
                "the TIFF has {n} strips or tiles of {} x {} pixels; save it again",
                piece.0, piece.1
            );
            return Err(Fault::new(Reason::TooLarge, message));
        }
        let (offsets, lengths) = match is_tiled {
            true => (tag::TILES, tag::TILE_BYTES),
            false => (tag::STRIPS, tag::STRIP_BYTES),
        };
        let list = |tag| -> Option<Vec<usize>> {
            let values = directory.values(tag)?;
            Some(values.take(n).map(|value| value as usize).collect())
        };
        let offsets = list(offsets).unwrap_or_default();
        // Of one strip nobody needs to say where it ends.
        let rest = || {
            offsets
                .iter()
                .map(|at| bytes.len().saturating_sub(*at))
                .take(1)
                .collect()
        };
        let lengths = list(lengths).unwrap_or_else(rest);
        if offsets.len() < n || lengths.len() < n {
            return damaged("strips or tiles are missing");
        }
        let ranges: Vec<_> = offsets.into_iter().zip(lengths).collect();
        // Each byte is unpacked about once, or a small file could take hours.
        let sum = ranges
            .iter()
            .fold(0, |sum: usize, (_, n)| sum.saturating_add(*n));
        if sum > 2 * bytes.len() {
            return match ranges
                .iter()
                .any(|(at, n)| at.saturating_add(*n) > bytes.len())
            {
                true => Err(Fault::truncated("TIFF")),
                false => damaged("its strips or tiles lie over each other"),
            };
        }
        Ok(Self {
            samples,
            width,
            height,
            piece,
            across,
            all_pixels,
            ranges,
            bytes,
            is_reversed: number(tag::FILL_ORDER) == Some(2),
        })
    }

    /// Places in the image; with planes each is in several pieces.
    pub fn n_places(&self) -> usize {
        self.across * self.height.div_ceil(self.piece.1)
    }

    pub fn place(&self, index: usize) -> Place {
        let (left, top) = (
            index % self.across * self.piece.0,
            index / self.across * self.piece.1,
        );
        Place {
            left,
            top,
            width: self.piece.0.min(self.width - left),
            rows: self.piece.1.min(self.height - top),
            stored_width: self.piece.0,
        }
    }

    /// The rows of a place, of all samples or of each.
    pub fn planes(&self, index: usize, compression: &Compression) -> Result<Vec<Vec<u8>>, Fault> {
        (index..self.ranges.len())
            .step_by(self.n_places())
            .map(|i| self.unpack(i, compression))
            .collect()
    }

    fn unpack(&self, i: usize, compression: &Compression) -> Result<Vec<u8>, Fault> {
        let (at, length) = self.ranges[i];
        let packed = self
            .bytes
            .get(at..at.saturating_add(length))
            .ok_or_else(|| Fault::truncated("TIFF"))?;
        let rows = self.place(i % self.n_places()).rows;
        let n_bytes = self.samples.row_bytes(self.piece.0) * rows;
        if let Compression::Jpeg(tables) = compression {
            return self.unpack_jpeg(packed, *tables, n_bytes);
        }
        let packed = match self.is_reversed {
            true => Cow::Owned(packed.iter().map(|byte| byte.reverse_bits()).collect()),
            false => Cow::Borrowed(packed),
        };
        let mut out = match compression {
            Compression::None | Compression::Jpeg(_) => packed
                .get(..n_bytes)
                .ok_or_else(|| Fault::truncated("TIFF"))?
                .to_vec(),
            Compression::Deflate => unpack::deflate(&packed, n_bytes)?,
            Compression::Lzw => unpack::lzw(&packed, n_bytes)?,
            Compression::PackBits => unpack::pack_bits(&packed, n_bytes)?,
            Compression::Fax3 | Compression::Fax4 => self.fax(&packed, rows, compression)?,
        };
        if self.samples.has_differences {
            self.sum_differences(&mut out);
        }
        Ok(out)
    }

    fn unpack_jpeg(
        &self,
        bytes: &[u8],
        tables: Option<&[u8]>,
        n_bytes: usize,
    ) -> Result<Vec<u8>, Fault> {
        if self.samples.bits != 8 || self.samples.is_planar || self.samples.has_differences {
            return refuse("JPEG in planes, in more than 8 bits or with a predictor");
        }
        let mut out = jpeg::decode_piece(&jpeg::Piece {
            bytes,
            tables,
            width: self.piece.0,
            max_height: self.piece.1,
            n_components: self.samples.n_samples,
            is_ycbcr: self.samples.is_jpeg_ycbcr,
            all_pixels: self.all_pixels as u64,
        })?;
        if out.len() < n_bytes {
            return Err(Fault::damaged("TIFF", "a JPEG in it has too few rows"));
        }
        out.truncate(n_bytes);
        Ok(out)
    }

    /// Rows of bits, black ones.
    fn fax(&self, packed: &[u8], rows: usize, compression: &Compression) -> Result<Vec<u8>, Fault> {
        let width = u16::try_from(self.piece.0).unwrap_or(u16::MAX);
        if self.samples.bits != 1
            || self.samples.n_samples != 1
            || usize::from(width) != self.piece.0
        {
            return refuse("CCITT with more than one bit a pixel");
        }
        let damaged = || Fault::damaged("TIFF", "a row of its CCITT data cannot be read");
        let bytes = packed.iter().map(|byte| Ok::<_, io::Error>(*byte));
        let mut out = Vec::with_capacity(rows * self.samples.row_bytes(self.piece.0));
        let mut push = |changes: &[u16]| {
            let mut row = vec![0_u8; self.piece.0.div_ceil(8)];
            for (x, color) in pels(changes, width).enumerate() {
                row[x / 8] |= u8::from(color == fax::Color::Black) << (7 - x % 8);
            }
            out.extend(row);
        };
        if let Compression::Fax3 = compression {
            let mut decoder = Group3Decoder::new(bytes).map_err(|_| damaged())?;
            for row in 0..rows {
                let is_last = row + 1 == rows;
                let status = decoder.advance();
                // Nothing needs to follow the last row, and its end may be missing.
                if !is_last && !matches!(status, Ok(DecodeStatus::Incomplete)) {
                    return Err(damaged());
                }
                // A row ends where the image does, and one without a run is none.
                if decoder.transitions().last() != Some(&width) {
                    return Err(damaged());
                }
                push(decoder.transitions());
            }
        } else {
            let mut decoder = Group4Decoder::new(bytes, width).map_err(|_| damaged())?;
            for _ in 0..rows {
                match decoder.advance() {
                    Ok(DecodeStatus::Incomplete) => push(decoder.transition()),
                    _ => return Err(damaged()),
                }
            }
        }
        Ok(out)
    }

    /// Undoes predictor 2.
    fn sum_differences(&self, bytes: &mut [u8]) {
        let n = self.samples.n_in_piece();
        for row in bytes.chunks_exact_mut(self.samples.row_bytes(self.piece.0)) {
            if self.samples.bits == 8 {
                for i in n..row.len() {
                    row[i] = row[i].wrapping_add(row[i - n]);
                }
                continue;
            }
            let (values, _) = row.as_chunks_mut::<2>();
            for i in n..values.len() {
                values[i] = match self.samples.is_big_endian {
                    true => {
                        let sum = u16::from_be_bytes(values[i]);
                        sum.wrapping_add(u16::from_be_bytes(values[i - n]))
                            .to_be_bytes()
                    }
                    false => {
                        let sum = u16::from_le_bytes(values[i]);
                        sum.wrapping_add(u16::from_le_bytes(values[i - n]))
                            .to_le_bytes()
                    }
                };
            }
        }
    }
}
