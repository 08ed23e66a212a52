//! Where a run finds itself: without a home, in folders of others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Report, project};

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
