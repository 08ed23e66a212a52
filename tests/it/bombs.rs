//! Small files that claim or unpack to very much: each costs one row or one image, and bounded memory.

use std::fs;
use std::path::Path;

use fruits::load::{LoadParams, MAX_FILE_BYTES, load};
use fruits::rejection::Reason;
use fruits::resize::{Filter, decode, prepare};
use fruits::source::Source;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::images::{put, sample};
use crate::run::{Report, json, project};
use crate::tiffs::{tiff, widest};
use crate::webps::{beyond_canvas, of_codes};

/// Most pixels that are accepted, in a strip that is 8 wide.
const TALL: u32 = 11_184_810;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let grey = vec![0; width as usize * height as usize];
    PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::NoFilter)
        .write_image(&grey, width, height, ExtendedColorType::L8)
        .expect("a png");
    out
}

/// The data of chunks of a kind, joined: of `IDAT` a zlib stream, here of `height` rows of `width + 1` zeros.
fn chunks(png: &[u8], kind: &[u8; 4]) -> Vec<u8> {
    let (mut rest, mut out) = (&png[8..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        if &after[..4] == kind {
            out.extend_from_slice(&after[4..4 + length]);
        }
        rest = &after[4 + length + 4..];
    }
    out
}

/// A PNG with a chunk more behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    let crc = kind
        .iter()
        .chain(data)
        .fold(u32::MAX, |crc, byte| step(crc, *byte));
    let crc = (!crc).to_be_bytes();
    [&png[..33], &length, kind, data, &crc, &png[33..]].concat()
}

/// A byte into the checksum of a PNG chunk (ISO 3309).
fn step(crc: u32, byte: u8) -> u32 {
    (0..8).fold(crc ^ u32::from(byte), |crc, _| {
        (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
    })
}

/// Without a pixel: what run lengths leave out is the first colour.
fn bmp(width: u32, height: u32) -> Vec<u8> {
    let mut out = b"BM".to_vec();
    out.extend([0; 8]);
    out.extend((54 + 1024_u32).to_le_bytes());
    for value in [40, width, height, 8 << 16 | 1, 1, 2, 0, 0, 0, 0] {
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 1024]);
    out.extend([0, 1]);
    out
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], data].concat()
}

/// Tables and frame of a grey JPEG whose codes have one bit; `ac` is what the code of the others means.
fn jpeg_start(frame: u8, width: u16, height: u16, ac: u8) -> Vec<u8> {
    let table = |class: u8, value: u8| {
        let counts = [vec![class, 1], vec![0; 15], vec![value]].concat();
        segment(0xC4, &counts)
    };
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    [
        segment(0xDB, &[vec![0], vec![1; 64]].concat()),
        segment(frame, &[&[8], &size[..], &[1, 1, 0x11, 0]].concat()),
        table(0, 0),
        table(0x10, ac),
    ]
    .concat()
}

/// A large image where one parser skips what another one reads: behind a restart marker with a length.
fn hidden(width: u16, height: u16, small: &[u8]) -> Vec<u8> {
    let scan = segment(0xDA, &[1, 1, 0, 0, 63, 0]);
    let large = [
        jpeg_start(0xC0, width, height, 0),
        scan,
        vec![0, 0, 0, 0, 0xFF, 0xD9],
    ]
    .concat();
    let length = (large.len() as u16 + 2).to_be_bytes();
    [&[0xFF, 0xD8, 0xFF, 0xD0], &length[..], &large, &small[2..]].concat()
}

