//! Each request of a run by way of a bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{all_points, check_named, check_outputs, hidden};
use crate::bucket::{Server, server};
use crate::images;
use crate::run::{Said, said, tell, without_timing};

/// Runs at once: one that finds the lease of another waits half a minute and does nothing meanwhile.
const N_AT_ONCE: usize = 24;

/// What happens at a request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It and all that follow are refused.
    Refused,
    /// The process is killed before it is done.
    Killed,
    /// The server has a fault of its own, once.
    Failed,
    /// It is done, and half of the answer comes.
    Cut,
}

const FAULTS: [Fault; 4] = [Fault::Refused, Fault::Killed, Fault::Failed, Fault::Cut];

impl Fault {
    fn rule(self, k: usize) -> Value {
        match self {
            Self::Refused => {
                json!({"kind": "error", "status": 403, "code": "AccessDenied", "skip": k})
            }
            // No later one is done either, until it is killed.
            Self::Killed => {
                json!({"kind": "error", "status": 500, "code": "InternalError", "skip": k})
            }
            Self::Failed => json!({
                "kind": "error", "status": 500, "code": "InternalError", "skip": k, "times": 1,
            }),
            Self::Cut => json!({"kind": "reset", "skip": k, "times": 1}),
        }
    }
}

/// Images, an earlier report, and what must come out.
struct Bench {
    folder: tempfile::TempDir,
    old: [String; 2],
    reference: [String; 2],
    /// All keys after a run.
    keys: Vec<String>,
    n_requests: usize,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        images::sample(&at("in"), 2, 6);
        let classes = images::classes();
        images::put(&at("in"), &classes[1], "words.jpg", b"no image");
        let first = server().photos("", &at("in")).start();
        first.colour().args(["--classes", &classes[0]]).expect(0);
        fs::create_dir(at("old")).expect("a folder");
        for key in first.keys("out") {
            if let Some(name) = key.strip_prefix("report/") {
                let bytes = first.content(&key).expect("an object");
                // It must not name the server that holds it, whichever that is.
                let bytes = match String::from_utf8(bytes) {
                    Ok(text) => of_any(&first, &text).into_bytes(),
                    Err(binary) => binary.into_bytes(),
                };
                fs::write(at("old").join(name), bytes).expect("a file");
            }
        }
        let mut bench = Self {
            old: report(&first).expect("a report"),
            reference: Default::default(),
            keys: Vec::new(),
            n_requests: 0,
            folder,
        };
        let server = bench.server(None);
        assert!(report(&server).as_ref() == Some(&bench.old));
        server.colour().expect(0);
        bench.reference = report(&server).expect("a report");
        bench.keys = server.keys("out");
        let is_shown = |key: &String| !key.contains("/.");
        assert!(bench.keys.iter().all(is_shown), "{:?}", bench.keys);
        bench.n_requests = server.log().len();
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server with the images and the earlier report.
    fn server(&self, rule: Option<Value>) -> Server {
        let seeds = format!("out/report/={}", self.at("old").display());
        let server = server().photos("", &self.at("in"));
        let server = server.args(["--seed", &seeds]);
        let server = rule
            .into_iter()
            .fold(server, |server, rule| server.fault(rule));
        server.start()
    }

    /// Meets one fault, and sees to it that the next run recovers.
    fn meet(&self, k: usize, fault: Fault) {
        let what = format!("request {k}, {fault:?}");
        let server = self.server(Some(fault.rule(k)));
        let temporary = self.at(&format!("tmp-{k}-{fault:?}"));
        fs::create_dir(&temporary).expect("a folder");
        let said = match fault {
            Fault::Killed => killed(&server, &temporary, &what),
            _ => server.colour().env("TMPDIR", &temporary).finish(),
        };
        match said.code {
            None => {}
            Some(0) => assert!(report(&server).as_ref() == Some(&self.reference), "{what}"),
            // 3 where no image may be read.
            Some(3) if matches!(fault, Fault::Refused) => {}
            Some(6) => check_named(&said.stderr, &what),
            code => panic!("{what}: {code:?}: {}", said.stderr),
        }
        if said.code != Some(0) {
            self.check_whole(&server, &what);
        }
        server.heal();
        server.colour().env("TMPDIR", &temporary).expect(0);
        assert!(report(&server).as_ref() == Some(&self.reference), "{what}");
        check_record(&server, &what);
        // No lock, nor anything else of the run that died.
        assert_eq!(server.keys("out"), self.keys, "{what}");
        assert_eq!(hidden(&temporary), Vec::<String>::new(), "{what}");
    }

    /// The page is whole; a record stands beside its own files only.
    fn check_whole(&self, server: &Server, what: &str) {
        let page = page(server).expect("a page");
        let both = [&self.old, &self.reference];
        assert!(both.iter().any(|of| of[1] == page), "{what}: no page");
        if let Some(report) = report(server) {
            assert!(both.contains(&&report), "{what}: no report");
            check_record(server, what);
        }
    }
}

/// The record of a report and its page, if the record is there.
fn report(server: &Server) -> Option<[String; 2]> {
    let record = server.content("report/run.json")?;
    let record = String::from_utf8(record).expect("UTF-8");
    Some([of_any(server, &record), page(server)?])
}

fn page(server: &Server) -> Option<String> {
    let page = server.content("report/index.html")?;
    let page = String::from_utf8(page).expect("UTF-8");
    Some(of_any(server, &without_timing(&page)))
}

/// A report names its server, the page with its slashes in HTML.
fn of_any(server: &Server, text: &str) -> String {
    let address = server.url.strip_prefix("http://");
    text.replace(address.expect("an address"), "SERVER")
}

fn check_record(server: &Server, what: &str) {
    let record = server.content("report/run.json").expect("a record");
    let read = |name: &str| server.content(&format!("report/{name}"));
    check_outputs(&record, read, what);
}

/// A run that is killed when the server has broken a request.
fn killed(server: &Server, temporary: &Path, what: &str) -> Said {
    let mut child = server.colour().env("TMPDIR", temporary).start();
    let began = Instant::now();
    while !server
        .log()
        .iter()
        .any(|request| request["fault"] == "error")
    {
        let is_over = child.try_wait().expect("a process").is_some();
        assert!(!is_over, "{what}: it ended before");
        assert!(began.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("SIGKILL");
    let said = said(child);
    assert_eq!(said.code, None, "{what}");
    said
}

#[test]
fn whatever_request_is_the_last_the_next_run_has_the_same_bytes() {
    let bench = Bench::new();
    assert!(bench.n_requests > 20, "{} requests", bench.n_requests);
    let points = (0..bench.n_requests).flat_map(|k| FAULTS.map(|fault| (k, fault)));
    // An odd number, so that each kind has its turn.
    let step = if all_points() { 1 } else { 5 };
    let points: Vec<_> = points.step_by(step).collect();
    tell(&format!(
        "{} faults at {} requests",
        points.len(),
        bench.n_requests
    ));
    let rest = Mutex::new(points.into_iter());
    let next = || rest.lock().expect("no panic").next();
    std::thread::scope(|scope| {
        for _ in 0..N_AT_ONCE {
            scope.spawn(|| {
                while let Some((k, fault)) = next() {
                    bench.meet(k, fault);
                }
            });
        }
    });
}
