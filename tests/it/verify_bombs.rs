//! Reports whose numbers would take all memory, or break what computes with them.

use std::fs;

use polars::prelude::*;
use serde_json::json;

use crate::run::{Report, read_frame, write_frame};
use crate::verify::{assert_differs, change, copy, small, verify};
use crate::verify_foreign::{diff, refused};

/// The same program with so many kilobytes of addresses: what allocates by a number in a file ends here.
fn within_kilobytes(n: u32) -> Report {
    let script = format!("ulimit -v {n}; exec \"$0\" \"$@\"");
    Report::through(&["sh", "-c", &script, env!("CARGO_BIN_EXE_report")])
}

#[test]
fn no_number_of_a_record_is_believed() {
    let large = json!(10_u64.pow(18));
    let places = [
        "/pca/n_components",
        "/pca/rank_limit",
        "/pca/needed/0/n_components",
        "/images/accepted",
        "/images/listed",
        "/quality/k",
        "/quality/n_sampled",
        "/findings/outlier_neighbors",
        "/findings/label_neighbors",
        "/dataset/n_duplicate_groups",
        "/tsne/n_iter",
        "/tsne/seed",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("diff.html");
    for place in places {
        let out = copy(&small().out());
        change(out.path(), |run| {
            *run.pointer_mut(place).expect(place) = large.clone();
        });
        let said = within_kilobytes(4_000_000)
            .arg("verify")
            .arg(out.path())
            .finish();
        assert_eq!(
            said.code,
            Some(4),
            "{place}: {}{}",
            said.stdout,
            said.stderr
        );
        for [a, b] in [[out.path(), &small().out()], [&small().out(), out.path()]] {
            diff(a, b).arg("--html").arg(&page).expect(0);
        }
    }
    // Deep, wide, and of as many values as fit.
    for text in [
        "[".repeat(1 << 20),
        format!("[{}", "{},".repeat(1 << 21)),
        "1".repeat(1 << 20),
    ] {
        let out = copy(&small().out());
        fs::write(out.path().join("run.json"), text).expect("a record");
        let said = within_kilobytes(4_000_000)
            .arg("verify")
            .arg(out.path())
            .finish();
        assert_eq!(said.code, Some(4), "{}{}", said.stdout, said.stderr);
        refused(out.path(), &["run.json"]);
    }
}

#[test]
fn no_position_breaks_a_comparison() {
    let out = copy(&small().out());
    let path = out.path().join("embeddings.parquet");
    let mut frame = read_frame(&path);
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("diff.html");
    let far = [
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-45,
        0.0,
        f32::NAN,
        f32::INFINITY,
    ];
    for n in [2, 5, far.len()] {
        let values: Vec<_> = far[..n]
            .iter()
            .copied()
            .cycle()
            .take(frame.height())
            .collect();
        frame
            .with_column(Column::new("tsne_x".into(), values))
            .expect("a column");
        write_frame(&path, &mut frame);
        change(out.path(), |_| {});
        verify(out.path()).expect(4);
        for [a, b] in [[out.path(), &small().out()], [&small().out(), out.path()]] {
            diff(a, b).arg("--html").arg(&page).expect(0);
        }
    }
}

/// A field is written as a number where the decoder reads a list of 2^31 - 1 texts.
#[test]
fn a_footer_that_two_readers_read_in_two_ways_is_a_finding() {
    let out = copy(&small().out());
    let footer =
        b"\x15\x02\x19\x1c\x48\x01\x61\x15\x00\x00\x16\x00\x19\x0c\x16\xfc\xff\xff\xff\xff\x07\x00";
    let length = (footer.len() as u32).to_le_bytes();
    let file = [&b"PAR1"[..], footer, &length, b"PAR1"].concat();
    fs::write(out.path().join("manifest.parquet"), file).expect("a file");
    change(out.path(), |_| {});
    let said = within_kilobytes(2_500_000)
        .arg("verify")
        .arg(out.path())
        .finish();
    assert_eq!(said.code, Some(4), "{}{}", said.stdout, said.stderr);
    assert_differs(&said, "manifest.parquet", &["its footer is damaged"]);
    refused(out.path(), &["manifest.parquet"]);
}

/// A few kilobytes that say they hold gigabytes.
#[test]
fn a_parquet_bomb_is_a_finding() {
    let out = copy(&small().out());
    let path = out.path().join("manifest.parquet");
    let long = "k".repeat(1000);
    for n in [90_000, 400_000] {
        let texts = || vec![long.as_str(); n];
        let mut frame =
            df!("key" => texts(), "label" => texts(), "sha256" => texts()).expect("a frame");
        write_frame(&path, &mut frame);
        change(out.path(), |_| {});
        assert!(path.metadata().expect("a file").len() < 200_000);
        let said = within_kilobytes(2_500_000)
            .arg("verify")
            .arg(out.path())
            .finish();
        assert_eq!(said.code, Some(4), "{}{}", said.stdout, said.stderr);
        assert_differs(
            &said,
            "manifest.parquet",
            &["no Parquet file that can be read"],
        );
        refused(out.path(), &["manifest.parquet"]);
    }
}
