//! Each call that changes a disk, and each that reads what a run left.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Bench, check_named, kinds, preloaded};
use crate::run::{Report, skipped, tell};

/// Linux's number of an error, and its name; 0 is none: the process is killed.
type Fault = (i32, &'static str);

const WRITES: [Fault; 4] = [(0, "killed"), (28, "ENOSPC"), (5, "EIO"), (30, "EROFS")];
const READS: [Fault; 1] = [(5, "EIO")];

/// What a run changes a disk with, and reads with; `tests/fixtures/faulty_call.c` has the same list.
const CALLS: [(&str, &[Fault]); 20] = [
    ("write", &WRITES),
    ("pwrite64", &WRITES),
    ("writev", &WRITES),
    ("ftruncate", &WRITES),
    ("openat", &WRITES),
    ("rename", &WRITES),
    ("renameat", &WRITES),
    ("renameat2", &WRITES),
    ("link", &WRITES),
    ("linkat", &WRITES),
    ("fdatasync", &WRITES),
    ("fsync", &WRITES),
    ("mkdir", &WRITES),
    ("mkdirat", &WRITES),
    ("unlink", &WRITES),
    ("unlinkat", &WRITES),
    ("rmdir", &WRITES),
    ("read", &READS),
    ("pread64", &READS),
    ("getdents64", &READS),
];

/// What would change a disk unseen: no run makes such a call.
const OTHERS: [&str; 15] = [
    "open",
    "creat",
    "openat2",
    "truncate",
    "fallocate",
    "pwritev",
    "pwritev2",
    "copy_file_range",
    "sendfile",
    "splice",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "io_uring_enter",
    "execveat",
];

/// A run that met a fault, or did not.
struct Met {
    /// The thread that met it, main or other.
    by: Option<String>,
    /// How often a thread made a call.
    counts: BTreeMap<(String, String), usize>,
}

/// The bench with the library that has calls fail.
struct Calls {
    bench: Bench,
    library: PathBuf,
    is_cold: bool,
}

impl Calls {
    /// Nothing where the system has no way to intercept calls.
    fn new(is_cold: bool) -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            skipped("x86-64", "calls are intercepted on x86-64 alone");
            return None;
        }
        let bench = Bench::new(&["--descriptor", "colour"]);
        let library = preloaded("faulty_call", bench.folder.path());
        let calls = Self {
            bench,
            library,
            is_cold,
        };
        let nothing = calls.faulty(Report::through(&["true"]), "none", 0, 0);
        if nothing.finish().code != Some(0) {
            skipped("seccomp", "a process may not intercept its calls here");
            return None;
        }
        Some(calls)
    }

    fn faulty(&self, report: Report, call: &str, k: usize, error: i32) -> Report {
        let notes = self.bench.at("notes");
        let _ = fs::remove_file(&notes);
        report
            .env("LD_PRELOAD", &self.library)
            .env("FAULT_NOTES", notes)
            .env("FAULT_BELOW", self.bench.folder.path())
            .env("FAULT_CALL", call)
            .env("FAULT_AT", k.to_string())
            .env("FAULT_ERROR", error.to_string())
    }

    /// Meets one fault, and sees to it that the next run recovers.
    fn meet(&self, call: &str, k: usize, (error, name): Fault) -> Met {
        let what = format!("{call} {k}, {name}, cold {}", self.is_cold);
        let (out, cache) = self.bench.set(self.is_cold);
        let run = self.bench.run(&out, &cache);
        let said = self.faulty(run, call, k, error).finish();
        let notes = fs::read_to_string(self.bench.at("notes")).expect("notes");
        let mut met = Met {
            by: None,
            counts: BTreeMap::new(),
        };
        for note in notes.lines() {
            let mut words = note.split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            let (call, thread) = (word(), word());
            if word() == "fault" {
                met.by = Some(thread.clone());
            }
            *met.counts.entry((call, thread)).or_insert(0) += 1;
        }
        match said.code {
            None => assert!(error == 0 && met.by.is_some(), "{what}: it was killed"),
            // What cannot be said or cleared up ends no run.
            Some(0) => {}
            Some(6) if met.by.is_some() => {
                // The sentence itself may be what cannot be written.
                if call != "write" {
                    check_named(&said.stderr, &what);
                }
            }
            code => panic!("{what}: {code:?}: {}", said.stderr),
        }
        let is_complete = said.code == Some(0);
        if met.by.is_some() {
            self.bench.recovers(&out, &cache, is_complete, &what);
        } else {
            self.bench.check_new(&out, &what);
        }
        met
    }

    /// How often strace sees each call in the same run; nothing where it sees none.
    fn traced(&self) -> Option<BTreeMap<String, usize>> {
        let works = Command::new("strace").args(["-qq", "true"]).output();
        if !works.is_ok_and(|traced| traced.status.success()) {
            skipped(
                "strace",
                "strace is not installed, or may trace nothing here",
            );
            return None;
        }
        let (out, cache) = self.bench.set(self.is_cold);
        let trace = self.bench.at("trace");
        let names = CALLS.iter().map(|(name, _)| name).chain(&OTHERS);
        let names: Vec<_> = names.map(|name| format!("?{name}")).collect();
        let report = Report::through(&["strace", "-f", "-qq", "-y", "-s", "0", "-o"]);
        let report = report.arg(&trace).arg("-e").arg(names.join(","));
        let report = report.arg(env!("CARGO_BIN_EXE_report"));
        self.bench.with(report, &out, &cache).expect(0);
        let mut counts = BTreeMap::new();
        let below = format!("<{}", self.bench.folder.path().display());
        for line in fs::read_to_string(trace).expect("a trace").lines() {
            // `4711 read(5</a/file>, ""..., 32) = 32`
            let call = line.split_once(' ').map_or("", |(_, call)| call.trim());
            let Some((name, rest)) = call.split_once('(') else {
                continue;
            };
            let counts_here = match name {
                "openat" => rest.contains("O_CREAT"),
                "read" | "pread64" | "getdents64" => {
                    rest.split(',').next().is_some_and(|f| f.contains(&below))
                }
                _ => true,
            };
            if counts_here {
                *counts.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
        Some(counts)
    }

    /// Meets all points of a run; says how many faults there were.
    fn meet_all(&self) -> usize {
        let traced = self.traced().unwrap_or_default();
        for other in OTHERS {
            assert_eq!(traced.get(other), None, "{other} is none of the calls");
        }
        let counts = self.meet("none", 0, (0, "no fault")).counts;
        let mut n_faults = 0;
        for (call, faults) in CALLS {
            let of_call = counts.iter().filter(|((name, _), _)| name == call);
            let n_points: usize = of_call.map(|(_, n)| n).sum();
            let (mut n_met, mut by) = (0, BTreeMap::new());
            while n_points > 0 {
                let kinds = kinds(faults, n_met, n_points);
                let met = kinds.iter().map(|kind| self.meet(call, n_met + 1, *kind));
                let met: Vec<_> = met.filter_map(|met| met.by).collect();
                let Some(thread) = met.first() else {
                    break;
                };
                *by.entry((call.to_owned(), thread.clone())).or_insert(0) += 1;
                n_met += 1;
                n_faults += met.len();
            }
            let n_traced = traced.get(call).copied().unwrap_or(0);
            assert!(
                n_met >= n_traced && n_met >= n_points,
                "{call}: {n_met} points of {n_points}, and strace sees {n_traced}"
            );
            for ((name, thread), n) in counts.iter().filter(|((name, _), _)| name == call) {
                let n_by = by.get(&(name.clone(), thread.clone())).copied();
                assert!(
                    n_by >= Some(*n),
                    "{name} in thread {thread}: {n_by:?} of {n}"
                );
            }
        }
        let by_thread = |is: &str| counts.keys().filter(|(_, thread)| thread == is).count();
        assert!(by_thread("main") > 0 && by_thread("other") > 0);
        n_faults
    }
}

#[test]
fn whatever_fails_while_outputs_are_written_nothing_good_is_lost() {
    if let Some(calls) = Calls::new(false) {
        let n = calls.meet_all();
        tell(&format!("{n} faults while outputs are written"));
        assert!(n > 100, "{n} faults only");
    }
}

#[test]
fn whatever_fails_while_descriptors_are_written_the_rerun_has_the_same_bytes() {
    if let Some(calls) = Calls::new(true) {
        let n = calls.meet_all();
        tell(&format!("{n} faults with an empty cache"));
        assert!(n > 100, "{n} faults only");
    }
}
