//! Whole runs with scheduler and worker in this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fruits::features::{DescriptorName, OwnDescriptor};
use fruits::pca::{Keep, PcaParams};
use fruits::pipeline::{self, Event, Outcome, Params};
use fruits::place::Place;
use fruits::storage::temporary;
use fruits::tsne::TsneParams;

use super::*;

/// 178 images in two shards.
fn params(cache: &Path) -> Params {
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data-sample");
    let defaults = Params::new(Source::folder(sample).unwrap());
    Params {
        descriptor: DescriptorName::Colour,
        cache: Some(Place::Folder(cache.to_owned())),
        pca: PcaParams {
            keep: Keep::Components(8),
            ..PcaParams::default()
        },
        tsne: TsneParams {
            n_iter: 300,
            ..TsneParams::default()
        },
        engine: Arc::new(Cluster {
            scheduler: None,
            timeout_s: 60.0,
        }),
        ..defaults
    }
}

/// A run, with all that it said; `hook` hears it first.
fn run(cache: &Path, hook: &mut (dyn FnMut(&Event) + Send)) -> (Outcome, Vec<String>, u64) {
    let (mut notes, mut most_gathered) = (Vec::new(), 0);
    let mut observe = |event: &Event| {
        hook(event);
        match event {
            Event::Noted(text) => notes.push(text.clone()),
            Event::Advanced {
                stage: "gather",
                n_done,
                ..
            } => most_gathered = most_gathered.max(*n_done),
            _ => {}
        }
    };
    let outcome = pipeline::run(&params(cache), &mut observe, &AtomicBool::new(false)).unwrap();
    (outcome, notes, most_gathered)
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder).sort_by_file_name();
    let all = all.into_iter().filter_map(Result::ok);
    let paths = all.map(walkdir::DirEntry::into_path);
    paths
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// One byte of a file is another one.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_is_computed_again_in_the_same_run() {
    let folder = temporary::folder("test").unwrap();
    let cache = folder.path().join("cache");
    let (first, notes, most_gathered) = run(&cache, &mut |_| {});
    assert!(
        notes.iter().all(|note| !note.contains("damaged")),
        "{notes:?}"
    );
    assert_eq!(most_gathered, first.run.images.accepted);
    let expect_same = |(again, notes, _): (Outcome, Vec<String>, u64), place: &str| {
        assert!(
            again.images.equals_missing(&first.images),
            "other numbers: {place}"
        );
        let told = notes
            .iter()
            .filter(|n| n.contains("was damaged") && n.contains(place));
        assert_eq!(told.count(), 1, "{notes:?}");
        assert!(
            files(&cache.join("cluster"), "")
                .iter()
                .all(|path| path.is_dir())
        );
    };

    // The driver reads the first shard, a worker the other.
    let shards = files(&cache, ".parquet");
    assert_eq!(shards.len(), 2);
    for (shard, name) in shards.iter().zip(["shard-00000", "shard-00001"]) {
        damage(shard);
        expect_same(run(&cache, &mut |_| {}), name);
    }
    // A piece that the driver is about to read: the last word on gathering comes before that.
    let mut n_damaged = 0;
    let mut hook = |event: &Event| {
        if matches!(event, Event::Advanced { stage: "gather", n_done, n_total } if n_done == n_total)
            && n_damaged == 0
        {
            for survey in files(&cache.join("cluster"), "survey-00000.bin") {
                damage(&survey);
                n_damaged += 1;
            }
        }
    };
    let outcome = run(&cache, &mut hook);
    assert_eq!(n_damaged, 1);
    expect_same(outcome, "survey-00000");
}

#[allow(dead_code, reason = "its `main` is for those who start it")]
#[path = "../../../../examples/toy_descriptor.rs"]
mod toy_descriptor;

#[test]
fn a_descriptor_that_no_worker_has_is_refused() {
    let folder = temporary::folder("test").unwrap();
    let mut params = params(&folder.path().join("cache"));
    let make = |_| Ok(Box::new(toy_descriptor::Brightness) as Box<_>);
    params.own_descriptor = Some(OwnDescriptor::new("brightness", make));
    let outcome = pipeline::run(&params, &mut |_| {}, &AtomicBool::new(false));
    let refused = outcome.err().unwrap().to_string();
    assert!(
        refused.contains("workers do not have the descriptor `brightness`"),
        "{refused}"
    );
}

#[test]
fn what_is_no_file_in_a_cache_is_a_fault_of_the_cache() {
    let folder = temporary::folder("test").unwrap();
    let cache = folder.path().join("cache");
    run(&cache, &mut |_| {});
    let receipt = files(&cache.join("features"), ".json").swap_remove(0);
    std::fs::remove_file(&receipt).unwrap();
    std::fs::create_dir(&receipt).unwrap();
    let outcome = pipeline::run(&params(&cache), &mut |_| {}, &AtomicBool::new(false));
    let fault = outcome.err().unwrap();
    assert!(matches!(fault, Error::Storage { .. }), "{fault:?}");
    assert!(fault.to_string().contains("remove it"), "{fault:?}");
}
