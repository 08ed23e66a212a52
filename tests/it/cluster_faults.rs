//! What can happen to a cluster, each with what must not: other bytes, work done twice, a hang.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bucket;
use crate::cluster::{Cluster, N_SHARDS, Photos, pool, wait_for, who, with_credentials};
use crate::images;
use crate::run::{Report, Said, assert_same_results, said, skipped};

/// Longest time that a run may take to say that it cannot go on.
const BOUND: Duration = Duration::from_secs(90);

/// A cluster with these workers.
fn cluster(names: &[&str]) -> Cluster {
    let mut cluster = Cluster::start();
    names.iter().for_each(|name| cluster.worker(name));
    cluster
}

/// Ends within [`BOUND`] with exit code 7 and these words.
fn fails(run: Report, words: &[&str]) -> Said {
    let began = Instant::now();
    let said = run.expect(7);
    assert!(began.elapsed() < BOUND, "it took {:?}", began.elapsed());
    for word in words {
        assert!(
            said.stderr.contains(word),
            "no `{word}` in: {}",
            said.stderr
        );
    }
    said
}

/// When each receipt was written.
fn times(photos: &Photos, cache: &str) -> Vec<(PathBuf, std::time::SystemTime)> {
    let receipts = photos.receipts(cache).into_values();
    receipts
        .map(|(path, _)| {
            let written = fs::metadata(&path).and_then(|m| m.modified());
            (path, written.expect("a time"))
        })
        .collect()
}

fn tasks_lost(photos: &Photos, out: &str) -> Vec<(String, String)> {
    let record = photos.record(out);
    let lost = record["lost"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    lost.map(|lost| (text(&lost["task"]), text(&lost["worker"])))
        .collect()
}

/// The control of all others: it is the workers that do the work.
#[test]
fn without_a_worker_the_run_ends_and_says_so() {
    let photos = Photos::new();
    let cluster = cluster(&[]);
    let run = photos.spread_for(&cluster, "out", "cache", "2");
    fails(
        run,
        &[
            "it has no worker",
            "report worker --scheduler",
            &cluster.address,
        ],
    );
    assert!(photos.receipts("cache").is_empty());
    assert!(!photos.at("out/run.json").exists());
}

#[test]
fn a_worker_killed_in_a_task_is_survived() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let mut cluster = cluster(&["victim", "survivor"]);
    let run = photos.spread(&cluster, "out", "cache").start();
    let shards = photos.freeze(&cluster, "cache", "victim");
    cluster.kill("victim");
    let said = said(run);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_same_results(&photos.at("local"), &photos.at("out"));
    let receipts = photos.receipts("cache");
    assert_eq!(receipts.len(), N_SHARDS);
    let lost = tasks_lost(&photos, "out");
    for shard in shards {
        assert_eq!(
            receipts[&shard].1["work"]["worker"], "survivor",
            "shard {shard}"
        );
        let task = (format!("features-{shard:05}"), "victim".to_owned());
        assert!(lost.contains(&task), "{task:?} is not in {lost:?}");
    }
}

#[test]
fn what_a_worker_committed_before_it_was_killed_stays() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let mut cluster = cluster(&["victim", "survivor"]);
    let run = photos.spread(&cluster, "out", "cache").start();
    wait_for("a receipt of the victim", || {
        who(&photos.receipts("cache")).contains_key("victim")
    });
    cluster.kill("victim");
    let committed = times(&photos, "cache");
    assert!(
        committed.len() < N_SHARDS,
        "the run was over before the worker was killed"
    );
    let before = who(&photos.receipts("cache"))["victim"];
    let said = said(run);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_same_results(&photos.at("local"), &photos.at("out"));
    let after = times(&photos, "cache");
    assert!(
        committed.iter().all(|file| after.contains(file)),
        "a shard was computed twice"
    );
    let who = who(&photos.receipts("cache"));
    assert_eq!(who["victim"], before);
    assert_eq!(who.values().sum::<usize>(), N_SHARDS);
}

