//! JPEG with the arithmetic of libjpeg, which Pillow uses as well: other decoders differ by up to 4 levels where
//! colour is sampled at half the resolution, and that moves descriptors (cosine 0.9995 instead of 1).
//!
//! libjpeg is the only parser: size, tags, end and pixels are what it says, so no two parsers can be played against each other.

#![allow(
    unsafe_code,
    reason = "libjpeg tells of damaged data through a C callback only"
)]

use std::cell::Cell;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg::ColorSpace::{self, JCS_CMYK, JCS_GRAYSCALE, JCS_RGB, JCS_YCCK, JCS_YCbCr};
use mozjpeg::decompress::DecompressStarted;
use mozjpeg::{Decompress, Marker};
use mozjpeg_sys::{
    J_MESSAGE_CODE, JERR_ARITH_NOTIMPL, JERR_BAD_PRECISION, JERR_CCIR601_NOTIMPL,
    JERR_CONVERSION_NOTIMPL, JERR_FILE_READ, JERR_FRACT_SAMPLE_NOTIMPL, JERR_IMAGE_TOO_BIG,
    JERR_NOTIMPL, JERR_SOF_UNSUPPORTED, JTRC_SOS, JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC,
    JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR, JWRN_JPEG_EOF, JWRN_NOT_SEQUENTIAL, JWRN_TOO_MUCH_DATA,
    jpeg_common_struct, jpeg_error_mgr, jpeg_std_error,
};

use super::fault::Fault;
use super::orientation;
use super::stored::{Size, Stored, of_cmyk};
use crate::storage::rejection::Reason;

/// Scans of a JPEG that are decoded, as in the fuzz targets of libjpeg-turbo: encoders write about ten, and each
/// costs a pass over the image.
const MAX_SCANS: u64 = 500;
/// Scans times pixels: 48 scans of the largest image that is accepted, half a second of a core.
const MAX_SCANNED_PIXELS: u64 = 1 << 32;

const RESAVE: &str = "save it as an ordinary 8-bit JPEG";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Decodes to RGB.
///
/// # Errors
/// A [`Fault`], also where libjpeg would only warn and fill in grey: data that ends early or contradicts itself.
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, Fault> {
    guarded(|| {
        let decompress = open(bytes, MAX_SCANS)?;
        let (width, height) = decompress.size();
        let n_components = decompress.components().len();
        let size = Size::admit(width as u64, height as u64, n_components as u64)?;
        allow_scans(size.pixels() as u64);
        let orientation = orientation_of(&decompress);
        let (rgb, mode) = match (n_components, decompress.color_space()) {
            (4, JCS_CMYK | JCS_YCCK) => (of_inks(decompress, &size)?, "cmyk8"),
            (1, JCS_GRAYSCALE) => (read(decompress, JCS_RGB)?, "l8"),
            (3, _) => (read(decompress, JCS_RGB)?, "rgb8"),
            (n, _) => {
                let what = format!("the JPEG has {n} components, which is no known colour space");
                return Err(Fault::unsupported(what, RESAVE));
            }
        };
        whole(&rgb, size.pixels() * 3)?;
        Ok(Stored {
            size,
            rgb,
            mode: mode.to_owned(),
            orientation,
        })
    })
}

/// A strip or tile of a TIFF.
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// What all pieces have in common: a JPEG without an image.
    pub tables: Option<&'a [u8]>,
    pub width: usize,
    /// The last strip may have fewer rows.
    pub max_height: usize,
    pub n_components: usize,
    /// Whether three components are YCbCr, to become RGB, or to be left as they are.
    pub is_ycbcr: bool,
    /// Of all pieces together, also where they reach beyond the image: over these the scans are counted.
    pub all_pixels: u64,
}

