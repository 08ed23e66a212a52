//! Every public step, given every kind of column that it does not take: an error that names the column, never a panic and never
//! another meaning. And given every kind that it takes.

mod kinds;

use fruits::features::{Colour, features};
use fruits::frame::add_by_key;
use fruits::load::{LoadParams, load, read};
use fruits::matrix::{Matrix, MatrixExt};
use fruits::pca::{Keep, Pca, PcaExt, PcaParams, PcaParamsExt};
use fruits::quality::quality;
use fruits::resize::{Filter, resize};
use fruits::schema::{
    CONTENT, ETAG, FEATURES, KEY, LABEL, MODE, PIXELS, PIXELS_LEN, SHA256, SIZE_BYTES, TSNE_X,
    TSNE_Y, VERSION_ID, WIDTH,
};
use fruits::source::Source;
use fruits::steps::duplicates::near_duplicates;
use fruits::steps::findings::findings;
use fruits::tsne::{TsneParams, tsne};
use fruits::{Error, Result};
use polars::prelude::*;

use self::kinds::{Takes, of_each_type};
use crate::run::project;

const N: usize = 12;
const D: usize = 6;

type Call = dyn Fn(&DataFrame) -> Result<()>;

struct Step {
    name: &'static str,
    /// What it reads; `true` where it cannot do without.
    columns: &'static [(&'static str, Takes, bool)],
    call: Box<Call>,
}

fn waves(factor: f32) -> Vec<f32> {
    (0..N).map(|i| (i as f32 * factor).sin()).collect()
}

/// Files of the sample, and under each what every step reads.
fn frame() -> (Source, DataFrame) {
    let source = Source::folder(project().join("data-sample")).expect("the sample");
    let few = LoadParams {
        limit: Some(N),
        ..LoadParams::default()
    };
    let manifest = load(&source, &few).expect("images").manifest;
    let mut frame = read(&source, &manifest).expect("files");
    let pixels = (0..N).map(|i| vec![i as u8; PIXELS_LEN]);
    let pixels = BinaryChunked::from_iter_values(PIXELS.into(), pixels).into_column();
    let rows = Matrix::new(N, D, (0..N * D).map(|i| (i as f32 * 0.7).sin()).collect());
    let rows = rows.map(|rows| rows.into_arrays(FEATURES).expect("arrays"));
    frame.with_column(pixels).expect("a column");
    frame.with_column(rows.expect("rows")).expect("a column");
    for (name, factor) in [("pc1", 1.0), ("pc2", 2.5), (TSNE_X, 0.8), (TSNE_Y, 1.9)] {
        let column = Column::new(name.into(), waves(factor));
        frame.with_column(column).expect("a column");
    }
    (source, frame)
}

fn fitted(frame: &DataFrame) -> Result<Pca> {
    let params = PcaParams {
        keep: Keep::Components(2),
        ..PcaParams::default()
    };
    params.fit(frame)
}

