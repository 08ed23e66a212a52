//! What a run leaves in `timings.json`.

use serde::{Deserialize, Serialize};

use super::parameter::Parameter;
use crate::storage::s3::S3Record;

/// The content of `timings.json`: all that differs between two runs of the same command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Stages in order.
    pub stages: Vec<Stage>,
    /// Wall time of the whole run, the report included, in seconds.
    pub total_s: f64,
    /// Largest resident memory of the process.
    pub peak_rss_bytes: u64,
    /// Worker threads.
    pub threads: usize,
    /// Requests to S3; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Record>,
    /// What a cluster did; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterRecord>,
    /// Options that change no number: folders, threads ...
    pub options: Vec<Parameter>,
}

/// What a cluster did for a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// As in `--engine`.
    pub engine: String,
    /// Jobs that were handed to it.
    pub n_jobs: u64,
    /// Those that did something, by name.
    pub workers: Vec<WorkerRecord>,
    /// Tries that gave nothing, and that another one followed.
    pub lost: Vec<LostTry>,
}

/// What one worker did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name.
    pub name: String,
    /// Shards it described, as first and last of each run of numbers.
    pub shards: Vec<[usize; 2]>,
    /// Images of these, with the rejected ones.
    pub n_images: u64,
    /// Time from the begin of each of these tasks to its receipt, summed over tasks that overlap, in seconds.
    pub features_s: f64,
    /// Other tasks: surveys, products and sums of the PCA, scores.
    pub n_reductions: u64,
    /// The same for these.
    pub reductions_s: f64,
}

impl WorkerRecord {
    /// One that did nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// It described a shard; shards come in order.
    pub fn add_shard(&mut self, index: usize, n_images: usize, wall_s: f64) {
        match self.shards.last_mut() {
            Some(last) if last[1] + 1 == index => last[1] = index,
            _ => self.shards.push([index, index]),
        }
        self.n_images += n_images as u64;
        self.features_s += wall_s;
    }
}

/// A try of a task that gave nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostTry {
    /// Name of the task, such as `features-00017`.
    pub task: String,
    /// Who tried.
    pub worker: String,
    /// Until it failed, or until the next try began, in seconds.
    pub lost_s: f64,
    /// What it met; absent if the worker ended or hung.
    pub why: Option<String>,
}

/// A stage and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `list`, `features`, `gather`, `pca`, `tsne`, `quality`, `report`.
    pub name: String,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Images that went through.
    pub items: u64,
    /// Of these, how many were taken from the cache.
    pub cache_hits: u64,
    /// What it did, where that is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// In words: `network`, `writing` ...
    pub name: String,
    /// Wall time in seconds, without waiting for the part beside it; parts that work side by side overlap.
    pub busy_s: f64,
}
