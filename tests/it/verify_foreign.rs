//! A report that came from a stranger: what it holds and names leads `verify`, `diff` and `--baseline` nowhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use polars::prelude::*;
use serde_json::{Value, json};

use crate::bucket::{ACCESS_KEY, SECRET_KEY, server};
use crate::run::{Report, read_frame, write_frame};
use crate::verify::{assert_differs, change, copy, line, small, verify};

pub fn diff(a: &Path, b: &Path) -> Report {
    Report::new().arg("diff").arg(a).arg(b)
}

/// Neither `diff` nor `--baseline` takes the report; both say one sentence with these words.
pub fn refused(report: &Path, words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, cache) = (folder.path().join("out"), folder.path().join("cache"));
    let run = Report::on(&small().input(), &out, &cache);
    let runs = [
        diff(report, &small().out()),
        diff(&small().out(), report),
        run.arg("--baseline").arg(report),
    ];
    for run in runs {
        let said = run.expect(2).stderr;
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{words:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!out.exists() && !cache.exists(), "work began");
}

/// A link to the file itself, kept elsewhere; one to a device without an end; a pipe that nobody writes to; a folder.
#[test]
fn nothing_is_read_through_links_pipes_and_devices() {
    let whole = small().out();
    type Put = fn(&Path, &Path);
    let kinds: [(Put, &str); 4] = [
        (|at, own| symlink(own, at).expect("a link"), "link"),
        (|at, _| symlink("/dev/zero", at).expect("a link"), "link"),
        (
            |at, _| {
                let made = Command::new("mkfifo").arg(at).status();
                assert!(made.expect("mkfifo").success());
            },
            "no regular file",
        ),
        (
            |at, _| fs::create_dir(at).expect("a folder"),
            "no regular file",
        ),
    ];
    for name in [
        "manifest.parquet",
        "embeddings.parquet",
        "pca.parquet",
        "rejected.csv",
        "index.html",
        "run.json",
    ] {
        for (put, words) in kinds {
            let out = copy(&whole);
            let at = out.path().join(name);
            fs::remove_file(&at).expect("a file");
            put(&at, &whole.join(name));
            let said = verify(out.path()).expect(4);
            assert_differs(&said, name, &[words]);
            if ["manifest.parquet", "embeddings.parquet", "run.json"].contains(&name) {
                refused(out.path(), &[name, words]);
            }
        }
    }
    // The folder itself is what the user named.
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("latest");
    symlink(&whole, &link).expect("a link");
    verify(&link).expect(0);
    verify(&link.join("run.json")).expect(0);
}

#[test]
fn another_file_than_the_recorded_one_is_not_looked_into() {
    let out = copy(&small().out());
    // Larger than any memory, and as large as it was with another end.
    let file = fs::File::create(out.path().join("embeddings.parquet")).expect("a file");
    file.set_len(1 << 40).expect("a hole");
    let said = verify(out.path()).expect(4);
    assert_differs(&said, "embeddings.parquet", &["bytes, not"]);
    assert!(
        line(&said, "findings").starts_with("skipped"),
        "{}",
        said.stdout
    );
    refused(out.path(), &["embeddings.parquet", "bytes, not"]);
    // The record says the same size.
    let mut run = crate::run::json(out.path().join("run.json"));
    for output in run["provenance"]["outputs"]
        .as_array_mut()
        .expect("outputs")
    {
        if output["name"] == "embeddings.parquet" {
            output["size_bytes"] = json!(1_u64 << 40);
        }
    }
    fs::write(out.path().join("run.json"), run.to_string()).expect("a record");
    let said = verify(out.path()).expect(4);
    assert_differs(&said, "embeddings.parquet", &["at most"]);

    let out = copy(&small().out());
    let path = out.path().join("manifest.parquet");
    let mut bytes = fs::read(&path).expect("a file");
    let end = bytes.len() - 9;
    bytes[end] ^= 1;
    fs::write(&path, bytes).expect("a file");
    refused(out.path(), &["manifest.parquet", "SHA-256"]);
    for name in ["run.json", "index.html"] {
        let out = copy(&small().out());
        let file = fs::File::create(out.path().join(name)).expect("a file");
        file.set_len(1 << 40).expect("a hole");
        assert_differs(&verify(out.path()).expect(4), name, &["at most"]);
    }
}

