//! What a worker does with tickets, of its driver and of others.

use std::net::TcpListener;
use std::path::PathBuf;

use fruits::features::{DescriptorName, Precision};
use fruits::pipeline::descriptor::Chosen;
use fruits::place::{Address, Place};
use fruits::s3::S3Params;
use fruits::storage::digest;
use fruits::storage::temporary::{self, TempDir};
use serde_json::{Value, json};

use super::*;
use crate::keys::Key;
use crate::secret::Secret;
use crate::task::{Reach, SCHEMA, TRIES};
use crate::tries::Tries;

/// A worker, with images, a cache, and what is none of its business.
struct Stage {
    folder: TempDir,
    secret: Secret,
    worker: Worker,
}

impl Stage {
    fn new() -> Self {
        let folder = temporary::folder("test").unwrap();
        let secret = Secret::of_this_process().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["in", "cache", "theirs"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data-sample/Plum Blue");
        let mut images: Vec<_> = std::fs::read_dir(sample).unwrap().collect();
        images.sort_by_key(|image| image.as_ref().unwrap().path());
        let image = images.swap_remove(0).unwrap().path();
        for name in ["in/image.jpg", "theirs/image.jpg"] {
            std::fs::copy(&image, at(name)).unwrap();
        }
        let scope = Scope {
            cache: Address::Folder(at("cache")),
            input: Address::Folder(at("in")),
            endpoint_url: None,
            secret: secret.clone(),
        };
        let worker = Worker::new("one", 1, scope, |_| {}).unwrap();
        Self {
            folder,
            secret,
            worker,
        }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn store(&self) -> Store {
        Store::open(Some(&Place::Folder(self.at("cache").into()))).unwrap()
    }

    /// An order of one task, as the driver writes it.
    fn order(&self, what: &Value) -> Value {
        let descriptor = Chosen::open(DescriptorName::Colour, Precision::Auto, None, 1).unwrap();
        json!({
            "schema": SCHEMA,
            "build": Chosen::build(),
            "run": "1-a",
            "recipe": descriptor.recipe(Filter::default()),
            "input": self.at("in"),
            "filter": Filter::default().to_string(),
            "descriptor": "colour",
            "precision": "auto",
            "model": null,
            "tasks": [{"name": "task-1", "what": what}],
        })
    }

    /// Descriptors of the image under this key.
    fn features(&self, key: &str) -> Value {
        let path = self.folder.path().join("in").join(key);
        let bytes = std::fs::read(path).unwrap_or_default();
        let row = json!([key, "Plum", bytes.len(), digest::of(&bytes)]);
        json!({"Features": {"shard": {"index": 0, "fingerprint": digest::of(key)}, "rows": [row]}})
    }

    /// The ticket of an order that lies in the cache.
    fn ticket(&self, order: &Value) -> Value {
        let bytes = serde_json::to_vec(order).unwrap();
        let (digest, n_bytes) = (digest::of(&bytes), bytes.len());
        let folder = self.folder.path().join("cache/cluster/orders");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{digest}.json")), bytes).unwrap();
        json!({
            "cache": self.at("cache"), "s3": null, "run": "1-a",
            "order": digest, "order_bytes": n_bytes, "index": 0,
        })
    }

    /// Where the order of a ticket lies.
    fn order_file(&self, ticket: &Value) -> PathBuf {
        let digest = ticket["order"].as_str().unwrap();
        let name = format!("cache/cluster/orders/{digest}.json");
        self.folder.path().join(name)
    }

    fn runs(&self, ticket: &Value) -> Result<(), String> {
        self.worker
            .run(&self.secret.seal(&ticket.to_string()).unwrap())
    }

    /// The worker says no, in these words.
    fn refuses(&self, ticket: &Value, words: &str) {
        let said = self.runs(ticket).expect_err(words);
        assert!(said.contains(words), "no `{words}` in: {said}");
    }

    /// All files but orders and tries, with their digests.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let all = walkdir::WalkDir::new(self.folder.path()).sort_by_file_name();
        let all = all.into_iter().map(|entry| entry.unwrap().into_path());
        let is_note = |path: &PathBuf| {
            let path = path.to_string_lossy();
            path.contains("/orders/") || path.contains("/tries/")
        };
        all.filter(|path| path.is_file() && !is_note(path))
            .map(|path| (path.clone(), digest::of_file(&path).unwrap()))
            .collect()
    }
}

/// The control of all others.
#[test]
fn a_ticket_of_the_driver_is_done() {
    let stage = Stage::new();
    let ticket = stage.ticket(&stage.order(&stage.features("image.jpg")));
    stage.runs(&ticket).unwrap();
    let shard = Shard::named(0, &digest::of("image.jpg"));
    let receipts = Exchange::of(&stage.store()).receipts_of(&[shard]).unwrap();
    assert_eq!(receipts[0].as_ref().unwrap().n_images, 1);
}

#[test]
fn a_shard_that_is_a_link_is_nobodys() {
    let stage = Stage::new();
    stage
        .runs(&stage.ticket(&stage.order(&stage.features("image.jpg"))))
        .unwrap();
    let shard = Shard::named(0, &digest::of("image.jpg"));
    let store = stage.store();
    let there = || Exchange::of(&store).receipts_of(std::slice::from_ref(&shard));
    assert!(there().unwrap()[0].is_some());
    let file = store.root().join(keys(&shard).data);
    std::fs::rename(&file, stage.at("theirs/shard")).unwrap();
    std::os::unix::fs::symlink(stage.at("theirs/shard"), &file).unwrap();
    assert!(there().unwrap()[0].is_none());
}

#[test]
fn who_does_not_know_the_secret_gets_nothing_done() {
    let stage = Stage::new();
    let before = stage.files();
    let ticket = stage
        .ticket(&stage.order(&stage.features("image.jpg")))
        .to_string();
    let other = Secret::of_this_process().unwrap().seal(&ticket).unwrap();
    let ours = stage.secret.seal(&ticket).unwrap();
    let changed = ours.replace("\"index\":0", "\"index\":1");
    for forged in [ticket, other, changed, String::new()] {
        let said = stage.worker.run(&forged).unwrap_err();
        assert!(said.contains("--secret"), "{said}");
    }
    assert_eq!(stage.files(), before);
}

/// As somebody would write them who knows the secret, or a driver with a fault.
#[test]
fn a_ticket_leads_to_no_other_place() {
    let stage = Stage::new();
    let before = stage.files();
    let order = stage.order(&stage.features("image.jpg"));
    let good = stage.ticket(&order);
    let with = |name: &str, value: Value| {
        let mut ticket = good.clone();
        ticket[name] = value;
        ticket
    };
    stage.refuses(&with("cache", json!(stage.at("theirs"))), "was started for");
    stage.refuses(
        &with("cache", json!("s3://theirs/cache")),
        "was started for",
    );
    for digest in ["../../../theirs/image", "", &"../".repeat(21)] {
        stage.refuses(&with("order", json!(digest)), "no SHA-256");
    }
    let mut elsewhere = order.clone();
    elsewhere["input"] = json!(stage.at("theirs"));
    stage.refuses(&stage.ticket(&elsewhere), "was started for");

    let window = json!([{"index": 0, "fingerprint": digest::of("x")}]);
    let short = json!([{"index": 0, "fingerprint": "0123"}]);
    let to = "cluster/pieces/a.bin";
    let out = stage.at("theirs/image.jpg");
    let bad = [
        json!({"Survey": {"window": window, "to": out}}),
        json!({"Survey": {"window": window, "to": "../theirs/image.jpg"}}),
        json!({"Survey": {"window": window, "to": "cluster/../../theirs/image.jpg"}}),
        json!({"Survey": {"window": window, "to": "features/x/shard-00000.parquet"}}),
        json!({"Survey": {"window": short, "to": to}}),
        json!({"Add": {"parts": ["../theirs/image"], "are_leaves": true, "to": to}}),
        json!({"Multiply": {"window": window, "factor": out, "to": to}}),
        json!({"Project": {"window": window, "pca": out, "to": to}}),
    ];
    for what in bad {
        stage.refuses(
            &stage.ticket(&stage.order(&what)),
            "the order cannot be read",
        );
    }
    let mut model = order.clone();
    model["model"] = json!(out);
    stage.refuses(&stage.ticket(&model), "the order cannot be read");
    let mut named = order.clone();
    named["tasks"][0]["name"] = json!("../../../theirs");
    stage.refuses(&stage.ticket(&named), "no key");
    assert_eq!(stage.files(), before);
}

#[test]
fn an_order_that_somebody_changed_is_refused() {
    let stage = Stage::new();
    let ticket = stage.ticket(&stage.order(&stage.features("image.jpg")));
    let other = stage.ticket(&stage.order(&stage.features("other.jpg")));
    let file = stage.order_file(&ticket);
    let whole = std::fs::read(&file).unwrap();
    std::fs::copy(stage.order_file(&other), &file).unwrap();
    let before = stage.files();
    stage.refuses(&ticket, "not the one that the driver wrote");
    // No more is read than the driver wrote.
    let large = std::fs::File::create(&file).unwrap();
    large.set_len(1 << 40).unwrap();
    stage.refuses(&ticket, "has 1099511627776 bytes, and at most");
    let refuses = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        stage.refuses(&ticket, "not the one that the driver wrote");
    };
    for bit in 0..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refuses(&bytes);
    }
    (0..whole.len()).for_each(|n| refuses(&whole[..n]));
    assert_eq!(stage.files(), before);
    std::fs::write(&file, whole).unwrap();
    stage.runs(&ticket).unwrap();
}