/// Decodes the rows of a piece to its components, or to RGB.
pub(super) fn decode_piece(piece: &Piece) -> Result<Vec<u8>, Fault> {
    let joined = piece.tables.map(|tables| {
        let tables = tables.strip_suffix(b"\xff\xd9").unwrap_or(tables);
        [tables, piece.bytes.get(2..).unwrap_or_default()].concat()
    });
    guarded(|| {
        let decompress = open(joined.as_deref().unwrap_or(piece.bytes), MAX_SCANS)?;
        let (width, height) = decompress.size();
        if width != piece.width || height > piece.max_height {
            let what = format!(
                "a JPEG of {width} x {height} pixels is where one of {} x {} belongs",
                piece.width, piece.max_height
            );
            return Err(Fault::damaged("TIFF", what));
        }
        allow_scans(piece.all_pixels);
        let said = decompress.color_space();
        let wanted = match (piece.n_components, decompress.components().len(), said) {
            (1, 1, _) => JCS_GRAYSCALE,
            (3, 3, JCS_YCbCr) if piece.is_ycbcr => JCS_RGB,
            // Asked for what it takes them for, libjpeg leaves components as they are.
            (3, 3, _) if !piece.is_ycbcr => said,
            (4, 4, JCS_CMYK) => JCS_CMYK,
            (_, n, _) => {
                let what = format!(
                    "the TIFF holds a JPEG whose {n} components are other than its tags say"
                );
                return Err(Fault::unsupported(
                    what,
                    "save it with LZW or Deflate compression",
                ));
            }
        };
        let samples = read(decompress, wanted)?;
        whole(&samples, width * height * piece.n_components)?;
        Ok(samples)
    })
}

fn open(bytes: &[u8], scans: u64) -> Result<Decompress<&[u8]>, Fault> {
    SCANS_LEFT.set(scans);
    let builder = Decompress::with_err(error_manager()).with_markers(&[Marker::APP(1)]);
    let opened = builder.from_mem(bytes);
    opened.map_err(|e| Fault::damaged("JPEG", e))
}

fn orientation_of(decompress: &Decompress<&[u8]>) -> image::metadata::Orientation {
    let (mut exif, mut xmp) = (Vec::new(), None);
    for marker in decompress.markers() {
        if let Some(block) = marker.data.strip_prefix(b"Exif\0\0") {
            // A long block goes on in the next segment.
            exif.extend_from_slice(block);
        } else if let Some(packet) = marker.data.strip_prefix(XMP) {
            xmp = Some(packet);
        }
    }
    orientation::of(Some(&exif), xmp)
}

fn read(decompress: Decompress<&[u8]>, space: ColorSpace) -> Result<Vec<u8>, Fault> {
    let mut lines = decompress.to_colorspace(space).map_err(fault_of_io)?;
    let samples = lines.read_scanlines().map_err(fault_of_io)?;
    lines.finish().map_err(fault_of_io)?;
    Ok(samples)
}

/// A line at a time: all inks of a large image would be another third of its memory. Pillow takes them for inverted, as
/// Adobe's programs write them, whatever the file says.
fn of_inks(decompress: Decompress<&[u8]>, size: &Size) -> Result<Vec<u8>, Fault> {
    let mut lines: DecompressStarted<&[u8]> =
        decompress.to_colorspace(JCS_CMYK).map_err(fault_of_io)?;
    let mut line = vec![0_u8; size.width * 4];
    let mut rgb = vec![0; size.pixels() * 3];
    for row in rgb.chunks_exact_mut(size.width * 3) {
        lines.read_scanlines_into(&mut line).map_err(fault_of_io)?;
        let ((to, _), (inks, _)) = (row.as_chunks_mut::<3>(), line.as_chunks::<4>());
        for (to, inks) in to.iter_mut().zip(inks) {
            *to = of_cmyk(inks.map(|ink| 255 - ink));
        }
    }
    lines.finish().map_err(fault_of_io)?;
    Ok(rgb)
}

fn whole(samples: &[u8], n: usize) -> Result<(), Fault> {
    match samples.len() == n {
        true => Ok(()),
        false => Err(Fault::damaged(
            "JPEG",
            "it has another size than its header says",
        )),
    }
}

fn fault_of_io(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::truncated("JPEG"),
        io::ErrorKind::OutOfMemory => Fault::new(
            Reason::TooLarge,
            "no memory is left for it; shrink the image",
        ),
        // libjpeg waits for data that a file in memory cannot get.
        io::ErrorKind::WouldBlock => Fault::damaged("JPEG", "scans follow behind the image"),
        _ => Fault::damaged("JPEG", error),
    }
}

/// Runs what calls libjpeg: its callbacks leave by unwinding, without a panic message, with a [`Fault`].
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What is unwound through is given up as a whole.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome,
        Err(payload) => Err(payload
            .downcast()
            .map_or_else(|_| Fault::of_decoder(), |fault| *fault)),
    }
}

