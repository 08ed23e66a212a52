//! The committed sample report is held to its numbers; its bytes depend on the processor.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::run::{Report, json, project, read_frame};

/// A report of `data-sample/`, rendered once for all tests that look at one.
pub fn rendered() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        // From the checkout and with the path that `make report` uses, so that both records name the same source.
        let sample = PathBuf::from("data-sample");
        Report::on(
            &sample,
            &folder.path().join("out"),
            &folder.path().join("cache"),
        )
        .expect(0);
        folder
    });
    folder.path().join("out")
}

fn number(run: &Value, path: &str) -> f64 {
    run.pointer(path)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no number at {path}"))
}

#[test]
fn the_committed_sample_has_the_numbers_of_a_fresh_run() {
    let committed = json(project().join("reports/sample/run.json"));
    let fresh = json(rendered().join("run.json"));
    for path in [
        "/schema",
        "/status",
        "/images",
        "/classes",
        "/dataset/sizes",
        "/dataset/modes",
        "/dataset/duplicates",
        "/features/model_sha256",
        "/pca/n_components",
        "/provenance/manifest_sha256",
    ] {
        let fresh = fresh.pointer(path).expect(path);
        assert_eq!(committed.pointer(path), Some(fresh), "{path}");
    }
    // f32 on another processor differs in the last bits of the features; `auto` may have computed bf16 (cosine 0.9995).
    for (path, tolerance) in [
        ("/pca/explained_variance_ratio_sum", 2e-3),
        ("/pca/explained_variance_ratio/0", 2e-3),
        ("/quality/trustworthiness", 0.02),
        ("/quality/knn_accuracy_pca", 0.03),
        ("/tsne/kl_divergence", 0.1),
    ] {
        let (old, new) = (number(&committed, path), number(&fresh, path));
        assert!(
            (old - new).abs() <= tolerance,
            "{path}: {old} is committed, {new} computed; run `make report`"
        );
    }
}

#[test]
fn the_record_has_its_stable_names() {
    let out = rendered();
    let run = json(out.join("run.json"));
    for path in [
        "/schema",
        "/status",
        "/source",
        "/images/listed",
        "/images/accepted",
        "/images/rejected",
        "/images/skipped",
        "/classes/0/label",
        "/classes/0/n",
        "/features/model_sha256",
        "/features/precision",
        "/features/provider",
        "/features/n_features",
        "/pca/solver",
        "/pca/n_components",
        "/pca/explained_variance_ratio",
        "/pca/explained_variance_ratio_sum",
        "/pca/total_variance",
        "/pca/residual",
        "/tsne/perplexity",
        "/tsne/seed",
        "/tsne/n_iter",
        "/tsne/kl_divergence",
        "/parameters",
        "/provenance",
    ] {
        assert!(
            run.pointer(path).is_some_and(|v| !v.is_null()),
            "run.json has no {path}"
        );
    }
    let timings = json(out.join("timings.json"));
    for path in [
        "/stages/0/name",
        "/stages/0/wall_s",
        "/stages/0/items",
        "/stages/0/cache_hits",
        "/total_s",
        "/peak_rss_bytes",
    ] {
        assert!(
            timings.pointer(path).is_some_and(|v| !v.is_null()),
            "timings.json has no {path}"
        );
    }
    let outputs = run["provenance"]["outputs"].as_array().expect("outputs");
    assert_eq!(outputs.len(), 5);
    for output in outputs {
        let name = output["name"].as_str().expect("a name");
        let digest = fruits::source::local::sha256(&out.join(name)).expect("a file");
        assert_eq!(output["sha256"], digest, "{name}");
    }
}

#[test]
fn near_duplicates_are_different_files_closest_first() {
    let run = json(rendered().join("run.json"));
    let pairs = run["dataset"]["near_duplicates"].as_array().expect("pairs");
    assert_eq!(pairs.len(), 12);
    let distances: Vec<f64> = pairs
        .iter()
        .map(|p| p["distance"].as_f64().expect("a number"))
        .collect();
    assert!(distances.is_sorted() && distances[0] > 0.0, "{distances:?}");
    for pair in pairs {
        assert!(pair["first"].as_str() < pair["second"].as_str(), "{pair}");
    }
}

#[test]
fn the_embeddings_hold_what_the_record_says() {
    use polars::prelude::*;
    let out = rendered();
    let run = json(out.join("run.json"));
    let frame = read_frame(&out.join("embeddings.parquet"));
    let names: Vec<String> = frame
        .get_column_names()
        .iter()
        .map(|n| n.to_string())
        .collect();
    let mut expected = vec!["key".to_owned(), "label".to_owned()];
    let k = run["pca"]["n_components"].as_u64().expect("a count");
    expected.extend((1..=k).map(|i| format!("pc{i}")));
    let measured = [
        "outlier_score",
        "label_agreement",
        "tsne_x",
        "tsne_y",
        "trust",
    ];
    expected.extend(measured.map(str::to_owned));
    assert_eq!(names, expected);
    assert_eq!(
        frame.height() as u64,
        run["images"]["accepted"].as_u64().expect("a count")
    );
    // The variance of a score is the variance that its component explains.
    let pc1 = frame
        .column("pc1")
        .expect("pc1")
        .f32()
        .expect("float32")
        .cast(&DataType::Float64)
        .expect("float64");
    let variance = pc1
        .var_reduce(1)
        .expect("a variance")
        .value()
        .try_extract::<f64>()
        .expect("a number");
    let explained = number(&run, "/pca/explained_variance/0");
    assert!(
        (variance / explained - 1.0).abs() < 1e-4,
        "{variance} is not {explained}"
    );
}
