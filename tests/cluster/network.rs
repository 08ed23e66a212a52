//! What can happen to the network between two hosts.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::faults::BOUND;
use crate::members::{Cluster, SECRET, wait_for, write_secret};
use crate::photos::{Photos, files, who};
use crate::run::{Report, assert_same_results, said, skipped};

/// Two hosts: this one with the scheduler, the driver and a worker; another one with a worker, on a wire that is cut.
#[test]
fn a_network_that_parts_and_heals_is_survived() {
    let Some(wire) = Wire::new() else {
        skipped("namespaces", "network namespaces take root and iproute2");
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
    let near = Report::new().args(["worker", "--bind", &wire.here]);
    cluster.worker_of(photos.served_by(near), "near");
    let far = wire.there(&["worker", "--bind", &wire.there]);
    cluster.worker_of(photos.served_by(far), "far");
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
        assert!(!cluster.has_ended("far"), "the worker gave up");
        assert!(began.elapsed() < BOUND, "the worker did not come back");
    }
    assert_same_results(&photos.at("local"), &photos.at("again"));
}

/// On the wire is somebody with this very program, who may write to a folder that the workers see, and not the secret.
#[test]
fn a_stranger_on_the_network_gets_nothing_computed() {
    let Some(wire) = Wire::new() else {
        skipped("namespaces", "network namespaces take root and iproute2");
        return;
    };
    let photos = Photos::new();
    let scheduler = ["scheduler", "--bind", &wire.here, "--port", "0"];
    let mut cluster = Cluster::start_bound(Report::new().args(scheduler));
    let near = Report::new().args(["worker", "--bind", &wire.here]);
    cluster.worker_of(photos.served_by(near), "near");
    let other = photos.at("other");
    write_secret(&other, &SECRET.replace("secret", "guess"));
    let stranger = || {
        let run = wire.there(&["--engine", &cluster.engine(), "--descriptor", "colour"]);
        run.arg("--input").arg(photos.at("in"))
    };
    let out = photos.at("out");
    let run = stranger().arg("--cache").arg(photos.at("theirs"));
    let run = run.arg("--secret").arg(&other).arg("--out").arg(&out);
    let said = run.expect(7);
    assert!(said.stderr.contains("another secret"), "{}", said.stderr);
    assert!(files(&photos.at("theirs")).is_empty(), "the worker wrote");
    assert!(!out.join("run.json").exists());

    // Who knows the secret still gets no further than the worker's places.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let run = stranger().arg("--cache").arg(elsewhere.path().join("c"));
    let run = run
        .args(["--secret", &cluster.secret()])
        .arg("--out")
        .arg(&out);
    let said = run.expect(7);
    assert!(said.stderr.contains("was started for"), "{}", said.stderr);
    assert!(files(elsewhere.path()).is_empty(), "the worker wrote");
    photos.spread(&cluster, "out", "cache").expect(0);
}

/// A pair of virtual cards between this host and a namespace.
struct Wire {
    name: String,
    here: String,
    there: String,
}

impl Wire {
    fn new() -> Option<Self> {
        static WIRES: AtomicU32 = AtomicU32::new(0);
        let id = (2 * std::process::id() + WIRES.fetch_add(1, Ordering::Relaxed)) % 200;
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

    /// The program on the other host.
    fn there<const N: usize>(&self, words: &[&str; N]) -> Report {
        let program = [
            "ip",
            "netns",
            "exec",
            &self.name,
            env!("CARGO_BIN_EXE_report"),
        ];
        Report::through(&program).args(*words)
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