/// A progressive JPEG of as many scans as are asked for, each with the end of all its bands; `bits` are those that it says to
/// bring.
fn scans(side: u16, n: usize, bits: u8) -> Vec<u8> {
    let n_blocks = usize::from(side).div_ceil(8).pow(2);
    let n_codes = n_blocks.div_ceil(32_767) + 1;
    let code = |i: usize| u8::from(!i.is_multiple_of(15));
    let mut codes: Vec<u8> = (0..n_codes * 15).map(code).collect();
    codes.resize(codes.len().next_multiple_of(8), 1);
    let bytes = codes
        .chunks(8)
        .map(|bits| bits.iter().fold(0_u8, |byte, bit| byte << 1 | bit));
    let stuffed = bytes.flat_map(|byte| {
        if byte == 0xFF {
            vec![0xFF, 0]
        } else {
            vec![byte]
        }
    });
    let scan = [segment(0xDA, &[1, 1, 0, 1, 63, bits]), stuffed.collect()].concat();
    let first = [
        segment(0xDA, &[1, 1, 0, 0, 0, 0]),
        vec![0; n_blocks.div_ceil(8)],
    ]
    .concat();
    let start = jpeg_start(0xC2, side, side, 0xE0);
    [
        vec![0xFF, 0xD8],
        start,
        first,
        scan.repeat(n),
        vec![0xFF, 0xD9],
    ]
    .concat()
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let screen = [width.to_le_bytes(), height.to_le_bytes()].concat();
    let frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;";
    [b"GIF89a", &screen[..], b"\x80\0\0\0\0\0\xff\xff\xff", frame].concat()
}

/// An animation whose canvas is larger than its frames.
fn webp(width: u32, height: u32) -> Vec<u8> {
    let three = |value: u32| value.to_le_bytes()[..3].to_vec();
    let chunk =
        |kind: &[u8], data: Vec<u8>| [kind, &(data.len() as u32).to_le_bytes(), &data[..]].concat();
    let body = [
        b"WEBP".to_vec(),
        chunk(
            b"VP8X",
            [vec![2, 0, 0, 0], three(width - 1), three(height - 1)].concat(),
        ),
        chunk(b"ANIM", vec![0; 6]),
        chunk(b"ANMF", vec![0; 40]),
    ]
    .concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes(), &body[..]].concat()
}

/// Name, content, and why it is refused, if it is.
fn bombs() -> Vec<(&'static str, Vec<u8>, Option<Reason>)> {
    let small = fs::read(project().join("tests/fixtures/UPPER.JPG")).expect("a fixture");
    let zeros = chunks(&png(8, 2_000_000), b"IDAT");
    let n = zeros.len() as u32;
    let plain = png(20, 20);
    let tile = scans(2_048, 300, 0);
    let m = tile.len() as u32;
    let large = Some(Reason::TooLarge);
    let damaged = Some(Reason::DecodeError);
    let of_codes = of_codes(65_536).map(|(name, bytes)| (name, bytes, large));
    let mut bombs = vec![
        ("tall.png", png(8, TALL), large),
        ("wide.png", png(TALL, 8), large),
        ("tallest.png", png(8, 65_535), None),
        ("tall.bmp", bmp(8, TALL), large),
        ("tallest.bmp", bmp(8, 65_535), None),
        (
            "tall.tif",
            tiff(9, 2_000_000, &zeros, &[(0, n)], &[]),
            large,
        ),
        ("tallest.tif", tiff(9, 65_535, &zeros, &[(0, n)], &[]), None),
        ("large.gif", gif(65_535, 65_535), large),
        ("large.webp", webp(16_384, 16_384), large),
        ("hidden 10000.jpg", hidden(10_000, 10_000, &small), large),
        ("hidden 65500.jpg", hidden(65_500, 65_500, &small), large),
        ("hidden 9000.jpg", hidden(9_000, 9_000, &small), damaged),
        ("scans 10.jpg", scans(1_000, 10, 0), None),
        ("scans 600.jpg", scans(64, 600, 0), damaged),
        ("scans 200.jpg", scans(9_000, 200, 0), damaged),
        // They refine what no scan has brought.
        ("inconsistent.jpg", scans(64, 3, 0x21), damaged),
        (
            "text.png",
            with_chunk(
                &plain,
                b"zTXt",
                &[b"Raw profile type exif\0\0", &zeros[..]].concat(),
            ),
            None,
        ),
        (
            "profile.png",
            with_chunk(&plain, b"iCCP", &[b"name\0\0", &zeros[..]].concat()),
            None,
        ),
        // 60 strips of a row, each said to be the whole file.
        (
            "overlapping.tif",
            tiff(9, 60, &zeros, &[(0, n); 60], &[(278, 1)]),
            damaged,
        ),
        (
            "tile.tif",
            tiff(9, 9, &zeros, &[(0, n)], &[(322, 60_000), (323, 60_000)]),
            large,
        ),
        (
            "tiles.tif",
            tiff(4_000, 4_000, &zeros, &[(0, n)], &[(322, 1), (323, 1)]),
            large,
        ),
        // A row of the image in 4 MB.
        (
            "beyond.tif",
            tiff(
                8,
                65_535,
                &zeros,
                &[(0, 1); 1024],
                &[(322, 65_536), (323, 64)],
            ),
            large,
        ),
        ("widest.tif", widest(65_535, 1_100), large),
        // Four tiles, of which the image shows an edge: their scans are counted over all their pixels.
        (
            "scans 300.tif",
            tiff(
                8,
                8_192,
                &tile.repeat(2),
                &[(0, m), (m, m), (0, m), (m, m)],
                &[(259, 7), (322, 2_048), (323, 2_048)],
            ),
            damaged,
        ),
        ("beyond canvas.webp", beyond_canvas(), damaged),
    ];
    bombs.extend(of_codes);
    bombs
}

