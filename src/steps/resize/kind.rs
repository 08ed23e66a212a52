//! What a file is, by its first bytes: a format that is read, or one that is known and refused by name.

use super::fault::Fault;
use crate::storage::rejection::Reason;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bmp,
    Gif,
    Jpeg,
    Png,
    Tiff,
    WebP,
}

const READ: [(&[u8], Kind); 9] = [
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"GIF87a", Kind::Gif),
    (b"GIF89a", Kind::Gif),
    (b"BM", Kind::Bmp),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0", Kind::Tiff),
    (b"MM\0+", Kind::Tiff),
];

const AS_JPEG: &str = "save it as JPEG or PNG";
const DEVELOP: &str = "develop it, and save the photograph as JPEG or TIFF";
const UNPACK: &str = "unpack it, and give the images in it";
const STILL: &str = "save the frames that are wanted as JPEG or PNG";
const FETCH: &str = "look at what it says, and fetch the image itself";

/// Starts of files that are known and not read: what the file is, and what to do.
const REFUSED: [(&[u8], &str, &str); 51] = [
    (b"\xff\xd8\xff\xf7", "a JPEG-LS image", AS_JPEG),
    (b"\x0a\x05\x01", "a PCX image", AS_JPEG),
    (b"\x01\xda\0", "an SGI image", AS_JPEG),
    (b"\x01\xda\x01", "an SGI image", AS_JPEG),
    (b"\x59\xa6\x6a\x95", "a Sun raster image", AS_JPEG),
    (b"II\x1a\0", "a raw file of a camera (CRW)", DEVELOP),
    (
        b"/annex/objects/",
        "a pointer of git-annex, not the photograph",
        "run `git annex get` where it was cloned",
    ),
    (b"\xff\x0a", "a JPEG XL image", AS_JPEG),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image", AS_JPEG),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image", AS_JPEG),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", AS_JPEG),
    (b"II\xbc", "a JPEG XR image", AS_JPEG),
    (
        b"8BPS",
        "a Photoshop file (PSD)",
        "export its picture as PNG or TIFF",
    ),
    (
        b"gimp xcf",
        "a GIMP file (XCF)",
        "export its picture as PNG or TIFF",
    ),
    (
        b"%PDF-",
        "a PDF document",
        "export its pictures as PNG or JPEG",
    ),
    (b"%!PS", "a PostScript file", "export its picture as PNG"),
    (
        b"\xc5\xd0\xd3\xc6",
        "a PostScript file",
        "export its picture as PNG",
    ),
    (b"v/1\x01", "an OpenEXR image", AS_JPEG),
    (b"#?RADIANCE", "a Radiance HDR image", AS_JPEG),
    (b"#?RGBE", "a Radiance HDR image", AS_JPEG),
    (b"qoif", "a QOI image", AS_JPEG),
    (b"DDS ", "a DirectDraw texture (DDS)", AS_JPEG),
    (b"farbfeld", "a farbfeld image", AS_JPEG),
    (b"\0\0\x01\0", "an icon (ICO)", AS_JPEG),
    (b"\0\0\x02\0", "a cursor (CUR)", AS_JPEG),
    (b"icns", "an icon (ICNS)", AS_JPEG),
    (b"SIMPLE  =", "a FITS image", AS_JPEG),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file",
        "export its pictures as PNG",
    ),
    (
        b"AT&TFORM",
        "a DjVu document",
        "export its pictures as PNG or JPEG",
    ),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", AS_JPEG),
    (b"IIU\0", "a raw file of a camera (RW2)", DEVELOP),
    (b"IIRO", "a raw file of a camera (ORF)", DEVELOP),
    (b"IIRS", "a raw file of a camera (ORF)", DEVELOP),
    (b"MMOR", "a raw file of a camera (ORF)", DEVELOP),
    (b"FUJIFILMCCD-RAW", "a raw file of a camera (RAF)", DEVELOP),
    (b"\0MRM", "a raw file of a camera (MRW)", DEVELOP),
    (b"FOVb", "a raw file of a camera (X3F)", DEVELOP),
    (b"\x1aE\xdf\xa3", "a film (Matroska or WebM)", STILL),
    (b"FLV\x01", "a film (FLV)", STILL),
    (b"OggS", "a sound or film (Ogg)", STILL),
    (b"\0\0\x01\xba", "a film (MPEG)", STILL),
    (b"PK\x03\x04", "a ZIP archive or an office document", UNPACK),
    (b"\x1f\x8b", "a file packed by gzip", UNPACK),
    (b"BZh", "a file packed by bzip2", UNPACK),
    (b"\xfd7zXZ\0", "a file packed by xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an office document or a list of thumbnails",
        "export the pictures in it as JPEG or PNG",
    ),
    (
        b"\0\x05\x16\x07",
        "what a Mac keeps beside a file (AppleDouble)",
        "delete it; the photograph is the file of the same name without `._`",
    ),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the photograph",
        "run `git lfs pull` where it was cloned",
    ),
];

