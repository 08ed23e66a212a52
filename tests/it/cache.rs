//! What lies in a cache is believed only as far as it can be checked.

use std::fs;
use std::path::{Path, PathBuf};

use fruits::Error;
use fruits::matrix::{Matrix, MatrixExt};
use fruits::place::Place;
use fruits::rejection::{Reason, Rejection};
use fruits::schema::{ETAG, FEATURES, KEY, LABEL, SIZE_BYTES};
use fruits::store::{Receipt, Shard, Store, plan};
use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::run::{Report, assert_same_results};

/// Five files, of which the third is rejected.
fn shard() -> Shard {
    let texts = |text: &str| -> Vec<String> { (0..5).map(|i| format!("{text}{i}")).collect() };
    let columns = vec![
        Column::new(KEY.into(), texts("Apple/")),
        Column::new(LABEL.into(), vec!["Apple"; 5]),
        Column::new(SIZE_BYTES.into(), vec![7_u64; 5]),
        Column::new(ETAG.into(), texts("e")),
    ];
    let manifest = DataFrame::new(5, columns).expect("a manifest");
    plan(&manifest, "a recipe").expect("a plan").swap_remove(0)
}

/// Commits the shard with these rows of it as images.
fn commit(store: &Store, shard: &Shard) -> Receipt {
    let rows = IdxCa::from_vec("rows".into(), vec![0, 1, 3, 4]);
    let mut images = shard.manifest.take(&rows).expect("rows");
    let features = Matrix::new(4, 3, (0..12_u8).map(f32::from).collect()).expect("a matrix");
    images
        .with_column(features.into_arrays(FEATURES).expect("features"))
        .expect("a frame");
    let rejected = Rejection {
        key: "Apple/2".to_owned(),
        size_bytes: 7,
        reason: Reason::UnknownFormat,
        message: "no image".to_owned(),
    };
    store
        .commit(shard, images, 3, vec![rejected], None)
        .expect("a receipt")
}

fn store(folder: &Path) -> Store {
    Store::open(Some(&Place::Folder(folder.to_owned()))).expect("a store")
}

/// The files of a cache with this ending, sorted.
fn files(cache: &Path, ending: &str) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(cache).sort_by_file_name().into_iter();
    let paths = all.map(|entry| entry.expect("readable").into_path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect()
}

#[test]
fn no_bit_of_a_receipt_can_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, shard) = (store(folder.path()), shard());
    let receipt = commit(&store, &shard);
    let path = files(folder.path(), "json").swap_remove(0);
    let whole = fs::read(&path).expect("a receipt");
    let found = || {
        let found = store.receipts(std::slice::from_ref(&shard), &mut || true);
        found.expect("a listing").swap_remove(0)
    };
    assert_eq!(found().as_ref(), Some(&receipt));
    let mut n_refused = 0;
    for bit in 0..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).expect("a file");
        match found() {
            // White space between its fields.
            Some(other) => assert_eq!(other, receipt, "bit {bit}"),
            None => n_refused += 1,
        }
    }
    assert!(n_refused > 8 * whole.len() * 3 / 4, "{n_refused}");
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).expect("a file");
        assert_eq!(found(), None, "{n} bytes");
    }
}

/// One bit of it changed, or its end gone.
fn damaged(whole: &[u8], random: &mut ChaCha8Rng) -> (String, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let at = random.next_u64() as usize % (8 * whole.len());
    if random.next_u64().is_multiple_of(4) {
        bytes.truncate(at / 8);
        return (format!("{} of {} bytes", at / 8, whole.len()), bytes);
    }
    bytes[at / 8] ^= 1 << (at % 8);
    (format!("bit {at}"), bytes)
}

#[test]
fn no_bit_of_a_shard_can_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, shard) = (store(folder.path()), shard());
    let receipt = commit(&store, &shard);
    let [data, sealed] =
        ["parquet", "json"].map(|ending| files(folder.path(), ending).swap_remove(0));
    let [whole, seal] = [&data, &sealed].map(|path| fs::read(path).expect("a file"));
    let plan = std::slice::from_ref(&shard);
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut n_read = 0;
    for _ in 0..2000 {
        let (what, bytes) = damaged(&whole, &mut random);
        fs::write(&data, bytes).expect("a file");
        fs::write(&sealed, &seal).expect("a file");
        let found = store.receipts(plan, &mut || true).expect("a listing");
        // One of another length is computed again, without a word.
        let Some(found) = &found[0] else {
            continue;
        };
        n_read += 1;
        let error = store.read(&shard, found).expect_err(&what);
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error:?}");
        assert!(!sealed.exists(), "{what}: the receipt stays");
    }
    assert!((1000..2000).contains(&n_read), "{n_read}");
    fs::write(&data, &whole).expect("a file");
    fs::write(&sealed, &seal).expect("a file");
    store.read(&shard, &receipt).expect("the whole shard");
}

#[test]
fn a_shard_of_other_images_is_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, shard) = (store(folder.path()), shard());
    // Its receipt and its digest are whole; somebody who may write to the cache made it.
    let mut forged = shard.clone();
    let labels = Column::new(LABEL.into(), vec!["Lemon"; 5]);
    forged.manifest.with_column(labels).expect("a manifest");
    let receipt = commit(&store, &forged);
    let found = store.receipts(std::slice::from_ref(&shard), &mut || true);
    assert_eq!(found.expect("a listing"), [Some(receipt.clone())]);
    let error = store.read(&shard, &receipt).expect_err("other labels");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    let receipts = files(folder.path(), "json");
    assert!(receipts.is_empty(), "the receipt stays");
    let receipt = commit(&store, &shard);
    let (images, features) = store.read(&shard, &receipt).expect("its own images");
    assert_eq!((images.height(), features.n_cols()), (4, 3));
}

#[test]
fn a_run_computes_again_what_was_changed_in_its_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let run = |out: &str| {
        Report::new()
            .args(["--input", "data-sample", "--descriptor", "colour"])
            .args(["--components", "8", "--iterations", "300"])
            .arg("--out")
            .arg(folder.path().join(out))
            .arg("--cache")
            .arg(&cache)
            .expect(0)
    };
    run("whole");
    let receipts = files(&cache, "json");
    assert_eq!(receipts.len(), 2);
    // One image more than there are: every variance would be another.
    let text = fs::read_to_string(&receipts[1]).expect("a receipt");
    let more = text.replace("\"n_images\": 52", "\"n_images\": 53");
    assert_ne!(text, more, "{text}");
    fs::write(&receipts[1], more).expect("a receipt");
    run("receipt");
    assert_same_results(&folder.path().join("whole"), &folder.path().join("receipt"));
    for (i, shard) in files(&cache, "parquet").into_iter().enumerate() {
        let mut bytes = fs::read(&shard).expect("a shard");
        let middle = bytes.len() / 2;
        match i {
            0 => bytes[middle] ^= 1,
            _ => bytes.truncate(middle),
        }
        fs::write(&shard, bytes).expect("a shard");
    }
    run("shards");
    assert_same_results(&folder.path().join("whole"), &folder.path().join("shards"));
    // Every file of the cache at once, in one place each.
    let mut random = ChaCha8Rng::seed_from_u64(10);
    for _ in 0..6 {
        let mut all = files(&cache, "json");
        all.extend(files(&cache, "parquet"));
        assert_eq!(all.len(), 4);
        for file in all {
            let whole = fs::read(&file).expect("a file");
            fs::write(&file, damaged(&whole, &mut random).1).expect("a file");
        }
        run("sampled");
        assert_same_results(&folder.path().join("whole"), &folder.path().join("sampled"));
    }
}
