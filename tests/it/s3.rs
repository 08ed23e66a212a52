//! The same run from a bucket, to a bucket: the same bytes as from a folder, nothing read twice, nothing leaked.

use std::collections::BTreeSet;
use std::path::Path;

use fruits::load::{LoadParams, load, read};
use fruits::s3::{Connection, Prefix, S3Params};
use fruits::source::Source;
use polars::prelude::*;
use serde_json::json;
use tokio::runtime::Builder;

use crate::bucket::{ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, Server, server};
use crate::images;
use crate::run::{Report, html_without_timing, json as json_of};

/// The files that must not depend on where images come from.
const SAME: [&str; 3] = ["embeddings.parquet", "pca.parquet", "rejected.csv"];

pub fn assert_same_as_folder(server: &Server, prefix: &str, folder: &Path) {
    for name in SAME {
        let object = server.content(&format!("{prefix}/{name}")).expect(name);
        let file = std::fs::read(folder.join(name)).expect(name);
        assert!(object == file, "{name} differs from that of the folder");
    }
}

#[test]
fn from_bucket_to_bucket_gives_the_bytes_of_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 3, 5);
    Report::on(&input, &out, &folder.path().join("cache")).expect(0);

    let server = server()
        .photos("fruit/Training/", &input)
        .arg("--versioned")
        .start();
    let run = || {
        server
            .run()
            .args(["--prefix", "fruit/Training", "--request-payer"])
            .args(["--sse", "aws:kms", "--sse-kms-key-id", "key-1"])
    };
    let said = run().expect(0);
    assert!(
        said.stdout.contains("s3://out/report/index.html"),
        "{}",
        said.stdout
    );
    assert_same_as_folder(&server, "report", &out);
    let record = server.json("report/run.json");
    assert_eq!(record["source"]["kind"], "s3");
    assert_eq!(record["source"]["name"], "s3://photos/fruit/Training/");
    let local = json_of(out.join("run.json"));
    for path in [
        "/provenance/manifest_sha256",
        "/pca",
        "/tsne",
        "/quality",
        "/classes",
        "/images",
    ] {
        let local = local.pointer(path).expect(path);
        assert_eq!(record.pointer(path), Some(local), "{path}");
    }

    // Written with their type and encrypted as asked, run.json last.
    let types = [
        ("report/index.html", "text/html; charset=utf-8"),
        ("report/run.json", "application/json"),
        ("report/rejected.csv", "text/csv; charset=utf-8"),
    ];
    let objects = server.objects("out");
    let is_there = |(key, _): &(&str, &str)| objects.iter().any(|o| o["key"] == *key);
    assert!(types.iter().all(is_there), "{objects:?}");
    for object in objects {
        assert_eq!(object["server_side_encryption"], "aws:kms", "{object}");
        assert_eq!(object["sse_kms_key_id"], "key-1", "{object}");
        if let Some((_, content_type)) = types.iter().find(|(key, _)| object["key"] == *key) {
            assert_eq!(object["content_type"], *content_type);
        }
    }
    let written = server.paths("PUT");
    assert_eq!(
        written.last().map(String::as_str),
        Some("/out/report/run.json")
    );
    let photos = server
        .log()
        .into_iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.starts_with("/photos")));
    for request in photos {
        assert_eq!(
            request["headers"]["x-amz-request-payer"], "requester",
            "{request}"
        );
    }

    // Each image is read once, at the state that was listed; one of each class once more, as an example.
    let mut reads = server.paths("GET");
    reads.retain(|p| p.ends_with(".jpg"));
    let different: BTreeSet<_> = reads.iter().collect();
    assert_eq!((different.len(), reads.len()), (15, 15 + 3));
    let is_conditional =
        |r: &serde_json::Value| r["method"] == "GET" && r["headers"]["if-match"].is_string();
    assert_eq!(
        server.log().iter().filter(|r| is_conditional(r)).count(),
        15 + 3
    );
    let manifest = server
        .content("report/manifest.parquet")
        .expect("a manifest");
    let manifest = ParquetReader::new(std::io::Cursor::new(manifest))
        .finish()
        .expect("parquet");
    assert_eq!(manifest.height(), 15);
    for (name, begins) in [("etag", Some('"')), ("version_id", None)] {
        let column = manifest
            .column(name)
            .expect(name)
            .str()
            .expect("text")
            .clone();
        assert!(
            column.iter().all(
                |v| v.is_some_and(|v| !v.is_empty() && begins.is_none_or(|c| v.starts_with(c)))
            ),
            "{column:?}"
        );
    }

    // What the report says of S3 is what the server saw.
    let before = server.log();
    let s3 = server.json("report/timings.json")["s3"].clone();
    let count = |method: &str, part: &str| {
        let is_one = |r: &&serde_json::Value| {
            r["method"] == method && r["query"].as_str().is_some_and(|q| q.contains(part))
        };
        before.iter().filter(is_one).count() as u64
    };
    assert_eq!(s3["lists"], count("GET", "list-type=2"));
    assert_eq!(s3["gets"], count("GET", "x-id=GetObject"));
    assert_eq!(s3["retries"], 0);
    let html =
        String::from_utf8(server.content("report/index.html").expect("the report")).expect("text");
    assert!(html.contains("Requests to S3") && html.contains("Objects read"));
    assert!(html.contains(" at http:"), "the server is named");

    // Again: all from the cache, the same bytes.
    let first = server.content("report/run.json");
    run().expect(0);
    assert_eq!(first, server.content("report/run.json"));
    let again = server.log().split_off(before.len());
    let jpegs = again
        .iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.ends_with(".jpg")));
    assert_eq!(jpegs.count(), 3, "only the examples are read again");
}

