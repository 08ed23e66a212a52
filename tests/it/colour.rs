//! Runs by the colour histogram: no network, its own words, and VGG16 beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::run::{Report, Said, assert_same_results, json};
use crate::sample;

/// `report` on a machine without ONNX Runtime and model.
fn bare() -> Report {
    Report::new().env("FRUITS_RUNTIME", "/nowhere")
}

fn by_colour(out: &Path, cache: &Path) -> Report {
    bare()
        .args(["--input", "data-sample", "--limit", "60"])
        .args(["--iterations", "300", "--components", "8"])
        .arg("--out")
        .arg(out)
        .arg("--cache")
        .arg(cache)
}

/// A run by colour, made once for all tests that look at one.
fn made() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        by_colour(&folder.path().join("out"), &folder.path().join("cache"))
            .args(["--descriptor", "colour"])
            .expect(0);
        folder
    });
    folder.path().join("out")
}

#[test]
fn it_needs_no_network_and_continues_from_its_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let again = |variable: &str| -> Said {
        by_colour(folder.path(), &made().with_file_name("cache"))
            .env(variable, "colour")
            .expect(0)
    };
    let said = again("FRUITS_DESCRIPTOR");
    assert!(said.stderr.contains("60 from the cache"), "{}", said.stderr);
    let run = json(folder.path().join("run.json"));
    assert_eq!(run["features"]["descriptor"], "colour");
    assert!(run["features"].get("model_sha256").is_none());
    let norm = run["features"]["norm_mean"].as_f64().expect("a number");
    assert!((norm - 1.0).abs() < 1e-6, "{norm}");
    // One says flag, the other variable.
    let parameters = run["parameters"].as_array().expect("parameters");
    let named = |name: &str| parameters.iter().find(|p| p["name"] == name);
    assert_eq!(named("descriptor").expect("it")["origin"], "environment");
    assert!(named("precision").is_none() && named("model").is_none());

    let fresh = folder.path().join("fresh");
    let cache = folder.path().join("cache");
    by_colour(&fresh, &cache)
        .args(["--descriptor", "colour", "--threads", "1"])
        .expect(0);
    assert_same_results(&fresh, &made());
}

#[test]
fn its_report_speaks_of_itself_alone() {
    let html = fs::read_to_string(made().join("index.html")).expect("the report");
    let (_, rest) = html.split_once("<main").expect("the text");
    let (text, _) = rest.split_once("</main>").expect("its end");
    // Pictures may spell anything.
    let (first, pictures) = text.split_once("base64,").expect("pictures");
    let after = pictures
        .split("base64,")
        .map(|rest| rest.split_once('"').map_or("", |r| r.1));
    let text = [first]
        .into_iter()
        .chain(after)
        .collect::<String>()
        .to_lowercase()
        // What the processor could do is told of every run.
        .replace("avx512_bf16", "")
        .replace("amx_bf16", "");
    for word in ["vgg", "imagenet", "onnx", "bf16", "model", "network"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("2,312 colour-histogram values an image"));
    assert!(text.contains("swain and ballard"));
}

#[test]
fn it_is_verified_and_computed_again() {
    let verify = bare().arg("verify").arg(made()).arg("--rerun").expect(0);
    let line = |what: &str| {
        let found = verify.stdout.lines().find(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("{what}: {}", verify.stdout))
    };
    assert!(line(" model ").starts_with("ok"), "{}", line(" model "));
    for what in ["again: run.json", "again: embeddings.parquet"] {
        assert!(line(what).ends_with(" equal"), "{}", line(what));
    }
}

#[test]
fn beside_vgg16_accuracies_are_compared_and_coordinates_are_not() {
    let said = Report::new()
        .arg("diff")
        .arg(sample::rendered())
        .arg(made())
        .expect(0)
        .stdout;
    assert!(
        said.contains("described by colour in this run, by vgg16 in the baseline"),
        "{said}"
    );
    assert!(said.contains("other spaces"), "{said}");
    let line = |name: &str| said.lines().find(|line| line.contains(name)).expect(name);
    let has_difference = |name: &str| !line(name).trim_end().ends_with('–');
    assert!(has_difference("label kNN accuracy, PCA"), "{said}");
    assert!(!has_difference("explained variance ratio"), "{said}");
    assert!(!has_difference("Kullback-Leibler divergence"), "{said}");
}

#[test]
fn what_is_for_vgg16_alone_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = || by_colour(folder.path(), &made().with_file_name("cache"));
    for (option, value) in [("--precision", "f32"), ("--model", "x.onnx")] {
        let said = run()
            .args(["--descriptor", "colour", option, value])
            .expect(2);
        let word = option.trim_start_matches('-');
        assert!(
            said.stderr.contains(word) && said.stderr.contains("--descriptor vgg16"),
            "{}",
            said.stderr
        );
    }
    // A descriptor that was said in a stronger place than they.
    run()
        .args(["--descriptor", "colour", "--dry-run"])
        .env("FRUITS_MODEL", "x.onnx")
        .env("FRUITS_PRECISION", "bf16")
        .expect(0);
    // And in a weaker one.
    let said = run()
        .args(["--model", "x.onnx"])
        .env("FRUITS_DESCRIPTOR", "colour")
        .expect(2);
    assert!(said.stderr.contains("model"), "{}", said.stderr);
}
