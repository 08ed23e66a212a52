//! A scheduler and workers on loopback.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::bucket;
use crate::photos::Photos;
use crate::run::Report;

/// What driver and workers of all tests know.
pub const SECRET: &str = "a secret of 32 bytes, or of some more";

/// A scheduler and its workers; all end with it.
pub struct Cluster {
    scheduler: Child,
    pub address: String,
    workers: BTreeMap<String, Child>,
    folder: tempfile::TempDir,
    /// What all members said, for whoever reads why a test failed.
    said: Arc<Mutex<String>>,
}

impl Cluster {
    /// A scheduler that counts a worker as lost after 5 s.
    pub fn start() -> Self {
        Self::start_with("0", "5")
    }

    pub fn start_with(port: &str, worker_timeout: &str) -> Self {
        let report = Report::new().arg("scheduler");
        Self::start_bound(report.args(["--port", port, "--worker-timeout", worker_timeout]))
    }

    /// Starts `report scheduler` with whatever else it was told.
    pub fn start_bound(report: Report) -> Self {
        let said = Arc::default();
        let (scheduler, line) = first_line(report.start(), &said);
        let address = line.split("ballista://").nth(1);
        let address = address.unwrap_or_else(|| panic!("the scheduler said: {line}"));
        let folder = tempfile::tempdir().expect("a folder");
        write_secret(&folder.path().join("secret"), SECRET);
        Self {
            scheduler,
            address: address.trim().trim_end_matches('`').to_owned(),
            workers: BTreeMap::new(),
            folder,
            said,
        }
    }

    /// Where the secret is.
    pub fn secret(&self) -> String {
        self.folder.path().join("secret").display().to_string()
    }

    /// Adds a worker for these photos, of one thread, that says every second that it lives.
    pub fn worker(&mut self, photos: &Photos, name: &str) {
        self.worker_of(photos.served_by(Report::new().arg("worker")), name);
    }

    /// Adds a worker that was told what it may touch.
    pub fn worker_of(&mut self, report: Report, name: &str) {
        let report = report
            .args(["--scheduler", &self.address, "--name", name])
            .args(["--secret", &self.secret()])
            .args(["--threads", "1", "--heartbeat", "1"]);
        let before = self.n_known();
        let (child, line) = first_line(report.start(), &self.said);
        assert!(line.contains("takes tasks"), "the worker said: {line}");
        self.workers.insert(name.to_owned(), child);
        // A run that begins earlier may be done before the worker is there.
        wait_for("the scheduler to know the worker", || {
            self.n_known() > before
        });
    }

    /// Workers that the scheduler counts as alive, with those that were killed a moment ago.
    fn n_known(&self) -> usize {
        let mut stream = TcpStream::connect(&self.address).expect("the scheduler listens");
        let request = format!(
            "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("it is read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let said = answer.rsplit("ready: ").next().unwrap_or_default();
        let digits: String = said.chars().take_while(char::is_ascii_digit).collect();
        digits
            .parse()
            .unwrap_or_else(|_| panic!("the scheduler said: {answer}"))
    }

    pub fn kill_scheduler(&mut self) {
        self.scheduler.kill().expect("SIGKILL");
        self.scheduler.wait().expect("it ends");
    }

    /// Sends a signal such as `STOP`.
    pub fn signal(&self, name: &str, signal: &str) {
        let id = self.workers[name].id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.expect("kill").success());
    }

    pub fn kill(&mut self, name: &str) {
        let mut worker = self.workers.remove(name).expect("a worker");
        worker.kill().expect("SIGKILL");
        worker.wait().expect("it ends");
    }

    /// Whether a worker came to its end by itself.
    pub fn has_ended(&mut self, name: &str) -> bool {
        let worker = self.workers.get_mut(name).expect("a worker");
        worker.try_wait().expect("a state").is_some()
    }

    pub fn engine(&self) -> String {
        format!("ballista://{}", self.address)
    }

    /// A run that this cluster computes.
    pub fn computes(&self, report: Report) -> Report {
        report.args(["--engine", &self.engine(), "--secret", &self.secret()])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.workers.values_mut().chain([&mut self.scheduler]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("what the members said:\n{said}");
        }
    }
}

/// A file that is its owner's alone.
pub fn write_secret(path: &Path, secret: &str) {
    let mut file = OpenOptions::new();
    let file = file.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes()))
        .expect("a file");
}

/// The first line of standard error; the rest is gathered in `said`, so that nothing waits for a reader.
fn first_line(mut child: Child, said: &Arc<Mutex<String>>) -> (Child, String) {
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    let said = said.clone();
    let who = child.id();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&format!("{who}: {line}\n"));
        }
    });
    (child, line)
}

/// A worker for the buckets of the tests.
pub fn with_credentials(server: &bucket::Server) -> Report {
    Report::new()
        .args([
            "worker",
            "--input",
            "s3://photos",
            "--cache",
            "s3://out/cache",
        ])
        .args(["--endpoint-url", &server.url])
        .env("AWS_ACCESS_KEY_ID", bucket::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", bucket::SECRET_KEY)
}

pub fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited a minute for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
