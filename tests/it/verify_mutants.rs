//! Records and Parquet files of which a byte is another one, through `verify` in this process: it finds something or nothing,
//! and breaks on none.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use fruits::verify;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::run::Report;
use crate::verify::copy;
use fruits::source::local::sha256;

const SEED: u64 = 42;

/// A whole run of few and small numbers.
fn tiny() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    crate::images::sample(&input, 3, 4);
    Report::new()
        .arg("--input")
        .arg(&input)
        .arg("--out")
        .arg(&out)
        .args(["--no-cache", "--descriptor", "colour"])
        .args([
            "--components",
            "3",
            "--perplexity",
            "3",
            "--iterations",
            "260",
        ])
        .expect(0);
    copy(&out)
}

/// Looks at all that is to be found of the report alone; how many findings there were.
fn look(report: &Path) -> usize {
    let stop = AtomicBool::new(false);
    let mut n = 1;
    let (recorded, _) = verify::open(report, &stop).expect("a run lies there");
    if let Some(recorded) = recorded {
        recorded
            .files(&stop, &mut |finding| {
                n += finding.to_string().lines().count()
            })
            .expect("no signal");
    }
    n
}

/// One of eight other values of a byte: a bit, or what ends a number, a text or a list.
fn other(byte: u8, random: &mut ChaCha8Rng) -> u8 {
    let others = [
        byte ^ 1,
        byte ^ 0x10,
        byte ^ 0x80,
        b'9',
        b'-',
        b'"',
        b']',
        0xff,
    ];
    others[random.next_u32() as usize % others.len()]
}

#[test]
fn no_byte_of_a_record_breaks_it() {
    let tiny = tiny();
    let path = tiny.path().join("run.json");
    let whole = fs::read(&path).expect("a record");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    // Every byte with the record alone, whose files are missing then; some with all of them.
    let alone = tempfile::tempdir().expect("a folder");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = other(bytes[at], &mut random);
        fs::write(alone.path().join("run.json"), &bytes).expect("a record");
        assert!(look(alone.path()) > 0);
        if random.next_u32().is_multiple_of(16) {
            fs::write(&path, &bytes).expect("a record");
            assert!(look(tiny.path()) > 0);
        }
    }
}

#[test]
fn no_byte_of_a_parquet_file_breaks_it() {
    let tiny = tiny();
    let record = fs::read_to_string(tiny.path().join("run.json")).expect("a record");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for name in ["manifest.parquet", "embeddings.parquet", "pca.parquet"] {
        let path = tiny.path().join(name);
        let (whole, digest) = (
            fs::read(&path).expect("a file"),
            sha256(&path).expect("a digest"),
        );
        assert!(record.contains(&digest));
        let mut n_tried = 0;
        while n_tried < 400 {
            // Half of them where the numbers are: in the footer and in the heads of the first pages.
            let at = match n_tried % 4 {
                0 => whole.len() - 1 - random.next_u32() as usize % (whole.len() / 3),
                1 => random.next_u32() as usize % 100,
                _ => random.next_u32() as usize % whole.len(),
            };
            let mut bytes = whole.clone();
            bytes[at] = other(bytes[at], &mut random);
            fs::write(&path, &bytes).expect("a file");
            let now = record.replace(&digest, &sha256(&path).expect("a digest"));
            fs::write(tiny.path().join("run.json"), now).expect("a record");
            assert!(look(tiny.path()) > 5, "byte {at} of {name}");
            n_tried += 1;
        }
        fs::write(&path, &whole).expect("a file");
    }
    fs::write(tiny.path().join("run.json"), &record).expect("a record");
}
