//! A descriptor of a user's own: the one of `examples/toy_descriptor.rs`, in a file, by itself and in a run.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use fruits::features::{Descriptor, OwnDescriptor, Precision};
use fruits::outputs;
use fruits::pipeline::{self, Outcome, Params};
use fruits::place::Place;
use fruits::source::Source;
use fruits::verify::{self, State};
use fruits::{Result, report};

use crate::run::{html_without_timing, json, project};

#[allow(dead_code, reason = "its `main` is for those who start it")]
#[path = "../../examples/toy_descriptor.rs"]
mod toy_descriptor;

static GOES_ON: AtomicBool = AtomicBool::new(false);

use self::toy_descriptor::{Brightness, explore};

#[test]
fn it_takes_one_file_and_describes_photographs() {
    let (images, pca, quality) =
        explore(&project().join("data-sample").display().to_string()).expect("the chain ends");
    assert_eq!((images.height(), pca.n_features()), (quality.n_sampled, 64));
    let labels = images.column("label").expect("a column");
    let n_classes = labels.n_unique().expect("a count");
    // A tenth of the way from chance to certainty is far from what photographs of fruits leave to the brightness.
    let chance = 1.0 / n_classes as f64;
    let accuracy = quality.knn_accuracy_pca.expect("labels");
    assert!(accuracy > 0.1 + 0.9 * chance, "{accuracy}");
}

#[test]
fn its_values_are_means_of_cells() {
    let mut image = vec![0; Brightness.input().n_bytes()];
    let upper_half = image.len() / 2;
    image[..upper_half].fill(255);
    let values = Brightness.describe(&[&image]).expect("values");
    assert_eq!(values, [vec![1.0; 32], vec![0.0; 32]].concat());
    assert!(Brightness.describe(&[&image[1..]]).is_err());
}

fn run(cache: &Path, name: &'static str, precision: Precision) -> Result<Outcome> {
    let params = Params {
        own_descriptor: Some(OwnDescriptor::new(name, |_| Ok(Box::new(Brightness)))),
        precision,
        cache: Some(Place::Folder(cache.to_owned())),
        ..Params::new(Source::folder(project().join("data-sample"))?)
    };
    pipeline::run(&params, &mut |_| {}, &GOES_ON)
}

#[test]
fn a_run_by_it_ends_in_a_report_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let [cache, out] = ["cache", "out"].map(|name| folder.path().join(name));
    let mut outcome = run(&cache, "brightness", Precision::Auto).expect("a run");
    let claim = Place::Folder(out.clone()).claim().expect("writable");
    outputs::publish(&mut outcome, &claim, report::render_outcome).expect("written");

    let record = json(out.join("run.json"));
    assert_eq!(record["status"]["state"], "complete");
    assert_eq!(record["features"]["descriptor"], "brightness");
    assert_eq!(record["features"]["n_features"], 64);
    let parameters = record["parameters"].as_array().expect("a list");
    let named = |name: &str| parameters.iter().find(|p| p["name"] == name);
    assert_eq!(named("descriptor").expect("one")["value"], "brightness");
    assert!(named("precision").is_none() && named("model").is_none());
    // No command has it.
    assert_eq!(record["provenance"]["command"], "");

    let html = html_without_timing(&out);
    for part in [
        "brightness values",
        "8 × 8 cells of 28 × 28 pixels",
        "its mean brightness in each cell of a grid",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("VGG16"));

    let (recorded, _) = verify::open(&out, &GOES_ON).expect("a record");
    let recorded = recorded.expect("a record");
    let mut findings = Vec::new();
    recorded
        .files(&GOES_ON, &mut |finding| findings.push(finding))
        .expect("no signal");
    assert!(findings.len() > 10);
    for finding in findings {
        assert_eq!(finding.state, State::Ok, "{finding}");
    }

    // Its shards are those of the next run.
    let again = run(&cache, "brightness", Precision::Auto).expect("a run");
    let stages = &again.timings.stages;
    let features = stages.iter().find(|stage| stage.name == "features");
    assert_eq!(features.expect("a stage").cache_hits, 180);
}

#[test]
fn a_name_of_another_and_what_it_has_no_use_for_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |name, precision| {
        let outcome = run(folder.path(), name, precision);
        outcome.expect_err("a fault").to_string()
    };
    let taken = refused("vgg16", Precision::Auto);
    assert!(
        taken.contains("there is a descriptor `vgg16` already"),
        "{taken}"
    );
    let other = refused("darkness", Precision::Auto);
    assert!(other.contains("calls itself `brightness`"), "{other}");
    let idle = refused("brightness", Precision::F32);
    assert!(idle.contains("leave it out"), "{idle}");
}
