//! Decode and resize against Pillow (`tests/fixtures/make.py` writes the expectations).

use std::sync::atomic::{AtomicUsize, Ordering};

use fruits::Error;
use fruits::rejection::Reason;
use fruits::resize::{Filter, decode, resample, resize_with};
use fruits::schema::{CONTENT, KEY};
use fruits::source::local::hex;
use polars::prelude::*;
use sha2::{Digest, Sha256};

use crate::run::{json, project};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(project().join("tests/fixtures").join(name)).expect(name)
}

#[test]
fn every_mode_becomes_the_rgb_that_pillow_sees() {
    let expected = json(project().join("tests/fixtures/expected.json"));
    for (name, image) in expected["modes"].as_object().expect("modes") {
        let decoded = decode(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(
            [decoded.width, decoded.height].map(u64::from),
            [&image["width"], &image["height"]].map(|v| v.as_u64().expect("a number")),
            "{name}"
        );
        for point in image["pixels"].as_array().expect("pixels") {
            let p: Vec<i64> = point
                .as_array()
                .expect("a point")
                .iter()
                .map(|v| v.as_i64().expect("a number"))
                .collect();
            assert_eq!(p.len(), 2 + 3, "{name}");
            let at = (p[1] as usize * decoded.width as usize + p[0] as usize) * 3;
            let seen: Vec<i64> = decoded.rgb[at..at + 3]
                .iter()
                .map(|&v| i64::from(v))
                .collect();
            // JPEG decoders may differ in the last bits of the inverse transform and of CMYK.
            let tolerance = if name.to_lowercase().ends_with("jpg") {
                3
            } else {
                0
            };
            let worst = seen.iter().zip(&p[2..]).map(|(a, b)| (a - b).abs()).max();
            assert!(
                worst <= Some(tolerance),
                "{name} at {},{}: {seen:?}, not {:?}",
                p[0],
                p[1],
                &p[2..]
            );
        }
    }
}

#[test]
fn resized_bytes_are_pillows() {
    let expected = json(project().join("tests/fixtures/expected.json"));
    for (name, digests) in expected["resize"].as_object().expect("resize") {
        let image = decode(&fixture(name)).expect(name);
        for filter in [Filter::Bicubic, Filter::Nearest] {
            let pixels = resample(
                &image.rgb,
                image.width as usize,
                image.height as usize,
                224,
                224,
                filter,
            )
            .expect("as many bytes as pixels");
            assert_eq!(
                hex(&Sha256::digest(&pixels)),
                digests[filter.name()].as_str().expect("a digest"),
                "{name} {filter}"
            );
        }
    }
}

#[test]
fn the_mode_of_the_file_is_kept() {
    for (name, mode) in [
        ("grey.jpg", "l8"),
        ("cmyk.jpg", "cmyk8"),
        ("alpha.png", "rgba8"),
        ("grey16.png", "l16"),
    ] {
        assert_eq!(decode(&fixture(name)).expect(name).mode, mode, "{name}");
    }
}

#[test]
fn a_rotated_image_says_so_and_stands_upright() {
    let decoded = decode(&fixture("rotated.jpg")).expect("decodes");
    assert_eq!(
        (decoded.orientation, decoded.width, decoded.height),
        (6, 32, 40)
    );
}

#[test]
fn damaged_files_are_told_apart() {
    let whole = fixture("progressive.jpg");
    let png = fixture("down.png");
    let bomb = png_header(60_000, 60_000);
    let baseline = fixture("UPPER.JPG");
    let cases: [(&str, &[u8], Reason); 9] = [
        (
            "a jpeg with its middle gone",
            &without_middle(&baseline),
            Reason::DecodeError,
        ),
        ("empty", &[], Reason::ZeroBytes),
        (
            "text",
            b"not an image at all, but long enough to be one",
            Reason::UnknownFormat,
        ),
        ("half a jpeg", &whole[..whole.len() / 2], Reason::Truncated),
        (
            "a jpeg without its end",
            &whole[..whole.len() - 2],
            Reason::Truncated,
        ),
        ("half a png", &png[..png.len() / 2], Reason::Truncated),
        ("a bomb", &bomb, Reason::TooLarge),
        ("one pixel", &png_of(1, 1), Reason::TooSmall),
        ("a flipped byte", &flipped(&png), Reason::DecodeError),
    ];
    for (what, bytes, reason) in cases {
        let Err(fault) = decode(bytes) else {
            panic!("{what} was accepted")
        };
        assert_eq!(fault.reason, reason, "{what}: {}", fault.message);
        assert!(!fault.message.is_empty());
    }
}

#[test]
fn the_flag_is_looked_at_before_every_image() {
    let n = 600;
    let content = fixture("grey.jpg");
    let keys: Vec<_> = (0..n).map(|i| format!("A/{i}.jpg")).collect();
    let frame = DataFrame::new(
        n,
        vec![
            Column::new(KEY.into(), keys),
            Column::new(CONTENT.into(), vec![&content[..]; n]),
        ],
    )
    .expect("a frame");
    let n_asked = AtomicUsize::new(0);
    let ask = |most| n_asked.fetch_add(1, Ordering::Relaxed) < most;

    let images = resize_with(&frame, Filter::Nearest, &|_| ask(n))
        .expect("goes on")
        .images;
    assert_eq!(
        (images.height(), n_asked.swap(0, Ordering::Relaxed)),
        (n, n)
    );
    let stopped = resize_with(&frame, Filter::Nearest, &|_| ask(3));
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert!(
        n_asked.into_inner() < n / 2,
        "the others were asked for, too"
    );
}

/// The end marker is there, most of the coded data is not.
fn without_middle(jpeg: &[u8]) -> Vec<u8> {
    let n = jpeg.len();
    [&jpeg[..n - 200], &jpeg[n - 2..]].concat()
}

fn flipped(png: &[u8]) -> Vec<u8> {
    let mut bytes = png.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    bytes
}

fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(width, height)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("a png");
    bytes.into_inner()
}

/// A PNG that claims a size and holds next to nothing: the header of a small one with its numbers changed.
pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png_of(8, 8);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The checksum of a PNG chunk (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
