//! `quality` and `findings` against scikit-learn (`tests/reference/measures.py`).

use fruits::findings::findings;
use fruits::quality::quality;
use fruits::record::LabelQuality;
use polars::prelude::*;
use serde_json::Value;

use crate::run::{json, project};

/// Both sides count in float64; only the order of sums differs.
const TOLERANCE: f64 = 1e-9;

fn reference() -> (DataFrame, Value) {
    let data = json(project().join("tests/reference/measures.json"));
    let texts = |name: &str| -> Vec<String> {
        serde_json::from_value(data[name].clone()).expect("strings")
    };
    let rows = |name: &str| -> Vec<Vec<f32>> {
        serde_json::from_value(data[name].clone()).expect("numbers")
    };
    let (high, low) = (rows("high"), rows("low"));
    let column = |name: &str, rows: &[Vec<f32>], j: usize| {
        Column::new(
            name.into(),
            rows.iter().map(|row| row[j]).collect::<Vec<_>>(),
        )
    };
    let mut columns = vec![
        Column::new("key".into(), texts("key")),
        Column::new("label".into(), texts("label")),
        column("tsne_x", &low, 0),
        column("tsne_y", &low, 1),
    ];
    columns.extend((0..4).map(|j| column(&format!("pc{}", j + 1), &high, j)));
    let frame = DataFrame::new(high.len(), columns).expect("a frame");
    (frame, data["expected"].clone())
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected
        .as_f64()
        .unwrap_or_else(|| panic!("no number for {what}"));
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{what}: {found}, scikit-learn {expected}"
    );
}

#[test]
fn quality_agrees_with_scikit_learn() {
    let (frame, expected) = reference();
    let record = quality(&frame, 10, 42).expect("measures").record;
    assert_eq!(record.by_neighbors.len(), 3);
    for (i, found) in record.by_neighbors.iter().enumerate() {
        let expected = &expected["by_neighbors"][i];
        assert_eq!(expected["k"], found.k);
        close(
            found.trustworthiness,
            &expected["trustworthiness"],
            "trustworthiness",
        );
        close(found.continuity, &expected["continuity"], "continuity");
    }
    let labels = record.labels.expect("labels");
    let sequences = labels.sequences.as_ref().expect("sequences");
    assert_eq!(sequences.n_sequences, 9);
    assert_eq!(record.knn_accuracy_pca, Some(labels.pca.accuracy));
    for (found, expected) in [
        (&labels.pca, &expected["pca"]),
        (&labels.tsne, &expected["tsne"]),
    ] {
        assert_labels(found, expected);
    }
}

fn assert_labels(found: &LabelQuality, expected: &Value) {
    close(found.accuracy, &expected["accuracy"], "accuracy");
    let others = found.accuracy_other_sequences.expect("other sequences");
    close(
        others,
        &expected["accuracy_other_sequences"],
        "without the own sequence",
    );
    close(found.silhouette, &expected["silhouette"], "silhouette");
    assert_eq!(found.classes.len(), 4);
    for (i, class) in found.classes.iter().enumerate() {
        close(class.accuracy, &expected["class_accuracy"][i], &class.label);
        let silhouette = class.silhouette.expect("a silhouette");
        close(silhouette, &expected["class_silhouette"][i], &class.label);
        assert_eq!(class.accuracy_other_sequences.is_none(), class.label == "d");
        for (j, other) in found.classes.iter().enumerate() {
            let pair = |c: &&fruits::record::Confusion| {
                c.label == class.label && c.predicted == other.label
            };
            let n = found.confusion.pairs.iter().find(pair).map_or(0, |c| c.n);
            assert_eq!(
                expected["confusion"][i][j], n,
                "{} as {}",
                class.label, other.label
            );
        }
    }
    // Four classes of 49 to 79 images: shuffled labels are right in about a third.
    assert!((0.2..0.4).contains(&found.null.mean) && found.null.max < found.accuracy);
    assert_eq!(found.null.p_value, 0.01);
}

#[test]
fn outlier_scores_agree_with_scikit_learn() {
    let (frame, expected) = reference();
    let found = findings(&frame).expect("findings");
    let scores = found.scores.column("outlier_score").expect("scores");
    let n_expected = expected["outlier_score"].as_array().map(Vec::len);
    assert_eq!(Some(scores.len()), n_expected);
    for (i, score) in scores.f32().expect("float32").iter().enumerate() {
        let expected = expected["outlier_score"][i].as_f64().expect("a number");
        let score = f64::from(score.expect("a score"));
        // Stored as float32.
        assert!(
            (score / expected - 1.0).abs() < 1e-6,
            "row {i}: {score}, scikit-learn {expected}"
        );
    }
}