/// Brands of the ISO base media format (ISO 14496-12), in the order of what decides: what the file is, and what to do.
const BRANDS: [(&[&[u8; 4]], &str, &str); 5] = [
    (&[b"avif", b"avis"], "an AVIF image", AS_JPEG),
    (
        &[
            b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs",
        ],
        "a HEIC photograph",
        "save it as JPEG, or set the telephone to take JPEG",
    ),
    (
        &[b"mif1", b"msf1", b"mif2"],
        "a HEIF image",
        "save it as JPEG, or set the telephone to take JPEG",
    ),
    (&[b"crx "], "a raw file of a camera (CR3)", DEVELOP),
    (&[], "a film (MP4 or QuickTime)", STILL),
];

/// Starts of texts, in lower case.
const TEXTS: [(&str, &str, &str); 7] = [
    (
        "<!doctype html",
        "a web page, not a photograph",
        "fetch the image that the page shows or links to",
    ),
    (
        "<html",
        "a web page, not a photograph",
        "fetch the image that the page shows or links to",
    ),
    (
        "<head",
        "a web page, not a photograph",
        "fetch the image that the page shows or links to",
    ),
    (
        "<svg",
        "a drawing (SVG), not a photograph",
        "export it as PNG",
    ),
    ("<?xml", "an XML document, not a photograph", FETCH),
    ("<error", "an XML document, not a photograph", FETCH),
    ("{\"", "a JSON document, not a photograph", FETCH),
];
/// How far into a text its first element may lie.
const MAX_PROLOGUE: usize = 1024;

/// The format of a file's bytes.
///
/// # Errors
/// A [`Fault`] that names what the file is, if it is none of these.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind, Fault> {
    if bytes.is_empty() {
        return Err(Fault::new(Reason::ZeroBytes, "the file is empty"));
    }
    let refused = |what: &str, remedy| Err(Fault::unsupported(format!("it is {what}"), remedy));
    if let Some((_, what, remedy)) = REFUSED.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return refused(what, remedy);
    }
    if let Some((_, kind)) = READ.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Ok(*kind);
    }
    if let Some(rest) = bytes.strip_prefix(b"RIFF") {
        return match rest.get(4..8) {
            Some(b"WEBP") => Ok(Kind::WebP),
            Some(b"AVI ") => refused("a film (AVI)", STILL),
            _ => refused("a RIFF file, but no WebP image", AS_JPEG),
        };
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        let (what, remedy) = of_brands(bytes);
        return refused(what, remedy);
    }
    if matches!(
        bytes,
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t' | b'#', ..]
    ) {
        return refused("a Netpbm image (PBM, PGM, PPM)", AS_JPEG);
    }
    if let Some((what, remedy)) = of_text(bytes) {
        return refused(what, remedy);
    }
    if is_tga(bytes) {
        return refused("a TGA image", AS_JPEG);
    }
    let message = "the content is no BMP, GIF, JPEG, PNG, TIFF or WebP, nor another format that is known; look at where it \
                   comes from";
    Err(Fault::new(Reason::UnknownFormat, message))
}

/// Major and compatible brands: a file may name itself `mif1` and say behind that which codec it has.
fn of_brands(bytes: &[u8]) -> (&'static str, &'static str) {
    let size = bytes
        .first_chunk()
        .map_or(0, |size| u32::from_be_bytes(*size)) as usize;
    let named = &bytes[8..size.clamp(8, bytes.len().min(256))];
    let (brands, _) = named.as_chunks::<4>();
    let found = BRANDS
        .iter()
        .find(|(known, ..)| known.is_empty() || known.iter().any(|brand| brands.contains(brand)));
    found.map_or(("a film", STILL), |(_, what, remedy)| (what, remedy))
}

fn of_text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let start = &bytes[..bytes.len().min(MAX_PROLOGUE)];
    let text = String::from_utf8_lossy(start).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // Comments and declarations may stand before a drawing or a page.
    if text.starts_with("<?xml") || text.starts_with("<!--") {
        let inner = |element: &str| text.contains(element);
        if let Some((_, what, remedy)) = TEXTS[..4].iter().find(|(element, ..)| inner(element)) {
            return Some((what, remedy));
        }
    }
    let found = TEXTS.iter().find(|(element, ..)| text.starts_with(element));
    found.map(|(_, what, remedy)| (*what, *remedy))
}

/// TGA has no signature: a footer in its second version, and a header whose every field makes sense.
fn is_tga(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<18>() else {
        return false;
    };
    let side = |low: usize| u16::from_le_bytes([header[low], header[low + 1]]);
    bytes.ends_with(b"TRUEVISION-XFILE.\0")
        || header[1] <= 1
            && matches!(header[2], 1..=3 | 9..=11)
            && (header[1] == 1) == matches!(header[2], 1 | 9)
            && matches!(header[16], 8 | 15 | 16 | 24 | 32)
            && header[17] & 0xC0 == 0
            && side(12) > 0
            && side(14) > 0
}
