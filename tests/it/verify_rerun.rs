//! `report verify --rerun`: a fresh computation tells what nothing else does.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::{Value, json};

use crate::run::{Report, json as json_of, project, read_frame, said, write_frame};
use crate::verify::{assert_differs, change, copy, line, small, verify};
use crate::{images, sample};

#[test]
fn computed_again_it_is_equal_and_a_change_without_contradiction_is_found() {
    let said = verify(&small().out())
        .arg("--rerun")
        .env("FRUITS_PERPLEXITY", "3")
        .expect(0);
    for what in [
        "images",
        "rejected.csv",
        "run.json",
        "pca.parquet",
        "embeddings.parquet",
        "duplicates.csv",
    ] {
        let line = line(&said, &format!("again: {what}"));
        assert!(
            line.starts_with("ok ") && line.ends_with(" equal"),
            "{line}"
        );
    }

    let out = copy(&small().out());
    let path = out.path().join("embeddings.parquet");
    let mut frame = read_frame(&path);
    let mut scores: Vec<f32> = frame
        .column("pc1")
        .expect("pc1")
        .f32()
        .expect("f32")
        .no_null_iter()
        .collect();
    // The variance stays.
    scores.swap(0, 20);
    frame
        .with_column(Column::new("pc1".into(), scores))
        .expect("a column");
    let keys = frame.column("key").expect("keys").str().expect("strings");
    let changed = [0, 20].map(|i| keys.get(i).expect("a key").to_owned());
    write_frame(&path, &mut frame.clone());
    change(out.path(), |run| {
        run["tsne"]["kl_divergence"] = json!(0.01);
        run["projections"][0]["figures"][4]["value"] = json!(0.01);
    });
    let said = verify(out.path()).arg("--rerun").expect(4);
    for what in ["findings", "quality"] {
        assert_differs(&said, what, &[&format!("{what}.")]);
    }
    assert_differs(
        &said,
        "again: embeddings.parquet",
        &[&changed[0], &changed[1], "2 images"],
    );
    assert_differs(
        &said,
        "again: Kullback-Leibler divergence",
        &["0.0100 then"],
    );
    for what in ["trustworthiness", "pca.parquet"] {
        let line = line(&said, &format!("again: {what}"));
        assert!(line.starts_with("ok "), "{line}");
    }

    // Another run's numbers throughout: nothing contradicts them here.
    let out = copy(&small().other());
    change(out.path(), |run| {
        let own = json_of(small().out().join("run.json"));
        for name in ["filter", "fingerprint"] {
            run["features"][name] = own["features"][name].clone();
        }
        run["parameters"] = own["parameters"].clone();
    });
    verify(out.path()).expect(0);
    let said = verify(out.path()).arg("--rerun").expect(4);
    assert_differs(&said, "again: pca.parquet", &[]);

    // No file holds these.
    let out = copy(&small().out());
    change(out.path(), |run| {
        run["features"]["max"] = json!(1e3);
        run["dataset"]["n_rotated"] = json!(3);
        run["features"]["facts"][1]["value"] = json!("0".repeat(64));
        run["features"]["about"]["n_values"] = json!(4096);
    });
    verify(out.path()).expect(0);
    let said = verify(out.path()).arg("--rerun").expect(4);
    let words = [
        "dataset.n_rotated: 3 then, 0 now",
        "features.max: 1000.0 then",
        "features.facts[1].value: `00",
        "features.about.n_values: 4096 then",
    ];
    assert_differs(&said, "again: run.json", &words);
}

/// The committed sample is without `pca.parquet`, as a clone has it though `make report` was run here, and says so in its
/// last line.
#[test]
fn a_report_may_leave_out_the_components_and_nothing_else() {
    let clone = copy(&project().join("reports/sample"));
    let _ = fs::remove_file(clone.path().join("pca.parquet"));
    let said = verify(clone.path()).arg("--quiet").expect(0);
    let last = said.stdout.lines().last().expect("a line");
    assert!(
        last.contains(" 0 differ, 2 skipped (pca.parquet, components)"),
        "{}",
        said.stdout
    );

    let out = copy(&small().out());
    fs::remove_file(out.path().join("pca.parquet")).expect("a file");
    let said = verify(out.path()).arg("--rerun").expect(0);
    for what in ["pca.parquet", "components"] {
        assert!(line(&said, what).starts_with("skipped"), "{}", said.stdout);
    }
    // Its digest is in the record.
    assert!(
        line(&said, "again: pca.parquet").ends_with(" equal"),
        "{}",
        said.stdout
    );

    let mut run = json_of(out.path().join("run.json"));
    run["pca"]["explained_variance_ratio"][1] = json!(0.5);
    fs::write(out.path().join("run.json"), run.to_string()).expect("a record");
    let said = verify(out.path()).expect(4);
    assert_differs(
        &said,
        "components",
        &["pca.explained_variance_ratio[1]: 0.5"],
    );
}

