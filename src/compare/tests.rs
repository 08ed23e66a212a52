//! What must hold of every comparison.

use serde_json::json;

use super::*;
use crate::record::{Alignment, EmbeddingComparison, FigureValue, Keys, ProjectionRecord, SCHEMA};
use crate::schema::{TSNE_X, TSNE_Y};

static GOES_ON: AtomicBool = AtomicBool::new(false);

fn run() -> Run {
    let run = json!({
        "schema": SCHEMA,
        "status": { "state": "complete" },
        "source": { "kind": "folder", "name": "photos", "n_objects": 1, "size_bytes": 1, "label_rule": "" },
        "images": { "listed": 1, "accepted": 1, "rejected": 0, "skipped": 0 },
        "classes": [],
        "dataset": { "sizes": [], "n_sizes": 0, "modes": [], "n_rotated": 0, "duplicates": [], "n_duplicate_groups": 0 },
        "features": null, "pca": null, "quality": null,
        "tsne": {
            "perplexity": 2.0, "perplexity_requested": 2.0, "seed": 1, "n_iter": 10, "kl_divergence": 0.5,
            "init": "pca",
        },
        "warnings": [],
        "parameters": [{ "name": "seed", "value": "1", "origin": "flag" }],
        "provenance": {
            "command": "report", "version": "1", "git_commit": "a", "rustc": "r", "lock_sha256": "l",
            "libraries": [{ "name": "image", "version": "1" }], "cpu": "c", "cpu_features": [],
            "manifest_sha256": "m", "outputs": [],
        },
    });
    let mut run: Run = serde_json::from_value(run).unwrap();
    run.enter_tsne();
    run
}

