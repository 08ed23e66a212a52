//! `report verify`: what was changed is found and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fruits::source::local::sha256;
use serde_json::{Value, json};

use crate::images;
use crate::run::{Report, Said, json as json_of, project};
use crate::sample;

/// A name that would clear the screen, begin a line of its own and turn the direction of writing.
pub const HOSTILE: &str = "Apple/\u{1b}[2Jok\nok  inputs \u{202e}gpj.jpg";

/// A small run with two rejected files, made once, and what it was made of. Both are to be copied before a change.
pub struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    pub fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The same images with another filter.
    pub fn other(&self) -> PathBuf {
        self.folder.path().join("other")
    }
}

pub fn small() -> &'static Small {
    static SMALL: OnceLock<Small> = OnceLock::new();
    SMALL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let small = Small { folder };
        images::sample(&small.input(), 3, 8);
        let (class, name) = HOSTILE.split_once('/').expect("a class");
        images::put(&small.input(), class, name, b"");
        let whole = fs::read(&images::of_class(&images::classes()[0])[0]).expect("an image");
        images::put(
            &small.input(),
            "Pear",
            "half.jpg",
            &whole[..whole.len() / 2],
        );
        let run = |out: &Path, filter| {
            Report::on(&small.input(), out, &small.folder.path().join("cache"))
                .args(["--components", "6", "--perplexity", "5", "--seed", "7"])
                .args(["--filter", filter])
                .expect(0)
        };
        run(&small.out(), "bicubic");
        run(&small.other(), "nearest");
        small
    })
}

pub fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.expect("readable");
        let target = to
            .path()
            .join(entry.path().strip_prefix(from).expect("below"));
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).expect("a folder"),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
    to
}

pub fn verify(report: &Path) -> Report {
    Report::new().arg("verify").arg(report)
}

/// The line about `what`.
pub fn line<'a>(said: &'a Said, what: &str) -> &'a str {
    let is_about = |line: &&str| {
        line.get(9..)
            .is_some_and(|rest| rest.starts_with(&format!("{what} ")))
    };
    let found = said.stdout.lines().find(is_about);
    found.unwrap_or_else(|| panic!("no line about {what} in:\n{}", said.stdout))
}

pub fn assert_differs(said: &Said, what: &str, words: &[&str]) {
    let line = line(said, what);
    assert!(line.starts_with("DIFFERS  "), "{line}");
    assert!(
        words.iter().all(|word| line.contains(word)),
        "no {words:?} in: {line}"
    );
}

/// Changes a run so that it contradicts itself nowhere: the digests in the record, and the record in the report.
pub fn change(report: &Path, edit: impl FnOnce(&mut Value)) {
    let mut run = json_of(report.join("run.json"));
    edit(&mut run);
    for output in run["provenance"]["outputs"]
        .as_array_mut()
        .expect("outputs")
    {
        let file = report.join(output["name"].as_str().expect("a name"));
        output["sha256"] = json!(sha256(&file).expect("a digest"));
        output["size_bytes"] = json!(file.metadata().expect("a file").len());
    }
    fs::write(report.join("run.json"), run.to_string()).expect("a record");
    let html = fs::read_to_string(report.join("index.html")).expect("a report");
    let (before, rest) = html.split_once("id=\"run\">").expect("the element");
    let (_, after) = rest.split_once("</script>").expect("its end");
    let inside = run.to_string().replace('<', "\\u003c");
    fs::write(
        report.join("index.html"),
        format!("{before}id=\"run\">{inside}</script>{after}"),
    )
    .expect("a report");
}

#[test]
fn a_fresh_report_is_verified() {
    let said = verify(&sample::rendered()).expect(0);
    for what in [
        "run.json",
        "manifest.parquet",
        "embeddings.parquet",
        "pca.parquet",
        "rejected.csv",
        "duplicates.csv",
        "outputs",
        "index.html",
        "counts",
        "labels",
        "duplicates",
        "components",
        "findings",
        "quality",
        "scores",
        "manifest digest",
        "model",
        "inputs",
    ] {
        assert!(line(&said, what).starts_with("ok  "), "{}", said.stdout);
    }
    let last = said.stdout.lines().last().expect("a line");
    assert!(last.starts_with("verified: 18 ok, 0 differ"), "{last}");
    let record = verify(&sample::rendered().join("run.json"))
        .arg("--quiet")
        .expect(0);
    assert_eq!(record.stdout.lines().count(), 1, "{}", record.stdout);
}

