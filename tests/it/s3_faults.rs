//! What S3 and the way to it can do wrong: each has its row or its sentence, and what passes leaves no trace in the
//! results.

use std::path::Path;

use serde_json::{Value, json};

use crate::bucket::{ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, Server, server};
use crate::images;
use crate::run::{Report, json as json_of};

/// A folder of small images in two classes, and their keys in order.
pub fn photos(root: &Path, per_class: usize) -> Vec<String> {
    images::sample(root, 2, per_class);
    let files = walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok);
    let files = files.filter(|e| e.file_type().is_file());
    let key = |e: walkdir::DirEntry| {
        e.path()
            .strip_prefix(root)
            .expect("below")
            .display()
            .to_string()
    };
    let mut keys: Vec<_> = files.map(key).collect();
    keys.sort();
    keys
}

/// Keys of rejected files, and why.
pub fn rejected(server: &Server) -> Vec<(String, String)> {
    let bytes = server.content("report/rejected.csv").expect("rejected.csv");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| (row[0].to_owned(), row[2].to_owned()))
        .collect()
}

#[test]
fn faults_that_pass_are_tried_again_counted_and_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    let keys = photos(&input, 6);
    Report::on(&input, &out, &folder.path().join("cache")).expect(0);

    let passing = [
        json!({"kind": "error", "status": 503, "code": "SlowDown", "key": keys[0], "times": 2}),
        json!({"kind": "error", "status": 500, "code": "InternalError", "key": keys[1], "times": 1}),
        json!({"kind": "reset", "key": keys[2], "times": 1}),
        json!({"kind": "short", "key": keys[3], "times": 1}),
        json!({"kind": "corrupt", "key": keys[4], "times": 1}),
        json!({"kind": "delay", "seconds": 15.0, "key": keys[5], "times": 1}),
        json!({"kind": "stall", "seconds": 15.0, "key": keys[6], "times": 1}),
        json!({"kind": "refuse", "key": keys[7], "times": 1}),
        json!({"kind": "error", "status": 503, "code": "SlowDown", "list": true, "times": 1}),
        json!({"kind": "error", "status": 503, "code": "SlowDown", "method": "PUT", "key": "report/run.json", "times": 1}),
    ];
    let server = passing
        .iter()
        .cloned()
        .fold(server().photos("", &input), |s, rule| s.fault(rule))
        .start();
    let local = folder.path().join("from-s3");
    let run = || {
        server.report().args([
            "--bucket",
            "photos",
            "--cache",
            "s3://out/cache",
            "--s3-timeout",
            "1",
        ])
    };
    run().arg("--out").arg(&local).expect(0);
    for name in ["embeddings.parquet", "pca.parquet", "rejected.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect(name);
        assert!(
            read(&local) == read(&out),
            "{name} differs from that of the folder"
        );
    }
    let broken = |log: &[Value]| log.iter().filter(|r| r["fault"].is_string()).count() as u64;
    assert_eq!(broken(&server.log()), 10, "a fault did not happen");
    // A pause of a busy machine may add one.
    let retries = &json_of(local.join("timings.json"))["s3"]["retries"];
    assert!(
        retries.as_u64().is_some_and(|n| (10..14).contains(&n)),
        "{retries} retries"
    );

    // The way back is tried again as well.
    run().args(["--out", "s3://out/report"]).expect(0);
    assert_eq!(broken(&server.log()), 11);
    assert!(server.content("report/run.json").is_some());
}

