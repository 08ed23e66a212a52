use super::*;
use crate::neighbors::squared_distance;
use crate::schema::pc;
use rand_distr::StandardNormal;

fn normal(n: usize, d: usize, seed: u64) -> Matrix {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Matrix::new(
        n,
        d,
        (0..n * d)
            .map(|_| StandardNormal.sample(&mut random))
            .collect(),
    )
    .unwrap()
}

fn direct_trustworthiness(high: &Matrix, low: &Matrix, k: usize) -> f64 {
    let n = high.n_rows();
    let order = |points: &Matrix, i: usize| {
        let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
        let distance = |j: usize| squared_distance(points.row(i), points.row(j));
        others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
        others
    };
    let mut sum = 0;
    for i in 0..n {
        let high = order(high, i);
        for j in &order(low, i)[..k] {
            let rank = 1 + high.iter().position(|other| other == j).unwrap();
            sum += rank.saturating_sub(k);
        }
    }
    let (n, k) = (n as f64, k as f64);
    1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * sum as f64
}

#[test]
fn a_space_is_a_trustworthy_picture_of_itself() {
    let points = normal(60, 5, 1);
    assert_eq!(trustworthiness(&points, &points, 7).unwrap(), 1.0);
    let alike = Matrix::new(40, 3, vec![2.0; 120]).unwrap();
    assert_eq!(trustworthiness(&alike, &alike, 7).unwrap(), 1.0);
}

#[test]
fn trustworthiness_equals_its_definition() {
    let high = normal(80, 5, 1);
    for (low, k) in [
        (normal(80, 2, 2), 10),
        (normal(80, 2, 3), 1),
        (normal(80, 2, 4), 39),
    ] {
        let found = trustworthiness(&high, &low, k).unwrap();
        assert!((found - direct_trustworthiness(&high, &low, k)).abs() < 1e-14);
    }
}

#[test]
fn a_picture_of_something_else_is_worth_a_half() {
    let found = trustworthiness(&normal(300, 5, 1), &normal(300, 2, 2), 5).unwrap();
    assert!((found - 0.5).abs() < 0.05, "{found}");
}

#[test]
fn does_not_depend_on_the_order_of_rows() {
    let (high, low) = (normal(70, 4, 5), normal(70, 2, 6));
    let reversed = |points: &Matrix| {
        let values = (0..70).rev().flat_map(|i| points.row(i).to_vec());
        Matrix::new(70, points.n_cols(), values.collect()).unwrap()
    };
    let turned = trustworthiness(&reversed(&high), &reversed(&low), 5);
    assert_eq!(trustworthiness(&high, &low, 5).unwrap(), turned.unwrap());
}

#[test]
fn accuracy_counts_the_rows_whose_neighbours_agree() {
    let line = Matrix::new(5, 1, vec![0.0, 1.0, 2.0, 10.0, 11.0]).unwrap();
    // The third and the fourth row's nearest are of the other class.
    let accuracy = knn_accuracy(&line, &["a", "a", "b", "a", "b"], 1).unwrap();
    assert_eq!(accuracy, 0.4);
    assert_eq!(
        knn_accuracy(&line, &["a", "a", "a", "b", "b"], 1).unwrap(),
        1.0
    );
}

#[test]
fn refuses_what_is_not_defined() {
    let points = normal(9, 2, 0);
    for k in [0, 5] {
        let error = trustworthiness(&points, &points, k)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("at {k} neighbours of 9 rows")),
            "{error}"
        );
    }
    assert!(trustworthiness(&points, &normal(8, 2, 0), 2).is_err());
    assert!(knn_accuracy(&points, &["a"], 2).is_err());
}

#[test]
fn a_sample_is_seeded_sorted_and_without_repetition() {
    let rows = sample(20_000, 4);
    assert_eq!(rows.len() * 20_000, MAX_DISTANCES);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(rows, sample(20_000, 4));
    assert_ne!(rows, sample(20_000, 5));
    assert_eq!(sample(10_000, 4).len(), 10_000);
    assert_eq!(sample(3, 4), [0, 1, 2]);
}

