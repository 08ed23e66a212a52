//! Reports of every shape, in the browser: few and many images and classes, names that attack, runs that ended early.
//!
//! The images are points around a middle for each class, with the thumbnails of the sample; what is measured of them is
//! measured by the real steps.

use std::fs;
use std::sync::atomic::AtomicBool;

use fruits::findings::findings;
use fruits::frame::add_by_key;
use fruits::load::{LoadParams, load, read};
use fruits::outputs::Finished;
use fruits::quality::quality;
use fruits::record::{ClassCount, ProjectionQuality, Run, Status, Timings};
use fruits::report::{MAX_BYTES, ReportInput, render};
use fruits::resize::{Filter, resize};
use fruits::source::Source;
use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::browser::node;
use crate::run::project;
use crate::sample::rendered;

/// How far a run came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Features,
    Pca,
    Whole,
}

const HOSTILE: [&str; 5] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>'",
    "\u{202E}txt.exe\u{202C} \u{5D0}\u{5D1}\u{5D2}\u{5D3} \u{627}\u{628}\u{629}",
    "{{ 7 * 7 }}\n\t\u{0}<!--",
    "\u{1F34F}\u{200D}\u{1F34E} & co",
];

#[test]
fn every_shape_of_report_reads_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = |n_classes: usize| (0..n_classes).map(|i| format!("class {i:04}")).collect();
    let mut hostile: Vec<String> = HOSTILE.map(str::to_owned).to_vec();
    hostile.push("x".repeat(300));
    let cases: [(&str, usize, Vec<String>, End); 10] = [
        ("three", 3, plain(1), End::Whole),
        ("one-class", 120, plain(1), End::Whole),
        ("five-classes", 120, plain(5), End::Whole),
        ("all-classes", 393, plain(131), End::Whole),
        ("many", 4098, plain(5), End::Whole),
        ("classes-200", 600, plain(200), End::Whole),
        ("classes-2000", 4000, plain(2000), End::Whole),
        ("hostile", 120, hostile, End::Whole),
        ("without-tsne", 40, plain(2), End::Pca),
        ("without-pca", 40, plain(2), End::Features),
    ];
    let thumbnails = thumbnails();
    let mut files = Vec::new();
    for (name, n, labels, end) in cases {
        let html = report(n, &labels, end, &thumbnails);
        assert!(html.len() <= MAX_BYTES, "{name}: {} bytes", html.len());
        let file = folder.path().join(format!("{name}.html"));
        fs::write(&file, html).expect("written");
        files.push(file);
    }
    node("shapes.mjs", &files);
}

fn report(n: usize, labels: &[String], end: End, thumbnails: &[Vec<u8>]) -> String {
    let mut images = points(n, labels, thumbnails);
    let mut run = record(&images, labels, end);
    if end == End::Features {
        let names = ["key", "label", "width", "height", "thumbnail"];
        images = images.select(names).expect("columns");
    } else {
        let found = findings(&images).expect("findings");
        add_by_key(
            &mut images,
            &found.scores,
            &["outlier_score", "label_agreement"],
        )
        .expect("scores");
        run.findings = Some(found.record);
    }
    if end == End::Pca {
        images = images.drop_many(["tsne_x", "tsne_y"]);
    }
    if end == End::Whole {
        let measured = quality(&images, 10, 42).expect("measures");
        add_by_key(&mut images, &measured.scores, &["trust"]).expect("scores");
        run.projections[0].quality = Some(ProjectionQuality::from(&measured.record));
        run.quality = Some(measured.record);
    }
    // One rejected file in the middle of the keys.
    let key = format!("{}/0001 rejected", labels[labels.len() / 2]);
    let rejected = df!(
        "key" => [key.as_str()], "size_bytes" => [0u64], "reason" => ["zero_bytes"], "message" => [key.as_str()],
    );
    render(&ReportInput {
        run: &run,
        timings: &Timings::default(),
        images: &images,
        rejected: &rejected.expect("a frame"),
        examples: &[],
        moves: None,
    })
    .expect("a report")
}

/// The record of the sample's run, with other images in it.
fn record(images: &DataFrame, labels: &[String], end: End) -> Run {
    let n = images.height();
    let mut run = Finished::open(&rendered(), &AtomicBool::new(false))
        .expect("the sample")
        .run;
    run.images.accepted = n as u64;
    run.images.rejected = 1;
    run.images.skipped = 0;
    run.images.listed = n as u64 + 1;
    run.source.name = labels[0].clone();
    run.classes = labels
        .iter()
        .enumerate()
        .map(|(i, label)| ClassCount {
            label: label.clone(),
            n: (n / labels.len() + usize::from(i < n % labels.len())) as u64,
        })
        .collect();
    let missing = match end {
        End::Whole => return run,
        End::Pca => "tsne",
        End::Features => "pca",
    };
    run.status = Status::Partial {
        stage: missing.to_owned(),
        reason: format!("{} is of no use", labels[0]),
    };
    run.tsne = None;
    run.quality = None;
    run.projections.clear();
    if end == End::Features {
        run.pca = None;
        run.findings = None;
    }
    run
}

fn points(n: usize, labels: &[String], thumbnails: &[Vec<u8>]) -> DataFrame {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut normal = |scale: f32| {
        let x: f32 = StandardNormal.sample(&mut random);
        x * scale
    };
    let mut rows: Vec<(String, usize)> = (0..n)
        .map(|i| (i % labels.len(), i / labels.len()))
        .map(|(class, i)| (format!("{}/{i:04}_100.jpg", labels[class]), class))
        .collect();
    rows.sort();
    let keys: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let classes: Vec<&str> = rows.iter().map(|row| labels[row.1].as_str()).collect();
    let pictures: Vec<&[u8]> = (0..n)
        .map(|i| thumbnails[i % thumbnails.len()].as_slice())
        .collect();
    let mut columns = vec![
        Column::new("key".into(), keys),
        Column::new("label".into(), classes),
        Column::new("width".into(), vec![100u32; n]),
        Column::new("height".into(), vec![100u32; n]),
        Column::new("thumbnail".into(), pictures),
    ];
    for name in ["pc1", "pc2", "pc3", "tsne_x", "tsne_y"] {
        let middles: Vec<f32> = labels.iter().map(|_| normal(20.0)).collect();
        let values = rows.iter().map(|row| middles[row.1] + normal(3.0));
        columns.push(Column::new(name.into(), values.collect::<Vec<_>>()));
    }
    DataFrame::new(n, columns).expect("a frame")
}

fn thumbnails() -> Vec<Vec<u8>> {
    let source = Source::folder(project().join("data-sample")).expect("the sample");
    let manifest = load(&source, &LoadParams::default())
        .expect("images")
        .manifest;
    let pixels =
        resize(&read(&source, &manifest).expect("bytes"), Filter::Bicubic).expect("pixels");
    let column = pixels
        .images
        .column("thumbnail")
        .expect("thumbnails")
        .clone();
    let column = column.binary().expect("bytes");
    column.no_null_iter().map(<[u8]>::to_vec).collect()
}
