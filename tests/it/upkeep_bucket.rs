//! `report cache` in a bucket.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bucket::{ACCESS_KEY, SECRET_KEY, Server, server};
use crate::images;
use crate::run::{Report, said};

/// `report cache` with the server's address and credentials.
fn upkeep_in(server: &Server) -> Report {
    Report::new()
        .env("FRUITS_ENDPOINT_URL", &server.url)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .arg("cache")
}

#[test]
fn a_bucket_is_looked_after_like_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 6);
    let on_receipt = |method: &str, rest: Value| {
        let mut rule = json!({"method": method, "key_suffix": "shard-00000.json", "times": 1});
        let more = rest.as_object().expect("a rule").clone();
        rule.as_object_mut().expect("a rule").extend(more);
        rule
    };
    let theirs = images::of_class("Plum Blue").swap_remove(0);
    let server = server()
        .photos("", folder.path())
        .fault(on_receipt(
            "PUT",
            json!({"kind": "error", "status": 403, "code": "AccessDenied"}),
        ))
        .fault(on_receipt(
            "GET",
            json!({"kind": "replace", "file": theirs, "skip": 1}),
        ))
        .start();
    let upkeep = |words: &[&str], code: i32| {
        let report = words
            .iter()
            .fold(upkeep_in(&server), |report, word| report.arg(word));
        report.args(["--cache", "s3://out/cache"]).expect(code)
    };
    let in_cache = || {
        let keys = server.keys("out").into_iter();
        keys.filter(|key| key.starts_with("cache/")).count()
    };
    // Its receipt may be on the way.
    server.colour().expect(6);
    let said = upkeep(&["check"], 0);
    assert!(said.stdout.contains("has no receipt"), "{}", said.stdout);
    upkeep(&["prune"], 0);
    assert_eq!(in_cache(), 1);

    server.colour().expect(0);
    let first = server.content("report/embeddings.parquet");
    let said = upkeep(&["check"], 0);
    assert!(said.stdout.contains("whole: 1 shard,"), "{}", said.stdout);
    let said = upkeep(&["check"], 4);
    assert!(
        said.stdout.contains("its receipt is not the one"),
        "{}",
        said.stdout
    );
    upkeep(&["prune", "--dry-run"], 0);
    assert_eq!(in_cache(), 2);
    let said = upkeep(&["prune"], 0);
    assert!(said.stdout.contains("removed 1 shard,"), "{}", said.stdout);
    assert_eq!(in_cache(), 0);
    let removed = server.paths("DELETE");
    let removed: Vec<_> = removed
        .iter()
        .filter(|path| path.contains("shard-"))
        .collect();
    assert!(
        removed[0].ends_with(".json") && removed[1].ends_with(".parquet"),
        "{removed:?}"
    );
    upkeep(&["check"], 0);
    server.colour().expect(0);
    assert_eq!(first, server.content("report/embeddings.parquet"));

    let n_others = server.keys("out").len() - in_cache();
    upkeep(&["prune", "--older-than", "1"], 0);
    assert_eq!(in_cache(), 2);
    upkeep(&["prune", "--older-than", "0"], 0);
    assert_eq!((in_cache(), server.keys("out").len()), (0, n_others));
}

#[test]
fn a_signal_ends_a_check_that_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 6);
    let server = server()
        .photos("", folder.path())
        .fault(json!({"kind": "delay", "seconds": 60.0, "method": "GET", "key_suffix": "shard-00000.json"}))
        .start();
    server.colour().expect(0);
    for task in ["check", "prune"] {
        let child = upkeep_in(&server)
            .args([task, "--cache", "s3://out/cache"])
            .start();
        std::thread::sleep(Duration::from_millis(1500));
        let began = Instant::now();
        let sent = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
        let said = said(child);
        assert_eq!(said.code, Some(143), "{}{}", said.stdout, said.stderr);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{task}: it waited for the answer"
        );
        assert!(
            said.stdout.contains("stopped by a signal"),
            "{}",
            said.stdout
        );
    }
}

#[test]
fn one_object_that_may_not_be_read_keeps_no_other_from_being_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    // Two shards.
    images::sample(folder.path(), 4, 36);
    let denied = json!({
        "method": "GET", "key_suffix": "shard-00000.parquet",
        "kind": "error", "status": 403, "code": "AccessDenied",
    });
    let server = server().photos("", folder.path()).fault(denied).start();
    server.colour().expect(0);
    let check = upkeep_in(&server).args(["check", "--cache", "s3://out/cache"]);
    let said = check.expect(4).stdout;
    assert!(
        said.contains("its file cannot be read: permission is missing"),
        "{said}"
    );
    assert!(said.contains("whole    1 shard,"), "{said}");
}