#[test]
fn a_dry_run_reads_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let server = server().photos("", &input).start();
    let said = server.run().arg("--dry-run").expect(0);
    for words in [
        "8 images in 2 classes",
        "0 of 1 shards",
        "1 shards: 8 images to read",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let log = server.log();
    let is_list = |r: &serde_json::Value| {
        r["query"]
            .as_str()
            .is_some_and(|q| q.contains("list-type=2"))
    };
    assert!(!log.is_empty() && log.iter().all(is_list), "{log:?}");
    assert!(server.keys("out").is_empty());
}

#[test]
fn public_buckets_take_no_signature_and_roles_give_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 2, 2);
    let public = server().photos("", &input).arg("--public").start();
    public
        .stranger()
        .args(["--bucket", "photos", "--no-sign-request", "--dry-run"])
        .expect(0);
    let log = public.log();
    assert!(!log.is_empty() && log.iter().all(|r| r["signed"] == false));

    // A library's user reads from it as from a folder.
    let connection = Connection::open(&S3Params {
        endpoint_url: Some(public.url.clone()),
        region: Some("us-east-1".to_owned()),
        no_sign_request: true,
        ..S3Params::default()
    });
    let bucket = Source::Bucket(
        Prefix::new(&connection.expect("a connection"), "photos", "").expect("a bucket"),
    );
    let local = Source::folder(&input).expect("a folder");
    let [there, here] = [&bucket, &local].map(|source| {
        let manifest = load(source, &LoadParams::default())
            .expect("images")
            .manifest;
        read(source, &manifest)
            .expect("bytes")
            .select(["key", "sha256", "content"])
            .expect("columns")
    });
    assert!(there.equals(&here));

    // Credentials of an instance's role, with a session token.
    let instance = server()
        .photos("", &input)
        .args([
            "--session-token",
            SESSION_TOKEN,
            "--instance-role",
            "fruits",
        ])
        .start();
    instance
        .stranger()
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.url)
        .args(["--bucket", "photos", "--no-cache", "--limit", "3"])
        .arg("--out")
        .arg(&out)
        .expect(5);
    let log = instance.log().into_iter();
    let of_s3 = log.filter(|r| !r["path"].as_str().is_some_and(|p| p.starts_with("/latest")));
    let signed: Vec<_> = of_s3.map(|r| r["signed"] == true).collect();
    assert!(!signed.is_empty() && !signed.contains(&false));
}

