//! A run that takes long enough to meet its faults, and what it leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::images;
use crate::members::Cluster;
use crate::run::{Report, json, project};

/// 1,260 images in ten shards and two windows, with a network that takes no time.
pub struct Photos {
    folder: tempfile::TempDir,
}

pub const N_SHARDS: usize = 10;

impl Photos {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for class in images::classes() {
            for file in images::of_class(&class) {
                let bytes = std::fs::read(&file).expect("bytes");
                let name = file
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                for copy in 0..7 {
                    images::put(
                        &folder.path().join("in"),
                        &class,
                        &format!("{copy}-{name}"),
                        &bytes,
                    );
                }
            }
        }
        Self { folder }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run into `out` with the cache `cache`.
    pub fn run(&self, out: &str, cache: &str) -> Report {
        Report::on(&self.at("in"), &self.at(out), &self.at(cache))
            .arg("--model")
            .arg(pool())
    }

    /// The same by a cluster, which is asked again after 20 s without a receipt.
    pub fn spread(&self, cluster: &Cluster, out: &str, cache: &str) -> Report {
        self.spread_for(cluster, out, cache, "20")
    }

    /// The same with another patience in seconds.
    pub fn spread_for(&self, cluster: &Cluster, out: &str, cache: &str, patience: &str) -> Report {
        cluster
            .computes(self.run(out, cache))
            .args(["--engine-timeout", patience])
    }

    /// A worker that may read the photos and write to all caches beside them.
    pub fn served_by(&self, worker: Report) -> Report {
        worker
            .arg("--input")
            .arg(self.at("in"))
            .arg("--cache")
            .arg(self.folder.path())
    }

    /// What the cluster did for the run in `out`.
    pub fn record(&self, out: &str) -> Value {
        json(self.at(out).join("timings.json"))["cluster"].clone()
    }

    /// Receipts of shards, by their place in the plan.
    pub fn receipts(&self, cache: &str) -> BTreeMap<u64, (PathBuf, Value)> {
        let receipts = files(&self.at(cache).join("features")).into_iter();
        let receipts = receipts.filter(|path| path.extension().is_some_and(|e| e == "json"));
        receipts
            .map(|path| {
                let receipt = json(&path);
                (receipt["index"].as_u64().expect("a place"), (path, receipt))
            })
            .collect()
    }

    /// Tasks for descriptors that `worker` began and that have no receipt.
    pub fn under_way(&self, cache: &str, worker: &str) -> Vec<u64> {
        let done = self.receipts(cache);
        let tries = files(&self.at(cache).join("cluster/tries")).into_iter();
        let of_worker = tries.filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.starts_with(&format!("{worker}-"))
        });
        of_worker
            .filter_map(|path| {
                let task = path.parent()?.file_name()?.to_str()?;
                task.strip_prefix("features-")?.parse().ok()
            })
            .filter(|shard| !done.contains_key(shard))
            .collect()
    }

    /// Freezes a worker in the middle of a task for descriptors, and proves that it is: the task is begun, has no
    /// receipt, and gets none while the worker is frozen. Gives the shards.
    pub fn freeze(&self, cluster: &Cluster, cache: &str, worker: &str) -> Vec<u64> {
        let began = Instant::now();
        loop {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{worker} has nothing to do"
            );
            if self.under_way(cache, worker).is_empty() {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            cluster.signal(worker, "STOP");
            std::thread::sleep(Duration::from_millis(50));
            let shards = self.under_way(cache, worker);
            if !shards.is_empty() {
                return shards;
            }
            cluster.signal(worker, "CONT");
        }
    }
}

/// A network of a user's own: means of 32 x 32 pixels.
pub fn pool() -> PathBuf {
    project().join("tests/fixtures/pool.onnx")
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter();
    let entries = entries.filter_map(Result::ok);
    let files = entries.filter(|e| e.file_type().is_file());
    // Another process may be writing.
    let whole = files.filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
    whole.map(walkdir::DirEntry::into_path).collect()
}

/// The names of those who did shards, with how many.
pub fn who(receipts: &BTreeMap<u64, (PathBuf, Value)>) -> BTreeMap<String, usize> {
    let mut who = BTreeMap::new();
    for (_, receipt) in receipts.values() {
        let name = receipt["work"]["worker"].as_str().expect("a worker");
        *who.entry(name.to_owned()).or_default() += 1;
    }
    who
}
