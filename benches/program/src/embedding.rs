//! t-SNE: this project's, linfa's, and the figure to compare any by.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use fruits::matrix::Matrix;
use fruits::neighbors::nearest;
use fruits::tsne::{TsneParams, divergence as kl_divergence, embed};
use linfa::traits::Transformer;
use linfa_tsne::TSneParams;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::json;

use crate::{Failure, Measured, Outcome, files};

/// Neighbours of the share that is kept.
const RECALL_NEIGHBORS: usize = 10;

#[derive(Debug, Args)]
pub struct Run {
    #[arg(long)]
    scores: PathBuf,
    #[arg(long)]
    rows: usize,
    #[arg(long)]
    iterations: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long)]
    save: Option<PathBuf>,
}

pub fn tsne(task: &Run) -> Outcome {
    let scores = rows(&task.scores, task.rows)?;
    let params = TsneParams {
        n_iter: task.iterations,
        ..TsneParams::default()
    };
    let early = params.early_exaggeration_iter;
    files::pool(task.threads)?.install(|| {
        let began = Instant::now();
        let mut ends = [0.0; 3];
        let embedding = embed(&scores, &params, &mut |i, n| {
            let now = began.elapsed().as_secs_f64();
            for (end, at) in ends.iter_mut().zip([1, early, n]) {
                if i == at {
                    *end = now;
                }
            }
            true
        })?;
        let elapsed_s = began.elapsed().as_secs_f64();
        if let Some(path) = &task.save {
            files::write(path, &embedding.positions)?;
        }
        Ok(Measured {
            elapsed_s,
            n_items: scores.n_rows(),
            values: json!({
                "kl_divergence": embedding.kl_divergence,
                "phases": {
                    "neighbours_affinities_first_step_s": ends[0],
                    "early_exaggeration_s": ends[1] - ends[0],
                    "descent_s": ends[2] - ends[1],
                    "divergence_s": elapsed_s - ends[2],
                },
            }),
        })
    })
}

pub fn linfa(task: &Run) -> Outcome {
    let scores = rows(&task.scores, task.rows)?;
    let (n, d) = (scores.n_rows(), scores.n_cols());
    let wide = scores.values().iter().map(|&v| f64::from(v)).collect();
    let data = Array2::from_shape_vec((n, d), wide)?;
    let params = TSneParams::embedding_size(2)
        .perplexity(30.0)
        .approx_threshold(0.5)
        .max_iter(task.iterations);
    let began = Instant::now();
    let embedding = params.transform(data)?;
    let elapsed_s = began.elapsed().as_secs_f64();
    let narrow = embedding.iter().map(|&v| v as f32).collect();
    let positions = Matrix::new(n, 2, narrow)?;
    if let Some(path) = &task.save {
        files::write(path, &positions)?;
    }
    Ok(Measured {
        elapsed_s,
        n_items: n,
        values: json!({}),
    })
}

/// The first rows of a file; where it holds fewer, they come again with a hundredth of each column's deviation as noise.
fn rows(path: &Path, n: usize) -> Result<Matrix, Failure> {
    let all = files::read(path, None)?;
    let (n_real, d) = (all.n_rows(), all.n_cols());
    let mut values = all.values()[..n.min(n_real) * d].to_vec();
    let deviation = |j: usize| {
        let column = (0..n_real).map(|i| f64::from(all.row(i)[j]));
        let mean = column.clone().sum::<f64>() / n_real as f64;
        (column.map(|v| (v - mean).powi(2)).sum::<f64>() / n_real as f64).sqrt()
    };
    let noise: Vec<f64> = (0..d).map(|j| 0.01 * deviation(j)).collect();
    let mut random = ChaCha8Rng::seed_from_u64(42);
    for i in n_real..n {
        for (value, scale) in all.row(i % n_real).iter().zip(&noise) {
            let drawn: f64 = StandardNormal.sample(&mut random);
            values.push((f64::from(*value) + scale * drawn) as f32);
        }
    }
    Ok(Matrix::new(n, d, values)?)
}

pub fn divergence(scores: &Path, n: usize, positions: &Path) -> Outcome {
    let scores = rows(scores, n)?;
    let positions = files::read(positions, None)?;
    let began = Instant::now();
    let kl_divergence = kl_divergence(&scores, &positions, TsneParams::default().perplexity)?;
    let (before, after) = (
        nearest(&scores, RECALL_NEIGHBORS)?,
        nearest(&positions, RECALL_NEIGHBORS)?,
    );
    let kept: usize = (0..n)
        .map(|i| {
            let is_near = |j: &&u32| before.indices(i).contains(j);
            after.indices(i).iter().filter(is_near).count()
        })
        .sum();
    Ok(Measured {
        elapsed_s: began.elapsed().as_secs_f64(),
        n_items: n,
        values: json!({
            "kl_divergence": kl_divergence,
            "neighbor_recall_10": kept as f64 / (n * RECALL_NEIGHBORS.min(n - 1)) as f64,
        }),
    })
}