#[test]
fn all_workers_killed_is_an_error_and_another_run_does_the_rest() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let mut cluster = cluster(&["one"]);
    let run = photos.spread_for(&cluster, "out", "cache", "60").start();
    wait_for("a receipt", || !photos.receipts("cache").is_empty());
    photos.freeze(&cluster, "cache", "one");
    cluster.kill("one");
    let began = Instant::now();
    let said = said(run);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(
        said.stderr.contains("no worker left") && said.stderr.contains("again"),
        "{}",
        said.stderr
    );
    assert!(began.elapsed() < BOUND);

    let committed = times(&photos, "cache");
    assert!(
        !committed.is_empty() && committed.len() < N_SHARDS,
        "{} shards",
        committed.len()
    );
    cluster.worker("two");
    photos.spread(&cluster, "out", "cache").expect(0);
    let after = times(&photos, "cache");
    assert!(
        committed.iter().all(|file| after.contains(file)),
        "a shard was computed twice"
    );
    assert_eq!(
        who(&photos.receipts("cache"))["two"],
        N_SHARDS - committed.len()
    );
    assert_same_results(&photos.at("local"), &photos.at("out"));
}

#[test]
fn a_scheduler_killed_is_an_error_and_workers_find_the_next_one() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let mut cluster = cluster(&["one"]);
    let run = photos.spread_for(&cluster, "out", "cache", "5").start();
    photos.freeze(&cluster, "cache", "one");
    cluster.kill_scheduler();
    let began = Instant::now();
    let said = said(run);
    assert!(began.elapsed() < BOUND);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(
        said.stderr.contains(&cluster.address) && said.stderr.contains("report scheduler"),
        "{}",
        said.stderr
    );

    let port = cluster
        .address
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let next = Cluster::start_with(&port, "5");
    cluster.signal("one", "CONT");
    photos.spread(&next, "out", "cache").expect(0);
    assert_eq!(who(&photos.receipts("cache"))["one"], N_SHARDS);
    assert_same_results(&photos.at("local"), &photos.at("out"));
}

#[test]
fn a_killed_driver_continues_where_its_workers_are() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let cluster = cluster(&["one"]);
    let mut run = photos.spread(&cluster, "out", "cache").start();
    wait_for("a receipt", || !photos.receipts("cache").is_empty());
    run.kill().expect("SIGKILL");
    run.wait().expect("it ends");
    let committed = times(&photos, "cache");
    assert!(
        committed.len() < N_SHARDS,
        "the run was over before the driver was killed"
    );
    photos.spread(&cluster, "out", "cache").expect(0);
    let after = times(&photos, "cache");
    assert!(
        committed.iter().all(|file| after.contains(file)),
        "a shard was computed twice"
    );
    assert_eq!(after.len(), N_SHARDS);
    assert_same_results(&photos.at("local"), &photos.at("out"));
}

#[test]
fn a_driver_that_is_told_to_stop_takes_its_job_back() {
    let photos = Photos::new();
    let cluster = cluster(&["one"]);
    let run = photos.spread(&cluster, "out", "cache").start();
    photos.freeze(&cluster, "cache", "one");
    let sent = Command::new("kill")
        .args(["-s", "TERM", &run.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
    let said = said(run);
    assert_eq!(said.code, Some(143), "{}", said.stderr);
    cluster.signal("one", "CONT");
    // What ran comes to its end; nothing else begins.
    std::thread::sleep(Duration::from_secs(3));
    let n = photos.receipts("cache").len();
    assert!(n < N_SHARDS, "all shards were computed for nobody");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(photos.receipts("cache").len(), n);
}

#[test]
fn a_bucket_that_answers_503_and_a_damaged_image_are_a_row_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 4, 36);
    images::put(
        &input,
        "Damaged",
        "cut.jpg",
        &fs::read(&images::of_class("Plum Blue")[0]).expect("bytes")[..900],
    );
    let run = |report: Report, out: &str| {
        report
            .arg("--model")
            .arg(pool())
            .arg("--out")
            .arg(folder.path().join(out))
    };
    let here = Report::new()
        .arg("--input")
        .arg(&input)
        .args(["--precision", "f32", "--no-cache"]);
    run(here, "here").expect(0);
    let busy = |rule: serde_json::Value| {
        let mut fault = json!({"kind": "error", "status": 503, "code": "SlowDown"});
        let rule = rule.as_object().expect("a rule").clone();
        fault.as_object_mut().expect("a rule").extend(rule);
        fault
    };
    let image = |class: &str| {
        let file = images::of_class(class).remove(0);
        format!(
            "{class}/{}",
            file.file_name().expect("a name").to_string_lossy()
        )
    };
    let server = bucket::server()
        .photos("", &input)
        .fault(busy(json!({"key": image("Apple Streaked"), "times": 4})))
        .fault(busy(json!({"key": image("Lemon Dimpled"), "times": 2})))
        .fault(busy(json!({"list": true, "times": 1})))
        .fault(busy(json!({"method": "PUT", "times": 2})))
        .start();
    let mut cluster = Cluster::start();
    cluster.worker_of(with_credentials(), "one");
    let there = server.report().args([
        "--bucket",
        "photos",
        "--cache",
        "s3://out/cache",
        "--engine",
        &cluster.engine(),
    ]);
    run(there, "there").expect(0);
    for name in ["embeddings.parquet", "pca.parquet", "rejected.csv"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).expect(name);
        assert!(read("here") == read("there"), "{name} differs");
    }
    let rejected = fs::read_to_string(folder.path().join("there/rejected.csv")).expect("a file");
    assert!(
        rejected.contains("Damaged/cut.jpg") && rejected.lines().count() == 2,
        "{rejected}"
    );
    let refused = server.log().iter().filter(|r| r["status"] == 503).count();
    assert!(refused >= 9, "only {refused} requests were refused");
}

