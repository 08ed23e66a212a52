//! Against the reference features of real Fruits-360 images, where this machine has them.

use fruits::features::{Arithmetic, Model, RuntimeFolder, Vgg16, features};
use fruits::load::{LoadParams, load, read};
use fruits::matrix::{Matrix, strings};
use fruits::resize::{Filter, resize};
use fruits::schema::{FEATURES, KEY};
use fruits::source::local::LocalFolder;
use ndarray_npy::NpzReader;
use polars::prelude::*;

use crate::run::shared;
use crate::steps::cosine;

/// The reference holds every 205th image in path order.
const STEP: usize = 205;

#[test]
fn features_are_those_of_the_reference() {
    let (Some(images), Some(reference)) =
        (shared("data/fruits-360/Training"), shared("reference/features_sample.npz"))
    else {
        return;
    };
    let mut npz = NpzReader::new(std::fs::File::open(reference).expect("a file")).expect("an npz");
    let expected: ndarray::Array2<f32> = npz.by_name("features").expect("features");

    let folder = LocalFolder::open(images).expect("a folder");
    let manifest = load(&folder, &LoadParams::default()).expect("images").manifest;
    assert_eq!(manifest.height(), 4098);
    let rows: Vec<IdxSize> = (0..manifest.height()).step_by(STEP).map(|i| i as IdxSize).collect();
    let manifest = manifest.take(&IdxCa::from_vec("rows".into(), rows)).expect("rows");
    let pixels = resize(&read(&folder, &manifest).expect("bytes"), Filter::Bicubic).expect("pixels").images;
    let runtime = RuntimeFolder::find();
    let model = Model::read(None, &runtime).expect("the model");
    let mut vgg16 = Vgg16::new(&runtime, &model, Arithmetic::F32, 2).expect("the network");
    let described = features(&pixels, &mut vgg16, &mut |_| true).expect("features").images;
    let computed = Matrix::from_arrays(&described, FEATURES).expect("an array column");

    assert_eq!((computed.n_rows(), computed.n_cols()), expected.dim());
    for (i, key) in strings(&described, KEY).expect("keys").iter().enumerate() {
        let cosine = cosine(computed.row(i), expected.row(i).as_slice().expect("contiguous"));
        assert!(cosine >= 0.9999, "{key}: cosine {cosine}");
    }
}
