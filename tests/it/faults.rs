//! Bad input and a bad machine: each has its row, its sentence and its exit code.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::decode::png_header;
use crate::images;
use crate::run::{Report, json, project, skipped};

pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(project().join("tests/fixtures").join(name)).expect(name)
}

/// Key and reason of each row of `rejected.csv`.
fn rejected(out: &Path) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_path(out.join("rejected.csv")).expect("rejected.csv");
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| (row[0].to_owned(), row[2].to_owned()))
        .collect()
}

#[test]
fn bad_files_are_rows_and_strange_ones_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 2, 4);
    let hostile = "</script><img src=x onerror=alert(1)>&\"' \u{202e}Ünï";
    let whole = fixture("UPPER.JPG");
    for (name, bytes) in [
        ("empty.jpg", Vec::new()),
        ("notes.jpg", b"these are words and no pixels".to_vec()),
        ("half.jpg", whole[..whole.len() / 2].to_vec()),
        ("bomb.png", png_header(60_000, 60_000)),
        ("pixel.png", {
            let mut png = std::io::Cursor::new(Vec::new());
            image::RgbImage::new(1, 1)
                .write_to(&mut png, image::ImageFormat::Png)
                .expect("a png");
            png.into_inner()
        }),
    ] {
        images::put(&input, "Bad & <b>", name, &bytes);
    }
    let strange = [
        "grey.jpg",
        "cmyk.jpg",
        "progressive.jpg",
        "rotated.jpg",
        "UPPER.JPG",
        "palette.png",
        "alpha.png",
        "grey16.png",
    ];
    for name in strange {
        images::put(&input, "Strange", name, &fixture(name));
    }
    // A `/` cannot stand in a file name.
    images::put(&input, "Strange", &hostile.replace('/', "\u{2215}"), &whole);
    fs::write(input.join("README.md"), "in no class").expect("a file");

    Report::on(&input, &out, &folder.path().join("cache")).expect(0);
    let row = |name: &str, reason: &str| (format!("Bad & <b>/{name}"), reason.to_owned());
    assert_eq!(
        rejected(&out),
        [
            row("bomb.png", "too_large"),
            row("empty.jpg", "zero_bytes"),
            row("half.jpg", "truncated"),
            row("notes.jpg", "unknown_format"),
            row("pixel.png", "too_small"),
        ]
    );
    let run = json(out.join("run.json"));
    let counts = ["listed", "accepted", "rejected", "skipped"]
        .map(|n| run["images"][n].as_u64().expect("a count"));
    assert_eq!(counts, [8 + 5 + 9 + 1, 8 + 9, 5, 1]);
    assert_eq!(run["dataset"]["n_rotated"], 1);
    assert_eq!(run["status"]["state"], "complete");
    let html = fs::read_to_string(out.join("index.html")).expect("the report");
    assert!(!html.contains("<img src=x"), "a hostile name is markup");
    assert!(html.contains("Ünï"), "the name is shown");
    assert!(
        html.contains("bomb.png") && html.contains("too_large"),
        "rejected files are shown"
    );
}

#[test]
fn no_name_of_a_file_is_a_formula_to_a_spreadsheet() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 2, 4);
    let classes = [
        "=1+1",
        "@Plum",
        "-5",
        "\tTab",
        "'+1",
        "'Ananas'",
        "Apple;=1+1",
        "Fig\t@a;b",
    ];
    for class in classes {
        images::put(&input, class, "a.jpg", b"words");
        images::put(&input, class, "same.jpg", &fixture("UPPER.JPG"));
    }
    let report = Report::new().arg("--input").arg(&input);
    let report = report.arg("--out").arg(&out).arg("--no-cache");
    report.args(["--descriptor", "colour"]).expect(0);
    let keys = |name: &str| -> Vec<String> {
        let mut reader = csv::Reader::from_path(out.join(name)).expect(name);
        let at = reader
            .headers()
            .expect("names")
            .iter()
            .position(|n| n == "key");
        let at = at.expect("keys");
        let rows = reader.records().map(|row| row.expect("a row"));
        rows.map(|row| row[at].to_owned()).collect()
    };
    for (name, file) in [("rejected.csv", "a.jpg"), ("duplicates.csv", "same.jpg")] {
        let keys = keys(name);
        for class in [
            "'=1+1",
            "'@Plum",
            "'-5",
            "'\tTab",
            "''+1",
            "'Ananas'",
            "Apple;'=1+1",
            "Fig\t'@a;b",
        ] {
            assert!(
                keys.contains(&format!("{class}/{file}")),
                "{class}: {keys:?}"
            );
        }
    }
    // Whoever takes the first `'` away has the key.
    let verify = Report::new().arg("verify").arg("--rerun").arg(&out);
    verify.expect(0);
}

#[test]
fn folders_without_images_end_with_3_or_6() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, cache) = (folder.path().join("out"), folder.path().join("cache"));
    let run = |input: &Path, code| Report::on(input, &out, &cache).expect(code).stderr;

    assert!(run(&folder.path().join("missing"), 6).contains("missing"));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    assert!(run(&empty, 3).contains("no file below"));
    let flat = folder.path().join("flat");
    fs::create_dir(&flat).expect("a folder");
    fs::write(flat.join("a.jpg"), fixture("grey.jpg")).expect("a file");
    assert!(run(&flat, 3).contains("no class folder"));

    let useless = folder.path().join("useless");
    images::put(&useless, "Words", "a.jpg", b"words and nothing else");
    let said = Report::on(&useless, &out, &cache).expect(3);
    assert!(said.stdout.contains("partial"), "{}", said.stdout);
    assert_eq!(
        rejected(&out),
        [("Words/a.jpg".to_owned(), "unknown_format".to_owned())]
    );
    assert!(out.join("index.html").exists(), "the report says why");

    let said = Report::on(&useless, &out, &cache)
        .args(["--classes", "Apple"])
        .expect(2);
    assert!(
        said.stderr.contains("Apple") && said.stderr.contains("Words"),
        "{}",
        said.stderr
    );
}