#[test]
fn credentials_are_sent_to_no_other_server() {
    let stage = Stage::new();
    let evil = TcpListener::bind("127.0.0.1:0").unwrap();
    evil.set_nonblocking(true).unwrap();
    let params = S3Params {
        endpoint_url: Some(format!("http://{}", evil.local_addr().unwrap())),
        ..S3Params::default()
    };
    let reach = serde_json::to_value(Reach::of(&params, "eu-west-3")).unwrap();
    let scope = Scope {
        cache: "s3://ours/cache".parse().unwrap(),
        input: "s3://ours/in".parse().unwrap(),
        endpoint_url: None,
        secret: stage.secret.clone(),
    };
    let worker = Worker::new("one", 1, scope, |_| {}).unwrap();
    let mut ticket = stage.ticket(&stage.order(&stage.features("image.jpg")));
    ticket["cache"] = json!("s3://ours/cache");
    ticket["s3"] = reach;
    let said = worker
        .run(&stage.secret.seal(&ticket.to_string()).unwrap())
        .unwrap_err();
    assert!(said.contains("--endpoint-url"), "{said}");
    assert!(evil.accept().is_err(), "the worker called the server");
}

#[test]
fn rows_name_files_of_the_input_alone() {
    let stage = Stage::new();
    std::os::unix::fs::symlink(stage.at("theirs"), stage.at("in/link")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", stage.at("in/zero")).unwrap();
    let bytes = std::fs::read(stage.at("theirs/image.jpg")).unwrap();
    let absolute = stage.at("theirs/image.jpg");
    for key in ["../theirs/image.jpg", "link/image.jpg", &absolute, "zero"] {
        let fingerprint = digest::of(key);
        let mut order = stage.order(&json!({"Features": {
            "shard": {"index": 0, "fingerprint": fingerprint},
            "rows": [[key, "Plum", bytes.len(), digest::of(&bytes)]],
        }}));
        order["tasks"][0]["name"] = json!(fingerprint);
        stage.runs(&stage.ticket(&order)).unwrap();
        let shard = Shard::named(0, &fingerprint);
        let receipts = Exchange::of(&stage.store()).receipts_of(&[shard]).unwrap();
        // A rejected file, as for a run in one process; what is there is not told.
        let receipt = receipts[0].as_ref().unwrap();
        assert_eq!((receipt.n_images, receipt.rejected.len()), (0, 1), "{key}");
    }
}

#[test]
fn what_is_damaged_is_told_to_the_driver_and_left_alone() {
    let stage = Stage::new();
    let factor = "cluster/pieces/1-a/pass-01.bin";
    let what =
        json!({"Multiply": {"window": [], "factor": factor, "to": "cluster/pieces/1-a/x.bin"}});
    let ticket = stage.ticket(&stage.order(&what));
    let path = stage.folder.path().join("cache").join(factor);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "no factor").unwrap();
    std::fs::write(path.with_extension("bin.json"), "no receipt").unwrap();
    stage.runs(&ticket).unwrap();
    assert!(path.exists() && path.with_extension("bin.json").exists());

    let store = stage.store();
    let tries = Tries::of(Exchange::of(&store), "1-a").unwrap();
    let task: Task = serde_json::from_value(json!({"name": "task-1", "what": what})).unwrap();
    match tries.judge(&[&task]) {
        Err(Error::Damaged { shards }) => assert_eq!(shards, [factor]),
        other => panic!("{other:?}"),
    }
    // A shard whose receipt is gone is one that another worker found damaged.
    let window = json!([{"index": 3, "fingerprint": digest::of("x")}]);
    let what = json!({"Survey": {"window": window, "to": "cluster/pieces/1-a/y.bin"}});
    let mut order = stage.order(&what);
    order["tasks"][0]["name"] = json!("task-2");
    stage.runs(&stage.ticket(&order)).unwrap();
    let task: Task = serde_json::from_value(json!({"name": "task-2", "what": what})).unwrap();
    let judged = tries.judge(&[&task]);
    assert!(matches!(judged, Err(Error::Damaged { .. })), "{judged:?}");
    let folder = Key::new(format!("{TRIES}/1-a")).unwrap();
    assert_eq!(Exchange::of(&store).keys_in(&folder).unwrap().len(), 2);
}
