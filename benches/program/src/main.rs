//! One measurement a call, told as one line of JSON: `{"elapsed_s", "n_items", "values"}`.
//!
//! `benches/run.py` calls it in turn with the peers, each in a process of its own. What is timed never includes the start of
//! the program, or reading what the peers are given ready.

mod descriptors;
mod embedding;
mod files;
mod limits;
mod reduction;
mod scaling;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fruits::features::Precision;
use serde::Serialize;

/// What a measurement gives.
#[derive(Debug, Serialize)]
struct Measured {
    elapsed_s: f64,
    n_items: usize,
    values: serde_json::Value,
}

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<Measured, Failure>;

#[derive(Debug, Parser)]
#[command(
    name = "fruits-bench",
    about = "One measurement, told as a line of JSON"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// From files to descriptors in committed shards
    Features {
        /// Paths of images, a line each; the folder is the class
        #[arg(long)]
        images: PathBuf,
        #[arg(long)]
        precision: Precision,
        #[arg(long)]
        threads: usize,
        /// The descriptors in the order of the list, n x 25,088
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Decoding, resizing and the thumbnail, on one core
    Decode {
        #[arg(long)]
        images: PathBuf,
    },
    /// Descriptors and scores of a folder, for those who take them ready
    Export {
        #[arg(long)]
        input: PathBuf,
        #[arg(long)]
        cache: PathBuf,
        /// So many of them, spread over the folder
        #[arg(long)]
        images: Option<usize>,
        #[arg(long)]
        features: PathBuf,
        #[arg(long)]
        scores: PathBuf,
    },
    /// This project's PCA in memory: fit and scores
    Pca(reduction::InMemory),
    /// linfa-reduction's PCA, as `--pca-solver linfa` runs it: fit and scores
    LinfaPca(reduction::InMemory),
    /// Synthetic descriptors with the zeros and about the spectrum of real ones, as shards
    Synthesise {
        #[arg(long)]
        features: PathBuf,
        #[arg(long)]
        rows: usize,
        #[arg(long)]
        out: PathBuf,
    },
    /// PCA of the first rows of such shards, read again in each pass: fit and scores
    PcaStreamed {
        #[arg(long)]
        shards: PathBuf,
        #[arg(long)]
        rows: usize,
        #[arg(long)]
        threads: usize,
        #[arg(long)]
        scores: Option<PathBuf>,
    },
    /// This project's t-SNE
    Tsne(embedding::Run),
    /// linfa-tsne
    LinfaTsne(embedding::Run),
    /// Kullback-Leibler divergence and neighbours kept of any embedding
    Divergence {
        #[arg(long)]
        scores: PathBuf,
        #[arg(long)]
        rows: usize,
        #[arg(long)]
        positions: PathBuf,
    },
    /// What the machine can do: products, memory, disk
    Limits {
        #[arg(long)]
        threads: usize,
        #[arg(long)]
        folder: PathBuf,
    },
    /// Scaling curves of the results as SVG files
    Plot { results: PathBuf, folder: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(measured) => {
            println!("{}", serde_json::json!(measured));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text += &format!(": {cause}");
                source = cause.source();
            }
            files::complain(&text);
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Outcome {
    match task {
        Task::Features {
            images,
            precision,
            threads,
            save,
        } => descriptors::features(&images, precision, threads, save.as_deref()),
        Task::Decode { images } => descriptors::decode(&images),
        Task::Export {
            input,
            cache,
            images,
            features,
            scores,
        } => descriptors::export(&input, &cache, images, &features, &scores),
        Task::Pca(task) => reduction::krylov(&task),
        Task::LinfaPca(task) => reduction::linfa(&task),
        Task::Synthesise {
            features,
            rows,
            out,
        } => reduction::synthesise(&features, rows, &out),
        Task::PcaStreamed {
            shards,
            rows,
            threads,
            scores,
        } => reduction::streamed(&shards, rows, threads, scores.as_deref()),
        Task::Tsne(task) => embedding::tsne(&task),
        Task::LinfaTsne(task) => embedding::linfa(&task),
        Task::Divergence {
            scores,
            rows,
            positions,
        } => embedding::divergence(&scores, rows, &positions),
        Task::Limits { threads, folder } => limits::measure(threads, &folder),
        Task::Plot { results, folder } => scaling::plot(&results, &folder),
    }
}
