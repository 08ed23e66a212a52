//! JPEG with the arithmetic of libjpeg, which Pillow uses as well: other decoders differ by up to 4 levels where
//! colour is sampled at half the resolution, and that moves descriptors (cosine 0.9995 instead of 1).

#![allow(
    unsafe_code,
    reason = "libjpeg tells of damaged data through a C callback only"
)]

use std::cell::RefCell;
use std::io;
use std::mem;

use image::RgbImage;
use mozjpeg::ColorSpace::{JCS_CMYK, JCS_YCCK};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, jpeg_std_error};

/// Decodes to RGB; `None` for CMYK, which libjpeg does not convert.
///
/// # Errors
/// What libjpeg says, also where it would only warn and fill in grey: data that ends early or contradicts itself.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<RgbImage>, String> {
    let decode = || -> io::Result<Option<(usize, usize, Vec<u8>)>> {
        let decompress = mozjpeg::Decompress::with_err(error_manager()).from_mem(bytes)?;
        if matches!(decompress.color_space(), JCS_CMYK | JCS_YCCK) {
            return Ok(None);
        }
        let mut lines = decompress.rgb()?;
        let (width, height) = (lines.width(), lines.height());
        let rgb = lines.read_scanlines()?;
        lines.finish()?;
        Ok(Some((width, height, rgb)))
    };
    DAMAGE.take();
    // libjpeg leaves through `leave`, which unwinds without a panic message.
    let outcome = std::panic::catch_unwind(decode);
    if let Some(damage) = DAMAGE.take() {
        return Err(damage);
    }
    match outcome {
        Ok(Ok(None)) => Ok(None),
        Ok(Ok(Some((width, height, rgb)))) => {
            let image = RgbImage::from_raw(width as u32, height as u32, rgb);
            image
                .map(Some)
                .ok_or_else(|| "the image has another size than its header says".to_owned())
        }
        Ok(Err(e)) => Err(e.to_string()),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            Err(text.unwrap_or_else(|| "libjpeg cannot decode it".to_owned()))
        }
    }
}

thread_local! {
    /// The first warning of damage in the image that this thread decodes.
    static DAMAGE: RefCell<Option<String>> = const { RefCell::new(None) };
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
    std::panic::resume_unwind(Box::new(message(info)));
}

/// libjpeg has something to say; below 0 it is a warning.
extern "C-unwind" fn note(info: &mut jpeg_common_struct, level: i32) {
    if level >= 0 {
        return;
    }
    let text = message(info);
    let is_damage = text.starts_with("Corrupt JPEG data") || text.starts_with("Premature end");
    // Cameras leave bytes before a marker; nothing is lost by them.
    if is_damage && !text.contains("extraneous bytes") {
        DAMAGE.with_borrow_mut(|damage| {
            damage.get_or_insert(text);
        });
    }
}

fn message(info: &mut jpeg_common_struct) -> String {
    type Bound = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &[u8; 80]);
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    // SAFETY: libjpeg calls back with the manager it was given, which outlives the call.
    let format = unsafe { info.err.as_ref() }.and_then(|manager| manager.format_message);
    let Some(format) = format else {
        return "libjpeg gives no message".to_owned();
    };
    let mut buffer = [0; 80];
    // SAFETY: the function writes at most 80 bytes with a final zero (JMSG_LENGTH_MAX, jpeglib.h); the binding forgot
    // that it writes.
    unsafe { mem::transmute::<Bound, Format>(format)(info, &mut buffer) };
    let text = buffer.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
