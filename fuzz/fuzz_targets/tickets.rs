//! What members of a cluster say to each other: no ticket without its mark, no key out of a cache, no place out of the scope, and
//! what was read is written as it was.
#![no_main]
#![allow(dead_code, reason = "the files of the package are whole")]

#[path = "../../crates/fruits-cluster/src/clock.rs"]
mod clock;
#[path = "../../crates/fruits-cluster/src/exchange.rs"]
mod exchange;
#[path = "../../crates/fruits-cluster/src/keys.rs"]
mod keys;
#[path = "../../crates/fruits-cluster/src/piece.rs"]
mod piece;
#[path = "../../crates/fruits-cluster/src/scope.rs"]
mod scope;
#[path = "../../crates/fruits-cluster/src/secret.rs"]
mod secret;
#[path = "../../crates/fruits-cluster/src/task.rs"]
mod task;

use std::fmt::Debug;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};
use std::sync::OnceLock;

use fruits::place::Address;
use fruits_fuzz::{folder, write};
use keys::{Fingerprint, Key};
use libfuzzer_sys::fuzz_target;
use piece::Piece;
use scope::Scope;
use secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use task::{Order, Ticket, Try, json};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const PIECE: &str = "cluster/pieces/run/pass-01.bin";
const BUCKET: &str = "s3://photos/Training";

fn ours() -> &'static Scope {
    static SCOPE: OnceLock<Scope> = OnceLock::new();
    SCOPE.get_or_init(|| {
        let cache = folder().path().join("cache");
        std::fs::create_dir_all(&cache).expect("a folder");
        let secret = write("secret", SECRET);
        std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("a file");
        Scope {
            cache: Address::Folder(cache.canonicalize().expect("a folder")),
            input: BUCKET.parse().expect("an address"),
            endpoint_url: None,
            secret: Secret::read(&secret).expect("a secret"),
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    match kind % 6 {
        0 => marked(text),
        1 => ticket(text),
        2 => order(rest),
        3 => key(text),
        4 => receipt(rest),
        _ => places(text),
    }
});

/// Nobody but who knows the secret makes a mark.
fn marked(sealed: &str) {
    let ours = &ours().secret;
    assert!(Ticket::open(sealed, ours).is_err(), "a mark was guessed");
    let ours_too = ours.seal(sealed).expect("a mark");
    assert_eq!(ours.open(&ours_too).expect("a mark"), Some(sealed));
    let foreign = Secret::of_this_process().expect("a secret");
    assert_eq!(foreign.open(&ours_too).expect("a mark"), None);
}

/// A ticket under our mark, whoever wrote it: its cache is ours or it is refused.
fn ticket(text: &str) {
    let ours = ours();
    let sealed = ours.secret.seal(text).expect("a mark");
    let Ok(ticket) = Ticket::open(&sealed, &ours.secret) else {
        return;
    };
    written_as_read(&ticket);
    if let Ok(address) = ours.cache_of(&ticket) {
        let (Address::Folder(own), Address::Folder(taken)) = (&ours.cache, &address) else {
            panic!("a bucket is no folder");
        };
        assert!(taken.starts_with(own), "{}", taken.display());
    }
    if let Some(reach) = &ticket.s3 {
        assert_eq!(
            ours.check_server(reach).is_ok(),
            reach.endpoint_url.is_none()
        );
        assert_eq!(reach.params().endpoint_url, reach.endpoint_url);
    }
}

/// All keys and shards that an order names stay in the cache.
fn order(bytes: &[u8]) {
    if let Ok(this) = serde_json::from_slice::<Try>(bytes) {
        written_as_read(&this);
    }
    let Ok(order) = serde_json::from_slice::<Order>(bytes) else {
        return;
    };
    written_as_read(&order);
    let (sealed, digest) = order.sealed().expect("JSON");
    assert_eq!(digest.as_str(), fruits::storage::digest::of(&sealed));
    assert_stays(Order::key(&digest).expect("a key").as_str());
    for task in &order.tasks {
        task.piece()
            .into_iter()
            .for_each(|key| assert_stays(key.as_str()));
        if let Ok(tries) = task.tries(&order.run) {
            assert_stays(tries.as_str());
        }
        assert!(task.describe().len() <= bytes.len() + 64);
    }
}

fn key(text: &str) {
    if let Ok(key) = Key::new(text) {
        assert_eq!(key.as_str(), text);
        assert_stays(text);
        assert_stays(key.receipt().as_str());
        written_as_read(&key);
    }
    if let Ok(below) = Key::new("cluster/orders").and_then(|folder| folder.below(text)) {
        assert_stays(below.as_str());
    }
    if let Ok(fingerprint) = Fingerprint::try_from(text.to_owned()) {
        let shard = task::ShardName {
            index: 3,
            fingerprint,
        };
        assert_stays(Key::of_receipt(&shard.shard()).as_str());
    }
}

/// The receipt of a piece is that of its key, and whole.
fn receipt(bytes: &[u8]) {
    let key = Key::new(PIECE).expect("a key");
    if let Some(piece) = Piece::of(bytes, &key) {
        written_as_read(&piece);
        let mut told: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(told["key"], PIECE);
        // In the order of its fields, the seal last and empty.
        let seal = told["seal"].take();
        let text = String::from_utf8(json(&piece).expect("JSON")).expect("text");
        let at = text.rfind(r#""seal":""#).expect("a seal is last");
        let bare = format!(r#"{}"seal":""}}"#, &text[..at]);
        assert_eq!(seal, fruits::storage::digest::of(&bare));
    }
}

/// Images are taken from below the prefix that the worker was started for.
fn places(text: &str) {
    if let Ok(Address::Bucket { name, prefix }) = ours().input_of(text) {
        assert_eq!(name, "photos");
        assert!(
            prefix == "Training" || prefix.starts_with("Training/"),
            "{prefix}"
        );
        assert!(prefix.split('/').all(|part| !matches!(part, "." | "..")));
    }
    if let Ok(address) = text.parse::<Address>() {
        let again = address.to_string().parse::<Address>();
        assert_eq!(again.expect("an address as it is written"), address);
    }
}

fn assert_stays(key: &str) {
    let mut parts = Path::new(key).components();
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "{key}"
    );
    assert!(
        key.starts_with("cluster/") || key.starts_with("features/"),
        "{key}"
    );
    assert!(
        !key.contains(char::is_control) && !key.contains('\\'),
        "{key:?}"
    );
}

fn written_as_read<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let bytes = json(value).expect("JSON");
    let again: T = serde_json::from_slice(&bytes).expect("what was written can be read");
    assert_eq!(json(&again).expect("JSON"), bytes);
}
