//! Sets and options at the edge of what a report can hold: copies, very many classes, more than there is.

use std::fs;
use std::path::Path;

use fruits::load::{LoadParams, MAX_CLASSES, load};
use fruits::source::Source;

use crate::images;
use crate::run::{Report, json, skipped};

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
fn copies_fill_no_list_and_one_image_under_two_labels_comes_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 3, 8);
    let classes = images::classes();
    let other = fs::read(&images::of_class(&classes[4])[0]).expect("bytes");
    // More copies than neighbours are looked at, in one class, and one in another.
    for i in 0..25 {
        images::put(&input, &classes[0], &format!("copy {i:02}.jpg"), &other);
    }
    images::put(&input, &classes[1], "copy.jpg", &other);
    by_colour(&input, &out).expect(0);

    let run = json(out.join("run.json"));
    let found = &run["findings"];
    let outliers = found["outliers"].as_array().expect("outliers");
    let scores = outliers
        .iter()
        .map(|o| o["score"].as_f64().expect("a number"));
    assert!(scores.into_iter().all(|score| score < 100.0), "{found:#}");
    let is_copy = |key: &serde_json::Value| key.as_str().expect("a key").contains("copy");
    assert!(
        outliers.iter().filter(|o| is_copy(&o["key"])).count() <= 1,
        "{found:#}"
    );
    assert_eq!(found["n_conflicts"], 1);
    let conflict = &found["conflicts"][0];
    assert_eq!(conflict["likeness"], "same_file");
    assert_eq!(
        (&conflict["n_copies"], &conflict["n_labels"]),
        (&26.into(), &2.into())
    );
    assert!(conflict["copies"][1]["key"] == format!("{}/copy.jpg", classes[1]));
    let said = "1 image is in the set under several labels";
    assert!(
        run["warnings"].to_string().contains(said),
        "{}",
        run["warnings"]
    );

    let html = fs::read_to_string(out.join("index.html")).expect("the report");
    let (_, section) = html.split_once("<section id=\"findings\"").expect("it");
    let at = |text: &str| section.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("the same file under 2 labels") < at("Label disagreements"));
    assert!(html.contains(said));
    // Most of the 49 components have no variance but what rounding leaves.
    Report::new().arg("verify").arg(&out).expect(0);
}

#[test]
fn more_classes_than_can_be_numbered_are_refused_before_a_file_is_read() {
    // In memory: on a disk so many folders take minutes to remove.
    let Some(folder) = tempfile::tempdir_in("/dev/shm")
        .ok()
        .filter(|f| fill(f.path()).is_ok())
    else {
        return skipped("shared-memory", "/dev/shm has no room for 65,536 folders");
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