/// A shard whose images make any program abort cannot be had; whoever takes shard 0 is made to.
#[test]
fn a_shard_that_ends_its_process_is_given_up_and_named() {
    let photos = Photos::new();
    let mut cluster = Cluster::start();
    // One task at a time, so that no other shard dies with it.
    let worker = || Report::new().args(["worker", "--slots", "1"]);
    cluster.worker_of(worker(), "steady");
    let run = photos.spread(&cluster, "out", "cache").start();
    let mut killers = 0;
    let began = Instant::now();
    let mut names = vec!["steady".to_owned()];
    while killers < 3 {
        assert!(
            began.elapsed() < BOUND,
            "shard 0 was tried {killers} times only"
        );
        let victim = names
            .iter()
            .find(|name| photos.under_way("cache", name).contains(&0))
            .cloned();
        let Some(victim) = victim else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        cluster.signal(&victim, "STOP");
        assert!(
            photos.under_way("cache", &victim).contains(&0),
            "shard 0 was done before it could be stopped"
        );
        cluster.signal(&victim, "ABRT");
        cluster.signal(&victim, "CONT");
        killers += 1;
        names.retain(|name| *name != victim);
        let next = format!("next-{killers}");
        cluster.worker_of(worker(), &next);
        names.push(next);
    }
    let said = said(run);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    for word in ["shard 0 (", "3 tries", "steady", "next-1", "next-2"] {
        assert!(
            said.stderr.contains(word),
            "no `{word}` in: {}",
            said.stderr
        );
    }
    // The others were computed, and the cluster goes on.
    let receipts = photos.receipts("cache");
    assert!(!receipts.contains_key(&0));
    assert_eq!(receipts.len(), N_SHARDS - 1);
    photos.spread(&cluster, "out", "cache").expect(0);
}

#[test]
fn a_worker_of_another_build_or_another_model_is_refused_at_once() {
    let photos = Photos::new();
    // Another build: the same program with another list of dependencies noted in it.
    let other = photos.at("other-report");
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_report")).expect("the program");
    let lock = env!("FRUITS_LOCK_SHA256").as_bytes();
    let mut n_found = 0;
    for at in 0..bytes.len() - lock.len() {
        if bytes[at..at + lock.len()] == *lock {
            bytes[at..at + lock.len()].fill(b'0');
            n_found += 1;
        }
    }
    assert!(n_found > 0, "the program does not name its dependencies");
    fs::write(&other, bytes).expect("a file");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut builds = Cluster::start();
    builds.worker_of(
        Report::through(&[&other.display().to_string()]).arg("worker"),
        "stranger",
    );
    fails(
        photos.spread(&builds, "out", "cache"),
        &["stranger", "another build"],
    );

    // Another network: a set-up whose model is not the known one.
    let real = fruits::features::RuntimeFolder::find();
    let fake = photos.at("runtime");
    for entry in fs::read_dir(real.path()).expect("the runtime") {
        let entry = entry.expect("an entry");
        let _ = std::os::unix::fs::symlink(entry.path(), fake_entry(&fake, &entry.file_name()));
    }
    fs::remove_file(fake.join("vgg16-notop.onnx")).expect("the link");
    fs::copy(pool(), fake.join("vgg16-notop.onnx")).expect("a model");
    let mut models = Cluster::start();
    models.worker_of(
        Report::new().arg("worker").env("FRUITS_RUNTIME", &fake),
        "changed",
    );
    let run = Report::on(&photos.at("in"), &photos.at("out"), &photos.at("cache")).args([
        "--engine",
        &models.engine(),
        "--engine-timeout",
        "20",
    ]);
    fails(run, &["changed", "is not the ImageNet VGG16"]);
    assert!(photos.receipts("cache").is_empty());
}