#[test]
fn faults_that_stay_are_rows_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    let keys = photos(&input, 5);
    let other = images::of_class("Plum Blue").swap_remove(0);
    let server = server()
        .photos("", &input)
        .fault(json!({"kind": "error", "status": 403, "code": "AccessDenied", "key": keys[0]}))
        .fault(json!({"kind": "delete", "key": keys[2]}))
        .fault(json!({"kind": "replace", "file": other, "key": keys[4], "times": 1}))
        .fault(json!({"kind": "corrupt", "key": keys[6]}))
        .fault(json!({"kind": "delay", "seconds": 9.0, "key": keys[8]}))
        .start();
    server.run().args(["--s3-timeout", "1.5"]).expect(0);
    let row = |i: usize, reason: &str| (keys[i].clone(), reason.to_owned());
    assert_eq!(
        rejected(&server),
        [
            row(0, "access_denied"),
            row(2, "not_found"),
            row(4, "changed"),
            row(6, "unreadable"),
            row(8, "timeout"),
        ]
    );
    let html =
        String::from_utf8(server.content("report/index.html").expect("the report")).expect("text");
    assert!(html.contains("s3:GetObject") && html.contains("access_denied"));
}

#[test]
fn a_hiccup_of_the_whole_bucket_is_lived_through() {
    // Each of 36 objects fails twice, 32 of them at once: more than the quota for retries that the SDK has of itself.
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    let keys = photos(&input, 18);
    let hiccup = |key: &String| json!({"kind": "error", "status": 500, "code": "InternalError", "key": key, "times": 2});
    let server = keys
        .iter()
        .fold(server().photos("", &input), |s, key| s.fault(hiccup(key)))
        .start();
    server.run().expect(0);
    let s3 = &server.json("report/timings.json")["s3"];
    assert_eq!((&s3["retries"], keys.len()), (&json!(2 * 36), 36));
}

#[test]
fn a_class_that_must_not_be_read_is_rows_wherever_it_sorts() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    photos(&input, 36);
    // More than are asked for at once, and before everything else.
    let server = server()
        .photos("", &input)
        .fault(json!({
            "kind": "error", "status": 403, "code": "AccessDenied", "key_prefix": "Apple Streaked/",
        }))
        .start();
    server.run().expect(0);
    let rejected = rejected(&server);
    assert_eq!(rejected.len(), 36);
    assert!(rejected.iter().all(|(_, reason)| reason == "access_denied"));
    assert_eq!(server.json("report/run.json")["images"]["accepted"], 36);
    // They may be read another day: the shard is computed again, and its receipt is none that is damaged.
    let again = server.run().expect(0);
    assert!(!again.stderr.contains("commit"), "{}", again.stderr);
}

/// Runs against a server with `rule`, and returns what was said at the end with exit code 6.
fn sentence(rule: Value) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 2);
    let server = server().photos("", folder.path()).fault(rule).start();
    let said = server.run().expect(6);
    assert!(server.content("report/run.json").is_none());
    said.stderr
}

pub fn assert_says(text: &str, words: &[&str]) {
    assert!(
        words.iter().all(|word| text.contains(word)),
        "{words:?}: {text}"
    );
}

#[test]
fn what_ends_a_run_is_a_sentence_with_a_remedy() {
    let denied = json!({"kind": "error", "status": 403, "code": "AccessDenied", "list": true});
    assert_says(
        &sentence(denied),
        &["list", "s3://photos/", "s3:ListBucket", "the bucket photos"],
    );
    let expired = json!({"kind": "error", "status": 400, "code": "ExpiredToken"});
    assert_says(&sentence(expired), &["expired", "renew", "aws sso login"]);
    let elsewhere = json!({
        "kind": "error", "status": 301, "code": "PermanentRedirect", "list": true,
        "headers": {"x-amz-bucket-region": "eu-west-3"},
    });
    assert_says(
        &sentence(elsewhere),
        &["eu-west-3", "us-east-1", "--region eu-west-3"],
    );
    let busy = json!({"kind": "error", "status": 503, "code": "SlowDown", "key_suffix": ".jpg"});
    assert_says(&sentence(busy), &["SlowDown", "tried 5 times", "continues"]);
    let read_only =
        json!({"kind": "error", "status": 403, "code": "AccessDenied", "method": "PUT"});
    assert_says(
        &sentence(read_only),
        &["write", "s3://out/report/", "s3:PutObject"],
    );
}

