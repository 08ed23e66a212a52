//! A second projection, all of it in this file, beside t-SNE: from the run to the comparison.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fruits::load::LoadParams;
use fruits::matrix::Matrix;
use fruits::neighbors::Space;
use fruits::outputs::{self, Finished};
use fruits::pca::{Keep, PcaParams};
use fruits::pipeline::{self, Outcome, Params};
use fruits::place::Place;
use fruits::projection::{Project, Projected};
use fruits::record::{EmbeddingComparison, Figure, FigureValue, ProjectionRecord, Status};
use fruits::source::Source;
use fruits::tsne::TsneParams;
use fruits::verify::{self, State};
use fruits::{Error, Result, compare, report};

use crate::run::{html_without_timing, json, project};

static GOES_ON: AtomicBool = AtomicBool::new(false);

/// The first two components, each divided by its standard deviation.
#[derive(Debug)]
struct Standardised {
    min_rows: usize,
}

impl Project for Standardised {
    fn name(&self) -> &'static str {
        "pca2"
    }

    fn recipe(&self) -> String {
        format!("{} rows or more", self.min_rows)
    }

    fn check(&self) -> Result<()> {
        match self.min_rows {
            0..3 => Err(Error::Invalid(format!("{} rows: 3 or more", self.min_rows))),
            _ => Ok(()),
        }
    }

    fn project(&self, space: &Space, _: &mut dyn FnMut(usize, usize) -> bool) -> Result<Projected> {
        let scores = space.points();
        let (n, d) = (scores.n_rows(), scores.n_cols());
        if n < self.min_rows || d < 2 {
            return Err(Error::Invalid(format!("{n} rows of {d} components")));
        }
        let squares = |j: usize| {
            (0..n)
                .map(|i| f64::from(scores.row(i)[j]).powi(2))
                .sum::<f64>()
        };
        let deviations = [0, 1].map(|j| (squares(j) / n as f64).sqrt());
        let values = (0..n).flat_map(|i| [0, 1].map(|j| scores.row(i)[j] / deviations[j] as f32));
        let kept = (squares(0) + squares(1)) / (0..d).map(squares).sum::<f64>();
        let record = ProjectionRecord {
            name: self.name().to_owned(),
            title: "Two components".to_owned(),
            hint: "Each axis has a scale of its own.".to_owned(),
            rearranges: false,
            figures: vec![
                Figure::set("Rows at least", FigureValue::Count(self.min_rows as u64)),
                Figure::measured("Variance shown", kept, 0.01).brief("variance"),
            ],
            quality: None,
        };
        Ok(Projected {
            positions: Matrix::new(n, 2, values.collect())?,
            record,
            warnings: vec!["the second component is drawn as wide as the first".to_owned()],
            note: format!("{kept:.2} of the variance shown"),
            tsne: None,
        })
    }
}

fn run(cache: &Path, projection: impl Project + 'static) -> Result<Outcome> {
    let params = Params {
        load: LoadParams {
            limit: Some(40),
            ..LoadParams::default()
        },
        model: Some(project().join("tests/fixtures/pool.onnx")),
        cache: Some(Place::Folder(cache.to_owned())),
        pca: PcaParams {
            keep: Keep::Components(6),
            ..PcaParams::default()
        },
        tsne: TsneParams {
            n_iter: 300,
            ..TsneParams::default()
        },
        further_projections: vec![Arc::new(projection)],
        ..Params::new(Source::folder(project().join("data-sample"))?)
    };
    pipeline::run(&params, &mut |_| {}, &AtomicBool::new(false))
}

fn publish(outcome: &mut Outcome, folder: &Path) {
    let claim = Place::Folder(folder.to_owned()).claim().expect("writable");
    outputs::publish(outcome, &claim, report::render_outcome).expect("written");
}