fn fake_entry(folder: &std::path::Path, name: &std::ffi::OsStr) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    folder.join(name)
}

#[test]
fn a_worker_that_stalls_loses_its_tasks_to_others() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let cluster = cluster(&["slow", "quick"]);
    let run = photos.spread(&cluster, "out", "cache").start();
    let shards = photos.freeze(&cluster, "cache", "slow");
    let said = said(run);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let receipts = photos.receipts("cache");
    for shard in &shards {
        assert_eq!(receipts[shard].1["work"]["worker"], "quick");
    }
    assert_same_results(&photos.at("local"), &photos.at("out"));
    // It wakes up and ends what it began: nothing changes but perhaps whose name stands there.
    cluster.signal("slow", "CONT");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(photos.receipts("cache").len(), N_SHARDS);
    photos.run("again", "cache").expect(0);
    assert_same_results(&photos.at("local"), &photos.at("again"));
}

#[test]
fn workers_that_answer_and_do_nothing_are_asked_three_times() {
    let photos = Photos::new();
    // Nobody counts as lost here: it is the driver that loses patience.
    let mut cluster = Cluster::start_with("0", "600");
    cluster.worker("one");
    let run = photos.spread_for(&cluster, "out", "cache", "4").start();
    photos.freeze(&cluster, "cache", "one");
    let began = Instant::now();
    let said = said(run);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(began.elapsed() < BOUND);
    assert!(said.stderr.contains("3 times in a row"), "{}", said.stderr);
    cluster.signal("one", "CONT");
    photos.spread(&cluster, "out", "cache").expect(0);
}

/// Two hosts: this one with the scheduler, the driver and a worker; another one with a worker, on a wire that is cut.
#[test]
fn a_network_that_parts_and_heals_is_survived() {
    let Some(wire) = Wire::new() else {
        skipped("network namespaces take root and iproute2");
        return;
    };
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let scheduler = Report::new().args([
        "scheduler",
        "--bind",
        &wire.here,
        "--port",
        "0",
        "--worker-timeout",
        "5",
    ]);
    let mut cluster = Cluster::start_bound(scheduler);
    cluster.worker_of(Report::new().args(["worker", "--bind", &wire.here]), "near");
    cluster.worker_of(wire.there("worker", &wire.there), "far");
    let run = photos.spread(&cluster, "out", "cache").start();
    wait_for("a receipt of the far one", || {
        who(&photos.receipts("cache")).contains_key("far")
    });
    wire.set("down");
    let said = said(run);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_same_results(&photos.at("local"), &photos.at("out"));
    assert!(!cluster.has_ended("far"), "the worker gave up");

    wire.set("up");
    let began = Instant::now();
    loop {
        let _ = fs::remove_dir_all(photos.at("healed"));
        photos.spread(&cluster, "again", "healed").expect(0);
        if who(&photos.receipts("healed")).contains_key("far") {
            break;
        }
        assert!(began.elapsed() < BOUND, "the worker did not come back");
    }
    assert_same_results(&photos.at("local"), &photos.at("again"));
}

/// A pair of virtual cards between this host and a namespace.
struct Wire {
    name: String,
    here: String,
    there: String,
}

impl Wire {
    fn new() -> Option<Self> {
        let id = std::process::id() % 200;
        let wire = Self {
            name: format!("fruits{id}"),
            here: format!("10.213.{id}.1"),
            there: format!("10.213.{id}.2"),
        };
        let Self { name, here, there } = &wire;
        let steps = [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("addr add {here}/24 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} addr add {there}/24 dev {name}b"),
            format!("-n {name} link set {name}b up"),
            format!("-n {name} link set lo up"),
        ];
        steps.iter().all(|step| ip(step)).then_some(wire)
    }

    /// A program on the other host.
    fn there(&self, task: &str, bind: &str) -> Report {
        let program = [
            "ip",
            "netns",
            "exec",
            &self.name,
            env!("CARGO_BIN_EXE_report"),
        ];
        Report::through(&program).args([task, "--bind", bind])
    }

    fn set(&self, state: &str) {
        assert!(ip(&format!("link set {}a {state}", self.name)), "ip link");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        ip(&format!("link del {}a", self.name));
    }
}

fn ip(words: &str) -> bool {
    let done = Command::new("ip").args(words.split(' ')).output();
    done.is_ok_and(|output| output.status.success())
}