#[test]
fn codes_that_fit_are_read() {
    for (name, bytes) in of_codes(200) {
        let seen = decode(&bytes).map(|image| (image.width, image.height));
        assert!(matches!(seen, Ok((8, 8) | (16, 16))), "{name}: {seen:?}");
    }
}

#[test]
fn each_costs_a_row_or_an_image() {
    for (name, bytes, reason) in bombs() {
        let seen = prepare(&bytes, Filter::Bicubic);
        let said = seen.as_ref().err().map(|fault| fault.reason);
        assert_eq!(
            said,
            reason,
            "{name}: {:?}",
            seen.err().map(|fault| fault.message)
        );
    }
}

/// What a run may take beside the program, in KiB: a large image of 512 MiB with what is made of it, and small ones.
const MEMORY_KIB: u64 = 3 << 20;

#[test]
fn a_run_over_all_of_them_ends_within_its_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    sample(&input, 2, 6);
    let bombs = bombs();
    for (name, bytes, _) in &bombs {
        put(&input, "Bombs", name, bytes);
    }
    let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
    Report::through(&["sh", "-c", &limited, env!("CARGO_BIN_EXE_report")])
        .arg("--input")
        .arg(&input)
        .arg("--out")
        .arg(&out)
        .args(["--no-cache", "--descriptor", "colour", "--components", "3"])
        .args(["--iterations", "300"])
        .expect(0);
    let images = &json(out.join("run.json"))["images"];
    let n_refused = bombs.iter().filter(|(.., reason)| reason.is_some()).count();
    assert_eq!(images["rejected"].as_u64(), Some(n_refused as u64));
    assert_eq!(
        images["accepted"].as_u64(),
        Some((12 + bombs.len() - n_refused) as u64)
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    sample(folder.path(), 1, 2);
    let class = fs::read_dir(folder.path()).expect("a folder").next();
    let class = class.expect("a class").expect("readable").path();
    let sparse = |name: &str, n_bytes: u64| {
        let file = fs::File::create(class.join(name)).expect("a file");
        file.set_len(n_bytes).expect("a size");
    };
    sparse("just.jpg", MAX_FILE_BYTES);
    sparse("over.jpg", MAX_FILE_BYTES + 1);
    let found = load(
        &Source::folder(folder.path()).expect("a folder"),
        &LoadParams::default(),
    );
    let rejected = found.expect("images").rejected;
    let rejected: Vec<_> = rejected
        .iter()
        .map(|r| (name_of(&r.key), r.reason))
        .collect();
    assert_eq!(rejected, [("over.jpg".to_owned(), Reason::TooLarge)]);
}

fn name_of(key: &str) -> String {
    let name = Path::new(key).file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

#[test]
fn damage_ends_the_work_at_its_first_sign() {
    // The header says 81 megapixels, of which the first block is damaged.
    let mut bytes = scans(9_000, 0, 0);
    let scan = bytes
        .windows(2)
        .position(|pair| pair == [0xFF, 0xDA])
        .expect("a scan");
    bytes.truncate(scan + 12);
    bytes.extend([0xFF, 0xD9]);
    let fault = decode(&bytes).expect_err("damaged");
    assert_eq!(fault.reason, Reason::DecodeError, "{}", fault.message);
}
