//! What a shard holds is what it held before, or `CODE_VERSION` is another: a cache that was computed by other code is
//! never taken for this one's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fruits::features::{CODE_VERSION, Descriptor, DescriptorName, Precision, features};
use fruits::load::{LoadParams, load, read};
use fruits::matrix::{Matrix, MatrixExt, binaries, column, strings};
use fruits::resize::{Filter, resize};
use fruits::schema::{FEATURES, HEIGHT, KEY, MODE, ORIENTATION, PIXELS, THUMBNAIL, WIDTH};
use fruits::source::Source;
use fruits::source::local::hex;
use polars::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::images::put;
use crate::run::{json as json_of, project};

const GOLDEN: &str = "tests/fixtures/golden.json";

/// What the values of a network may differ by from processor to processor, relative to the sum they are compared by.
const TOLERANCE: f64 = 1e-4;

/// An image of each format and colour mode, decoded and resized.
fn shard(root: &std::path::Path, filter: Filter) -> DataFrame {
    for entry in fs::read_dir(project().join("tests/fixtures")).expect("the fixtures") {
        let path = entry.expect("readable").path();
        let extension = path.extension().and_then(|e| e.to_str());
        let extension = extension.unwrap_or_default().to_lowercase();
        if ["bmp", "gif", "jpg", "png", "tif", "webp"].contains(&extension.as_str()) {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            put(root, "Fixture", name, &fs::read(&path).expect("bytes"));
        }
    }
    let source = Source::folder(root).expect("a folder");
    let manifest = load(&source, &LoadParams::default())
        .expect("images")
        .manifest;
    let resized = resize(&read(&source, &manifest).expect("bytes"), filter).expect("pixels");
    assert!(resized.rejected.is_empty(), "{:?}", resized.rejected);
    resized.images
}

/// A digest of each image's columns but the values.
fn digests(images: &DataFrame, name: &str) -> Vec<String> {
    let bytes = binaries(images, name).expect(name);
    bytes.iter().map(|b| hex(&Sha256::digest(b))).collect()
}

fn values(images: &DataFrame, descriptor: &mut dyn Descriptor) -> Matrix {
    let described = features(images, descriptor, &mut |_| true).expect("descriptors");
    Matrix::from_vectors(&described.images, FEATURES).expect("an array column")
}

/// Two sums that tell most differences between vectors: of the values, and of the values by their place.
fn sums(row: &[f32]) -> [f64; 2] {
    let sum = row.iter().map(|v| f64::from(*v)).sum();
    let places = row.iter().zip(1_u32..);
    let by_place: f64 = places.map(|(v, i)| f64::from(*v) * f64::from(i)).sum();
    [sum, by_place / row.len() as f64]
}

/// All that is held: exact, and within [`TOLERANCE`].
fn held() -> (Value, BTreeMap<String, [f64; 2]>) {
    let folder = tempfile::tempdir().expect("a folder");
    let images = shard(&folder.path().join("bicubic"), Filter::Bicubic);
    let nearest = shard(&folder.path().join("nearest"), Filter::Nearest);
    let numbers = |name: &str| -> Vec<u32> {
        let column = column(&images, name).expect(name);
        column.u32().expect(name).no_null_iter().collect()
    };
    let (widths, heights) = (numbers(WIDTH), numbers(HEIGHT));
    let orientations = numbers(ORIENTATION);
    let modes = strings(&images, MODE).expect(MODE);
    let (pixels, thumbnails) = (digests(&images, PIXELS), digests(&images, THUMBNAIL));
    let nearest = digests(&nearest, PIXELS);

    let model = project().join("tests/fixtures/pool.onnx");
    let mut pool = DescriptorName::Vgg16
        .open(Precision::F32, Some(&model), 1)
        .expect("the model");
    let pool = values(&images, &mut *pool);
    // All others give the same values on every processor.
    let others = DescriptorName::ALL
        .into_iter()
        .filter(|name| *name != DescriptorName::Vgg16);
    let others: Vec<_> = others
        .map(|name| {
            let mut descriptor = name.open(Precision::Auto, None, 1).expect("a descriptor");
            (name.name(), values(&images, &mut *descriptor))
        })
        .collect();

    let keys = strings(&images, KEY).expect(KEY);
    let mut exact = BTreeMap::new();
    let mut close = BTreeMap::new();
    for (i, key) in keys.into_iter().enumerate() {
        let mut image = json!({
            "shape": format!("{} x {}, {}, turned {}", widths[i], heights[i], modes[i], orientations[i]),
            "bicubic": pixels[i],
            "nearest": nearest[i],
            "thumbnail": thumbnails[i],
        });
        for (name, values) in &others {
            let bytes = values.row(i).iter().flat_map(|v| v.to_le_bytes());
            let bytes: Vec<u8> = bytes.collect();
            image[*name] = json!(hex(&Sha256::digest(&bytes)));
        }
        exact.insert(key.to_owned(), image);
        close.insert(key.to_owned(), sums(pool.row(i)));
    }
    (json!(exact), close)
}

