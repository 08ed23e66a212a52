//! Each call that changes a disk fails in turn, or is the last one before the process is killed.
//!
//! The points are counted up from 1 until a run passes without a fault, as SQLite's tests do. By default each call has one
//! kind of fault, and of allocations and requests some fail; `FRUITS_POINTS=all` leaves nothing out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::bucket::{Server, server};
use crate::images;
use crate::run::{Report, assert_same_results, html_without_timing, project, skipped, tell};

/// What a run changes a disk with. strace counts each by itself and in each thread.
const CALLS: [&str; 9] = [
    "write",
    "renameat",
    "rename",
    "fdatasync",
    "fsync",
    "mkdir",
    "unlink",
    "unlinkat",
    "rmdir",
];
const FAULTS: [&str; 4] = ["signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS"];

/// A run of two shards, its earlier report in the same place, and what must come out.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let warm = bench.at("warm");
        bench.run(&bench.at("reference"), &warm).expect(0);
        bench
            .run(&bench.at("old"), &warm)
            .args(["--seed", "7"])
            .expect(0);
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, out: &Path, cache: &Path) -> Report {
        Self::with(Report::new(), out, cache)
    }

    fn with(report: Report, out: &Path, cache: &Path) -> Report {
        report
            .arg("--input")
            .arg(project().join("data-sample"))
            .arg("--out")
            .arg(out)
            .arg("--cache")
            .arg(cache)
            .args(["--descriptor", "colour", "--limit", "136"])
            .args(["--components", "8", "--iterations", "300"])
    }

    /// Meets one fault; says whether there was such a point.
    fn meet(&self, call: &str, fault: &str, k: usize, is_cold: bool) -> bool {
        let what = format!("{call} {k}, {fault}, cold {is_cold}");
        let (out, trace) = (self.at("out"), self.at("trace"));
        let cache = self.at(if is_cold { "cold" } else { "warm" });
        let _ = fs::remove_dir_all(&out);
        if is_cold {
            let _ = fs::remove_dir_all(&cache);
        }
        copy(&self.at("old"), &out);

        let inject = format!("inject={call}:{fault}:when={k}");
        let filter = format!("trace={call}");
        // Stops at these calls only, which is fast; signals are not sent that way.
        let how = match fault.starts_with("error") {
            true => "--seccomp-bpf",
            false => "-t",
        };
        let strace = Report::through(&[
            "strace",
            "-f",
            "-qq",
            how,
            "-o",
            trace.to_str().expect("UTF-8"),
            "-e",
            &filter,
            "-e",
            &inject,
            env!("CARGO_BIN_EXE_report"),
        ]);
        let said = Self::with(strace, &out, &cache).finish();
        let traced = fs::read_to_string(&trace).expect("a trace");
        // strace ends as its process did.
        let is_killed = said.code.is_none();
        if !is_killed && !traced.contains("(INJECTED)") {
            assert_eq!(said.code, Some(0), "{what}: {}", said.stderr);
            return false;
        }
        if !is_killed {
            // Where a message cannot be written, the run goes on.
            let is_named = said.code == Some(6) || said.code == Some(0);
            assert!(is_named, "{what}: {:?}: {}", said.code, said.stderr);
            for word in ["panicked", "internal error"] {
                assert!(!said.stderr.contains(word), "{what}: {}", said.stderr);
            }
        }
        self.check_report(&out, &what);

        Self::with(Report::new(), &out, &cache).expect(0);
        assert_same_results(&out, &self.at("reference"));
        for folder in [&out, &cache] {
            assert_eq!(hidden(folder), Vec::<String>::new(), "{what}");
        }
        true
    }

    /// The report is whole, the old one or the new one; a record stands beside its own files only.
    fn check_report(&self, out: &Path, what: &str) {
        let html = html_without_timing(out);
        let whole = ["old", "reference"].map(|name| html_without_timing(&self.at(name)));
        assert!(whole.contains(&html), "{what}: neither report is whole");
        if out.join("run.json").exists() {
            let read = |folder: &Path, name| fs::read(folder.join(name)).expect(name);
            let record = read(out, "run.json");
            let of = ["old", "reference"].map(|name| self.at(name));
            let of = of.iter().find(|of| read(of, "run.json") == record);
            let of = of.expect("one of the two records");
            for name in ["manifest.parquet", "embeddings.parquet", "pca.parquet"] {
                assert!(read(out, name) == read(of, name), "{what}: {name}");
            }
        }
    }

    /// All points of a run; how many there were.
    fn all_points(&self, is_cold: bool) -> usize {
        let each_has_all = all_points();
        let mut n_points = 0;
        for (i, call) in CALLS.iter().enumerate() {
            for k in 1.. {
                let one = [FAULTS[(i + k) % FAULTS.len()]];
                let faults = if each_has_all { &FAULTS[..] } else { &one };
                let met = faults
                    .iter()
                    .map(|fault| self.meet(call, fault, k, is_cold));
                // All of them, whatever the first says.
                if !met.fold(false, |any, met| any | met) {
                    break;
                }
                n_points += faults.len();
            }
        }
        n_points
    }
}