#[test]
fn a_caller_with_a_runtime_of_its_own_waits_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 2);
    let public = server().photos("", folder.path()).arg("--public").start();
    let params = S3Params {
        endpoint_url: Some(public.url.clone()),
        no_sign_request: true,
        ..S3Params::default()
    };
    let of_nobody = S3Params {
        profile: Some("of-nobody".to_owned()),
        no_sign_request: false,
        ..params.clone()
    };
    let work = || {
        assert!(Connection::open(&of_nobody).is_err());
        let connection = Connection::open(&params).expect("a connection");
        let photos = Prefix::new(&connection, "photos", "").expect("a bucket");
        assert!(photos.write("key", vec![1], "text/plain").is_err());
        let source = Source::Bucket(photos.clone());
        let found = load(&source, &LoadParams::default()).expect("images");
        assert_eq!(read(&source, &found.manifest).expect("bytes").height(), 4);
        // More often than a task of tokio may poll before it has to let others (128 times).
        for _ in 0..200 {
            assert_eq!(photos.read("none").expect("an answer"), None);
        }
    };
    for mut runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async { work() });
    }
}

#[test]
fn a_model_in_a_bucket_is_read_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 3);
    let model = fruits::features::RuntimeFolder::find().model();
    let server = server()
        .photos("images/", &input)
        .objects(&[("models/own.onnx".to_owned(), model)])
        .start();
    let run = |key: &str| {
        server.run().args([
            "--prefix",
            "images",
            "--model",
            &format!("s3://photos/models/{key}"),
        ])
    };
    run("own.onnx").expect(0);
    assert_eq!(
        server.json("report/run.json")["features"]["model_known"],
        true
    );
    let said = run("other.onnx").expect(2);
    assert!(
        said.stderr.contains("s3://photos/models/other.onnx"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_log_in_json_is_json_to_the_end_and_holds_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let server = server()
        .photos("", &input)
        .args(["--session-token", SESSION_TOKEN])
        .fault(json!({"kind": "error", "status": 503, "code": "SlowDown", "key_suffix": ".jpg", "times": 1}))
        .fault(json!({"kind": "error", "status": 403, "code": "AccessDenied", "key": "broken/.fruits-probe"}))
        .start();
    let run = |out: &str| {
        server
            .report()
            .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
            .args(["--bucket", "photos", "--cache", "s3://out/cache"])
            .args(["--log", "json", "--out", out])
    };
    let good = run("s3://out/report").expect(0);
    let bad = run("s3://out/broken").expect(6);
    let lines = |text: &str| {
        let parse = |line| {
            serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|e| panic!("{e}: {line}"))
        };
        text.lines().map(parse).collect::<Vec<_>>()
    };
    let events = lines(&good.stderr);
    assert!(
        events
            .iter()
            .any(|e| e["event"] == "finished" && e["stage"] == "tsne"),
        "{events:?}"
    );
    let last = lines(&good.stdout);
    assert_eq!(
        (&last[0]["event"], &last[0]["exit_code"]),
        (&json!("ended"), &json!(0))
    );
    let last = lines(&bad.stderr);
    assert_eq!(last.last().map(|e| &e["exit_code"]), Some(&json!(6)));

    let mut seen = vec![good.stdout, good.stderr, bad.stdout, bad.stderr];
    for key in server.keys("out") {
        let bytes = server.content(&key).expect("an object");
        seen.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    assert!(seen.len() > 8);
    for text in seen {
        for secret in [
            ACCESS_KEY,
            SECRET_KEY,
            SESSION_TOKEN,
            "X-Amz-Signature",
            "AWS4-HMAC",
        ] {
            assert!(
                !text.contains(secret),
                "a secret leaked: {}",
                &text[..text.len().min(300)]
            );
        }
    }
}

#[test]
fn html_depends_on_the_timings_only_where_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let server = server().photos("", &input).start();
    let outs = ["a", "b"].map(|name| folder.path().join(name));
    for out in &outs {
        let run = server
            .report()
            .args(["--bucket", "photos", "--cache", "s3://out/cache"]);
        run.arg("--out").arg(out).expect(0);
    }
    assert!(html_without_timing(&outs[0]) == html_without_timing(&outs[1]));
}
