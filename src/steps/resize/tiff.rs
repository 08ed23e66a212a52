//! TIFF, the first page, in the modes that Pillow reads, as scanners and photo editors write it.
//!
//! No library gives Pillow's pixels for palettes, planes, extra samples and JPEG inside: here are the tags and the samples; what
//! decompresses is a library's.

mod layout;
mod pieces;
mod samples;
mod unpack;

use self::layout::tag;
use self::pieces::{Compression, Pieces};
use self::samples::Samples;
use super::fault::Fault;
use super::ifd::Directory;
use super::orientation;
use super::stored::{Size, Stored};

const DEVELOP: &str = "develop it, and save the photograph as JPEG or TIFF";

/// Directories below the first that are looked at for the mosaic of a sensor.
const MAX_DIRECTORIES: usize = 16;
/// Kinds of pixels that only raw files have: mosaic, and linear.
const RAW_PIXELS: [u64; 2] = [32803, 34892];
/// Compressions that only raw files have: Sony, Nikon, Samsung, Kodak, Pentax.
const RAW_COMPRESSIONS: [u64; 5] = [32767, 34713, 32770, 65000, 65535];

/// Decodes to RGB.
///
/// # Errors
/// A [`Fault`].
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    if bytes.get(8..10) == Some(b"CR") {
        return Err(Fault::unsupported(
            "it is a raw file of a camera (CR2)",
            DEVELOP,
        ));
    }
    if matches!(bytes.get(8..12), Some(b"IIII" | b"MMMM")) {
        return Err(Fault::unsupported(
            "it is a raw file of a camera (IIQ)",
            DEVELOP,
        ));
    }
    let directory = Directory::first(bytes).ok_or_else(|| Fault::truncated("TIFF"))?;
    refuse_raw(&directory)?;
    let value = |tag| directory.value(tag);
    let (Some(width), Some(height)) = (value(tag::WIDTH), value(tag::HEIGHT)) else {
        return Err(Fault::damaged("TIFF", "its first page has no size"));
    };
    let compression = Compression::of(&directory)?;
    let samples = Samples::of(&directory)?;
    // Rows are decoded a strip or tile at a time.
    let size = Size::admit(width, height, samples.bytes_a_pixel())?;
    let pieces = Pieces::of(&directory, bytes, &size, &samples)?;
    let mut rgb = vec![0; size.pixels() * 3];
    for index in 0..pieces.n_places() {
        let place = pieces.place(index);
        let planes = pieces.planes(index, &compression)?;
        samples.write(&planes, &place, &mut rgb, size.width)?;
    }
    let orientation = orientation::of_tag(value(orientation::TAG), directory.bytes(tag::XMP));
    Ok(Stored {
        size,
        rgb,
        mode: samples.mode(),
        orientation,
    })
}

/// The first page of a raw file is a thumbnail, which is no photograph.
fn refuse_raw(directory: &Directory) -> Result<(), Fault> {
    let is_raw = |directory: &Directory| {
        let has = |tag, known: &[u64]| {
            directory
                .value(tag)
                .is_some_and(|value| known.contains(&value))
        };
        has(tag::PHOTOMETRIC, &RAW_PIXELS) || has(tag::COMPRESSION, &RAW_COMPRESSIONS)
    };
    if directory.bytes(tag::DNG).is_some() {
        return Err(Fault::unsupported(
            "it is a raw file of a camera (DNG)",
            DEVELOP,
        ));
    }
    let below = directory.directories(tag::DIRECTORIES, MAX_DIRECTORIES);
    if is_raw(directory) || below.iter().any(is_raw) {
        return Err(Fault::unsupported(
            "it is a raw file of a camera (NEF, ARW, PEF or another)",
            DEVELOP,
        ));
    }
    // Bit 0: a smaller version of another picture in the file.
    if directory
        .value(tag::SUBFILE)
        .is_some_and(|kind| kind & 1 == 1)
    {
        let what = "the first picture of the TIFF is a thumbnail of another one";
        return Err(Fault::unsupported(
            what,
            "save the full picture as a file of its own",
        ));
    }
    Ok(())
}
