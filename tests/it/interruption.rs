//! Killed, interrupted, two at once, one thread or two: the same bytes in the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::images;
use crate::run::{Report, assert_same_results, json, project, said};

/// Receipts below a cache.
fn receipts(cache: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(cache)
        .into_iter()
        .filter_map(Result::ok);
    entries
        .map(|e| e.into_path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect()
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "waited ten minutes for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stage(out: &Path, name: &str) -> serde_json::Value {
    let timings = json(out.join("timings.json"));
    let stages = timings["stages"].as_array().expect("stages");
    stages
        .iter()
        .find(|s| s["name"] == name)
        .expect(name)
        .clone()
}

#[test]
fn a_killed_run_continues_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = project().join("data-sample");
    let cache = folder.path().join("cache");
    // A shard of 128 images and one of 52. VGG16 would take minutes.
    let model = project().join("tests/fixtures/pool.onnx");
    let run = |out: &str, cache: &Path| {
        let report = Report::on(&sample, &folder.path().join(out), cache);
        report.arg("--model").arg(&model)
    };

    let mut child = run("killed", &cache).start();
    wait_for("the first receipt", || !receipts(&cache).is_empty());
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    assert!(!folder.path().join("killed/run.json").exists());
    let committed = receipts(&cache);
    let written = fs::metadata(&committed[0])
        .and_then(|m| m.modified())
        .expect("a time");

    let n_images = |receipt: &PathBuf| match receipt.ends_with("shard-00000.json") {
        true => 128,
        false => 52,
    };
    let n_cached: usize = committed.iter().map(n_images).sum();
    run("continued", &cache).expect(0);
    assert_eq!(
        stage(&folder.path().join("continued"), "features")["cache_hits"],
        n_cached
    );
    let again = fs::metadata(&committed[0])
        .and_then(|m| m.modified())
        .expect("a time");
    assert_eq!(written, again, "a committed shard was computed again");

    // Undisturbed, elsewhere.
    run("undisturbed", &folder.path().join("other-cache")).expect(0);
    assert_same_results(
        &folder.path().join("continued"),
        &folder.path().join("undisturbed"),
    );

    // A damaged shard is noticed and computed again.
    let data = committed[0].with_extension("parquet");
    let mut bytes = fs::read(&data).expect("a shard");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&data, bytes).expect("a shard");
    let said = run("mended", &cache).expect(0);
    let told = "was damaged after it was written; this run computes it again";
    assert!(said.stderr.contains(told), "{}", said.stderr);
    assert_same_results(
        &folder.path().join("continued"),
        &folder.path().join("mended"),
    );
}

#[test]
fn ctrl_c_ends_cleanly_with_130_and_termination_with_143() {
    let folder = tempfile::tempdir().expect("a folder");
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let out = folder.path().join(signal);
        let cache = folder.path().join(format!("cache{signal}"));
        let child = Report::on(&project().join("data-sample"), &out, &cache).start();
        wait_for("the cache", || cache.exists());
        std::thread::sleep(Duration::from_millis(1500));
        let sent = Command::new("kill")
            .arg(signal)
            .arg(child.id().to_string())
            .status();
        assert!(sent.expect("kill").success());
        let said = said(child);
        assert_eq!(said.code, Some(code), "{}", said.stderr);
        assert!(said.stderr.contains("continues"), "{}", said.stderr);
        assert!(!out.join("run.json").exists());
    }
}

#[test]
fn two_runs_at_once_on_one_cache_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, cache) = (folder.path().join("in"), folder.path().join("cache"));
    images::sample(&input, 3, 8);
    let outs = ["a", "b"].map(|name| folder.path().join(name));
    let children = outs
        .clone()
        .map(|out| Report::on(&input, &out, &cache).start());
    for child in children {
        let said = said(child);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }
    assert_same_results(&outs[0], &outs[1]);
    // Nor does the number of threads change a byte.
    let alone = folder.path().join("c");
    let other = folder.path().join("other-cache");
    let run = Report::on(&input, &alone, &other).args(["--threads", "1"]);
    run.expect(0);
    assert_same_results(&outs[0], &alone);
}

#[test]
fn a_second_run_into_one_folder_is_refused_with_the_first_ones_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let [input, out, cache] = ["in", "out", "cache"].map(|name| folder.path().join(name));
    images::sample(&input, 2, 10);
    let run = || {
        let report = Report::new().arg("--input").arg(&input);
        let report = report.arg("--out").arg(&out).arg("--cache").arg(&cache);
        report.args(["--descriptor", "colour", "--components", "4"])
    };
    // Minutes of t-SNE.
    let mut first = run().args(["--iterations", "100000000"]).start();
    let lock = out.join(".fruits-lock");
    let process = format!("process {}", first.id());
    wait_for("the lock", || {
        fs::read_to_string(&lock).is_ok_and(|text| text.starts_with(&process))
    });
    let said = run().expect(6);
    assert!(said.stderr.contains(&process), "{}", said.stderr);
    assert!(!out.join("run.json").exists());

    first.kill().expect("SIGKILL");
    first.wait().expect("it ends");
    run().expect(0);
    assert!(!lock.exists(), "the lock of a dead process was left");
}
