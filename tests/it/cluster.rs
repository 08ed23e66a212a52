//! The same run on a cluster: a scheduler and workers on loopback, and the same bytes whoever did what.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bucket;
use crate::images;
use crate::run::{Report, assert_same_results, json, project};

/// A scheduler and its workers; all end with it.
pub struct Cluster {
    scheduler: Child,
    pub address: String,
    workers: BTreeMap<String, Child>,
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
        let (scheduler, line) = first_line(report.start());
        let address = line.split("ballista://").nth(1);
        let address = address.unwrap_or_else(|| panic!("the scheduler said: {line}"));
        Self {
            scheduler,
            address: address.trim().trim_end_matches('`').to_owned(),
            workers: BTreeMap::new(),
        }
    }

    /// Adds a worker of one thread that says every second that it lives.
    pub fn worker(&mut self, name: &str) {
        self.worker_of(Report::new().arg("worker"), name);
    }

    pub fn worker_of(&mut self, report: Report, name: &str) {
        let report = report
            .args(["--scheduler", &self.address, "--name", name])
            .args(["--threads", "1", "--heartbeat", "1"]);
        let before = self.n_known();
        let (child, line) = first_line(report.start());
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
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.workers.values_mut().chain([&mut self.scheduler]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first line of standard error; the rest is read and thrown away, so that nothing waits for a reader.
fn first_line(mut child: Child) -> (Child, String) {
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    (child, line)
}

/// 1,260 images in ten shards and two windows, with a network that takes no time.
pub struct Photos {
    folder: tempfile::TempDir,
}

pub const N_SHARDS: usize = 10;

impl Photos {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for class in images::classes() {
            for file in images::of_class(&class) {
                let bytes = std::fs::read(&file).expect("bytes");
                let name = file
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                for copy in 0..7 {
                    images::put(
                        &folder.path().join("in"),
                        &class,
                        &format!("{copy}-{name}"),
                        &bytes,
                    );
                }
            }
        }
        Self { folder }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run into `out` with the cache `cache`.
    pub fn run(&self, out: &str, cache: &str) -> Report {
        Report::on(&self.at("in"), &self.at(out), &self.at(cache))
            .arg("--model")
            .arg(pool())
    }

    /// The same by a cluster, which is asked again after 20 s without a receipt.
    pub fn spread(&self, cluster: &Cluster, out: &str, cache: &str) -> Report {
        self.spread_for(cluster, out, cache, "20")
    }

    /// The same with another patience in seconds.
    pub fn spread_for(&self, cluster: &Cluster, out: &str, cache: &str, patience: &str) -> Report {
        self.run(out, cache)
            .args(["--engine", &cluster.engine(), "--engine-timeout", patience])
    }

    /// What the cluster did for the run in `out`.
    pub fn record(&self, out: &str) -> Value {
        json(self.at(out).join("timings.json"))["cluster"].clone()
    }

    /// Receipts of shards, by their place in the plan.
    pub fn receipts(&self, cache: &str) -> BTreeMap<u64, (PathBuf, Value)> {
        let receipts = files(&self.at(cache).join("features")).into_iter();
        let receipts = receipts.filter(|path| path.extension().is_some_and(|e| e == "json"));
        receipts
            .map(|path| {
                let receipt = json(&path);
                (receipt["index"].as_u64().expect("a place"), (path, receipt))
            })
            .collect()
    }

    /// Tasks for descriptors that `worker` began and that have no receipt.
    pub fn under_way(&self, cache: &str, worker: &str) -> Vec<u64> {
        let done = self.receipts(cache);
        let tries = files(&self.at(cache).join("cluster/tries")).into_iter();
        let of_worker = tries.filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.starts_with(&format!("{worker}-"))
        });
        of_worker
            .filter_map(|path| {
                let task = path.parent()?.file_name()?.to_str()?;
                task.strip_prefix("features-")?.parse().ok()
            })
            .filter(|shard| !done.contains_key(shard))
            .collect()
    }

    /// Freezes a worker in the middle of a task for descriptors, and proves that it is: the task is begun, has no
    /// receipt, and gets none while the worker is frozen. Gives the shards.
    pub fn freeze(&self, cluster: &Cluster, cache: &str, worker: &str) -> Vec<u64> {
        let began = Instant::now();
        loop {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{worker} has nothing to do"
            );
            if self.under_way(cache, worker).is_empty() {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            cluster.signal(worker, "STOP");
            std::thread::sleep(Duration::from_millis(50));
            let shards = self.under_way(cache, worker);
            if !shards.is_empty() {
                return shards;
            }
            cluster.signal(worker, "CONT");
        }
    }
}