#[test]
fn credentials_and_addresses_that_do_not_work_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 2);
    let server = server()
        .photos("", folder.path())
        .args(["--session-token", SESSION_TOKEN])
        .start();
    let fails = |report: Report, words: &[&str]| {
        let said = report
            .args(["--out", "s3://out/report", "--cache", "s3://out/cache"])
            .expect(6);
        assert_says(&said.stderr, words);
        for secret in [ACCESS_KEY, SECRET_KEY, SESSION_TOKEN] {
            assert!(!said.stderr.contains(secret), "{}", said.stderr);
        }
    };
    let with_key = || server.report().env("AWS_SESSION_TOKEN", SESSION_TOKEN);
    fails(
        server.stranger().args(["--bucket", "photos"]),
        &[
            "no credentials",
            "AWS_ACCESS_KEY_ID",
            "--profile",
            "--no-sign-request",
        ],
    );
    // An explicit profile wins over keys in the environment, and one that is not there is no reason to take those.
    fails(
        with_key().args(["--bucket", "photos", "--profile", "nobody"]),
        &["no credentials", "nobody", "--profile"],
    );
    let profiles = folder.path().join("profiles");
    let text = format!(
        "[farm]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\naws_session_token={SESSION_TOKEN}\n"
    );
    std::fs::write(&profiles, text).expect("a file");
    with_key()
        .env("AWS_ACCESS_KEY_ID", "of-somebody-else")
        .env("AWS_SHARED_CREDENTIALS_FILE", &profiles)
        .args(["--bucket", "photos", "--profile", "farm", "--dry-run"])
        .expect(0);
    fails(
        with_key()
            .env("AWS_SECRET_ACCESS_KEY", "wrong")
            .args(["--bucket", "photos"]),
        &["not accepted", "SignatureDoesNotMatch"],
    );
    fails(
        server.report().args(["--bucket", "photos"]),
        &["not accepted", "AWS_SESSION_TOKEN"],
    );
    fails(
        with_key().args(["--bucket", "fotos"]),
        &["no bucket `fotos`", "check its name"],
    );
    fails(
        server
            .stranger()
            .args(["--bucket", "photos", "--no-sign-request"]),
        &["without a signature", "--no-sign-request"],
    );
    // Port 1 of the loopback: nobody listens there.
    fails(
        Report::new()
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .args(["--bucket", "photos", "--endpoint-url", "http://127.0.0.1:1"]),
        &["http://127.0.0.1:1", "cannot be reached"],
    );
}

#[test]
fn an_upload_that_fails_leaves_no_record_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let server = server()
        .photos("", &input)
        .fault(json!({
            "kind": "error", "status": 403, "code": "AccessDenied", "method": "PUT", "key": "report/index.html", "skip": 1,
        }))
        .start();
    server.run().expect(0);
    assert!(server.content("report/run.json").is_some());
    let said = server.run().env("TMPDIR", folder.path()).expect(6);
    assert_says(
        &said.stderr,
        &["s3://out/report/index.html", "s3:PutObject", "is whole in"],
    );
    assert!(
        server.content("report/run.json").is_none(),
        "the record of the first run is left beside other files"
    );
    let kept = said
        .stderr
        .split("is whole in `")
        .nth(1)
        .and_then(|s| s.split('`').next())
        .expect("a folder");
    for name in ["run.json", "index.html", "embeddings.parquet"] {
        assert!(Path::new(kept).join(name).exists(), "{name} is lost");
    }
}

#[test]
fn what_was_archived_of_a_cache_is_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 6);
    let archived = json!({
        "kind": "error", "status": 403, "code": "InvalidObjectState", "method": "GET", "key_suffix": "shard-00000.json",
    });
    let server = server().photos("", folder.path()).fault(archived).start();
    server.colour().expect(0);
    let said = server.colour().expect(0);
    assert!(said.stderr.contains("does not commit"), "{}", said.stderr);
    let features = &server.json("report/timings.json")["stages"][1];
    assert_eq!(
        (&features["items"], &features["cache_hits"]),
        (&json!(12), &json!(0))
    );
}
