//! What holds of every file that is decoded, whatever its format.

use std::sync::Once;

use fruits::resize::{self, Decoded, Fault, Filter, MAX_PIXELS, MAX_SIDE, MIN_SIDE};
use fruits::schema::PIXELS_LEN;

/// One file in so many is also resized, which takes longer than to decode it; of large images none, which would take it most of
/// the ten seconds that it has.
const RESIZED_ONE_IN: usize = 128;
const RESIZED_MOST_BYTES: usize = 3 << 20;

/// Decodes a file that begins with `signature`, whatever its own first bytes are: others are told apart before any decoder.
pub fn decode(signature: &[u8], data: &[u8]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(crate::tell_panics_apart);
    if data.len() < signature.len() {
        return;
    }
    let mut bytes = data.to_vec();
    bytes[..signature.len()].copy_from_slice(signature);
    check(&bytes);
}

/// Asserts that a file is an image within the limits, or rejected with a reason in words.
pub fn check(bytes: &[u8]) {
    let decoded = resize::decode(bytes);
    match &decoded {
        Ok(image) => assert_is_image(image),
        Err(fault) => assert_is_told(fault),
    }
    let sum: usize = bytes.iter().map(|byte| usize::from(*byte)).sum();
    let n_bytes = decoded.as_ref().map_or(0, |image| image.rgb.len());
    if !sum.is_multiple_of(RESIZED_ONE_IN) || n_bytes > RESIZED_MOST_BYTES {
        return;
    }
    assert_eq!(
        decoded,
        resize::decode(bytes),
        "decoded twice, it is another"
    );
    match (decoded, resize::prepare(bytes, Filter::Bicubic)) {
        (Ok(image), Ok(prepared)) => {
            assert_eq!(
                (prepared.width, prepared.height),
                (image.width, image.height)
            );
            assert_eq!(
                (prepared.mode, prepared.orientation),
                (image.mode, image.orientation)
            );
            assert_eq!(prepared.pixels.len(), PIXELS_LEN);
            let thumbnail = resize::decode(&prepared.thumbnail);
            // A side below the smallest is no image of a set.
            let is_read = thumbnail.is_ok_and(|image| image.width.max(image.height) <= 64);
            let aspect = image.width.max(image.height) / image.width.min(image.height);
            assert!(is_read || aspect >= 8, "no thumbnail");
        }
        (Err(fault), Err(again)) => assert_eq!(fault, again),
        _ => panic!("decoded, and not resized"),
    }
}

fn assert_is_image(image: &Decoded) {
    let sides = [image.width, image.height].map(u64::from);
    assert!(
        sides
            .iter()
            .all(|side| (MIN_SIDE..=MAX_SIDE).contains(side)),
        "{sides:?}"
    );
    let n_pixels = sides[0] * sides[1];
    assert!(n_pixels <= MAX_PIXELS);
    assert_eq!(image.rgb.len() as u64, 3 * n_pixels);
    assert!((1..=8).contains(&image.orientation));
    assert!(!image.mode.is_empty() && image.mode.chars().all(|c| c.is_ascii_alphanumeric()));
}

fn assert_is_told(fault: &Fault) {
    crate::assert_is_sentence(&fault.message);
    assert!(fault.reason.is_lasting(), "the bytes are the reason");
}