/// Each projection looked for among all others would take minutes.
#[test]
fn projections_without_number_are_compared_at_once() {
    let mut many = run();
    let one = many.projections[0].clone();
    let named = |i: usize| ProjectionRecord {
        name: format!("p{i}"),
        ..one.clone()
    };
    many.projections = (0..40_000).map(named).collect();
    let began = std::time::Instant::now();
    assert!(metrics::metrics(&many, &many).len() > 40_000);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

/// Points on two spirals, in no symmetry.
fn points(n: usize) -> Vec<[f32; 2]> {
    (0..n)
        .map(|i| {
            let t = i as f32;
            [
                t.sqrt() * (2.4 * t).cos() + 0.01 * t,
                t.sqrt() * (2.4 * t).sin(),
            ]
        })
        .collect()
}

fn key(i: usize) -> String {
    format!("{i:06}")
}

fn frame(points: &[[f32; 2]]) -> DataFrame {
    let n = points.len();
    df!(
        KEY => (0..n).map(key).collect::<Vec<_>>(),
        LABEL => vec!["Plum"; n],
        SHA256 => (0..n).map(|i| format!("digest {i}")).collect::<Vec<_>>(),
        TSNE_X => points.iter().map(|p| p[0]).collect::<Vec<_>>(),
        TSNE_Y => points.iter().map(|p| p[1]).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn side<'a>(run: &'a Run, frame: &'a DataFrame) -> Side<'a> {
    Side {
        run,
        manifest: frame,
        embeddings: Some(frame),
    }
}

fn compared(before: &DataFrame, after: &DataFrame) -> Compared {
    let run = run();
    compare(&side(&run, before), &side(&run, after), &GOES_ON).unwrap()
}

fn alignment(compared: &Compared) -> &Alignment {
    match &compared.comparison.embedding {
        EmbeddingComparison::Aligned(alignment) => alignment,
        EmbeddingComparison::NotAligned { reason } => panic!("{reason}"),
    }
}

fn reason(before: &DataFrame, after: &DataFrame) -> String {
    let compared = compared(before, after);
    assert!(compared.moves.is_none());
    match compared.comparison.embedding {
        EmbeddingComparison::NotAligned { reason } => reason,
        EmbeddingComparison::Aligned(alignment) => panic!("{alignment:?}"),
    }
}

#[test]
fn a_run_is_the_same_as_itself() {
    let frame = frame(&points(80));
    let compared = compared(&frame, &frame);
    let comparison = &compared.comparison;
    assert_eq!(comparison.verdict, Verdict::SameNumbers);
    assert_eq!(comparison.sentence, "same data and same numbers");
    let found = alignment(&compared);
    assert_eq!((found.disparity, found.shared_neighbors), (0.0, 1.0));
    assert!(found.most_moved.is_empty());
    let text = serde_json::to_string(comparison).unwrap();
    assert_eq!(
        &serde_json::from_str::<Comparison>(&text).unwrap(),
        comparison
    );
}

#[test]
fn numbers_come_back_from_json_to_the_last_bit() {
    // A parser without `float_roundtrip` gives the neighbour of the first.
    for number in [51.248_178_375_505_404, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324] {
        let metric = |number| Metric {
            name: String::new(),
            before: Some(number),
            after: None,
            difference: Some(-number),
        };
        let text = serde_json::to_string(&metric(number)).unwrap();
        let back: Metric = serde_json::from_str(&text).unwrap();
        assert_eq!(back, metric(number));
    }
}

#[test]
fn a_turned_and_mirrored_copy_has_moved_nowhere() {
    let before = points(300);
    let (sin, cos) = 0.7f32.sin_cos();
    let turned = |[x, y]: &[f32; 2]| {
        let (x, y) = (4.0 * x, -4.0 * y);
        [cos * x - sin * y + 50.0, sin * x + cos * y]
    };
    let after: Vec<_> = before.iter().map(turned).collect();
    let compared = compared(&frame(&before), &frame(&after));
    let found = alignment(&compared);
    assert!(found.disparity < 1e-12 && found.reflected, "{found:?}");
    assert!((found.scale - 0.25).abs() < 1e-6, "{found:?}");
    assert!(found.median_displacement < 1e-6, "{found:?}");
    assert_eq!(found.shared_neighbors, 1.0);
    // The coordinates are others, and so the numbers are.
    assert_eq!(compared.comparison.verdict, Verdict::OtherNumbers);
    let sentence = &compared.comparison.sentence;
    assert!(sentence.contains("the coordinates differ"), "{sentence}");
}

#[test]
fn the_one_point_that_moved_comes_first() {
    let before = points(200);
    let mut after = before.clone();
    after[77][0] += 30.0;
    let compared = compared(&frame(&before), &frame(&after));
    let found = alignment(&compared);
    assert_eq!(found.most_moved.len(), 24);
    assert_eq!(found.most_moved[0].key, key(77));
    assert!(found.most_moved[0].displacement > 4.0 * found.most_moved[1].displacement);
    // The root mean square of the displacements is the root of the disparity.
    let moves = compared.moves.as_ref().unwrap();
    let displacement = moves.column("displacement").unwrap().f64().unwrap();
    let squares: f64 = displacement.no_null_iter().map(|d| d * d).sum();
    assert!((squares / 200.0 - found.disparity).abs() < 1e-12);
    assert!((0.9..1.0).contains(&found.shared_neighbors), "{found:?}");
}

#[test]
fn images_that_came_went_or_changed_are_other_data() {
    let before = frame(&points(120));
    let mut after = before.slice(60, 60);
    let changed: Vec<_> = (60..120).map(|i| format!("digest {}", i.max(62))).collect();
    after
        .with_column(Column::new(SHA256.into(), changed))
        .unwrap();
    let found = compared(&before, &after).comparison;
    assert_eq!(found.verdict, Verdict::OtherData);
    assert_eq!(found.inputs.n_common, 60);
    assert_eq!(found.inputs.added, Keys::default());
    assert_eq!(
        (found.inputs.removed.n, found.inputs.removed.first.len()),
        (60, 50)
    );
    assert_eq!(found.inputs.changed.first, [key(60), key(61)]);
    assert!(
        found.sentence.contains("60 removed, 2 changed"),
        "{}",
        found.sentence
    );
    let back = compared(&after, &before).comparison;
    assert_eq!(back.inputs.added, found.inputs.removed);
}

#[test]
fn another_label_is_a_change() {
    let before = frame(&points(4));
    let mut after = before.clone();
    let labels = ["Plum", "Pear", "Plum", "Plum"].as_slice();
    after
        .with_column(Column::new(LABEL.into(), labels))
        .unwrap();
    let found = compared(&before, &after).comparison;
    assert_eq!(found.inputs.changed.first, [key(1)]);
}

#[test]
fn causes_and_metrics_are_named() {
    let frame = frame(&points(20));
    let before = run();
    let mut after = before.clone();
    let divergence = after.projections[0].figures.last_mut().unwrap();
    divergence.value = FigureValue::Number(0.75);
    let both = |after: &Run| {
        let compared = compare(&side(&before, &frame), &side(after, &frame), &GOES_ON);
        compared.unwrap().comparison
    };
    let sentence = |after: &Run| both(after).sentence;
    assert!(sentence(&after).ends_with("(same parameters and environment)"));
    after.provenance.cpu = "another".to_owned();
    after.provenance.libraries[0].version = "2".to_owned();
    assert!(sentence(&after).ends_with("(environment: processor, library image)"));
    after.parameters[0].value = "2".to_owned();
    let found = both(&after);
    let n = found.metrics.len();
    let words = format!("1 of {n} metrics differ (parameters: seed)");
    assert!(found.sentence.ends_with(&words), "{}", found.sentence);
    let metric = found.metrics.iter().find(|m| m.before != m.after).unwrap();
    assert_eq!(
        (metric.before, metric.after, metric.difference),
        (Some(0.5), Some(0.75), Some(0.25))
    );
    after.projections.clear();
    let found = both(&after);
    let metric = found.metrics.iter().find(|m| m.before != m.after).unwrap();
    assert_eq!((metric.after, metric.difference), (None, None));
}

#[test]
fn what_cannot_be_aligned_says_why() {
    let cloud = frame(&points(5));
    let without = cloud.drop(TSNE_X).unwrap();
    let heap = frame(&[[1.5, 0.1]; 5]);
    let two = cloud.head(Some(2));
    let mut torn = points(5);
    for point in &mut torn[..3] {
        point[0] = f32::NAN;
    }
    let torn = frame(&torn);
    for (before, after, words) in [
        (&without, &cloud, "the baseline has no t-SNE"),
        (&cloud, &without, "this run has no t-SNE"),
        (&without, &without, "neither run"),
        (&two, &cloud, "2 images in common"),
        (&cloud, &torn, "3 of them without a finite position"),
        (
            &heap,
            &cloud,
            "in the baseline all common images lie at one place",
        ),
        (
            &cloud,
            &heap,
            "in this run all common images lie at one place",
        ),
    ] {
        let reason = reason(before, after);
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let mut other = cloud.clone();
    let keys: Vec<_> = (0..5).map(|i| format!("other {i}")).collect();
    other.with_column(Column::new(KEY.into(), keys)).unwrap();
    assert!(reason(&cloud, &other).contains("0 images in common"));
    let sentence = compared(&cloud, &other).comparison.sentence;
    assert!(sentence.contains("no image in common"), "{sentence}");
}

#[test]
fn points_without_a_place_are_dropped_and_counted() {
    let before = points(30);
    let mut after = before.clone();
    after[3][1] = f32::INFINITY;
    let compared = compared(&frame(&before), &frame(&after));
    let found = alignment(&compared);
    assert_eq!((found.n_points, found.n_dropped), (29, 1));
    assert_eq!(found.disparity, 0.0);
}

#[test]
fn small_sets_have_fewer_neighbours() {
    assert_eq!(compared_share(&points(3)), (1, 0.5));
}

/// Neighbours looked at, and what their share would be by chance.
fn compared_share(points: &[[f32; 2]]) -> (usize, f64) {
    let compared = compared(&frame(points), &frame(points));
    let found = alignment(&compared);
    (found.k, found.shared_by_chance)
}
