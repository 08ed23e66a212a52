//! Where a run finds itself: without a home, in folders of others, among what cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::images;
use crate::run::{Report, project, skipped};

/// A run by colour, without a word on a cache.
fn by_colour(input: &Path, out: &Path) -> Report {
    let report = Report::new()
        .arg("--input")
        .arg(input)
        .arg("--out")
        .arg(out);
    report.args(["--descriptor", "colour", "--iterations", "300"])
}

/// A library that leaves a file `loaded` in the current folder of whoever loads it.
fn tell_tale(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("a.c"), folder.join("a.so"));
    let text = "#include <stdio.h>\n\
        __attribute__((constructor)) static void tell(void) { fclose(fopen(\"loaded\", \"w\")); }\n";
    fs::write(&source, text).expect("a file");
    let mut cc = Command::new("cc");
    let cc = cc
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source);
    assert!(cc.status().expect("a C compiler").success());
    library
}

#[test]
fn no_library_of_the_current_folder_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = tell_tale(folder.path());
    let here = folder.path().join("here");
    for place in [
        ".",
        "runtime",
        "fruits/runtime",
        ".local/share/fruits/runtime",
    ] {
        let lib = here.join(place).join("lib");
        fs::create_dir_all(&lib).expect("a folder");
        for path in [
            lib.join("libonnxruntime.so"),
            here.join(place).join("libonnxruntime.so"),
        ] {
            fs::copy(&library, path).expect("a library");
        }
    }
    // A run must not end for want of a model.
    let model = fruits::features::RuntimeFolder::find().model();
    let loaded = here.join("loaded");
    let here_with = |runtime: Option<&Path>, home: Option<&str>| {
        let report = ["HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "FRUITS_RUNTIME"]
            .into_iter()
            .fold(Report::new().within(&here), Report::without);
        let report = match runtime {
            Some(path) => report.env("FRUITS_RUNTIME", path),
            None => report,
        };
        match home {
            Some(home) => report.env("HOME", home).env("XDG_DATA_HOME", home),
            None => report,
        }
    };
    let run = |report: Report| {
        let report = report.arg("--input").arg(project().join("data-sample"));
        let report = report.arg("--out").arg(folder.path().join("out"));
        let report = report.arg("--model").arg(&model);
        report
            .args(["--no-cache", "--precision", "f32"])
            .expect(1)
            .stderr
    };

    // Where the user asks for it, it is loaded, and tells.
    run(here_with(Some(&here), None));
    assert!(loaded.exists());
    fs::remove_file(&loaded).expect("a file");
    // Doctor loads none that set-up did not write down.
    let said = here_with(Some(&here), None).arg("doctor").expect(1).stdout;
    assert!(said.contains("BAD  library    not loaded"), "{said}");
    assert!(
        said.contains("runtime.json") && said.contains("not ready"),
        "{said}"
    );
    assert!(!loaded.exists(), "{said}");

    for home in [None, Some("."), Some("")] {
        for (runtime, sentence) in [
            (Some("."), "give the whole path of the folder"),
            (Some("runtime"), "give the whole path of the folder"),
            (Some(""), "not found without HOME"),
            (None, "not found without HOME"),
        ] {
            let here_now = || here_with(runtime.map(Path::new), home);
            let said = run(here_now());
            assert!(said.contains(sentence), "{runtime:?}, {home:?}: {said}");
            here_now().arg("doctor").expect(1);
            assert!(!loaded.exists(), "{runtime:?}, {home:?}");
        }
    }
}

#[test]
fn without_a_home_a_run_keeps_no_descriptors_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("here");
    let input = folder.path().join("in");
    fs::create_dir(&here).expect("a folder");
    images::sample(&input, 2, 4);
    let homeless = by_colour(&input, &folder.path().join("out")).within(&here);
    let said = homeless.without("HOME").without("XDG_CACHE_HOME").expect(0);
    let note = "there is no HOME, so this run keeps no descriptors";
    assert!(said.stderr.contains(note), "{}", said.stderr);
    assert_eq!(fs::read_dir(&here).expect("a folder").count(), 0);
}

