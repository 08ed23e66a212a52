//! Receipts of shards: one commits a shard only if it is whole, its digest fits, and it tells of each file of the plan.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use fruits::Error;
use fruits::place::Place;
use fruits::polars::prelude::*;
use fruits::storage::digest;
use fruits::store::{Receipt, Shard, Store, keys, plan};
use fruits_fuzz::folder;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KEYS: [&str; 3] = ["Apple/a.jpg", "Apple/b.jpg", "Pear/c.jpg"];
const N_FEATURES: usize = 4;

struct Base {
    store: Store,
    shard: Shard,
    /// Of the shard with all three images, as it was committed.
    receipt: Value,
    data: Vec<u8>,
    paths: [PathBuf; 2],
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut manifest = df!(
            "key" => KEYS,
            "label" => ["Apple", "Apple", "Pear"],
            "size_bytes" => [7_u64, 8, 9],
            "etag" => ["e1", "e2", "e3"],
        )
        .expect("a manifest");
        let shard = plan(&manifest, "recipe").expect("a plan").remove(0);
        let values = (0..KEYS.len() * N_FEATURES).map(|i| i as f32).collect();
        let rows = fruits::matrix::Matrix::new(KEYS.len(), N_FEATURES, values).expect("rows");
        let features = fruits::matrix::MatrixExt::into_arrays(rows, "features").expect("arrays");
        manifest.with_column(features).expect("a column");
        let root = folder().path().join("cache");
        let store = Store::open(Some(&Place::Folder(root.clone()))).expect("a store");
        let receipt = store.commit(&shard, manifest, N_FEATURES, Vec::new(), None);
        let receipt = serde_json::to_value(receipt.expect("a receipt")).expect("JSON");
        let keys = keys(&shard);
        let paths = [keys.data, keys.receipt].map(|key| root.join(key));
        Base {
            data: fs::read(&paths[0]).expect("the shard's file"),
            store,
            shard,
            receipt,
            paths,
        }
    })
}

/// What a seed cannot know: it differs with the layout of a shard.
fn filled(text: &[u8], base: &Base) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for name in ["fingerprint", "sha256", "size_bytes", "seal", "schema"] {
        let value = base.receipt[name].to_string();
        text = text.replace(&format!("${name}"), &value);
    }
    text.into_bytes()
}

/// The receipt sealed anew, by whoever knows how.
fn sealed(receipt: &Receipt) -> Vec<u8> {
    let text = serde_json::to_string(receipt).expect("JSON");
    let at = text.rfind(r#""seal":""#).expect("a seal is last");
    let bare = format!(r#"{}"seal":""}}"#, &text[..at]);
    let seal = digest::of(&bare);
    format!(r#"{}"seal":"{seal}"}}"#, &text[..at]).into_bytes()
}

fuzz_target!(init: fruits_fuzz::tell_panics_apart(), |data: &[u8]| {
    let base = base();
    let Some((kind, text)) = data.split_first() else { return };
    let is_sealed_anew = kind % 2 == 1;
    let text = filled(text, base);
    let bytes = match (is_sealed_anew, serde_json::from_slice::<Receipt>(&text)) {
        (true, Ok(receipt)) => sealed(&receipt),
        (true, Err(_)) => return,
        (false, _) => text,
    };
    let [data_path, receipt_path] = &base.paths;
    fs::write(receipt_path, &bytes).expect("a receipt");
    let mut found = base.store.receipts(std::slice::from_ref(&base.shard), &mut || true);
    let Some(receipt) = found.as_mut().expect("a folder").remove(0) else {
        return;
    };
    if !is_sealed_anew {
        // Nobody but the program made one: it is the one that was committed.
        let read = serde_json::to_value(&receipt).expect("JSON");
        assert_eq!(read, base.receipt, "another receipt was taken");
    }
    assert_eq!(receipt.fingerprint, base.shard.fingerprint);
    assert_eq!(receipt.n_images + receipt.rejected.len(), KEYS.len());
    assert_eq!(receipt.size_bytes, base.data.len() as u64);
    let mut told: Vec<_> = receipt.rejected.iter().map(|r| r.key.as_str()).collect();
    assert!(told.iter().all(|key| KEYS.contains(key)));
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), receipt.rejected.len());
    assert!(receipt.rejected.iter().all(|r| r.reason.is_lasting()));

    match base.store.read(&base.shard, &receipt) {
        Ok((images, features)) => {
            assert_eq!(receipt.sha256, digest::of(&base.data));
            assert_eq!(images.height(), receipt.n_images);
            assert_eq!((features.n_rows(), features.n_cols()), (receipt.n_images, receipt.n_features));
        }
        Err(Error::Damaged { .. }) => assert!(!receipt_path.exists(), "a bad receipt stays"),
        Err(error) => panic!("{error}"),
    }
    assert!(data_path.exists());
});
