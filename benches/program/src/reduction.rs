//! PCA: in memory, streamed from shards, and by linfa-reduction.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use fruits::matrix::{Matrix, MatrixExt};
use fruits::neighbors::nearest;
use fruits::pca::{Keep, Pca, PcaParams, RowBlocks, Solver};
use fruits::place::Place;
use fruits::schema::{ETAG, FEATURES, KEY, LABEL, SIZE_BYTES};
use fruits::store::{self, Receipt, SHARD_LEN, Shard, Store};
use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

use crate::{Measured, Outcome, files};

#[derive(Debug, Args)]
pub struct InMemory {
    #[arg(long)]
    features: PathBuf,
    #[arg(long)]
    components: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

pub fn krylov(task: &InMemory) -> Outcome {
    in_memory(task, Solver::Krylov)
}

pub fn linfa(task: &InMemory) -> Outcome {
    in_memory(task, Solver::Linfa)
}

fn in_memory(task: &InMemory, solver: Solver) -> Outcome {
    let matrix = files::read(&task.features, None)?;
    let params = PcaParams {
        keep: Keep::Components(task.components),
        solver,
        ..PcaParams::default()
    };
    files::pool(task.threads)?.install(|| {
        let began = Instant::now();
        let pca = params.fit_blocks(&matrix, &mut |_, _| true)?;
        let scores = pca.transform_block(&matrix)?;
        let elapsed_s = began.elapsed().as_secs_f64();
        std::hint::black_box(scores);
        Ok(Measured {
            elapsed_s,
            n_items: matrix.n_rows(),
            values: about(&pca),
        })
    })
}

fn about(pca: &Pca) -> serde_json::Value {
    let ratios = pca.explained_variance_ratio();
    json!({
        "ratio_sum": ratios.iter().sum::<f64>(),
        "ratios": ratios,
        "residual": pca.residual(),
        "n_passes": pca.n_passes(),
    })
}

/// Values of a position of the last pooling layer; they lie side by side.
const CHANNELS: usize = 512;
/// Rows that a synthetic one is put together from: a real one and its nearest.
const DONORS: usize = 6;
/// Of everything drawn at random here.
const SEED: u64 = 42;

/// Writes the real rows first, then synthetic ones: each position of the 7 x 7 is that of one of six real neighbours, so that
/// every value is a real one in its place, and zeros stay as they are.
pub fn synthesise(features: &Path, n_rows: usize, out: &Path) -> Outcome {
    let began = Instant::now();
    let real = files::read(features, None)?;
    let (n, d) = (real.n_rows(), real.n_cols());
    let pca = PcaParams::default().fit_blocks(&real, &mut |_, _| true)?;
    let near = nearest(&pca.transform_block(&real)?, DONORS - 1)?;
    let store = Store::open(Some(&Place::Folder(out.to_path_buf())))?;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    // Whole shards: they are named by their rows, and more or fewer of them are taken.
    for shard in plan(n_rows.next_multiple_of(SHARD_LEN))? {
        let first = shard.index * SHARD_LEN;
        let n_here = shard.manifest.height();
        let mut values = Vec::with_capacity(n_here * d);
        for i in first..first + n_here {
            if i < n {
                values.extend_from_slice(real.row(i));
                continue;
            }
            let row = below(n);
            for at in (0..d).step_by(CHANNELS) {
                let donor = match below(DONORS) {
                    0 => row,
                    j => near.indices(row)[j - 1] as usize,
                };
                values.extend_from_slice(&real.row(donor)[at..d.min(at + CHANNELS)]);
            }
        }
        let mut images = shard.manifest.select([KEY])?;
        images.with_column(Matrix::new(n_here, d, values)?.into_arrays(FEATURES)?)?;
        store.commit(&shard, images, d, Vec::new(), None)?;
    }
    Ok(Measured {
        elapsed_s: began.elapsed().as_secs_f64(),
        n_items: n_rows,
        values: json!({ "n_real": n.min(n_rows) }),
    })
}

/// The shards of so many rows.
fn plan(n_rows: usize) -> fruits::Result<Vec<Shard>> {
    let keys: Vec<String> = (0..n_rows).map(|i| format!("{i:06}")).collect();
    let columns = vec![
        Column::new(KEY.into(), keys),
        Column::new(LABEL.into(), vec!["synthetic"; n_rows]),
        Column::new(SIZE_BYTES.into(), vec![0_u64; n_rows]),
        Column::new(ETAG.into(), vec![""; n_rows]),
    ];
    store::plan(&DataFrame::new(n_rows, columns)?, "synthetic")
}

/// The first rows of the shards of a folder, read when they are asked for.
struct Shards {
    store: Store,
    shards: Vec<(Shard, Receipt)>,
    n_rows: usize,
    n_cols: usize,
    n_bytes: AtomicU64,
}

impl RowBlocks for Shards {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_cols(&self) -> usize {
        self.n_cols
    }

    fn n_blocks(&self) -> usize {
        self.shards.len()
    }

    fn block(&self, i: usize) -> fruits::maths::Result<Cow<'_, [f32]>> {
        let (shard, receipt) = &self.shards[i];
        let (_, matrix) = self.store.read(shard, receipt)?;
        self.n_bytes
            .fetch_add(receipt.size_bytes, Ordering::Relaxed);
        let mut values = matrix.into_values();
        values.truncate((self.n_rows - i * SHARD_LEN).min(SHARD_LEN) * self.n_cols);
        Ok(Cow::Owned(values))
    }
}

pub fn streamed(folder: &Path, n_rows: usize, threads: usize, scores: Option<&Path>) -> Outcome {
    let store = Store::open(Some(&Place::Folder(folder.to_path_buf())))?;
    let plan = plan(n_rows.next_multiple_of(SHARD_LEN))?;
    let found = store.receipts(&plan, &mut || true)?;
    let shards: Option<Vec<_>> = plan
        .into_iter()
        .zip(found)
        .map(|(s, r)| Some((s, r?)))
        .collect();
    let shards = shards.ok_or("shards are missing: run `synthesise` with more rows")?;
    let n_cols = shards.first().map_or(0, |(_, receipt)| receipt.n_features);
    let blocks = Shards {
        store,
        shards,
        n_rows,
        n_cols,
        n_bytes: AtomicU64::new(0),
    };
    files::pool(threads)?.install(|| {
        let began = Instant::now();
        let mut passes = Vec::new();
        let mut split = Instant::now();
        let mut progress = |pass: usize, _: usize| {
            if pass > 0 {
                passes.push(split.elapsed().as_secs_f64());
            }
            split = Instant::now();
            true
        };
        let pca = PcaParams::default().fit_blocks(&blocks, &mut progress)?;
        passes.push(split.elapsed().as_secs_f64());
        let fit_bytes = blocks.n_bytes.load(Ordering::Relaxed);
        let split = Instant::now();
        let (found, _) = pca.transform_blocks(&blocks)?;
        let scores_s = split.elapsed().as_secs_f64();
        let elapsed_s = began.elapsed().as_secs_f64();
        if let Some(path) = scores {
            files::write(path, &found)?;
        }
        let mut values = about(&pca);
        values["phases"] = json!({ "passes_s": passes, "scores_s": scores_s });
        values["bytes_read"] = json!(fit_bytes);
        Ok(Measured {
            elapsed_s,
            n_items: n_rows,
            values,
        })
    })
}
