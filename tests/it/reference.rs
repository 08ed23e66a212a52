//! Against the reference features of real Fruits-360 images, where this machine has them.

use std::path::Path;
use std::process::Command;

use fruits::features::{Arithmetic, Cpu, Model, Precision, RuntimeFolder, Vgg16, features};
use fruits::load::{LoadParams, load, read};
use fruits::matrix::{Matrix, MatrixExt, strings};
use fruits::resize::{Filter, resize};
use fruits::schema::{FEATURES, KEY, N_FEATURES};
use fruits::source::Source;
use polars::prelude::*;

use crate::run::{shared, skipped};
use crate::steps::cosine;

/// The reference holds every 205th image in path order.
const STEP: usize = 205;

#[test]
fn f32_features_are_those_of_the_reference() {
    compare(Arithmetic::F32, 0.9999);
}

#[test]
fn bf16_features_are_close_to_the_reference() {
    match Precision::Bf16.resolve(&Cpu::detect()) {
        Ok((arithmetic, _)) => compare(arithmetic, 0.9995),
        Err(e) => skipped("bf16", &e.to_string()),
    }
}

fn compare(arithmetic: Arithmetic, least: f64) {
    let (Some(images), Some(reference)) = (
        shared("data/fruits-360/Training"),
        shared("reference/features_sample.npz"),
    ) else {
        return;
    };
    let expected = npy_rows(&reference);

    let source = Source::folder(images).expect("a folder");
    let manifest = load(&source, &LoadParams::default())
        .expect("images")
        .manifest;
    assert_eq!(manifest.height(), 4098);
    let rows: Vec<IdxSize> = (0..manifest.height())
        .step_by(STEP)
        .map(|i| i as IdxSize)
        .collect();
    let manifest = manifest
        .take(&IdxCa::from_vec("rows".into(), rows))
        .expect("rows");
    let pixels = resize(&read(&source, &manifest).expect("bytes"), Filter::Bicubic)
        .expect("pixels")
        .images;
    let runtime = RuntimeFolder::find();
    let model = Model::read(None, &runtime).expect("the model");
    let mut vgg16 = Vgg16::new(&runtime, &model, arithmetic, 2).expect("the network");
    let described = features(&pixels, &mut vgg16, &mut |_| true)
        .expect("features")
        .images;
    let computed = Matrix::from_vectors(&described, FEATURES).expect("an array column");

    assert_eq!(
        (computed.n_rows(), computed.n_cols()),
        (expected.len(), N_FEATURES)
    );
    for (i, key) in strings(&described, KEY).expect("keys").iter().enumerate() {
        let cosine = cosine(computed.row(i), &expected[i]);
        assert!(cosine >= least, "{key}: cosine {cosine}");
    }
}

/// The rows of `features.npy` in an `.npz`. Python opens the archive: a crate that does would change the features of
/// crates that polars shares, and everything would be compiled twice.
fn npy_rows(npz: &Path) -> Vec<Vec<f32>> {
    let code = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('features.npy'))";
    let output = Command::new("python3")
        .args(["-c", code])
        .arg(npz)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let npy = output.stdout;
    // Magic, version 1.0, length of the header as little-endian u16, header, then the values.
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    assert!(String::from_utf8_lossy(&npy[10..header]).contains("'<f4'"));
    let values = npy[header..]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let values: Vec<f32> = values.collect();
    values
        .chunks_exact(N_FEATURES)
        .map(<[f32]>::to_vec)
        .collect()
}
