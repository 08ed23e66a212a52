//! `report cache`: what is damaged in a cache is named, what is of no use goes, and nothing else does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use fruits::features::CODE_VERSION;
use fruits::place::Place;
use fruits::storage::cache::{Cache, Removal, plan};
use fruits::store::Store;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run::{Report, Said, assert_same_results, json as json_of};

/// A cache of two shards, of 128 images and of the rest.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        bench.run("first");
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run into `out`; says how many images came from the cache.
    fn run(&self, out: &str) -> u64 {
        Report::new()
            .args(["--input", "data-sample", "--descriptor", "colour"])
            .args(["--components", "8", "--iterations", "300"])
            .arg("--out")
            .arg(self.at(out))
            .arg("--cache")
            .arg(self.at("cache"))
            .expect(0);
        let timings = json_of(self.at(out).join("timings.json"));
        timings["stages"][1]["cache_hits"].as_u64().expect("hits")
    }

    fn upkeep(&self, words: &[&str], code: i32) -> Said {
        let report = Report::new().arg("cache").args([words[0]]);
        let report = words[1..]
            .iter()
            .fold(report, |report, word| report.arg(word));
        report.arg("--cache").arg(self.at("cache")).expect(code)
    }

    /// What lies in the cache, links as such, with what is in it.
    fn content(&self) -> BTreeMap<String, Vec<u8>> {
        let cache = self.at("cache");
        let all = walkdir::WalkDir::new(&cache).into_iter();
        let files = all
            .map(|entry| entry.expect("readable"))
            .filter(|e| !e.file_type().is_dir());
        let key = |path: &Path| {
            let key = path.strip_prefix(&cache).expect("below");
            key.to_str().expect("UTF-8").to_owned()
        };
        let read = |path: &Path| match path.is_symlink() {
            true => b"link".to_vec(),
            false => fs::read(path).expect("readable"),
        };
        files.map(|e| (key(e.path()), read(e.path()))).collect()
    }

    /// The keys that end so, sorted.
    fn keys(&self, ending: &str) -> Vec<String> {
        let keys = self.content().into_keys();
        keys.filter(|key| key.ends_with(ending)).collect()
    }

    fn write(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at("cache").join(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    fn read(&self, key: &str) -> Vec<u8> {
        fs::read(self.at("cache").join(key)).expect("a file")
    }

    /// Writes a receipt anew, as `change` has it, with the seal of what it says then.
    fn rewrite(&self, key: &str, change: impl Fn(&str) -> String) {
        let text = change(&String::from_utf8(self.read(key)).expect("text"));
        let (before, seal) = text.split_once("\"seal\": \"").expect("a seal");
        let bare = format!("{before}\"seal\": \"{}", &seal[64..]);
        let compact: String = bare
            .lines()
            .map(|line| line.trim().replace("\": ", "\":"))
            .collect();
        let digest = Sha256::digest(compact);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(key, format!("{before}\"seal\": \"{digest}{}", &seal[64..]));
    }
}

fn stem(key: &str) -> &str {
    key.rsplit_once('.').expect("an ending").0
}

#[test]
fn each_damage_is_named_and_pruned_and_computed_again() {
    let bench = Bench::new();
    let said = bench.upkeep(&["check"], 0);
    assert!(said.stdout.contains("whole: 2 shards"), "{}", said.stdout);
    let whole = bench.content();
    let (data, receipts) = (bench.keys(".parquet"), bench.keys(".json"));
    let names = |said: &Said, key: &str| {
        let damaged: Vec<_> = said
            .stdout
            .lines()
            .filter(|l| l.starts_with("DAMAGED"))
            .collect();
        assert_eq!(damaged.len(), 1, "{}", said.stdout);
        assert!(damaged[0].contains(stem(key)), "{}", said.stdout);
    };
    let mut flipped = bench.read(&data[0]);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut longer = bench.read(&data[0]);
    longer.push(0);
    for bytes in [&flipped, &longer] {
        bench.write(&data[0], bytes);
        names(&bench.upkeep(&["check"], 4), &data[0]);
        bench.write(&data[0], &whole[&data[0]]);
    }
    // One of another shard is none of this one, and none has so many bytes.
    let receipt = bench.read(&receipts[1]);
    let (half, huge) = (&receipt[..receipt.len() / 2], vec![b' '; 5 << 20]);
    let text = String::from_utf8(receipt.clone()).expect("text");
    let other = text.replace("\"n_images\": ", "\"n_images\": 1");
    let broken: [&[u8]; 7] = [
        half,
        other.as_bytes(),
        &whole[&receipts[0]],
        &huge,
        b"",
        b"[[[",
        b"\xff\x00",
    ];
    for bytes in broken {
        bench.write(&receipts[1], bytes);
        names(&bench.upkeep(&["check"], 4), &receipts[1]);
    }
    bench.write(&receipts[1], &receipt);
    fs::remove_file(bench.at("cache").join(&data[1])).expect("a file");
    names(&bench.upkeep(&["check"], 4), &data[1]);
    bench.write(&data[0], &flipped);
    let before = bench.content();
    let said = bench.upkeep(&["check", "--log", "json"], 4);
    let damaged = said.stdout.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["state"] == "DAMAGED"
    });
    assert_eq!(damaged.count(), 2, "{}", said.stdout);
    bench.upkeep(&["prune", "--dry-run"], 0);
    assert!(
        before == bench.content(),
        "a check or a dry run changed something"
    );

    let said = bench.upkeep(&["prune"], 0);
    assert!(said.stdout.contains("removed 2 shards"), "{}", said.stdout);
    assert_eq!(bench.content().len(), 0, "{:?}", bench.content().keys());
    bench.upkeep(&["check"], 0);
    assert_eq!(bench.run("again"), 0);
    assert_same_results(&bench.at("first"), &bench.at("again"));
    assert!(whole == bench.content(), "other shards than at first");
}

