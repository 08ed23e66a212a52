//! Time of the measures and size of the report for any number of images, on synthetic clusters with real thumbnails.
//!
//! `cargo run --release --example large_report -- 70000 DIR` writes `DIR/index.html`.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use fruits::findings::findings;
use fruits::frame::{add_by_key, column};
use fruits::load::{LoadParams, load, read};
use fruits::outputs::Finished;
use fruits::quality::quality;
use fruits::record::{ClassCount, ProjectionQuality, Timings};
use fruits::report::{ReportInput, render};
use fruits::resize::{Filter, resize};
use fruits::source::Source;
use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Classes of all of Fruits-360, and values of a row.
const N_CLASSES: usize = 131;
const N_COMPONENTS: usize = 64;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments
        .next()
        .map_or(70_000, |n| n.parse().expect("a number of images"));
    let folder = arguments
        .next()
        .unwrap_or_else(|| std::env::temp_dir().display().to_string());

    let mut images = clusters(n);
    let began = Instant::now();
    let found = findings(&images).expect("findings");
    println!("findings  {:6.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let measured = quality(&images, 10, 42).expect("quality");
    println!(
        "quality   {:6.2} s, {} rows measured",
        began.elapsed().as_secs_f64(),
        measured.record.n_sampled
    );
    add_by_key(
        &mut images,
        &found.scores,
        &["outlier_score", "label_agreement"],
    )
    .expect("scores");
    add_by_key(&mut images, &measured.scores, &["trust"]).expect("scores");

    // The record of the committed sample, with these images in it.
    let mut run = Finished::open(Path::new("reports/sample"), &AtomicBool::new(false))
        .expect("the sample")
        .run;
    run.images.accepted = n as u64;
    run.images.listed = n as u64;
    run.images.skipped = 0;
    run.images.rejected = 0;
    let names = (0..N_CLASSES).map(class);
    run.classes = names
        .enumerate()
        .map(|(i, label)| ClassCount {
            label,
            n: (n / N_CLASSES + usize::from(i < n % N_CLASSES)) as u64,
        })
        .collect();
    run.findings = Some(found.record);
    run.projections[0].quality = Some(ProjectionQuality::from(&measured.record));
    run.quality = Some(measured.record);
    let rejected = df!("key" => Vec::<String>::new(), "size_bytes" => Vec::<u64>::new(), "reason" => Vec::<String>::new(), "message" => Vec::<String>::new()).expect("a frame");
    let began = Instant::now();
    let html = render(&ReportInput {
        run: &run,
        timings: &Timings::default(),
        images: &images,
        rejected: &rejected,
        examples: &[],
        moves: None,
    })
    .expect("a report");
    println!(
        "report    {:6.2} s, {:.2} MB",
        began.elapsed().as_secs_f64(),
        html.len() as f64 / 1e6
    );
    std::fs::write(Path::new(&folder).join("index.html"), html).expect("written");
}

fn class(i: usize) -> String {
    format!("class {i:03}")
}

/// One normal cluster a class, in 64 dimensions and in two.
fn clusters(n: usize) -> DataFrame {
    let source = Source::folder("data-sample").expect("the sample");
    let manifest = load(&source, &LoadParams::default())
        .expect("images")
        .manifest;
    let resized = resize(&read(&source, &manifest).expect("bytes"), Filter::Bicubic)
        .expect("pixels")
        .images;
    let thumbnails = column(&resized, "thumbnail")
        .expect("thumbnails")
        .binary()
        .expect("bytes")
        .clone();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut normal = |scale: f32| {
        let x: f32 = StandardNormal.sample(&mut random);
        x * scale
    };
    let mut rows: Vec<(String, usize)> = (0..n)
        .map(|i| {
            (
                format!("{}/{}_100.jpg", class(i % N_CLASSES), i / N_CLASSES),
                i % N_CLASSES,
            )
        })
        .collect();
    rows.sort();
    let mut columns = vec![
        Column::new(
            "key".into(),
            rows.iter().map(|r| r.0.clone()).collect::<Vec<_>>(),
        ),
        Column::new(
            "label".into(),
            rows.iter().map(|r| class(r.1)).collect::<Vec<_>>(),
        ),
        Column::new("width".into(), vec![100u32; n]),
        Column::new("height".into(), vec![100u32; n]),
        Column::new(
            "thumbnail".into(),
            (0..n)
                .map(|i| thumbnails.get(i % thumbnails.len()))
                .collect::<Vec<_>>(),
        ),
    ];
    let names = (1..=N_COMPONENTS)
        .map(|i| (format!("pc{i}"), 3.0, 1.0))
        .chain(["tsne_x", "tsne_y"].map(|name| (name.to_owned(), 60.0, 2.5)));
    for (name, between, within) in names {
        let middles: Vec<f32> = (0..N_CLASSES).map(|_| normal(between)).collect();
        let values: Vec<f32> = rows.iter().map(|r| middles[r.1] + normal(within)).collect();
        columns.push(Column::new(name.into(), values));
    }
    DataFrame::new(n, columns).expect("a frame")
}