thread_local! {
    /// Scans that the image which this thread decodes may still have.
    static SCANS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Bounds the scans by the pixels, of which the header tells; the first scan is counted already.
fn allow_scans(pixels: u64) {
    let allowed = MAX_SCANS.min(MAX_SCANNED_PIXELS / pixels.max(1));
    let used = MAX_SCANS - SCANS_LEFT.get();
    SCANS_LEFT.set(allowed.saturating_sub(used));
}

fn error_manager() -> jpeg_error_mgr {
    // SAFETY: the fields are integers, nullable pointers and optional functions, for which all zeros are valid;
    // `jpeg_std_error` fills them in.
    let mut manager: jpeg_error_mgr = unsafe { mem::zeroed() };
    unsafe { jpeg_std_error(&mut manager) };
    manager.error_exit = Some(leave);
    manager.emit_message = Some(note);
    manager
}

/// libjpeg cannot go on.
extern "C-unwind" fn leave(info: &mut jpeg_common_struct) {
    let (code, text) = message(info);
    let fault = match code {
        JERR_FILE_READ => Fault::truncated("JPEG"),
        JERR_ARITH_NOTIMPL => Fault::unsupported(
            "the JPEG has arithmetic coding, which is not read here",
            RESAVE,
        ),
        JERR_BAD_PRECISION
        | JERR_SOF_UNSUPPORTED
        | JERR_CONVERSION_NOTIMPL
        | JERR_NOTIMPL
        | JERR_CCIR601_NOTIMPL
        | JERR_FRACT_SAMPLE_NOTIMPL => Fault::unsupported(
            format!("it is a JPEG of a kind that is not read here ({text})"),
            RESAVE,
        ),
        JERR_IMAGE_TOO_BIG => Fault::new(Reason::TooLarge, format!("{text}; shrink the image")),
        _ => Fault::damaged("JPEG", text),
    };
    resume_unwind(Box::new(fault));
}

/// libjpeg has something to say: a warning below 0, else a trace. The first word of damage ends the work: libjpeg would fill
/// in grey, and a half-grey photograph must not become a descriptor.
extern "C-unwind" fn note(info: &mut jpeg_common_struct, level: i32) {
    if level >= 0 {
        if code(info) == Some(JTRC_SOS) {
            match SCANS_LEFT.get().checked_sub(1) {
                Some(left) => SCANS_LEFT.set(left),
                None => {
                    let message = "the JPEG has more scans than a photograph of its size needs; save it again";
                    resume_unwind(Box::new(Fault::new(Reason::DecodeError, message)));
                }
            }
        }
        return;
    }
    match message(info) {
        (JWRN_JPEG_EOF, _) => resume_unwind(Box::new(Fault::truncated("JPEG"))),
        // Cameras leave bytes before a marker, and encoders write odd parameters; nothing is lost by them.
        (
            JWRN_ADOBE_XFORM | JWRN_BOGUS_ICC | JWRN_EXTRANEOUS_DATA | JWRN_JFIF_MAJOR
            | JWRN_NOT_SEQUENTIAL | JWRN_TOO_MUCH_DATA,
            _,
        ) => {}
        (_, text) => resume_unwind(Box::new(Fault::damaged("JPEG", text))),
    }
}

fn code(info: &mut jpeg_common_struct) -> Option<J_MESSAGE_CODE> {
    // SAFETY: libjpeg calls back with the manager it was given, which outlives the call.
    unsafe { info.err.as_ref() }.map(|manager| manager.msg_code as J_MESSAGE_CODE)
}

fn message(info: &mut jpeg_common_struct) -> (J_MESSAGE_CODE, String) {
    type Bound = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &[u8; 80]);
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    let code = code(info).unwrap_or_default();
    // SAFETY: libjpeg calls back with the manager it was given, which outlives the call.
    let format = unsafe { info.err.as_ref() }.and_then(|manager| manager.format_message);
    let Some(format) = format else {
        return (code, "libjpeg gives no message".to_owned());
    };
    let mut buffer = [0; 80];
    // SAFETY: the function writes at most 80 bytes with a final zero (JMSG_LENGTH_MAX, jpeglib.h); the binding forgot
    // that it writes.
    unsafe { mem::transmute::<Bound, Format>(format)(info, &mut buffer) };
    let text = buffer.split(|&byte| byte == 0).next().unwrap_or_default();
    (code, String::from_utf8_lossy(text).into_owned())
}