#[test]
fn small_sets_are_reduced_and_it_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 1, 6);
    Report::on(&input, &out, &folder.path().join("cache")).expect(0);
    let run = json(out.join("run.json"));
    assert_eq!(run["pca"]["n_components"], 5);
    assert!(run["tsne"]["perplexity"].as_f64().expect("a number") <= 5.0 / 3.0);
    let warnings = run["warnings"].to_string();
    for said in [
        "64 components were asked for",
        "perplexity 30 was asked for",
        "one class only",
    ] {
        assert!(warnings.contains(said), "{said}: {warnings}");
    }
}

#[test]
fn images_without_variance_or_too_few_end_with_5_and_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let bytes = fixture("UPPER.JPG");
    let run = |name: &str, n_images: usize, stage: &str| {
        let (input, out) = (
            folder.path().join(name),
            folder.path().join(format!("{name}-out")),
        );
        for i in 0..n_images {
            images::put(&input, "Same", &format!("{i}.jpg"), &bytes);
        }
        let said = Report::on(&input, &out, &cache).expect(5);
        assert!(said.stdout.contains("partial"), "{}", said.stdout);
        let run = json(out.join("run.json"));
        assert_eq!(run["status"]["stage"], stage, "{}", run["status"]);
        let html = fs::read_to_string(out.join("index.html")).expect("a report");
        let reason = run["status"]["reason"].as_str().expect("a reason");
        assert!(
            html.contains(&reason[..20]),
            "the report does not say: {reason}"
        );
        run
    };
    let twins = run("identical", 6, "pca");
    assert_eq!(twins["dataset"]["n_duplicate_groups"], 1);
    run("alone", 1, "pca");

    let (input, out) = (folder.path().join("three"), folder.path().join("three-out"));
    images::sample(&input, 3, 1);
    Report::on(&input, &out, &cache).expect(5);
    let three = json(out.join("run.json"));
    assert_eq!(three["status"]["stage"], "tsne");
    assert_eq!(three["pca"]["n_components"], 2);
}

#[test]
fn a_missing_or_foreign_library_or_model_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out, cache) = (
        folder.path().join("in"),
        folder.path().join("out"),
        folder.path().join("cache"),
    );
    images::sample(&input, 1, 2);
    let fails = |report: Report, words: &[&str]| {
        let said = report.expect(1);
        assert!(
            words.iter().all(|word| said.stderr.contains(word)),
            "{words:?}: {}",
            said.stderr
        );
        assert!(!out.join("run.json").exists() && !out.join("index.html").exists());
    };
    let run = || Report::on(&input, &out, &cache);
    fails(
        run().env("FRUITS_RUNTIME", "/nowhere"),
        &["/nowhere", "make setup"],
    );

    let real = fruits::features::RuntimeFolder::find();
    let fake = folder.path().join("fake");
    fs::create_dir_all(fake.join("lib")).expect("a folder");
    fs::copy(real.model(), fake.join("vgg16-notop.onnx")).expect("a model");
    fs::write(fake.join("lib/libonnxruntime.so"), "no library").expect("a file");
    fails(
        run().env("FRUITS_RUNTIME", &fake),
        &["libonnxruntime.so", "make setup"],
    );

    let other = folder.path().join("other");
    fs::create_dir_all(&other).expect("a folder");
    std::os::unix::fs::symlink(real.path().join("lib"), other.join("lib")).expect("a link");
    fs::write(other.join("vgg16-notop.onnx"), "no model").expect("a file");
    fails(
        run().env("FRUITS_RUNTIME", &other),
        &["vgg16-notop.onnx", "SHA-256", "--model"],
    );
    fails(
        run().arg("--model").arg(other.join("vgg16-notop.onnx")),
        &["ONNX Runtime refuses"],
    );
    fails(
        run().args(["--model", "/nowhere.onnx"]),
        &["/nowhere.onnx", "--model"],
    );
}

#[test]
fn a_full_disk_leaves_no_half_written_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 2, 5);
    fs::create_dir(&out).expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"])
        .arg(&out)
        .output();
    if !mounted.is_ok_and(|m| m.status.success()) {
        skipped(
            "mount",
            "a small file system cannot be mounted here (that takes root)",
        );
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let said = Report::on(&input, &out, &folder.path().join("cache")).expect(6);
        assert!(said.stderr.contains("No space left"), "{}", said.stderr);
        assert!(!out.join("run.json").exists() && !out.join("index.html").exists());
        for entry in fs::read_dir(&out).expect("readable") {
            let name = entry.expect("readable").file_name();
            assert!(
                !name.to_string_lossy().starts_with('.'),
                "{} was left behind",
                name.to_string_lossy()
            );
        }
    });
    Command::new("umount").arg(&out).status().expect("umount");
    outcome.unwrap_or_else(|e| std::panic::resume_unwind(e));
}

#[test]
fn an_output_that_cannot_be_written_is_noticed_before_the_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 1, 2);
    let file = folder.path().join("a-file");
    fs::write(&file, "in the way").expect("a file");
    let said = Report::on(&input, &file.join("out"), &folder.path().join("cache")).expect(6);
    assert!(said.stderr.contains("a-file"), "{}", said.stderr);
    assert!(
        !folder.path().join("cache").exists(),
        "nothing was computed"
    );
}
