//! The figures of `benches/README.md`: throughput of the descriptors, and the stages of a run.
//!
//! `make bench BENCH_ARGS="--input DIR [--images N] [--runs N] [--cache DIR] [--variance FILE.csv]"`. The input is a
//! folder of images, one folder a class. The first run computes what the cache lacks; the others are cached.

#![allow(clippy::print_stdout, reason = "a program speaks on its streams")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;
use fruits::features::{BATCH, Cpu, Model, Precision, RuntimeFolder, Vgg16, features};
use fruits::load::{LoadParams, load, read};
use fruits::matrix::binaries;
use fruits::pca::PcaParams;
use fruits::pipeline::{self, Event, Outcome, Params};
use fruits::place::Place;
use fruits::resize::{Filter, resize};
use fruits::schema::PIXELS;
use fruits::source::Source;
use fruits::tsne::TsneParams;

#[derive(Parser)]
struct Options {
    /// Folder of images, one folder a class
    #[arg(long, default_value = "data-sample")]
    input: PathBuf,
    /// Images of the throughput measurement
    #[arg(long, default_value_t = 96)]
    images: usize,
    /// Runs of the whole chain, the first of which fills the cache
    #[arg(long, default_value_t = 4)]
    runs: usize,
    /// Cache of the whole runs
    #[arg(long, default_value = "target/bench-cache")]
    cache: PathBuf,
    /// Table of reference ratios, `component,explained_variance,explained_variance_ratio,...`
    #[arg(long)]
    variance: Option<PathBuf>,
    /// Precision of the whole runs
    #[arg(long, default_value = "f32")]
    precision: Precision,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let threads = std::thread::available_parallelism()?.get();
    let cpu = Cpu::detect();
    println!(
        "{threads} cores, {}, {}\n",
        cpu.name,
        cpu.features().join(" ")
    );
    println!(
        "| descriptors | whole path, images/s | network alone on ready pixels, images/s | ratio |"
    );
    println!("| --- | --- | --- | --- |");
    for precision in [Precision::F32, Precision::Bf16] {
        match throughput(&options, precision, &cpu, threads) {
            Ok(line) => println!("{line}"),
            Err(e) => println!("| {precision:?} | not on this machine: {e} | | |"),
        }
    }
    println!(
        "\n| run | list | features | gather | pca | tsne | quality | total, s | peak memory, MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut last = None;
    for i in 0..options.runs {
        let outcome = run(&options, threads)?;
        let cells = outcome
            .timings
            .stages
            .iter()
            .map(|s| format!(" {:.2} |", s.wall_s))
            .collect::<String>();
        let peak_mb = outcome.timings.peak_rss_bytes / 1_000_000;
        println!(
            "| {} |{cells} {:.2} | {peak_mb} |",
            i + 1,
            outcome.timings.total_s
        );
        last = Some(outcome);
    }
    if let Some(outcome) = last {
        numbers(&outcome, &options)?;
    }
    Ok(())
}

/// Alternates the whole path (decode, resize, network) with the network alone, three pairs, and takes medians.
fn throughput(
    options: &Options,
    precision: Precision,
    cpu: &Cpu,
    threads: usize,
) -> Result<String, Box<dyn Error>> {
    let (arithmetic, _) = precision.resolve(cpu)?;
    let source = Source::folder(&options.input)?;
    let wanted = LoadParams {
        limit: Some(options.images),
        ..LoadParams::default()
    };
    let manifest = load(&source, &wanted)?.manifest;
    let n = manifest.height() as f64;
    let runtime = RuntimeFolder::find();
    let mut vgg16 = Vgg16::new(&runtime, &Model::read(None, &runtime)?, arithmetic, threads)?;
    let ready = resize(&read(&source, &manifest)?, Filter::Bicubic)?.images;
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let began = Instant::now();
        let pixels = resize(&read(&source, &manifest)?, Filter::Bicubic)?.images;
        features(&pixels, &mut vgg16, &mut |_| true)?;
        whole.push(n / began.elapsed().as_secs_f64());
        let began = Instant::now();
        for batch in binaries(&ready, PIXELS)?.chunks(BATCH) {
            vgg16.run(batch)?;
        }
        alone.push(n / began.elapsed().as_secs_f64());
    }
    let (whole, alone) = (median(whole), median(alone));
    Ok(format!(
        "| {arithmetic} | {whole:.2} | {alone:.2} | {:.3} |",
        whole / alone
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(options: &Options, threads: usize) -> fruits::Result<Outcome> {
    let params = Params {
        input: Source::folder(&options.input)?,
        load: LoadParams::default(),
        filter: Filter::Bicubic,
        precision: options.precision,
        model: None,
        cache: Some(Place::Folder(options.cache.clone())),
        pca: PcaParams::default(),
        tsne: TsneParams::default(),
        threads,
    };
    pipeline::run(&params, &mut |_: &Event| {}, &AtomicBool::new(false))
}

/// Accuracy beside the speed.
fn numbers(outcome: &Outcome, options: &Options) -> Result<(), Box<dyn Error>> {
    let run = &outcome.run;
    println!(
        "\n{} images, descriptors in {:?}",
        run.images.accepted, options.precision
    );
    if let Some(pca) = &run.pca {
        let sum = pca.explained_variance_ratio_sum;
        println!(
            "PCA: {} components, sum of ratios {sum:.6}, residual {:?}",
            pca.n_components, pca.residual
        );
        if let Some(path) = &options.variance {
            let mut worst = 0.0_f64;
            let mut reader = csv::Reader::from_path(path)?;
            for (row, ours) in reader.records().zip(&pca.explained_variance_ratio) {
                let reference: f64 = row?[2].parse()?;
                worst = worst.max((reference - ours).abs());
            }
            println!("PCA: largest difference from the reference ratios {worst:.1e}");
        }
    }
    if let Some(tsne) = &run.tsne {
        println!(
            "t-SNE: {} iterations, KL divergence {:.4}",
            tsne.n_iter, tsne.kl_divergence
        );
    }
    if let Some(quality) = &run.quality {
        println!(
            "trustworthiness@{}: {:.5}",
            quality.k, quality.trustworthiness
        );
    }
    Ok(())
}
