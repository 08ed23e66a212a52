//! What can happen to the scheduler, to the driver and to their bucket.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bucket;
use crate::faults::{BOUND, cluster, times};
use crate::images;
use crate::members::{Cluster, wait_for, with_credentials};
use crate::photos::{N_SHARDS, Photos, files, pool, who};
use crate::run::{Report, assert_same_results, said};

#[test]
fn a_scheduler_killed_is_an_error_and_workers_find_the_next_one() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let mut cluster = cluster(&photos, &["one"]);
    let run = photos.spread_for(&cluster, "out", "cache", "5").start();
    photos.freeze(&cluster, "cache", "one");
    cluster.kill_scheduler();
    let began = Instant::now();
    let said = said(run);
    assert!(began.elapsed() < BOUND);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(
        said.stderr.contains(&cluster.address) && said.stderr.contains("report scheduler"),
        "{}",
        said.stderr
    );

    let port = cluster
        .address
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let next = Cluster::start_with(&port, "5");
    cluster.signal("one", "CONT");
    photos.spread(&next, "out", "cache").expect(0);
    assert_eq!(who(&photos.receipts("cache"))["one"], N_SHARDS);
    assert_same_results(&photos.at("local"), &photos.at("out"));
}

#[test]
fn a_killed_driver_continues_where_its_workers_are() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let cluster = cluster(&photos, &["one"]);
    let mut run = photos.spread(&cluster, "out", "cache").start();
    wait_for("a receipt", || !photos.receipts("cache").is_empty());
    run.kill().expect("SIGKILL");
    run.wait().expect("it ends");
    let committed = times(&photos, "cache");
    assert!(
        committed.len() < N_SHARDS,
        "the run was over before the driver was killed"
    );
    photos.spread(&cluster, "out", "cache").expect(0);
    let after = times(&photos, "cache");
    assert!(
        committed.iter().all(|file| after.contains(file)),
        "a shard was computed twice"
    );
    assert_eq!(after.len(), N_SHARDS);
    assert_same_results(&photos.at("local"), &photos.at("out"));
}

#[test]
fn two_drivers_at_once_on_one_cache_do_not_disturb_each_other() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let cluster = cluster(&photos, &["one", "two"]);
    let runs = ["a", "b"].map(|out| photos.spread(&cluster, out, "cache").start());
    for (run, out) in runs.into_iter().zip(["a", "b"]) {
        let said = said(run);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(!said.stderr.contains("damaged"), "{}", said.stderr);
        assert_same_results(&photos.at("local"), &photos.at(out));
    }
    assert!(files(&photos.at("cache/cluster/pieces")).is_empty());
}

#[test]
fn a_driver_that_is_told_to_stop_takes_its_job_back() {
    let photos = Photos::new();
    let cluster = cluster(&photos, &["one"]);
    let run = photos.spread(&cluster, "out", "cache").start();
    let begun = photos.freeze(&cluster, "cache", "one");
    let sent = Command::new("kill")
        .args(["-s", "TERM", &run.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
    let said = said(run);
    assert_eq!(said.code, Some(143), "{}", said.stderr);
    cluster.signal("one", "CONT");
    // What ran comes to its end; nothing else begins.
    wait_for("what ran to end", || {
        let done = photos.receipts("cache");
        begun.iter().all(|shard| done.contains_key(shard))
    });
    let n = photos.receipts("cache").len();
    assert!(n < N_SHARDS, "all shards were computed for nobody");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(photos.receipts("cache").len(), n);
}

#[test]
fn a_bucket_that_answers_503_and_a_damaged_image_are_a_row_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 4, 36);
    images::put(
        &input,
        "Damaged",
        "cut.jpg",
        &fs::read(&images::of_class("Plum Blue")[0]).expect("bytes")[..900],
    );
    let run = |report: Report, out: &str| {
        report
            .arg("--model")
            .arg(pool())
            .arg("--out")
            .arg(folder.path().join(out))
    };
    let here = Report::new()
        .arg("--input")
        .arg(&input)
        .args(["--precision", "f32", "--no-cache"]);
    run(here, "here").expect(0);
    let busy = |rule: serde_json::Value| {
        let mut fault = json!({"kind": "error", "status": 503, "code": "SlowDown"});
        let rule = rule.as_object().expect("a rule").clone();
        fault.as_object_mut().expect("a rule").extend(rule);
        fault
    };
    let image = |class: &str| {
        let file = images::of_class(class).remove(0);
        format!(
            "{class}/{}",
            file.file_name().expect("a name").to_string_lossy()
        )
    };
    let server = bucket::server()
        .photos("", &input)
        .fault(busy(json!({"key": image("Apple Streaked"), "times": 4})))
        .fault(busy(json!({"key": image("Lemon Dimpled"), "times": 2})))
        .fault(busy(json!({"list": true, "times": 1})))
        .fault(busy(json!({"method": "PUT", "times": 2})))
        .start();
    let mut cluster = Cluster::start();
    cluster.worker_of(with_credentials(&server), "one");
    let there = cluster.computes(server.report());
    let there = there.args(["--bucket", "photos", "--cache", "s3://out/cache"]);
    run(there, "there").expect(0);
    for name in ["embeddings.parquet", "pca.parquet", "rejected.csv"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).expect(name);
        assert!(read("here") == read("there"), "{name} differs");
    }
    let rejected = fs::read_to_string(folder.path().join("there/rejected.csv")).expect("a file");
    assert!(
        rejected.contains("Damaged/cut.jpg") && rejected.lines().count() == 2,
        "{rejected}"
    );
    let refused = server.log().iter().filter(|r| r["status"] == 503).count();
    assert!(refused >= 9, "only {refused} requests were refused");
}
