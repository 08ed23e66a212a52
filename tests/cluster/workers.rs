//! What can happen to workers, each with what must not: other bytes, work done twice, a hang.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::faults::{BOUND, cluster, fails, tasks_lost, times};
use crate::members::{Cluster, wait_for};
use crate::photos::{N_SHARDS, Photos, pool, who};
use crate::run::{Report, assert_same_results, project, said};

/// The control of all others: it is the workers that do the work.
#[test]
fn without_a_worker_the_run_ends_and_says_so() {
    let photos = Photos::new();
    let cluster = cluster(&photos, &[]);
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
    let mut cluster = cluster(&photos, &["victim", "survivor"]);
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
    let mut cluster = cluster(&photos, &["victim", "survivor"]);
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
    let mut cluster = cluster(&photos, &["one"]);
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
    cluster.worker(&photos, "two");
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

/// A shard whose images make any program abort cannot be had; whoever takes shard 0 is made to.
#[test]
fn a_shard_that_ends_its_process_is_given_up_and_named() {
    let photos = Photos::new();
    let mut cluster = Cluster::start();
    // One task at a time, so that no other shard dies with it.
    let worker = || photos.served_by(Report::new().args(["worker", "--slots", "1"]));
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
    let lock = fruits::source::local::sha256(&project().join("Cargo.lock"));
    let lock = lock.expect("the lock file");
    let lock = lock.as_bytes();
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
    let stranger = Report::through(&[&other.display().to_string()]).arg("worker");
    builds.worker_of(photos.served_by(stranger), "stranger");
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
    let changed = Report::new().arg("worker").env("FRUITS_RUNTIME", &fake);
    models.worker_of(photos.served_by(changed), "changed");
    let run = Report::on(&photos.at("in"), &photos.at("out"), &photos.at("cache"));
    let run = models.computes(run).args(["--engine-timeout", "20"]);
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
    let cluster = cluster(&photos, &["slow", "quick"]);
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
    cluster.worker(&photos, "one");
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
