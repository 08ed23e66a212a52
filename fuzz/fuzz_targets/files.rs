//! The files beside `run.json`, each the recorded one: Parquet within its bounds, and lists.
#![no_main]

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use fruits::outputs::Finished;
use fruits::storage::digest;
use fruits::verify::{self, State};
use fruits_fuzz::{folder, write};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static GOES_ON: AtomicBool = AtomicBool::new(false);

/// By the first byte.
const NAMES: [&str; 4] = [
    "manifest.parquet",
    "embeddings.parquet",
    "rejected.csv",
    "duplicates.csv",
];
/// What a Parquet file of any size may take, and beside it for each of its bytes (`storage::parquet`).
const LEAST_BYTES: usize = 64 << 20;
const FOLD: usize = 16;
const LEAST_ROWS: usize = 100_000;

/// The record of a run of a few images.
fn record() -> &'static Value {
    static RECORD: OnceLock<Value> = OnceLock::new();
    RECORD.get_or_init(|| {
        serde_json::from_slice(include_bytes!("../seeds/record/run.json")).expect("JSON")
    })
}

fuzz_target!(init: fruits_fuzz::tell_panics_apart(), |data: &[u8]| {
    let Some((kind, content)) = data.split_first() else { return };
    let name = NAMES[usize::from(*kind) % NAMES.len()];
    let mut record = record().clone();
    let said = json!([{
        "name": name,
        "sha256": digest::of(content),
        "size_bytes": content.len(),
    }]);
    record["provenance"]["outputs"] = said;
    write("run.json", &serde_json::to_vec(&record).expect("JSON"));
    let path = write(name, content);

    let (recorded, _) = verify::open(folder().path(), &GOES_ON).expect("a record is there");
    let recorded = recorded.expect("the record is whole");
    let mut state = None;
    let looked = recorded.files(&GOES_ON, &mut |finding| {
        assert!(!finding.detail.is_empty());
        if finding.what == name {
            state = Some(finding.state);
        }
    });
    looked.expect("nobody stops it");
    if name == NAMES[0] {
        match Finished::open(folder().path(), &GOES_ON) {
            Ok(finished) => {
                let frame = finished.manifest;
                assert_eq!(state, Some(State::Ok));
                assert!(frame.height() <= LEAST_ROWS + content.len());
                assert!(frame.columns().iter().all(|column| column.len() == frame.height()));
                assert!(frame.estimated_size() <= 2 * (LEAST_BYTES + FOLD * content.len()));
            }
            Err(error) => {
                assert_eq!(state, Some(State::Differs));
                assert!(!error.to_string().is_empty());
            }
        }
    }
    std::fs::remove_file(path).expect("the file is there");
});
