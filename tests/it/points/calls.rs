//! Each call that changes a disk, and each that reads what a run left.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Bench, all_points, check_named, preloaded};
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
    /// All calls in order, each with its thread.
    calls: Vec<(String, String)>,
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
            calls: Vec::new(),
        };
        for note in notes.lines() {
            let mut words = note.split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            let (call, thread) = (word(), word());
            if word() == "fault" {
                met.by = Some(thread.clone());
            }
            met.calls.push((call, thread));
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

    /// Counts the points of a run, and meets them; says how many faults there were.
    fn meet_all(&self) -> usize {
        let traced = self.traced();
        let n_traced = |call: &str| Some(traced.as_ref()?.get(call).copied().unwrap_or(0));
        for other in OTHERS {
            assert!(
                n_traced(other).unwrap_or(0) == 0,
                "{other} is none of the calls"
            );
        }
        let calls = self.meet("none", 0, (0, "no fault")).calls;
        let is_by = |is: &str| calls.iter().any(|(_, thread)| thread == is);
        assert!(is_by("main") && is_by("other"));
        let mut n_faults = 0;
        for (turn, (call, faults)) in CALLS.into_iter().enumerate() {
            let threads = calls.iter().filter(|(name, _)| name == call);
            let threads: Vec<_> = threads.map(|(_, thread)| thread.as_str()).collect();
            // None is missed, whoever makes it.
            if let Some(n_traced) = n_traced(call) {
                assert_eq!(threads.len(), n_traced, "{call}");
            }
            n_faults += match all_points() {
                true => self.meet_each(call, faults, &threads),
                false => self.meet_some(call, faults, turn, &threads),
            };
        }
        n_faults
    }

    /// Every point of a call, with every fault, until a run passes; a plain run makes it in these threads.
    fn meet_each(&self, call: &str, faults: &[Fault], threads: &[&str]) -> usize {
        let mut met_by = Vec::new();
        loop {
            let k = met_by.len() + 1;
            let met = faults
                .iter()
                .filter_map(|fault| self.meet(call, k, *fault).by);
            let met: Vec<_> = met.collect();
            match met.first() {
                Some(thread) => met_by.push(thread.clone()),
                None => break,
            }
        }
        for thread in ["main", "other"] {
            let n_met = met_by.iter().filter(|by| *by == thread).count();
            let n_plain = threads.iter().filter(|by| **by == thread).count();
            assert!(n_met >= n_plain, "{call}, {thread}: {n_met} of {n_plain}");
        }
        met_by.len() * faults.len()
    }

    /// Of each thread some points, from its first on, and all where names change; all faults have their turn, with an empty cache
    /// from call to call.
    fn meet_some(&self, call: &str, faults: &[Fault], turn: usize, threads: &[&str]) -> usize {
        let mut n_met = 0;
        for thread in ["main", "other"] {
            let points = (1..).zip(threads).filter(|(_, by)| **by == thread);
            let points: Vec<_> = points.map(|(k, _)| k).collect();
            if points.is_empty() {
                continue;
            }
            // In the order of names is what a record stands for.
            let n = match call.starts_with("rename") || call.starts_with("unlink") {
                true => points.len().max(faults.len()),
                false if self.is_cold => 2,
                false => faults.len().max(2),
            };
            let met = (0..n).map(|i| {
                let k = points[i * points.len() / n];
                self.meet(call, k, faults[(turn + i) % faults.len()]).by
            });
            let met: Vec<_> = met.collect();
            assert!(met.iter().all(Option::is_some), "{call}, {thread}");
            assert!(
                met.iter().flatten().any(|by| by == thread),
                "{call}, {thread}"
            );
            n_met += n;
        }
        n_met
    }
}

#[test]
fn whatever_fails_while_outputs_are_written_nothing_good_is_lost() {
    if let Some(calls) = Calls::new(false) {
        let n = calls.meet_all();
        tell(&format!("{n} faults while outputs are written"));
        assert!(n > 50, "{n} faults only");
    }
}

#[test]
fn whatever_fails_while_descriptors_are_written_the_rerun_has_the_same_bytes() {
    if let Some(calls) = Calls::new(true) {
        let n = calls.meet_all();
        tell(&format!("{n} faults with an empty cache"));
        assert!(n > 50, "{n} faults only");
    }
}