#[test]
fn a_second_projection_goes_all_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let [cache, first, second] = ["cache", "first", "second"].map(|name| folder.path().join(name));
    let again = || run(&cache, Standardised { min_rows: 3 }).expect("a run");

    let mut outcome = again();
    publish(&mut outcome, &first);
    let baseline = Finished::open(&first, &GOES_ON).expect("a run");

    // Columns and quality.
    let frame = baseline.embeddings.as_ref().expect("embeddings");
    for name in [
        "tsne_x",
        "tsne_y",
        "trust",
        "pca2_x",
        "pca2_y",
        "pca2_trust",
    ] {
        assert!(frame.column(name).is_ok(), "{name}");
    }
    let record = json(first.join("run.json"));
    let [of_tsne, of_pca2] = [0, 1].map(|i| record["projections"][i].clone());
    assert_eq!(
        (&of_tsne["name"], &of_pca2["name"]),
        (&"tsne".into(), &"pca2".into())
    );
    assert_eq!(of_pca2["figures"][1]["name"], "Variance shown");
    let trust = of_pca2["quality"]["trustworthiness"].as_f64();
    let trust = trust.expect("a number");
    assert!((0.5..1.0).contains(&trust), "{trust}");
    let silhouette = &of_pca2["quality"]["labels"]["plane"]["silhouette"];
    assert!(silhouette.is_f64(), "{silhouette}");
    // What stands there of t-SNE alone is what the list says of it.
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    assert_eq!(
        number(&record["quality"]["trustworthiness"]),
        number(&of_tsne["quality"]["trustworthiness"])
    );
    assert_eq!(
        number(&record["tsne"]["kl_divergence"]),
        number(&of_tsne["figures"][4]["value"])
    );
    let parameters = record["parameters"].as_array().expect("a list");
    let last = parameters.last().expect("a parameter");
    assert_eq!(
        (&last["name"], &last["value"]),
        (&"projection pca2".into(), &"3 rows or more".into())
    );

    // The section, its plot, its numbers, and how it is said on the first screen.
    let html = html_without_timing(&first);
    for part in [
        "<section id=\"pca2\">",
        "</span> Two components scatter</h2>",
        "data-scatter=\"pca2\"",
        "Each axis has a scale of its own.",
        "Variance shown",
        "Two components against PCA, 10 neighbours",
        "Two components in two dimensions",
        "Of the Two components plane against PCA space",
        "id=\"plot-confusion-pca2",
        "drawn as wide as the first",
        "\"id\":\"pca2_trust\"",
    ] {
        assert!(html.contains(part), "{part}");
    }

    // Everything follows from the files.
    let (recorded, _) = verify::open(&first, &GOES_ON).expect("a record");
    let mut findings = Vec::new();
    recorded
        .expect("a record")
        .files(&GOES_ON, &mut |finding| findings.push(finding))
        .expect("no signal");
    assert!(findings.len() > 10);
    for finding in findings {
        assert_eq!(finding.state, State::Ok, "{finding}");
    }

    // The same run again lies where it lay.
    let mut outcome = again();
    compare::with_baseline(&mut outcome, &baseline, &GOES_ON).expect("a comparison");
    publish(&mut outcome, &second);
    let comparison = outcome.run.comparison.expect("a comparison");
    assert_eq!(comparison.sentence, "same data and same numbers");
    let names = comparison.metrics.iter().map(|metric| metric.name.as_str());
    let names: Vec<_> = names.collect();
    for name in [
        "Variance shown, Two components",
        "trustworthiness, Two components",
        "label kNN accuracy, Two components",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let of_pca2 = &comparison.projections[1];
    assert_eq!(of_pca2.name, "pca2");
    let EmbeddingComparison::Aligned(alignment) = &of_pca2.embedding else {
        panic!("{of_pca2:?}");
    };
    assert_eq!((alignment.n_points, alignment.disparity), (40, 0.0));
    let html = html_without_timing(&second);
    assert!(html.contains("Two components embeddings laid over each other"));
    assert!(html.contains("id=\"plot-comparison-pca2"));
}

#[test]
fn a_projection_that_the_images_do_not_allow_ends_the_run_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = run(folder.path(), Standardised { min_rows: 1000 }).expect("a run");
    let stage = match &outcome.run.status {
        Status::Partial { stage, reason } => {
            assert_eq!(reason, "40 rows of 6 components");
            stage
        }
        Status::Complete => panic!("the run is complete"),
    };
    assert_eq!(stage, "pca2");
    let names = outcome.run.projections.iter().map(|p| p.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["tsne"]);
    assert!(outcome.run.quality.is_some(), "what came before is whole");
    assert!(outcome.images.column("pca2_x").is_err());
}

#[test]
fn projections_are_checked_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |error: Result<Outcome>| error.expect_err("a fault").to_string();
    let twice = refused(run(folder.path(), TsneParams::default()));
    assert!(
        twice.contains("two projections are named `tsne`"),
        "{twice}"
    );
    let wrong = refused(run(folder.path(), Standardised { min_rows: 0 }));
    assert!(wrong.contains("0 rows: 3 or more"), "{wrong}");
}