#[test]
fn what_is_of_no_use_goes_and_what_others_wrote_stays() {
    let bench = Bench::new();
    let receipts = bench.keys(".json");
    let (kept, data) = (&receipts[0], bench.keys(".parquet"));
    // One that does not say its program is used, whole, and kept.
    bench.rewrite(kept, |text| {
        let lines = text.lines().filter(|line| !line.contains("\"code\""));
        lines.collect::<Vec<_>>().join("\n")
    });
    let shard = bench.read(&data[0]);
    let other = |fingerprint: &str| format!("features/{fingerprint}/shard-00007");
    let (layout, open) = (other("0123456789abcdef"), other("00000000000000aa"));
    bench.write(
        &format!("{layout}.json"),
        r#"{"schema": "fruits-shard/3", "index": 7}"#,
    );
    bench.write(&format!("{layout}.parquet"), &shard);
    bench.rewrite(&receipts[1], |text| {
        let changed = text.replace(&format!("\"code {CODE_VERSION} "), "\"code 1 ");
        assert_ne!(text, changed);
        changed
    });
    bench.write(&format!("{open}.parquet"), &shard);
    bench.write(".fruits-partial-0123abcd-aB3", "half");
    bench.write("cluster/pieces/17-ab/pass-01.bin", "piece");
    bench.write("cluster/tries/17-ab/features-00001/host-1-2-0.json", "{}");
    // Not written by this program.
    let outside = bench.at("outside");
    fs::create_dir_all(&outside).expect("a folder");
    for name in ["shard-00001.json", "shard-00001.parquet", "pass.bin"] {
        fs::write(outside.join(name), "theirs").expect("a file");
    }
    let theirs = [
        "own.onnx".to_owned(),
        "features/README".to_owned(),
        "features/0123456789abcdef/notes.txt".to_owned(),
        "features/0123456789abcdef/shard-7.json".to_owned(),
        "features/0123456789ABCDEF/shard-00007.parquet".to_owned(),
        "cluster/mine/data".to_owned(),
        ".fruits-lock".to_owned(),
    ];
    for key in &theirs {
        bench.write(key, "theirs");
    }
    let cache = bench.at("cache");
    symlink(&outside, cache.join("features/fedcba9876543210")).expect("a link");
    symlink(&outside, cache.join("cluster/orders")).expect("a link");
    let linked = cache.join(other("00000000000000bb")).with_extension("json");
    fs::create_dir_all(linked.parent().expect("a folder")).expect("a folder");
    symlink(outside.join("shard-00001.json"), &linked).expect("a link");
    fs::write(linked.with_extension("parquet"), &shard).expect("a file");

    let said = bench.upkeep(&["check"], 4);
    for words in [
        &format!("{open}: its file has no receipt"),
        "old      2 shards",
        "features/fedcba9876543210: a link",
        &format!("{}: one of its files is a link", other("00000000000000bb")),
        "5 other files",
    ] {
        assert!(
            said.stdout.contains(words),
            "no `{words}` in:\n{}",
            said.stdout
        );
    }
    let before = bench.content();
    bench.upkeep(&["prune", "--dry-run"], 0);
    assert!(before == bench.content(), "a dry run changed something");
    bench.upkeep(&["prune"], 0);
    let mut stays: Vec<_> = theirs.to_vec();
    stays.extend([kept, &data[0]].map(String::clone));
    stays.extend(["features/fedcba9876543210", "cluster/orders"].map(str::to_owned));
    stays.extend(["json", "parquet"].map(|e| format!("{}.{e}", other("00000000000000bb"))));
    stays.sort();
    assert_eq!(bench.content().into_keys().collect::<Vec<_>>(), stays);
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 3);
    assert!(!cache.join("cluster/pieces").exists(), "empty folders stay");
    let receipt: Value = serde_json::from_slice(&bench.read(kept)).expect("JSON");
    assert_eq!(json!(bench.run("again")), receipt["n_images"], "not used");
    assert_same_results(&bench.at("first"), &bench.at("again"));
}

