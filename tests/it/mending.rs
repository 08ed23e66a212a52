//! What a cache or a place for results may be like, and what a run makes of it: it computes again, or names it; nothing is lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::images;
use crate::run::{Report, assert_same_results};

/// Nine shards of 128 images.
const N_IMAGES: usize = 9 * 128;

/// A folder with images of two classes, each of its own bytes.
fn photos(root: &Path) {
    let files = images::of_class(&images::classes()[0]);
    let whole = fs::read(&files[0]).expect("bytes");
    for i in 0..N_IMAGES {
        // What stands behind the end of a JPEG is not decoded.
        let bytes = [&whole[..], format!("image {i}").as_bytes()].concat();
        let other = fs::read(&files[i % files.len()]).expect("bytes");
        let bytes = if i % 2 == 0 { bytes } else { other };
        let class = ["Apple", "Pear"][i % 2];
        images::put(root, class, &format!("{i:04}.jpg"), &bytes);
    }
}

fn run(folder: &Path, out: &str) -> Report {
    Report::new()
        .arg("--input")
        .arg(folder.join("photos"))
        .arg("--out")
        .arg(folder.join(out))
        .arg("--cache")
        .arg(folder.join("cache"))
        .args(["--descriptor", "colour", "--threads", "1"])
        .args(["--components", "4", "--iterations", "260"])
}

/// Files of the cache that end so, sorted.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder.join("cache")).sort_by_file_name();
    let all = all.into_iter().map(|e| e.expect("an entry").into_path());
    all.filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect()
}

#[test]
fn however_much_of_a_cache_is_damaged_one_run_mends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    photos(&folder.join("photos"));
    run(folder, "whole").expect(0);
    let shards = files(folder, "parquet");
    assert_eq!(shards.len(), 9);

    // More shards than a run has rounds, on one thread.
    for shard in &shards[..7] {
        let mut bytes = fs::read(shard).expect("a shard");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(shard, bytes).expect("a shard");
    }
    let said = run(folder, "shards").expect(0);
    assert!(
        said.stderr.contains("and 6 more were damaged"),
        "{}",
        said.stderr
    );
    assert_same_results(&folder.join("whole"), &folder.join("shards"));

    // One that a disk no longer gives, and receipts that are none: a pipe, a device, a folder below a link, too much, nothing.
    fs::remove_file(&shards[0]).expect("a shard");
    fs::create_dir(&shards[0]).expect("a folder");
    let receipts = files(folder, "json");
    let again: Vec<_> = receipts[1..6].to_vec();
    for receipt in &again {
        fs::remove_file(receipt).expect("a receipt");
    }
    mknodat(
        CWD,
        &again[0],
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    symlink("/dev/zero", &again[1]).expect("a link");
    symlink("/nowhere", &again[2]).expect("a link");
    fs::write(&again[3], vec![b' '; 5 << 20]).expect("a file");
    fs::write(&again[4], b"").expect("a file");
    let said = run(folder, "receipts").expect(6);
    assert!(
        said.stderr.contains("shard-00000.parquet"),
        "{}",
        said.stderr
    );
    fs::remove_dir(&shards[0]).expect("a folder");
    run(folder, "receipts").expect(0);
    assert_same_results(&folder.join("whole"), &folder.join("receipts"));
}

#[test]
fn a_receipt_that_is_not_taken_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    images::sample(&folder.join("photos"), 2, 6);
    run(folder, "whole").expect(0);
    let receipt = &files(folder, "json")[0];
    let text = fs::read_to_string(receipt).expect("a receipt");
    fs::write(receipt, text.replace("Apple", "Pear").replacen('1', "2", 1)).expect("a file");
    let said = run(folder, "again").expect(0);
    let told = "shard-00000.json` does not commit the shard beside it";
    assert!(said.stderr.contains(told), "{}", said.stderr);
    assert_same_results(&folder.join("whole"), &folder.join("again"));
}

#[test]
fn a_report_that_cannot_be_put_in_its_place_is_kept_and_so_is_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    images::sample(&folder.join("photos"), 2, 6);
    run(folder, "out").expect(0);
    run(folder, "reference").args(["--seed", "7"]).expect(0);
    let out = folder.join("out");
    let old = fs::read(out.join("run.json")).expect("a record");
    fs::remove_file(out.join("index.html")).expect("a report");
    fs::create_dir(out.join("index.html")).expect("a folder");

    let said = run(folder, "out").args(["--seed", "7"]).expect(6);
    assert!(said.stderr.contains("index.html"), "{}", said.stderr);
    assert_eq!(fs::read(out.join("run.json")).expect("a record"), old);
    let kept = said.stderr.split("the report is whole in `").nth(1);
    let kept = kept.and_then(|rest| rest.split('`').next());
    let kept = PathBuf::from(kept.unwrap_or_else(|| panic!("{}", said.stderr)));
    assert_same_results(&kept, &folder.join("reference"));
    let told = format!("`{}` until the next run there", kept.display());
    assert!(said.stderr.contains(&told), "{}", said.stderr);

    // The next run there has it again.
    fs::remove_dir(out.join("index.html")).expect("a folder");
    run(folder, "out").args(["--seed", "7"]).expect(0);
    assert_same_results(&out, &folder.join("reference"));
    assert!(!kept.exists());
}

#[test]
fn a_lock_behind_a_link_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    images::sample(&folder.join("photos"), 2, 6);
    let out = folder.join("out");
    fs::create_dir(&out).expect("a folder");
    symlink(folder.join("elsewhere"), out.join(".fruits-lock")).expect("a link");
    let said = run(folder, "out").expect(6);
    assert!(said.stderr.contains(".fruits-lock"), "{}", said.stderr);
    assert!(!folder.join("elsewhere").exists());
}

#[test]
fn equal_files_under_two_labels_are_told_without_components() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let bytes = fs::read(&images::of_class(&images::classes()[0])[0]).expect("bytes");
    for i in 0..8 {
        let class = ["Apple", "Pear"][i % 2];
        images::put(&folder.join("photos"), class, &format!("{i}.jpg"), &bytes);
    }
    let said = run(folder, "out").expect(5);
    let told = "1 image is in the set under several labels";
    assert!(said.stderr.contains(told), "{}", said.stderr);
    let page = fs::read_to_string(folder.join("out/index.html")).expect("a report");
    assert!(page.contains(told));
}
