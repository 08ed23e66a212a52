//! Buckets as nobody wants them: keys that no file could have, and very many of them.

use std::path::PathBuf;

use serde_json::Value;

use crate::bucket::server;
use crate::faults::fixture;
use crate::images;

/// Keys that S3 takes. Each is an image of the class that its last folder names.
fn keys() -> Vec<String> {
    let mut keys: Vec<_> = [
        "Apple red/a b+c%20d%2F.jpg",
        "Apple red/Grüße – 果物 🍎.jpg",
        "Apple red/../../../../etc/passwd/x.jpg",
        "../Plum/escape.jpg",
        "/Plum/leading.jpg",
        "a//Plum/double.jpg",
        "Plum/./dot.jpg",
        "Plum/new\nline\ttab.jpg",
        "Plum/\u{1b}[31mred\u{7}.jpg",
        "</script><img src=x onerror=alert(1)>/&\"'.jpg",
        "Plum/{{ 7 * 7 }}{% raw %}.jpg",
        "C:\\Windows\\..\\Plum/back\\slash.jpg",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    // The longest key that S3 takes.
    keys.push(format!("Plum/{}", "k".repeat(1024 - "Plum/".len())));
    keys
}

#[test]
fn keys_that_no_file_could_have_come_through_and_escape_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = images::of_class("Plum Blue").into_iter();
    let objects: Vec<(String, PathBuf)> = keys().into_iter().zip(files).collect();
    let out = folder.path().join("deep/er/out");
    let server = server().objects(&objects).start();
    let run = || server.report().args(["--bucket", "photos"]);
    let before = tree(folder.path());
    assert!(before.is_empty());
    run()
        .arg("--cache")
        .arg(folder.path().join("cache"))
        .arg("--out")
        .arg(&out)
        .expect(0);

    let record: Value = crate::run::json(out.join("run.json"));
    assert_eq!(
        record["images"]["accepted"].as_u64(),
        Some(objects.len() as u64)
    );
    assert_eq!(record["images"]["rejected"], 0);
    let labels: Vec<_> = record["classes"]
        .as_array()
        .expect("classes")
        .iter()
        .map(|c| c["label"].as_str())
        .collect();
    for label in [
        "Plum",
        "Apple red",
        "passwd",
        ".",
        "script><img src=x onerror=alert(1)>",
    ] {
        assert!(labels.contains(&Some(label)), "{label}: {labels:?}");
    }
    let written = tree(folder.path());
    assert!(
        written
            .iter()
            .all(|path| path.starts_with("cache/features/") || path.starts_with("deep/er/out/")),
        "{written:?}"
    );
    let html = std::fs::read_to_string(out.join("index.html")).expect("the report");
    assert!(
        !html.contains("<img src=x") && !html.contains("</script><img"),
        "a key is markup"
    );
    assert!(
        !html.contains(['\u{1b}', '\u{7}']),
        "a control character reached the page"
    );
    assert!(html.contains("Grüße – 果物 🍎.jpg") && html.contains("{{ 7 * 7 }}"));

    // In a bucket they name nothing either.
    run()
        .args(["--cache", "s3://out/cache", "--out", "s3://out/report"])
        .expect(0);
    let keys = server.keys("out");
    assert!(
        keys.iter()
            .all(|k| k.starts_with("cache/features/") || k.starts_with("report/")),
        "{keys:?}"
    );
}

/// Files below a folder, as paths from there.
fn tree(root: &std::path::Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok);
    let files = entries.filter(|e| e.file_type().is_file());
    files
        .map(|e| {
            e.path()
                .strip_prefix(root)
                .expect("below")
                .display()
                .to_string()
        })
        .collect()
}

#[test]
fn twenty_thousand_objects_are_listed_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("small.jpg");
    std::fs::write(&file, fixture("grey.jpg")).expect("a file");
    let key = |i: usize| format!("many/class {}/{i:05}.jpg", i % 7);
    let mut objects: Vec<_> = (0..20_000).map(|i| (key(i), file.clone())).collect();
    // What is no image: a folder's marker, a hidden file, another folder that starts alike.
    for other in [
        "many/class 0/",
        "many/class 0/.hidden.jpg",
        "many-others/class 0/a.jpg",
    ] {
        objects.push((other.to_owned(), file.clone()));
    }
    let server = server().objects(&objects).start();
    let said = server
        .run()
        .args(["--prefix", "many", "--dry-run"])
        .expect(0);
    for words in [
        "files     20000 ",
        "20000 images in 7 classes",
        "0 of 157 shards",
        "2858 class 0",
        "2857 class 6",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let pages = server
        .log()
        .iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.starts_with("/photos")))
        .count();
    assert_eq!(pages, 21, "20,002 objects below the prefix are 21 pages");
}
