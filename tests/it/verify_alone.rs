//! Where a record alone says where the images are, `--rerun` looks at the files of the run and at nothing beside them.

use std::fs;
use std::path::Path;

use crate::images;
use crate::run::{Report, read_frame, write_frame};
use crate::verify::{assert_differs, change, copy, line, verify};

/// A run of few and small numbers, its images in `in`, its report in `out`.
fn tiny() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 3, 4);
    images::put(&input, &images::classes()[0], "notes.txt", b"no image");
    images::put(&input, &images::classes()[0], "broken.jpg", b"no image");
    run(&input, &out);
    folder
}

fn run(input: &Path, out: &Path) {
    Report::new()
        .arg("--input")
        .arg(input)
        .arg("--out")
        .arg(out)
        .args(["--no-cache", "--descriptor", "colour", "--components", "3"])
        .args(["--perplexity", "3", "--iterations", "260"])
        .expect(0);
}

fn rows(path: &Path, n: usize) {
    let frame = read_frame(path);
    write_frame(path, &mut frame.head(Some(n)));
}

#[test]
fn a_rerun_looks_at_the_files_of_the_run_alone() {
    let tiny = tiny();
    let (input, out) = (tiny.path().join("in"), tiny.path().join("out"));
    let said = verify(&out).arg("--rerun").expect(0);
    for what in ["images", "rejected.csv", "run.json", "embeddings.parquet"] {
        let line = line(&said, &format!("again: {what}"));
        assert!(
            line.starts_with("ok ") && line.ends_with(" equal"),
            "{line}"
        );
    }
    // What came later is looked for where the user names the folder.
    let image = fs::read(&images::of_class(&images::classes()[0])[0]).expect("an image");
    for i in 0..3 {
        images::put(&input, "Secret", &format!("{i}.jpg"), &image);
    }
    let said = verify(&out).arg("--rerun").expect(0);
    assert!(!said.stdout.contains("Secret"), "{}", said.stdout);
    let rerun = verify(&out).arg("--rerun").arg("--input").arg(&input);
    assert_differs(&rerun.expect(4), "again: images", &["Secret/0.jpg"]);

    // A manifest of one file with known bytes, or of none, is no key to the others.
    for n in [1, 0] {
        let out = copy(&out);
        rows(&out.path().join("manifest.parquet"), n);
        fs::write(
            out.path().join("rejected.csv"),
            "key,size_bytes,reason,message\n",
        )
        .expect("a list");
        change(out.path(), |_| {});
        let said = verify(out.path()).arg("--rerun").expect(4);
        assert!(line(&said, "inputs").starts_with("ok "), "{}", said.stdout);
        let all = said.stdout + &said.stderr;
        assert!(
            !all.contains("Secret") && !all.contains("notes.txt"),
            "{all}"
        );
    }
}

/// A file that was rejected and has no name by which it could be opened.
#[test]
fn a_rerun_without_a_name_asks_for_the_folder() {
    let tiny = tiny();
    let (input, out) = (tiny.path().join("in"), tiny.path().join("out"));
    let class = images::classes()[0].clone();
    std::os::unix::fs::symlink("/etc/passwd", input.join(&class).join("out.jpg")).expect("a link");
    run(&input, &out);
    let said = verify(&out).arg("--rerun").expect(2).stderr;
    assert!(
        said.contains("out.jpg") && said.contains("--input"),
        "{said}"
    );
    verify(&out)
        .arg("--rerun")
        .arg("--input")
        .arg(&input)
        .expect(0);
}
