//! The same run on a cluster: the same bytes, whoever did what.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::bucket;
use crate::members::{Cluster, SECRET, with_credentials, write_secret};
use crate::photos::{N_SHARDS, Photos, files, who};
use crate::run::{Report, assert_same_results, json, project};

#[test]
fn local_in_process_one_worker_and_two_leave_the_same_bytes() {
    let photos = Photos::new();
    photos.run("local", "c-local").expect(0);
    let local = photos.receipts("c-local");
    assert_eq!(local.len(), N_SHARDS);
    assert!(local.values().all(|(_, r)| r["work"].is_null()));

    photos
        .run("inside", "c-inside")
        .args(["--engine", "ballista"])
        .expect(0);
    assert_eq!(who(&photos.receipts("c-inside"))["in-process"], N_SHARDS);

    let mut cluster = Cluster::start();
    cluster.worker(&photos, "one");
    photos.spread(&cluster, "alone", "c-alone").expect(0);
    cluster.worker(&photos, "two");
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
    assert_eq!(rest.len(), 1, "{rest:?}");
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
        cluster.worker_of(with_credentials(&server), name);
    }
    let there = folder.path().join("there");
    cluster
        .computes(server.report())
        .args(["--bucket", "photos", "--cache", "s3://out/cache", "--out"])
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
    let secret = photos.at("secret").display().to_string();
    std::fs::write(&secret, SECRET).expect("a file");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&secret, open).expect("a mode");
    let worker = || {
        let worker = Report::new().args(["worker", "--scheduler", "127.0.0.1:1"]);
        worker.args(["--connect-timeout", "1"])
    };
    let told = || worker().args(["--input", "in", "--secret", &secret]);
    let said = told().args(["--cache", "cache"]).expect(2);
    assert!(said.stderr.contains("chmod 600"), "{}", said.stderr);
    std::fs::remove_file(&secret).expect("a file");
    write_secret(Path::new(&secret), SECRET);
    let said = told().args(["--cache", "cache"]).expect(2);
    assert!(
        said.stderr.contains("127.0.0.1:1") && said.stderr.contains("report scheduler"),
        "{}",
        said.stderr
    );
    // It is told what it may touch, and knows a secret.
    let said = told().expect(2);
    assert!(said.stderr.contains("--cache"), "{}", said.stderr);
    let said = worker().args(["--cache", "c", "--secret", &secret]);
    let said = said.expect(2);
    assert!(said.stderr.contains("--input"), "{}", said.stderr);
    let said = worker().args(["--cache", "c", "--input", "i"]).expect(2);
    assert!(said.stderr.contains("/dev/urandom"), "{}", said.stderr);

    let run = photos.run("out", "cache");
    let said = run.args(["--engine", "ballista://127.0.0.1:1"]).expect(2);
    assert!(said.stderr.contains("--secret FILE"), "{}", said.stderr);
    let engine = |engine: &str| {
        let run = photos.run("out", "cache").args(["--secret", &secret]);
        run.args(["--engine", engine])
    };
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