fn steps(source: Source, whole: &DataFrame) -> Vec<Step> {
    use Takes::{Bytes, Keys, Names, Numbers, Sizes, Strings, Vectors};
    let pca = fitted(whole).expect("a fit");
    let others = whole.clone();
    vec![
        Step {
            name: "read",
            columns: &[
                (KEY, Strings, true),
                (ETAG, Strings, true),
                (SIZE_BYTES, Sizes, true),
            ],
            call: Box::new(move |frame| {
                let files = frame.drop_many([SHA256, VERSION_ID, CONTENT]);
                read(&source, &files).map(drop)
            }),
        },
        Step {
            name: "resize",
            columns: &[(KEY, Keys, true), (CONTENT, Bytes, true)],
            call: Box::new(|frame| {
                let frame = frame.drop_many([PIXELS]);
                resize(&frame, Filter::Nearest).map(drop)
            }),
        },
        Step {
            name: "features",
            columns: &[
                (KEY, Keys, true),
                (PIXELS, Bytes, true),
                (SIZE_BYTES, Sizes, false),
            ],
            call: Box::new(|frame| {
                let frame = frame.drop_many([FEATURES]);
                features(&frame, &mut Colour, &mut |_| true).map(drop)
            }),
        },
        Step {
            name: "fit",
            columns: &[(FEATURES, Vectors, true)],
            call: Box::new(|frame| fitted(frame).map(drop)),
        },
        Step {
            name: "transform",
            columns: &[(FEATURES, Vectors, true)],
            call: Box::new(move |frame| pca.transform(&frame.drop_many(["pc1", "pc2"])).map(drop)),
        },
        Step {
            name: "tsne",
            columns: &[("pc1", Numbers, true), ("pc2", Numbers, false)],
            call: Box::new(|frame| {
                let frame = frame.drop_many([TSNE_X, TSNE_Y]);
                tsne(&frame, &TsneParams::default()).map(drop)
            }),
        },
        Step {
            name: "quality",
            columns: &[
                (KEY, Keys, false),
                (LABEL, Names, false),
                ("pc1", Numbers, true),
                ("pc2", Numbers, false),
                (TSNE_X, Numbers, true),
                (TSNE_Y, Numbers, true),
            ],
            call: Box::new(|frame| quality(frame, 3, 1).map(drop)),
        },
        Step {
            name: "findings",
            columns: &[
                (KEY, Keys, true),
                (LABEL, Names, true),
                (SHA256, Strings, false),
                ("pc1", Numbers, true),
                ("pc2", Numbers, false),
            ],
            call: Box::new(|frame| findings(frame).map(drop)),
        },
        Step {
            name: "near_duplicates",
            columns: &[
                (KEY, Keys, true),
                (SHA256, Strings, true),
                ("pc1", Numbers, true),
            ],
            call: Box::new(|frame| near_duplicates(frame).map(drop)),
        },
        Step {
            name: "add_by_key",
            columns: &[(KEY, Keys, true)],
            call: Box::new(move |frame| {
                // A number is the key that is written as it is; of other keys, the frames do not belong together.
                let mut with = others.clone();
                if let Ok(keys) = frame.column(KEY)
                    && keys.dtype().is_integer()
                {
                    with.with_column(keys.clone())?;
                }
                add_by_key(&mut with, frame, &["pc1"])
            }),
        },
    ]
}

#[test]
fn a_column_that_is_not_what_a_step_takes_is_named() {
    let (source, whole) = frame();
    for step in steps(source, &whole) {
        (step.call)(&whole).unwrap_or_else(|e| panic!("{}: {e}", step.name));
        for &(name, takes, is_needed) in step.columns {
            let good = whole.column(name).expect("a column");
            let wrong = of_each_type(name)
                .into_iter()
                .filter(|c| !takes.is_type(c.dtype()));
            for column in wrong.chain(takes.spoilt(good)) {
                let what = format!("{}: {name} as {:?}", step.name, column.dtype());
                let mut frame = whole.clone();
                frame.with_column(column).expect("a column");
                match (step.call)(&frame) {
                    Err(Error::Column {
                        name: named,
                        expected,
                        found,
                    }) => {
                        assert_eq!(named, name, "{what}");
                        assert!(!expected.is_empty() && !found.is_empty(), "{what}");
                    }
                    outcome => panic!("{what}: {outcome:?}"),
                }
            }
            let without = (step.call)(&whole.drop(name).expect("a column"));
            match without {
                Ok(()) => assert!(!is_needed, "{}: without {name}", step.name),
                Err(Error::Column { name: named, .. }) => assert!(is_needed && named == name),
                Err(error) => panic!("{}: without {name}: {error}", step.name),
            }
        }
    }
}

#[test]
fn keys_labels_sizes_scores_and_vectors_come_in_several_types() {
    let (source, whole) = frame();
    for step in steps(source, &whole) {
        for &(name, takes, _) in step.columns {
            // What these hold is their own affair.
            if matches!(takes, Takes::Strings | Takes::Bytes) || step.name == "read" {
                continue;
            }
            for column in of_each_type(name)
                .into_iter()
                .filter(|c| takes.is_type(c.dtype()))
            {
                let dtype = column.dtype().clone();
                let mut frame = whole.clone();
                frame.with_column(column).expect("a column");
                if step.name == "add_by_key" && dtype == DataType::String {
                    continue;
                }
                (step.call)(&frame)
                    .unwrap_or_else(|e| panic!("{}: {name} as {dtype:?}: {e}", step.name));
            }
        }
    }
}

