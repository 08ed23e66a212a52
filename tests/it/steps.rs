//! Each step alone, as a notebook calls it.

use fruits::features::{Arithmetic, BATCH, Cpu, Model, Precision, RuntimeFolder, Vgg16, features};
use fruits::load::{LoadParams, load, read};
use fruits::matrix::{Matrix, MatrixExt, strings};
use fruits::pca::{Keep, Pca, PcaExt, PcaParams, PcaParamsExt};
use fruits::resize::{Filter, resize};
use fruits::schema::{FEATURES, KEY, LABEL, N_FEATURES};
use fruits::source::Source;
use fruits::tsne::{TsneParams, tsne};
use polars::prelude::*;

use crate::run::{project, skipped};

fn sample(params: &LoadParams) -> (Source, DataFrame) {
    let source = Source::folder(project().join("data-sample")).expect("the sample");
    let manifest = load(&source, params).expect("images").manifest;
    (source, manifest)
}

fn network(arithmetic: Arithmetic, threads: usize) -> Vgg16 {
    let runtime = RuntimeFolder::find();
    let model = Model::read(None, &runtime).expect("the model");
    assert!(model.is_known());
    Vgg16::new(&runtime, &model, arithmetic, threads).expect("the network")
}

#[test]
fn load_takes_what_it_is_told() {
    let labels = |params: &LoadParams| {
        let (_, manifest) = sample(params);
        let mut labels: Vec<String> = strings(&manifest, LABEL)
            .expect("labels")
            .iter()
            .map(|l| (*l).to_owned())
            .collect();
        let n = labels.len();
        labels.dedup();
        (n, labels)
    };
    let (n_all, all) = labels(&LoadParams::default());
    assert_eq!(all.len(), 5);
    assert_eq!(
        labels(&LoadParams {
            limit: Some(10),
            ..LoadParams::default()
        }),
        (10, all.clone())
    );
    let two = vec![all[1].clone(), all[3].clone()];
    let (n_two, found) = labels(&LoadParams {
        classes: Some(two.clone()),
        ..LoadParams::default()
    });
    assert_eq!(found, two);
    assert_eq!(
        labels(&LoadParams {
            classes: Some(two),
            top_classes: Some(1),
            ..LoadParams::default()
        })
        .1,
        all[1..2]
    );
    assert!(n_two < n_all);
    let (_, manifest) = sample(&LoadParams::default());
    let keys = strings(&manifest, KEY).expect("keys");
    assert!(keys.is_sorted() && keys.iter().all(|key| key.contains('/')));
}

#[test]
fn the_chain_step_by_step() {
    let (source, manifest) = sample(&LoadParams {
        limit: Some(20),
        ..LoadParams::default()
    });
    let resized =
        resize(&read(&source, &manifest).expect("bytes"), Filter::Bicubic).expect("pixels");
    assert!(resized.rejected.is_empty());
    let mut vgg16 = network(Arithmetic::F32, 2);
    let described = features(&resized.images, &mut vgg16, &mut |_| true)
        .expect("features")
        .images;
    let matrix = Matrix::from_vectors(&described, FEATURES).expect("an array column");
    assert_eq!((matrix.n_rows(), matrix.n_cols()), (20, N_FEATURES));
    assert!(
        matrix.values().iter().all(|v| *v >= 0.0),
        "the last layer is a rectifier's maximum"
    );

    // A descriptor does not depend on the images around it.
    let last = resized.images.tail(Some(3));
    let alone = features(&last, &mut vgg16, &mut |_| true)
        .expect("features")
        .images;
    let alone = Matrix::from_vectors(&alone, FEATURES).expect("an array column");
    assert_eq!(alone.row(2), matrix.row(19));

    let params = PcaParams {
        keep: Keep::Components(8),
        ..PcaParams::default()
    };
    let pca = params.fit(&described).expect("a fit");
    assert_eq!(pca.n_components(), 8);
    let scores = pca.transform(&described).expect("scores");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pca.parquet");
    pca.save(&path).expect("saved");
    let loaded = Pca::load(&path).expect("loaded");
    assert!(
        loaded
            .transform(&described)
            .expect("scores")
            .equals_missing(&scores),
        "a loaded PCA is the saved one"
    );

    let embedded = tsne(&scores, &TsneParams::default()).expect("an embedding");
    assert_eq!(embedded.frame.height(), 20);
    assert!(embedded.perplexity <= 19.0 / 3.0 && embedded.kl_divergence.is_finite());
}

#[test]
fn a_step_names_the_column_it_lacks() {
    let (_, manifest) = sample(&LoadParams {
        limit: Some(2),
        ..LoadParams::default()
    });
    let error = resize(&manifest, Filter::Bicubic)
        .expect_err("no content")
        .to_string();
    assert!(
        error.contains("`content`") && error.contains("key"),
        "{error}"
    );
    let error = PcaParams::default()
        .fit(&manifest)
        .expect_err("no features")
        .to_string();
    assert!(error.contains("`features`"), "{error}");
    let error = tsne(&manifest, &TsneParams::default())
        .expect_err("no scores")
        .to_string();
    assert!(error.contains("pc1"), "{error}");
}

#[test]
fn bf16_runs_on_its_own_provider_and_stays_close_to_f32() {
    let cpu = Cpu::detect();
    if let Err(e) = Precision::Bf16.resolve(&cpu) {
        skipped("bf16", &e.to_string());
        return;
    }
    let (source, manifest) = sample(&LoadParams {
        // Two streams take a batch each, and then a part of one.
        limit: Some(BATCH * 2 + 3),
        ..LoadParams::default()
    });
    let pixels = resize(&read(&source, &manifest).expect("bytes"), Filter::Bicubic)
        .expect("pixels")
        .images;
    let compute = |arithmetic, threads| {
        let described = features(&pixels, &mut network(arithmetic, threads), &mut |_| true)
            .expect("features")
            .images;
        Matrix::from_vectors(&described, FEATURES).expect("an array column")
    };
    let (full, short) = (compute(Arithmetic::F32, 2), compute(Arithmetic::Bf16, 2));
    assert_ne!(
        full, short,
        "bf16 gave the bytes of f32: the provider fell back"
    );
    for threads in [1, 3] {
        // One stream, and two of which one has two threads.
        assert_eq!(short, compute(Arithmetic::Bf16, threads), "{threads}");
    }
    for i in 0..full.n_rows() {
        let cosine = cosine(full.row(i), short.row(i));
        assert!(cosine >= 0.9995, "image {i}: cosine {cosine}");
    }
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