#[test]
fn a_shard_holds_what_it_held() {
    let (exact, close) = held();
    let now = json!({ "code_version": CODE_VERSION, "exact": exact, "close": close });
    let golden = json_of(project().join(GOLDEN));
    let is_close = |key: &str, sums: &[f64; 2]| {
        let golden = &golden["close"][key];
        sums.iter().enumerate().all(|(j, sum)| {
            let said = golden[j].as_f64().unwrap_or(f64::NAN);
            (sum - said).abs() <= TOLERANCE * said.abs()
        })
    };
    let is_same = exact == golden["exact"] && close.iter().all(|(key, sums)| is_close(key, sums));
    assert!(
        is_same && golden["code_version"] == CODE_VERSION,
        "code version {CODE_VERSION} does not give what {GOLDEN} holds for {}: raise CODE_VERSION in \
         src/storage/store/shard.rs, so that caches of the code before are computed again, and write this into that file:\n{:#}",
        golden["code_version"],
        now
    );
}

/// Of what the decoders need, the packages that decide no pixel: checksums, number traits, macros, the writer of
/// GIFs, the compiler.
const NO_PIXEL: [&str; 17] = [
    "adler2",
    "arrayvec",
    "bitflags",
    "bytemuck",
    "cc",
    "cfg-if",
    "color_quant",
    "crc32fast",
    "crunchy",
    "dunce",
    "libc",
    "num-traits",
    "quick-error",
    "rgb",
    "serde",
    "simd-adler32",
    "zerocopy",
];

/// What `resize` decodes with.
const DECODERS: [&str; 7] = ["fax", "flate2", "gif", "image", "mozjpeg", "png", "weezl"];

#[test]
fn the_fingerprint_covers_every_decoder() {
    let text = |path: &str| fs::read_to_string(project().join(path)).expect(path);
    let list = text("src/steps/resize/decoders.txt");
    let listed: BTreeSet<&str> = list.lines().filter(|l| !l.starts_with('#')).collect();
    let lock: toml::Table = toml::from_str(&text("Cargo.lock")).expect("a lock file");
    let needs = |name: &str| -> Vec<String> {
        let packages = lock["package"].as_array().expect("packages").iter();
        let of_it = packages.filter(|p| p["name"].as_str() == Some(name));
        let needed = of_it.filter_map(|p| p.get("dependencies")?.as_array());
        let names = needed.flatten().filter_map(toml::Value::as_str);
        // A version follows where there are several.
        let names = names.filter_map(|n| n.split(' ').next());
        names.map(str::to_owned).collect()
    };
    let mut waiting = DECODERS.map(str::to_owned).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if NO_PIXEL.contains(&name.as_str()) || !seen.insert(name.clone()) {
            continue;
        }
        assert!(
            listed.contains(name.as_str()),
            "`{name}` is new behind the decoders: if it decides a pixel, name it in src/steps/resize/decoders.txt (caches are \
             then computed again), else in NO_PIXEL here"
        );
        waiting.extend(needs(&name));
    }
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, listed, "a package of the list is not needed any more");
}
