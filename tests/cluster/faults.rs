//! What tests of faults have in common.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::members::Cluster;
use crate::photos::Photos;
use crate::run::{Report, Said};

/// Longest time that a run may take to say that it cannot go on.
pub const BOUND: Duration = Duration::from_secs(90);

/// A cluster with these workers for the photos.
pub fn cluster(photos: &Photos, names: &[&str]) -> Cluster {
    let mut cluster = Cluster::start();
    names.iter().for_each(|name| cluster.worker(photos, name));
    cluster
}

/// Ends within [`BOUND`] with exit code 7 and these words.
pub fn fails(run: Report, words: &[&str]) -> Said {
    let began = Instant::now();
    let said = run.expect(7);
    assert!(began.elapsed() < BOUND, "it took {:?}", began.elapsed());
    for word in words {
        assert!(
            said.stderr.contains(word),
            "no `{word}` in: {}",
            said.stderr
        );
    }
    said
}

/// When each receipt was written.
pub fn times(photos: &Photos, cache: &str) -> Vec<(PathBuf, std::time::SystemTime)> {
    let receipts = photos.receipts(cache).into_values();
    receipts
        .map(|(path, _)| {
            let written = fs::metadata(&path).and_then(|m| m.modified());
            (path, written.expect("a time"))
        })
        .collect()
}

/// Tries that gave nothing: task and worker.
pub fn tasks_lost(photos: &Photos, out: &str) -> Vec<(String, String)> {
    let record = photos.record(out);
    let lost = record["lost"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    lost.map(|lost| (text(&lost["task"]), text(&lost["worker"])))
        .collect()
}