/// Whether nothing is left out, which takes a quarter of an hour.
fn all_points() -> bool {
    std::env::var("FRUITS_POINTS").is_ok_and(|v| v == "all")
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

fn has_strace() -> bool {
    let traced = Command::new("strace").args(["-qq", "true"]).output();
    let works = traced.is_ok_and(|t| t.status.success());
    if !works {
        skipped(
            "strace",
            "strace is not installed, or may trace nothing here",
        );
    }
    works
}

#[test]
fn whatever_fails_while_outputs_are_written_nothing_good_is_lost() {
    if has_strace() {
        let n = Bench::new().all_points(false);
        tell(&format!("{n} points while outputs are written"));
        assert!(n > 50, "{n} points only");
    }
}

#[test]
fn whatever_fails_while_descriptors_are_written_the_rerun_has_the_same_bytes() {
    if has_strace() {
        let n = Bench::new().all_points(true);
        tell(&format!("{n} points with an empty cache"));
        assert!(n > 50, "{n} points only");
    }
}

#[test]
fn an_allocation_that_fails_has_an_exit_code_and_loses_nothing() {
    let bench = Bench::new();
    let library = bench.at("no_memory.so");
    let source = project().join("tests/fixtures/no_memory.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    let built = compiler.arg(&library).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()), "cc");
    let step = if all_points() { 1 } else { 7 };
    let out = bench.at("out");
    let mut n_points = 0;
    for k in (1..).step_by(step) {
        let _ = fs::remove_dir_all(&out);
        let cache = bench.at("cold");
        let _ = fs::remove_dir_all(&cache);
        copy(&bench.at("old"), &out);
        let run = bench.run(&out, &cache).env("LD_PRELOAD", &library);
        let said = run.env("FAIL_AT", k.to_string()).finish();
        if !said.stderr.contains("this allocation fails") {
            assert_eq!(said.code, Some(0), "{}", said.stderr);
            break;
        }
        n_points += 1;
        // 0 where the program asked whether there is memory, and did without.
        assert!(
            matches!(said.code, Some(0 | 8)),
            "allocation {k}: {:?}: {}",
            said.code,
            said.stderr
        );
        bench.check_report(&out, &format!("allocation {k}"));
        bench.run(&out, &cache).expect(0);
        assert_same_results(&out, &bench.at("reference"));
        for folder in [&out, &cache] {
            assert_eq!(hidden(folder), Vec::<String>::new(), "allocation {k}");
        }
    }
    tell(&format!("{n_points} allocations"));
    assert!(n_points > 5, "{n_points} points only");
}

/// A run by way of a bucket whose server says no from a request on, as it is for the bucket when the process is killed there.
#[test]
fn whatever_request_is_the_last_the_next_run_has_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 6);
    let reference = server().photos("", &input).start();
    reference.colour().expect(0);
    let n_requests = reference.log().len();
    assert!(n_requests > 20, "{n_requests} requests");

    let check = |k: usize| {
        let rule = json!({"kind": "error", "status": 403, "code": "AccessDenied", "skip": k});
        let server = server().photos("", &input).fault(rule).start();
        let said = server.colour().finish();
        // 3 where no image may be read, 0 where only the clearing up is refused.
        assert!(
            matches!(said.code, Some(0 | 3 | 6)),
            "request {k}: {:?}: {}",
            said.code,
            said.stderr
        );
        server.heal();
        server.colour().expect(0);
        for name in [
            "run.json",
            "embeddings.parquet",
            "pca.parquet",
            "rejected.csv",
        ] {
            let name = format!("report/{name}");
            // A record names its server.
            let content = |server: &Server| {
                let bytes = server.content(&name).expect("an object");
                String::from_utf8_lossy(&bytes).replace(&server.url, "URL")
            };
            assert!(
                content(&server) == content(&reference),
                "request {k}: {name}"
            );
        }
        assert_eq!(server.keys("out"), reference.keys("out"), "request {k}");
    };
    let points: Vec<_> = (0..n_requests)
        .step_by(if all_points() { 1 } else { 4 })
        .collect();
    tell(&format!("{} of {n_requests} requests", points.len()));
    // A run that finds the lease of another one waits half a minute.
    std::thread::scope(|scope| {
        for of_thread in points.chunks(points.len().div_ceil(4)) {
            scope.spawn(move || of_thread.iter().for_each(|&k| check(k)));
        }
    });
}