#[test]
fn a_folder_that_a_record_names_is_not_walked() {
    let out = copy(&small().out());
    let name = |name: &str| {
        change(out.path(), |run| {
            run["source"]["name"] = json!(name);
            run["images"]["listed"] = json!(u64::MAX);
            run["images"]["skipped"] = json!(u64::MAX - 26);
        });
    };
    name("/");
    let said = verify(out.path()).arg("--rerun").expect(4);
    assert_differs(&said, "inputs", &["26 missing"]);
    assert!(
        line(&said, "computed again").contains("--input"),
        "{}",
        said.stdout
    );
    // What is no disk, or lies behind a link, is not even opened.
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("link");
    symlink(small().input(), &link).expect("a link");
    let link = link.display().to_string();
    for (root, why) in [
        ("/proc/self", "kind proc"),
        ("/proc/self/root", "kind proc"),
        ("/tmp/../proc/self/fd", "kind proc"),
        ("/sys/kernel", "no disk"),
        (&link, "is a link"),
    ] {
        name(root);
        let said = verify(out.path()).expect(0);
        let inputs = line(&said, "inputs");
        assert!(
            inputs.starts_with("skipped") && inputs.contains(why) && inputs.contains("--input"),
            "{inputs}"
        );
        let said = verify(out.path()).arg("--rerun").expect(1).stderr;
        assert!(said.contains("--input") && said.contains(why), "{said}");
    }
    // Where the user names it, it is looked through without links, and a signal ends that.
    let input = copy(&small().input());
    symlink("/proc/self/root", input.path().join("root")).expect("a link");
    let report = verify(&small().out()).arg("--input").arg(input.path());
    assert_differs(&report.expect(4), "inputs", &["1 more than then: `root`"]);
}

/// What lies at the keys of a record is read only if it is a file of that size below the folder, behind no link.
#[test]
fn keys_lead_nowhere_else() {
    let (out, input) = (copy(&small().out()), copy(&small().input()));
    let path = out.path().join("manifest.parquet");
    let mut frame = read_frame(&path);
    let keys = frame
        .column("key")
        .expect("keys")
        .str()
        .expect("text")
        .clone();
    let mut keys: Vec<String> = keys.no_null_iter().map(str::to_owned).collect();
    let class = keys[0].split('/').next().expect("a class").to_owned();
    fs::rename(input.path().join(&class), input.path().join("moved")).expect("a folder");
    symlink("moved", input.path().join(&class)).expect("a link");
    change(out.path(), |run| {
        run["source"]["name"] = json!(input.path())
    });
    let said = verify(out.path()).expect(0);
    let inputs = line(&said, "inputs");
    assert!(
        inputs.starts_with("skipped") && inputs.contains("8 lie behind links"),
        "{inputs}"
    );
    let n = keys.len();
    keys[n - 1] = "../../../../../../../../etc/passwd".to_owned();
    keys[n - 2] = "/etc/passwd".to_owned();
    keys[n - 3] = "pipe".to_owned();
    let made = Command::new("mkfifo")
        .arg(input.path().join("pipe"))
        .status();
    assert!(made.expect("mkfifo").success());
    frame
        .with_column(Column::new("key".into(), keys))
        .expect("a column");
    write_frame(&path, &mut frame);
    change(out.path(), |_| {});
    let said = verify(out.path())
        .arg("--input")
        .arg(input.path())
        .expect(4);
    assert_differs(&said, "inputs", &["3 cannot be read", "etc/passwd", "pipe"]);
}

/// Neither the bucket nor its server hears of it, whatever the record says and the environment has.
#[test]
fn a_bucket_that_a_record_names_is_not_asked() {
    let server = server()
        .photos("fruit/", &small().input().join("Pear"))
        .start();
    let out = copy(&small().out());
    let names: [&[(&str, &str)]; 4] = [
        &[
            ("kind", "s3"),
            ("name", "s3://photos/fruit/"),
            ("region", "eu-north-1"),
        ],
        &[("kind", "folder"), ("name", "s3://photos/fruit/")],
        &[
            ("kind", "s3"),
            ("name", "s3://photos/fruit/"),
            ("endpoint", &server.url),
        ],
        &[("kind", "s3"), ("name", "S3:/photos")],
    ];
    for pairs in names {
        change(out.path(), |run| {
            run["source"]["region"] = Value::Null;
            run["source"]["endpoint"] = Value::Null;
            for (name, value) in pairs {
                run["source"][name] = json!(value);
            }
        });
        let report = || {
            verify(out.path())
                .env("AWS_ENDPOINT_URL", &server.url)
                .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        };
        let said = report().expect(0);
        let inputs = line(&said, "inputs");
        assert!(
            inputs.starts_with("skipped") && inputs.contains("--input"),
            "{inputs}"
        );
        report().arg("--rerun").expect(2);
    }
    assert_eq!(server.paths("GET").len() + server.paths("HEAD").len(), 0);
}