#[test]
fn what_a_step_adds_must_be_free() {
    let (source, whole) = frame();
    let listed = whole.drop_many([SHA256, VERSION_ID, CONTENT]);
    let files = whole.drop_many([PIXELS]);
    let images = whole.drop_many([FEATURES]);
    // A column of the user's own, under a name of the step's.
    let own = |frame: &DataFrame, name: &str| {
        let mut frame = frame.clone();
        let own = Column::new(name.into(), vec!["12 cm"; N]);
        frame.with_column(own).expect("a column");
        frame
    };
    let outcomes = [
        (CONTENT, read(&source, &own(&listed, CONTENT)).map(drop)),
        (
            WIDTH,
            resize(&own(&files, WIDTH), Filter::Nearest).map(drop),
        ),
        (MODE, resize(&own(&files, MODE), Filter::Nearest).map(drop)),
        (
            FEATURES,
            features(&own(&images, FEATURES), &mut Colour, &mut |_| true).map(drop),
        ),
    ];
    for (added, outcome) in outcomes {
        match outcome {
            Err(Error::Column { name, .. }) => assert_eq!(name, added),
            outcome => panic!("{added}: {outcome:?}"),
        }
    }
}

#[test]
fn what_a_frame_has_beside_stays_through_the_chain() {
    let (_, whole) = frame();
    let mut frame = whole.drop_many([PIXELS, FEATURES, "pc1", "pc2", TSNE_X, TSNE_Y]);
    let weights = Column::new("weight_g".into(), waves(0.3));
    frame.with_column(weights.clone()).expect("a column");
    let images = resize(&frame, Filter::Nearest).expect("images").images;
    let described = features(&images, &mut Colour, &mut |_| true);
    let described = described.expect("descriptors").images;
    let scores = fitted(&described).and_then(|pca| pca.transform(&described));
    let scores = scores.expect("scores");
    let embedded = tsne(&scores, &TsneParams::default()).expect("positions");
    let gone = [CONTENT, PIXELS, FEATURES];
    for column in images.columns().iter().chain(frame.columns()) {
        let kept = embedded.frame.column(column.name());
        match gone.contains(&column.name().as_str()) {
            true => assert!(kept.is_err(), "{}", column.name()),
            false => assert!(
                kept.expect("it stays").equals_missing(column),
                "{}",
                column.name()
            ),
        }
    }
    assert!(quality(&embedded.frame, 3, embedded.seed).is_ok());
    // What would be lost without a word is an error.
    for name in ["pc2", TSNE_Y] {
        let mut taken = described.clone();
        let own = Column::new(name.into(), waves(0.4));
        taken.with_column(own).expect("a column");
        let outcome =
            fitted(&taken).and_then(|pca| tsne(&pca.transform(&taken)?, &TsneParams::default()));
        assert!(
            matches!(outcome, Err(Error::Column { name: named, .. }) if named == name),
            "{name}"
        );
    }
}

#[test]
fn a_frame_without_a_row_gives_none_or_is_too_short() {
    let (source, whole) = frame();
    for step in steps(source, &whole) {
        let is_statistics = ["fit", "tsne", "quality", "findings"].contains(&step.name);
        match (step.call)(&whole.clear()) {
            Ok(()) => assert!(!is_statistics, "{}", step.name),
            Err(Error::TooFewRows {
                needed, found: 0, ..
            }) => {
                assert!(is_statistics && needed > 0, "{}", step.name);
            }
            // It has no key of the other.
            Err(Error::Column { .. }) if step.name == "add_by_key" => {}
            Err(error) => panic!("{}: {error}", step.name),
        }
    }
}