fn frame(n: usize, labels: &[&str]) -> DataFrame {
    let (high, low) = (normal(n, 3, 1), normal(n, 2, 2));
    let column = |points: &Matrix, j: usize, name: &str| {
        let values: Vec<f32> = (0..n).map(|i| points.row(i)[j]).collect();
        Column::new(name.into(), values)
    };
    let mut columns: Vec<Column> = (0..3).map(|j| column(&high, j, &pc(j))).collect();
    columns.push(column(&low, 0, TSNE_X));
    columns.push(column(&low, 1, TSNE_Y));
    let labels: Vec<&str> = labels.iter().copied().cycle().take(n).collect();
    columns.push(Column::new(LABEL.into(), labels));
    DataFrame::new(n, columns).unwrap()
}

#[test]
fn a_frame_is_measured() {
    let record = quality(&frame(50, &["a", "b"]), 10, 0).unwrap().record;
    assert_eq!((record.k, record.n_sampled), (10, 50));
    let expected = trustworthiness(&normal(50, 3, 1), &normal(50, 2, 2), 10).unwrap();
    assert_eq!(record.trustworthiness, expected);
    let labels: Vec<&str> = ["a", "b"].into_iter().cycle().take(50).collect();
    let expected = knn_accuracy(&normal(50, 2, 2), &labels, 10).unwrap();
    assert_eq!(record.knn_accuracy_tsne, Some(expected));
}

#[test]
fn one_class_has_no_accuracy_and_few_rows_lower_k() {
    let record = quality(&frame(7, &["a"]), 10, 0).unwrap().record;
    assert_eq!(
        (record.k, record.knn_accuracy_pca, record.knn_accuracy_tsne),
        (3, None, None)
    );
    assert!(quality(&frame(2, &["a"]), 10, 0).is_err());
    assert!(quality(&frame(9, &["a"]).drop(TSNE_X).unwrap(), 10, 0).is_err());
    assert!(quality(&frame(9, &["a"]).select([LABEL]).unwrap(), 10, 0).is_err());
}

#[test]
fn trust_of_the_images_is_trustworthiness_and_recall_counts_neighbours() {
    let measured = quality(&frame(60, &["a", "b"]), 10, 0).unwrap();
    let trust = measured.scores.column(TRUST).unwrap();
    let mean = trust.f32().unwrap().mean().unwrap();
    assert!((mean - measured.record.trustworthiness).abs() < 1e-6);
    let (high, low) = (normal(60, 3, 1), normal(60, 2, 2));
    let (high, low) = (nearest(&high, 10).unwrap(), nearest(&low, 10).unwrap());
    let kept = |i: usize| {
        high.indices(i)
            .iter()
            .filter(|j| low.indices(i).contains(j))
            .count()
    };
    let kept: usize = (0..60).map(kept).sum();
    assert_eq!(measured.record.neighbor_recall, kept as f64 / 600.0);
}

#[test]
fn labels_that_mean_nothing_are_not_told_apart() {
    let labels = measured_labels(&frame(200, &["a", "b", "b", "a", "b", "a", "a"]));
    assert!(labels.pca.null.p_value > 0.05, "{:?}", labels.pca.null);
    assert!((labels.pca.null.mean - 0.5).abs() < 0.05);
}

fn measured_labels(frame: &DataFrame) -> LabelsRecord {
    quality(frame, 10, 0).unwrap().record.labels.unwrap()
}

#[test]
fn does_not_depend_on_threads() {
    let frame = frame(300, &["a", "b", "c"]);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| quality(&frame, 10, 0).unwrap().record)
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn many_rows_are_sampled_each_against_all() {
    let n = 20_000;
    let high = normal(n, 2, 1);
    let column = |name: &str, j: usize| {
        Column::new(
            name.into(),
            (0..n).map(|i| high.row(i)[j]).collect::<Vec<_>>(),
        )
    };
    let columns = vec![
        column("pc1", 0),
        column("pc2", 1),
        column(TSNE_X, 0),
        column(TSNE_Y, 1),
    ];
    let measured = quality(&DataFrame::new(n, columns).unwrap(), 10, 0).unwrap();
    let record = measured.record;
    assert_eq!(record.n_sampled, 10_000);
    assert_eq!((record.trustworthiness, record.neighbor_recall), (1.0, 1.0));
    assert_eq!(
        measured.scores.column(TRUST).unwrap().null_count(),
        n - 10_000
    );
}