/// A network of a user's own: means of 32 x 32 pixels.
pub fn pool() -> PathBuf {
    project().join("tests/fixtures/pool.onnx")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter();
    let entries = entries.filter_map(Result::ok);
    let files = entries.filter(|e| e.file_type().is_file());
    // Another process may be writing.
    let whole = files.filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
    whole.map(walkdir::DirEntry::into_path).collect()
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

/// The names of those who did shards, with how many.
pub fn who(receipts: &BTreeMap<u64, (PathBuf, Value)>) -> BTreeMap<String, usize> {
    let mut who = BTreeMap::new();
    for (_, receipt) in receipts.values() {
        let name = receipt["work"]["worker"].as_str().expect("a worker");
        *who.entry(name.to_owned()).or_default() += 1;
    }
    who
}

#[test]
fn local_in_process_one_worker_and_two_leave_the_same_bytes() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    assert!(
        photos
            .receipts("c-local")
            .values()
            .all(|(_, r)| r["work"].is_null())
    );

    photos
        .run("inside", "c-inside")
        .args(["--engine", "ballista"])
        .expect(0);
    assert_eq!(who(&photos.receipts("c-inside"))["in-process"], N_SHARDS);

    let mut cluster = Cluster::start();
    cluster.worker("one");
    photos.spread(&cluster, "alone", "c-alone").expect(0);
    cluster.worker("two");
    photos.spread(&cluster, "both", "c-both").expect(0);
    let who_did = who(&photos.receipts("c-both"));
    assert_eq!(who_did.values().sum::<usize>(), N_SHARDS);
    assert_eq!(who_did.keys().collect::<Vec<_>>(), ["one", "two"]);

    for out in ["inside", "alone", "both"] {
        assert_same_results(&photos.at("local"), &photos.at(out));
    }
    // A task each for shards and reductions: 2 surveys and, a pass, 2 products and a sum, then 2 windows of scores.
    let record = photos.record("both");
    let passes = json(photos.at("both/run.json"))["pca"]["n_passes"]
        .as_u64()
        .expect("passes");
    let workers = record["workers"].as_array().expect("workers");
    let sum = |key: &str| {
        workers
            .iter()
            .map(|w| w[key].as_u64().expect("a number"))
            .sum::<u64>()
    };
    assert_eq!(sum("n_images"), 1260);
    assert_eq!(sum("n_reductions"), 2 + 3 * passes + 2);
    assert_eq!(record["lost"], serde_json::json!([]));
    // Nothing is left but shards and the user's model.
    let rest = files(&photos.at("c-both/cluster"));
    assert!(
        rest.iter()
            .all(|p| p.starts_with(photos.at("c-both/cluster/models"))),
        "{rest:?}"
    );
    // What a cluster computed is a cache like any other.
    let said = photos.run("cached", "c-both").expect(0);
    assert!(
        said.stderr.contains("1260 from the cache"),
        "{}",
        said.stderr
    );
    assert_same_results(&photos.at("local"), &photos.at("cached"));
}

#[test]
fn vgg16_on_two_workers_and_a_bucket_gives_the_bytes_of_a_folder_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, here) = (project().join("data-sample"), folder.path().join("here"));
    Report::on(&input, &here, &folder.path().join("cache")).expect(0);

    let server = bucket::server().photos("", &input).start();
    let mut cluster = Cluster::start();
    for name in ["one", "two"] {
        cluster.worker_of(with_credentials(), name);
    }
    let there = folder.path().join("there");
    server
        .report()
        .args(["--bucket", "photos", "--cache", "s3://out/cache"])
        .args(["--engine", &cluster.engine(), "--out"])
        .arg(&there)
        .expect(0);
    for name in ["embeddings.parquet", "pca.parquet", "rejected.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect(name);
        assert!(read(&here) == read(&there), "{name} differs");
    }
    let keys = server.keys("out");
    let receipts: Vec<_> = keys
        .iter()
        .filter(|key| key.starts_with("cache/features/") && key.ends_with(".json"))
        .map(|key| server.json(key)["work"]["worker"].clone())
        .collect();
    assert_eq!(receipts.len(), 2, "{keys:?}");
    assert_ne!(receipts[0], receipts[1], "one worker did both shards");
    assert!(!keys.iter().any(|key| key.contains("cluster/")), "{keys:?}");
}

/// A worker that may use the server's buckets.
pub fn with_credentials() -> Report {
    Report::new()
        .arg("worker")
        .env("AWS_ACCESS_KEY_ID", bucket::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", bucket::SECRET_KEY)
}

#[test]
fn members_refuse_what_cannot_work() {
    let photos = Photos::new();
    let said = Report::new()
        .args(["scheduler", "--bind", "0.0.0.0"])
        .expect(2);
    assert!(
        said.stderr.contains("0.0.0.0") && said.stderr.contains("--public"),
        "{}",
        said.stderr
    );
    let said = Report::new()
        .args([
            "worker",
            "--scheduler",
            "127.0.0.1:1",
            "--connect-timeout",
            "1",
        ])
        .expect(2);
    assert!(
        said.stderr.contains("127.0.0.1:1") && said.stderr.contains("report scheduler"),
        "{}",
        said.stderr
    );
    let engine = |engine: &str| photos.run("out", "cache").args(["--engine", engine]);
    let said = engine("ballista://127.0.0.1:1").expect(7);
    assert!(
        said.stderr.contains("127.0.0.1:1") && said.stderr.contains("report scheduler"),
        "{}",
        said.stderr
    );
    let said = engine("spark").expect(2);
    assert!(said.stderr.contains("ballista://HOST"), "{}", said.stderr);
    let said = engine("ballista").args(["--pca-solver", "linfa"]).expect(2);
    assert!(
        said.stderr.contains("--pca-solver krylov"),
        "{}",
        said.stderr
    );
    let said = Report::new()
        .arg("--input")
        .arg(photos.at("in"))
        .args(["--engine", "ballista://10.255.255.1"])
        .expect(2);
    assert!(said.stderr.contains("--cache"), "{}", said.stderr);
}