#[test]
fn a_cache_that_cannot_be_written_is_named_with_the_way_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    images::sample(&input, 2, 4);
    let run = || by_colour(&input, &out).without("XDG_CACHE_HOME");
    let named = |report: Report, path: &Path| {
        let said = report.expect(6).stderr;
        let path = path.display().to_string();
        for words in [path.as_str(), "--cache", "--no-cache"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!out.join("run.json").exists());
    };
    // Not even root makes a folder there.
    named(run().env("HOME", "/proc"), Path::new("/proc/.cache/fruits"));
    let file = folder.path().join("a-file");
    fs::write(&file, "in the way").expect("a file");
    named(run().env("XDG_CACHE_HOME", &file), &file.join("fruits"));

    let cache = folder.path().join("cache");
    fs::create_dir(&cache).expect("a folder");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "ro", "tmpfs"])
        .arg(&cache)
        .output();
    if mount.is_ok_and(|m| m.status.success()) {
        let read_only = || named(run().arg("--cache").arg(&cache), &cache);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read_only));
        Command::new("umount").arg(&cache).status().expect("umount");
        outcome.unwrap_or_else(|e| std::panic::resume_unwind(e));
    } else {
        skipped(
            "mount",
            "a read-only folder cannot be mounted here (that takes root)",
        );
    }
    run().env("HOME", "/proc").arg("--no-cache").expect(0);
}

#[test]
fn a_configuration_in_another_encoding_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.toml");
    let print = |bytes: &[u8], code| {
        fs::write(&file, bytes).expect("a file");
        let report = Report::new().args(["--input", "x", "--print-config"]);
        report.arg("--config").arg(&file).expect(code)
    };
    let text = "seed = 7\n";
    let marked = format!("\u{feff}{text}");
    let said = print(marked.as_bytes(), 0).stdout;
    assert!(said.contains("seed = 7 # file"), "{said}");
    for text in [text, &marked] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let said = print(&bytes, 2).stderr;
            assert!(
                said.contains("run.toml") && said.contains("save it as UTF-8"),
                "{bytes:?}: {said}"
            );
        }
    }
}

#[test]
fn results_are_not_written_among_the_images_however_their_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let run = |option: &str, place: &str| {
        let report = Report::new().within(&input).args(["--input", "."]);
        let report = report.args(["--descriptor", "colour", option, place]);
        match option {
            "--out" => report.arg("--no-cache"),
            _ => report.args(["--out", "../out"]),
        }
    };
    for option in ["--out", "--cache"] {
        for place in [
            "results",
            "./a/../results",
            "../in/results",
            "../not there/../in/results",
            "Plum Blue/results",
        ] {
            let said = run(option, place).expect(2).stderr;
            let words = format!("{option} `{place}` lies among the images");
            assert!(said.contains(&words), "{said}");
            assert!(!input.join("results").exists() && !input.join("a").exists());
        }
        run(option, "../beside").arg("--dry-run").expect(0);
    }
}

#[test]
fn weights_beside_a_model_are_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("external.onnx");
    fs::copy(project().join("tests/fixtures/external.onnx"), &model).expect("a model");
    fs::write(folder.path().join("factor.bin"), [0; 12]).expect("three factors");
    let out = folder.path().join("out");
    let report = Report::on(
        &project().join("data-sample"),
        &out,
        &folder.path().join("cache"),
    );
    // Both where the model lies and where the run begins.
    let said = report
        .within(folder.path())
        .args(["--limit", "16", "--components", "4", "--model"])
        .arg(&model)
        .expect(1);
    assert!(
        said.stderr.contains("external.onnx") && said.stderr.contains("all of them inside"),
        "{}",
        said.stderr
    );
    assert!(!out.join("run.json").exists());
}
