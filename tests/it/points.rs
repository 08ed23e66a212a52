//! Each call, each request and each allocation of a run fails in turn, or is the last one before the process is killed.
//!
//! The points are counted up from 1 until a run passes without a fault, as SQLite's tests do; `FRUITS_POINTS=all` meets them all,
//! with every kind of fault. By default there are some of each call and thread, and of the requests and allocations, and each kind
//! has its turn.

mod bucket;
mod calls;
mod memory;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fruits::storage::digest;
use serde_json::Value;

use crate::images;
use crate::run::{Report, assert_same_results, html_without_timing, project};

/// What a record names.
const OUTPUTS: [&str; 5] = [
    "manifest.parquet",
    "embeddings.parquet",
    "pca.parquet",
    "rejected.csv",
    "duplicates.csv",
];

/// A run of two shards, its earlier report in the same place, and what must come out.
struct Bench {
    folder: tempfile::TempDir,
    /// Elsewhere, since reads of images may fail: each has a row then.
    input: tempfile::TempDir,
    /// Options that say how images are described.
    descriptor: Vec<String>,
}

impl Bench {
    fn new(descriptor: &[&str]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
            input: tempfile::tempdir().expect("a folder"),
            descriptor: descriptor.iter().map(ToString::to_string).collect(),
        };
        fs::create_dir(bench.at("tmp")).expect("a folder");
        images::sample(bench.input.path(), 5, 27);
        let classes = images::classes();
        images::put(bench.input.path(), &classes[4], "words.jpg", b"no image");
        bench
            .run(&bench.at("reference"), &bench.at("warm"))
            .expect(0);
        // No file of it is one of the new report.
        let old = bench.run(&bench.at("old"), &bench.at("old-cache"));
        let old = old.args(["--classes", &classes[0], "--classes", &classes[1]]);
        old.expect(0);
        for name in OUTPUTS {
            let [old, new] = ["old", "reference"].map(|of| fs::read(bench.at(of).join(name)));
            assert!(old.expect(name) != new.expect(name), "{name}");
        }
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, out: &Path, cache: &Path) -> Report {
        self.with(Report::new(), out, cache)
    }

    fn with(&self, report: Report, out: &Path, cache: &Path) -> Report {
        let report = report
            .arg("--input")
            .arg(self.input.path())
            .arg("--out")
            .arg(out)
            .arg("--cache")
            .arg(cache)
            .args(["--components", "8", "--iterations", "300"])
            // A line every ten seconds would be a call that not every run makes.
            .arg("--quiet")
            .env("TMPDIR", self.at("tmp"));
        self.descriptor.iter().fold(report, Report::arg)
    }

    /// The cache, empty if it is to be cold, and the place of the report, which holds the old one.
    fn set(&self, is_cold: bool) -> (PathBuf, PathBuf) {
        let (out, cold) = (self.at("out"), self.at("cold"));
        let _ = fs::remove_dir_all(&out);
        copy(&self.at("old"), &out);
        let cache = match is_cold {
            true => cold,
            false => self.at("warm"),
        };
        if is_cold {
            let _ = fs::remove_dir_all(&cache);
        }
        (out, cache)
    }

    /// What must hold after a run that met a fault, and was complete or not, and of the run after it.
    fn recovers(&self, out: &Path, cache: &Path, is_complete: bool, what: &str) {
        match is_complete {
            true => self.check_new(out, what),
            false => self.check_whole(out, what),
        }
        self.run(out, cache).expect(0);
        self.check_new(out, what);
        for folder in [out, cache, &self.at("tmp")] {
            assert_eq!(hidden(folder), Vec::<String>::new(), "{what}");
        }
    }

    /// The report is the new one.
    fn check_new(&self, out: &Path, what: &str) {
        assert_same_results(out, &self.at("reference"));
        let record = fs::read(out.join("run.json")).expect("a record");
        check_outputs(&record, |name| fs::read(out.join(name)).ok(), what);
    }

    /// The report is whole, the old one or the new one; a record stands beside its own files only.
    fn check_whole(&self, out: &Path, what: &str) {
        let html = html_without_timing(out);
        let whole = ["old", "reference"].map(|name| self.at(name));
        let mut of = whole.iter().filter(|of| html_without_timing(of) == html);
        let of = of.next();
        let of = of.unwrap_or_else(|| panic!("{what}: neither report is whole"));
        if let Ok(record) = fs::read(out.join("run.json")) {
            let own = fs::read(of.join("run.json")).expect("a record");
            assert!(record == own, "{what}: a record of another report");
            check_outputs(&record, |name| fs::read(out.join(name)).ok(), what);
        }
    }
}

/// Each file that a record names is there with its digest.
fn check_outputs(record: &[u8], read: impl Fn(&str) -> Option<Vec<u8>>, what: &str) {
    let record: Value = serde_json::from_slice(record).expect("JSON");
    let outputs = record["provenance"]["outputs"].as_array().expect("outputs");
    let names: Vec<_> = outputs.iter().filter_map(|o| o["name"].as_str()).collect();
    assert_eq!(names, OUTPUTS, "{what}");
    for (output, name) in outputs.iter().zip(names) {
        let bytes = read(name).unwrap_or_else(|| panic!("{what}: no {name}"));
        assert_eq!(output["sha256"], digest::of(bytes), "{what}: {name}");
    }
}

/// What is said of an error that has a name.
fn check_named(stderr: &str, what: &str) {
    for word in ["panicked", "internal error"] {
        assert!(!stderr.contains(word), "{what}: {stderr}");
    }
    assert!(stderr.contains("report: "), "{what}: {stderr}");
}

/// Whether nothing is left out, as in the nightly check.
fn all_points() -> bool {
    std::env::var("FRUITS_POINTS").is_ok_and(|v| v == "all")
}

/// A library of `tests/fixtures`, compiled for `LD_PRELOAD`.
fn preloaded(name: &str, folder: &Path) -> PathBuf {
    let library = folder.join(name).with_extension("so");
    let source = project().join("tests/fixtures").join(name);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
    let built = compiler.arg(&library).arg(source.with_extension("c"));
    assert!(built.status().is_ok_and(|status| status.success()), "cc");
    library
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a report") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Names that no run that ended leaves.
fn hidden(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).min_depth(1).into_iter();
    let names = entries.map(|e| {
        e.expect("readable")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    names.filter(|name| name.starts_with('.')).collect()
}
