//! Sets and options at the edge of what a report can hold: very many classes, more than there is.

use std::fs;
use std::path::Path;

use fruits::load::{LoadParams, MAX_CLASSES, load};
use fruits::source::Source;

use crate::run::{Report, skipped};

fn by_colour(input: &Path, out: &Path) -> Report {
    Report::new()
        .arg("--input")
        .arg(input)
        .arg("--out")
        .arg(out)
        .args([
            "--no-cache",
            "--descriptor",
            "colour",
            "--iterations",
            "300",
        ])
}

#[test]
fn more_classes_than_can_be_numbered_are_refused_before_a_file_is_read() {
    // In memory: on a disk so many folders take minutes to remove.
    let Some(folder) = tempfile::tempdir_in("/dev/shm")
        .ok()
        .filter(|f| fill(f.path()).is_ok())
    else {
        return skipped("/dev/shm has no room for 65,536 folders");
    };
    let source = Source::folder(folder.path()).expect("it");
    let refused = load(&source, &LoadParams::default());
    let error = refused.expect_err("too many").to_string();
    for said in ["65536 classes", "65535", "--top-classes"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let fewer = LoadParams {
        top_classes: Some(MAX_CLASSES),
        ..LoadParams::default()
    };
    let loaded = load(&source, &fewer).expect("files");
    assert_eq!(loaded.rejected.len(), MAX_CLASSES);
}

/// One class more than there can be, with an empty file each.
fn fill(folder: &Path) -> std::io::Result<()> {
    (0..=MAX_CLASSES).try_for_each(|i| {
        let class = folder.join(i.to_string());
        fs::create_dir(&class)?;
        fs::write(class.join("a.jpg"), b"")
    })
}

#[test]
fn what_was_asked_for_and_cannot_be_is_refused_before_the_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let sample = Path::new("data-sample");
    for (option, value, figure) in [
        ("--components", "20000", "take --components 179 or fewer"),
        ("--perplexity", "90", "take --perplexity 59 or less"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let report = by_colour(sample, &out).args([option, value]);
            let said = more
                .iter()
                .fold(report, |report, flag| report.arg(flag))
                .expect(2);
            assert!(
                said.stderr.contains(value) && said.stderr.contains(figure),
                "{}",
                said.stderr
            );
            assert!(!said.stderr.contains("features"), "{}", said.stderr);
            assert!(!out.join("run.json").exists());
        }
    }
}