#[test]
fn what_changed_since_it_was_seen_stays() {
    let bench = Bench::new();
    let whole = bench.content();
    let (data, receipts) = (bench.keys(".parquet"), bench.keys(".json"));
    bench.write(&data[0], "damaged");
    fs::remove_file(bench.at("cache").join(&receipts[1])).expect("a file");
    let cache = Cache::open(&Place::Folder(bench.at("cache"))).expect("a cache");
    let stop = AtomicBool::new(false);
    let checked = cache.check(None, &mut |_, _, _| {}, &stop).expect("a look");
    let quiet = cache.quiet().expect("nobody");
    let removals = plan(&checked, &quiet, SystemTime::UNIX_EPOCH);
    assert_eq!(removals.len(), 2);
    // As a run does that ends meanwhile.
    bench.write(&data[0], &whole[&data[0]]);
    bench.write(&receipts[1], &whole[&receipts[1]]);
    let removed = cache.remove(&removals, &quiet, &mut |_, _| {}, &stop);
    assert_eq!(removed.expect("removed"), Vec::<&Removal>::new());
    assert!(whole == bench.content(), "something was removed");
}

#[test]
fn old_shards_go_by_the_day() {
    let bench = Bench::new();
    let day = Duration::from_secs(86_400);
    let written = |key: &String, days: u32| {
        let file = File::options()
            .write(true)
            .open(bench.at("cache").join(key));
        let file = file.expect("a file");
        let at = file
            .metadata()
            .and_then(|found| found.modified())
            .expect("a time");
        file.set_modified(at - days * day).expect("a time");
    };
    let first = stem(&bench.keys(".json")[0]).to_owned();
    let of_first = ["json", "parquet"].map(|ending| format!("{first}.{ending}"));
    of_first.iter().for_each(|key| written(key, 5));
    let n_left = |days: &str| {
        bench.upkeep(&["prune", "--older-than", days], 0);
        bench.upkeep(&["check"], 0);
        bench.keys("").len()
    };
    assert_eq!(n_left(&u64::MAX.to_string()), 4);
    assert_eq!(n_left("6"), 4);
    assert_eq!(n_left("4"), 2);
    assert!(bench.keys("").iter().all(|key| !key.starts_with(&first)));
    assert_eq!(n_left("0"), 0);
    for days in ["-1", "many", "1.5", ""] {
        let said = bench.upkeep(&["prune", &format!("--older-than={days}")], 2);
        assert!(said.stderr.contains("--older-than"), "{}", said.stderr);
    }
}

#[test]
fn a_run_that_is_under_way_keeps_its_cache() {
    let bench = Bench::new();
    let before = bench.content();
    let held = Store::open(Some(&Place::Folder(bench.at("cache")))).expect("a store");
    let said = bench.upkeep(&["prune", "--older-than", "0"], 6);
    let process = format!("in use by process {}", std::process::id());
    assert!(said.stderr.contains(&process), "{}", said.stderr);
    assert!(before == bench.content(), "something was removed");
    bench.upkeep(&["check"], 0);
    drop(held);
    bench.upkeep(&["prune", "--older-than", "0"], 0);
    assert_eq!(bench.content().len(), 0);
    let missing = bench.at("missing");
    let missing = missing.to_str().expect("UTF-8");
    let said = Report::new()
        .args(["cache", "check", "--cache", missing])
        .expect(6);
    assert!(said.stderr.contains(missing), "{}", said.stderr);
}

#[test]
fn the_cache_is_the_one_that_a_run_has() {
    let home = tempfile::tempdir().expect("a folder");
    let check = || {
        Report::new()
            .args(["cache", "check"])
            .env("XDG_CACHE_HOME", home.path())
    };
    let said = check().expect(6);
    let own = home.path().join("fruits").display().to_string();
    assert!(said.stderr.contains(&own), "{}", said.stderr);
    fs::create_dir_all(home.path().join("fruits")).expect("a folder");
    check().expect(0);
    let said = check().env("FRUITS_CACHE", "/nowhere").expect(6);
    assert!(said.stderr.contains("/nowhere"), "{}", said.stderr);
    let file = home.path().join("run.toml");
    fs::write(&file, "cache = \"/elsewhere\"\ncomponents = 3\n").expect("a file");
    let said = check().arg("--config").arg(&file).expect(6);
    assert!(said.stderr.contains("/elsewhere"), "{}", said.stderr);
}
