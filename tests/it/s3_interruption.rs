//! Killed, terminated, damaged: what is in the bucket stays, and another machine goes on with it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bucket::server;
use crate::images;
use crate::run::{Report, project, said};
use crate::s3::assert_same_as_folder;

#[test]
fn a_killed_run_is_continued_by_another_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = project().join("data-sample");
    let model = project().join("tests/fixtures/pool.onnx");
    // A shard of 128 images and one of 52, which the first run never gets rid of. VGG16 would take minutes.
    let server = server()
        .photos("", &sample)
        .fault(json!({
            "kind": "delay", "seconds": 600.0, "method": "PUT", "key_suffix": "shard-00001.parquet", "times": 1,
        }))
        .start();
    let run = || server.run().arg("--model").arg(&model);
    let has_receipt = || {
        let keys = server.keys("out");
        keys.iter().any(|k| k.ends_with("shard-00000.json"))
    };
    let mut child = run().start();
    let name = format!("process {}", child.id());
    let began = Instant::now();
    while !has_receipt() {
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "no receipt in ten minutes"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    assert_eq!(server.content("report/run.json"), None);
    let lock = server.content("report/.fruits-lock").expect("a lock");
    let lock = String::from_utf8(lock).expect("text");
    assert!(lock.starts_with(&name), "{lock}");

    // A new process knows nothing but the bucket, and takes over what nobody renews.
    run().expect(0);
    assert_eq!(server.content("report/.fruits-lock"), None);
    let features = &server.json("report/timings.json")["stages"][1];
    assert_eq!(
        (&features["name"], &features["cache_hits"]),
        (&json!("features"), &json!(128))
    );
    let mut shards = server.paths("PUT");
    shards.retain(|p| p.contains("/shard-"));
    let different: BTreeSet<_> = shards.iter().collect();
    assert_eq!(
        shards.len(),
        different.len(),
        "a shard was written twice: {shards:?}"
    );

    let out = folder.path().join("out");
    Report::on(&sample, &out, &folder.path().join("cache"))
        .arg("--model")
        .arg(&model)
        .expect(0);
    assert_same_as_folder(&server, "report", &out);
}

#[test]
fn a_damaged_shard_is_noticed_and_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let other = images::of_class("Plum Blue").swap_remove(0);
    let server = server()
        .photos("", &input)
        .fault(json!({
            "kind": "replace", "file": other, "method": "GET", "key_suffix": ".parquet", "times": 1,
        }))
        .start();
    server.run().expect(0);
    let first = server.content("report/embeddings.parquet");
    let said = server.run().expect(0);
    for words in [
        "was damaged after it was written; this run computes it again",
        "s3://out/cache/",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!(first, server.content("report/embeddings.parquet"));
    let features = &server.json("report/timings.json")["stages"][1];
    assert_eq!(features["cache_hits"], 0, "{features}");
}

/// Starts a run that waits for S3 for a minute, terminates it, and insists on 143 long before.
fn terminate(delayed: &serde_json::Value, arguments: &[&str]) {
    let mut rule = delayed.clone();
    rule["kind"] = json!("delay");
    rule["seconds"] = json!(60.0);
    let server = server()
        .photos("", &project().join("data-sample"))
        .objects(&[("own.onnx".to_owned(), project().join("README.md"))])
        .fault(rule)
        .start();
    let run = arguments
        .iter()
        .fold(server.run(), |run, word| run.arg(word));
    let child = run.start();
    std::thread::sleep(Duration::from_millis(1500));
    let began = Instant::now();
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
    let said = said(child);
    assert_eq!(said.code, Some(143), "{delayed}: {}", said.stderr);
    assert!(said.stderr.contains("continues"), "{}", said.stderr);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{delayed}: it waited for the answer"
    );
}

#[test]
fn termination_ends_a_run_that_waits_for_s3() {
    terminate(&json!({"list": true}), &[]);
    terminate(&json!({"method": "GET", "key_suffix": ".jpg"}), &[]);
    terminate(
        &json!({"key": "own.onnx"}),
        &["--model", "s3://photos/own.onnx"],
    );
}

#[test]
fn a_second_run_into_one_place_of_a_bucket_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 6);
    let class = images::classes().swap_remove(0);
    let bytes = std::fs::read(images::of_class(&class).swap_remove(1)).expect("an image");
    images::put(folder.path(), &class, "slow.jpg", &bytes);
    let slow = format!("{class}/slow.jpg");
    let server = server()
        .photos("", folder.path())
        .fault(json!({"kind": "delay", "seconds": 50.0, "key": slow, "times": 1}))
        .start();
    let mut first = server.colour().args(["--s3-timeout", "90"]).start();
    let began = Instant::now();
    while server.content("report/.fruits-lock").is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "no lease in ten minutes"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = server.colour().expect(6);
    let process = format!("process {}", first.id());
    assert!(said.stderr.contains(&process), "{}", said.stderr);
    assert!(first.wait().expect("it ends").success());
    assert!(server.content("report/run.json").is_some());
    assert!(server.content("report/.fruits-lock").is_none());
}

#[test]
fn a_run_that_was_suspended_in_its_upload_leaves_what_another_one_put_there() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 6);
    let delay = json!({"kind": "delay", "seconds": 5.0, "method": "PUT", "key": "report/embeddings.parquet", "times": 1});
    let server = server().photos("", folder.path()).fault(delay).start();
    let first = server.colour().start();
    let began = Instant::now();
    while server.content("report/manifest.parquet").is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "no upload in ten minutes"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let signal = |name: &str| {
        let id = first.id().to_string();
        let kill = Command::new("kill").args([name, &id]).status();
        assert!(kill.expect("kill").success());
    };
    signal("-STOP");
    server.colour().expect(0);
    let in_report = || {
        let mut objects = server.objects("out");
        objects.retain(|o| {
            o["key"]
                .as_str()
                .is_some_and(|key| key.starts_with("report/"))
        });
        objects
    };
    let there = in_report();
    assert!(server.content("report/run.json").is_some());
    signal("-CONT");
    let said = said(first);
    assert_eq!(said.code, Some(6), "{}", said.stderr);
    assert!(said.stderr.contains("it took over"), "{}", said.stderr);
    assert_eq!(in_report(), there);
}