#[test]
fn what_cannot_be_computed_again_says_why() {
    let out = copy(&small().out());
    let refused = |words: &[&str], code| {
        let said = verify(out.path()).arg("--rerun").expect(code);
        assert!(
            words.iter().all(|word| said.stderr.contains(word)),
            "{}",
            said.stderr
        );
        assert!(said.stdout.contains("manifest digest"), "{}", said.stdout);
    };
    let parameter =
        |name: &str, value: &str| json!({"name": name, "value": value, "origin": "code"});
    let push = |run: &mut Value, parameter| {
        run["parameters"]
            .as_array_mut()
            .expect("parameters")
            .push(parameter)
    };
    let written = out.path().join("written");
    change(out.path(), |run| {
        push(run, parameter("out", &written.display().to_string()))
    });
    refused(&["`out`"], 2);
    assert!(!written.exists());
    change(out.path(), |run| {
        run["parameters"].as_array_mut().expect("parameters").pop();
        push(run, parameter("t-SNE theta", "0.2"));
        run["provenance"]["command"] = json!("");
    });
    refused(&["notebook"], 2);
    change(out.path(), |run| {
        run["parameters"].as_array_mut().expect("parameters").pop();
        run["provenance"]["command"] = json!("report");
        run["features"]["model_sha256"] = json!("0".repeat(64));
    });
    // What was found is told although nothing can be computed.
    let said = verify(out.path()).args(["--rerun", "--quiet"]).expect(4);
    assert_differs(&said, "model", &["another"]);
    let why = line(&said, "computed again");
    assert!(
        why.starts_with("skipped") && why.contains("name it with --model"),
        "{why}"
    );
    // A model that the record names is neither fetched nor run.
    for model in ["s3://models/x.onnx", "/dev/zero", "/nowhere/x.onnx"] {
        change(out.path(), |run| {
            let parameters = run["parameters"].as_array_mut().expect("parameters");
            let own = parameters.iter_mut().find(|p| p["name"] == "model");
            own.expect("the model")["value"] = json!(model);
        });
        let said = verify(out.path()).expect(0);
        let found = line(&said, "model");
        assert!(
            found.starts_with("skipped") && found.contains(model),
            "{found}"
        );
        refused(&["name it with --model", model], 2);
    }
    // Nor where it says nothing of what that model is.
    fs::copy(out.path().join("rejected.csv"), &written).expect("a file");
    change(out.path(), |run| {
        let parameters = run["parameters"].as_array_mut().expect("parameters");
        let own = parameters.iter_mut().find(|p| p["name"] == "model");
        own.expect("the model")["value"] = json!(written);
        run["features"] = Value::Null;
    });
    refused(&["name it with --model"], 2);
}

#[test]
fn a_comma_in_the_name_of_a_class_makes_no_two_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (images, out) = (at("in"), at("out"));
    images::sample(&images, 3, 8);
    let classes = images::classes();
    fs::rename(images.join(&classes[0]), images.join("Red, round")).expect("a folder");
    let model = project().join("tests/fixtures/pool.onnx");
    Report::on(&images, &out, &at("cache"))
        .args(["--components", "6", "--perplexity", "4"])
        .args(["--classes", r"Red\, round", "--classes", &classes[1]])
        .arg("--model")
        .arg(&model)
        .expect(0);
    let run = json_of(out.join("run.json"));
    let names = json!([classes[1], "Red, round"]);
    let found = run["classes"].as_array().expect("classes").iter();
    assert_eq!(Value::from_iter(found.map(|c| c["label"].clone())), names);
    // 7 x 7 x 3 means: nothing of it is VGG16's.
    let html = fs::read_to_string(out.join("index.html")).expect("the report");
    assert!(html.contains("became 147 numbers: the output of a model of the user"));
    for of_vgg16 in [
        "7 × 7 × 512",
        "25,088",
        "pooling layer",
        "VGG16 descriptors",
    ] {
        assert!(!html.contains(of_vgg16), "{of_vgg16}");
    }
    let said = verify(&out)
        .arg("--rerun")
        .arg("--model")
        .arg(&model)
        .expect(0);
    assert!(line(&said, "again: images").ends_with(" equal"));
}

#[test]
fn ctrl_c_says_what_was_verified_until_then() {
    let temporary = tempfile::tempdir().expect("a folder");
    let child = verify(&sample::rendered())
        .arg("--rerun")
        .env("TMPDIR", temporary.path())
        .start();
    let began = Instant::now();
    while fs::read_dir(temporary.path()).expect("a folder").count() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "no rerun begins");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(1));
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .expect("kill")
            .success()
    );
    let said = said(child);
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    let last = said.stdout.lines().last().expect("a line");
    assert!(last.contains("stopped") && last.contains("18 ok"), "{last}");
    assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0);
}
