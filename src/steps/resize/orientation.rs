//! Which way up an image is: EXIF, or where that says nothing XMP, as Pillow reads them.

use image::metadata::Orientation;

use super::ifd::Directory;

/// The tag of the orientation, in EXIF and in TIFF.
pub(super) const TAG: u16 = 274;

/// Of an EXIF block, with or without its header, and an XMP packet. What is damaged in them says nothing.
pub(super) fn of(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let mut exif = exif.unwrap_or_default();
    while let Some(rest) = exif.strip_prefix(b"Exif\0\0") {
        exif = rest;
    }
    let tag = Directory::first(exif).and_then(|directory| directory.value(TAG));
    of_tag(tag, xmp)
}

/// Of the value of the tag, if there is one, and an XMP packet.
pub(super) fn of_tag(tag: Option<u64>, xmp: Option<&[u8]>) -> Orientation {
    let value = tag.or_else(|| xmp.and_then(of_xmp));
    let value = value.and_then(|value| u8::try_from(value).ok());
    value
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

/// As an attribute or an element.
fn of_xmp(packet: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"tiff:Orientation";
    let after = packet
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == NAME);
    after
        .map(|(at, _)| &packet[at + NAME.len()..])
        .find_map(|rest| {
            let rest = rest
                .strip_prefix(b"=\"")
                .or_else(|| rest.strip_prefix(b">"))?;
            let digit = rest.first().filter(|c| c.is_ascii_digit())?;
            Some(u64::from(digit - b'0'))
        })
}