#[test]
fn changed_files_are_named() {
    type Change = fn(&Path);
    let changes: [(&str, Change, &[&str]); 7] = [
        (
            "embeddings.parquet",
            |out| {
                let mut bytes = fs::read(out.join("embeddings.parquet")).expect("a file");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(out.join("embeddings.parquet"), bytes).expect("a file");
            },
            &["SHA-256"],
        ),
        (
            "manifest.parquet",
            |out| fs::remove_file(out.join("manifest.parquet")).expect("a file"),
            &["missing"],
        ),
        (
            "index.html",
            |out| {
                drop(fs::copy(
                    small().other().join("index.html"),
                    out.join("index.html"),
                ))
            },
            &["another run.json", "`features`"],
        ),
        (
            "index.html",
            |out| fs::remove_file(out.join("index.html")).expect("a file"),
            &["missing"],
        ),
        (
            "counts",
            |out| change(out, |run| run["images"]["listed"] = json!(27)),
            &["24 accepted", "27 listed"],
        ),
        (
            "components",
            |out| {
                change(out, |run| {
                    run["pca"]["explained_variance_ratio_sum"] = json!(0.99)
                })
            },
            &["pca.explained_variance_ratio_sum: 0.99 recorded"],
        ),
        (
            "run.json",
            |out| fs::write(out.join("run.json"), "{}").expect("a file"),
            &["layout"],
        ),
    ];
    for (what, change, words) in changes {
        let out = copy(&small().out());
        change(out.path());
        let said = verify(out.path()).expect(4);
        assert_differs(&said, what, words);
        let last = said.stdout.lines().last().expect("a line");
        assert!(last.starts_with("not verified: "), "{last}");
    }

    let out = copy(&small().out());
    let csv = fs::read_to_string(out.path().join("rejected.csv")).expect("a file");
    let without: Vec<_> = csv
        .lines()
        .filter(|line| !line.contains("half.jpg"))
        .collect();
    assert!(without.len() + 1 == csv.lines().count(), "{csv}");
    fs::write(out.path().join("rejected.csv"), without.join("\n")).expect("a file");
    let said = verify(out.path()).expect(4);
    assert_differs(&said, "rejected.csv", &["bytes"]);
    // What is another file is not looked into.
    assert!(
        line(&said, "counts").starts_with("skipped"),
        "{}",
        said.stdout
    );
    change(out.path(), |_| {});
    let said = verify(out.path()).expect(4);
    assert_differs(&said, "counts", &["1 rows, not 2"]);

    // A record that names a file elsewhere is not followed.
    let mut run = json_of(out.path().join("run.json"));
    run["provenance"]["outputs"][0]["name"] = json!("../out/x");
    fs::write(out.path().join("run.json"), run.to_string()).expect("a record");
    assert_differs(&verify(out.path()).expect(4), "../out/x", &["no name"]);
    verify(&project().join("src")).expect(2);
}

/// The record and the report agree on what the files contradict.
#[test]
fn what_follows_from_the_files_is_computed() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit, &str); 7] = [
        (
            "quality",
            |run| run["quality"]["continuity"] = json!(0.999),
            "quality.continuity: 0.999 recorded",
        ),
        (
            "quality",
            |run| run["quality"]["labels"]["pca"]["classes"][2]["silhouette"] = json!(0.9),
            "quality.labels.pca.classes[2].silhouette: 0.9 recorded",
        ),
        (
            "findings",
            |run| run["findings"]["outliers"][3]["score"] = json!(1.0),
            "findings.outliers[3].score: 1.0 recorded",
        ),
        (
            "gates",
            |run| {
                let gate =
                    json!({"name": "min-trust", "limit": 1.0, "unit": "score", "passed": true});
                run["gates"] = json!([gate]);
                run["gates"][0]["value"] = run["quality"]["trustworthiness"].clone();
            },
            "gates[0].passed: true recorded, false found",
        ),
        (
            "outputs",
            |run| run["provenance"]["outputs"] = json!([]),
            "`embeddings.parquet` is not named",
        ),
        (
            "labels",
            |run| run["classes"][1]["n"] = json!(37),
            "classes[1].n: 37 recorded",
        ),
        (
            "duplicates",
            |run| run["dataset"]["near_duplicates"][0]["distance"] = json!(1.0),
            "dataset.near_duplicates[0].distance",
        ),
    ];
    for (what, edit, words) in edits {
        let out = copy(&sample::rendered());
        change(out.path(), edit);
        let said = verify(out.path()).expect(4);
        assert_differs(&said, what, &[words]);
        let last = said.stdout.lines().last().expect("a line");
        assert!(last.contains(" 1 differ"), "{}", said.stdout);
    }

    let out = copy(&sample::rendered());
    let path = out.path().join("duplicates.csv");
    let text = fs::read_to_string(&path).expect("a file");
    let rows: Vec<_> = text.lines().collect();
    fs::write(&path, rows[..rows.len() - 2].join("\n")).expect("a file");
    change(out.path(), |_| {});
    let said = verify(out.path()).expect(4);
    assert_differs(&said, "duplicates", &["duplicates.csv has"]);
}

#[test]
fn changed_inputs_are_named_and_hostile_names_stay_on_their_line() {
    let (out, input) = (small().out(), copy(&small().input()));
    let said = verify(&out).arg("--input").arg(input.path()).expect(0);
    assert!(
        line(&said, "inputs").contains("24 images"),
        "{}",
        said.stdout
    );

    let class = &images::classes()[0];
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|e| e.expect("readable").path()).collect();
        names.sort();
        names
    };
    let files = names(&input.path().join(class));
    let mut bytes = fs::read(&files[0]).expect("an image");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&files[0], bytes).expect("an image");
    fs::remove_file(&files[1]).expect("an image");
    fs::remove_file(input.path().join(HOSTILE)).expect("a file");
    images::put(input.path(), class, "new\r.jpg", b"new");
    let said = verify(&out).arg("--input").arg(input.path()).expect(4);
    let name = |path: &Path| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let (changed, missing) = (name(&files[0]), name(&files[1]));
    assert_differs(
        &said,
        "inputs",
        &[
            "1 changed",
            &changed,
            "2 missing",
            &missing,
            "1 more",
            "new\\r.jpg",
        ],
    );
    assert_differs(
        &said,
        "inputs",
        &["\\u{1b}[2Jok\\nok  inputs \\u{202e}gpj.jpg"],
    );
    assert_eq!(said.stdout.lines().count(), 19, "{}", said.stdout);

    // Where the run itself named the folder, its absence is no fault of the report; where the user does, it is one.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let said = verify(&sample::rendered())
        .within(elsewhere.path())
        .expect(0);
    let inputs = line(&said, "inputs");
    assert!(
        inputs.starts_with("skipped") && inputs.contains("data-sample"),
        "{inputs}"
    );
    verify(&out).args(["--input", "/nowhere"]).expect(6);
}
