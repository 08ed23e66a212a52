use ::linfa::DatasetBase;
use ::linfa::traits::{Fit, Predict};
use faer::{Mat, MatRef, Side};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::panel::Panel;
use super::sums::Passes;
use super::sweep::Sweep;
use super::*;

const N: usize = 500;
const D: usize = 700;

fn normal(rows: usize, cols: usize, seed: u64) -> Mat<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut m = Mat::zeros(rows, cols);
    for i in 0..rows {
        for j in 0..cols {
            m[(i, j)] = StandardNormal.sample(&mut rng);
        }
    }
    m
}

/// n x d rows whose covariance has exactly the given eigenvalues (up to f32), about a mean of `offset`.
fn rows_with(spectrum: &[f64], n: usize, d: usize, offset: f64) -> Matrix {
    let r = spectrum.len();
    let mut u = normal(n, r, 1);
    for j in 0..r {
        let mean = (0..n).map(|i| u[(i, j)]).sum::<f64>() / n as f64;
        (0..n).for_each(|i| u[(i, j)] -= mean);
    }
    let u = u.qr().compute_thin_Q();
    let v = normal(d, r, 2).qr().compute_thin_Q();
    let scaled = Mat::from_fn(n, r, |i, j| {
        u[(i, j)] * (spectrum[j] * (n - 1) as f64).sqrt()
    });
    let x = &scaled * v.transpose();
    let values = (0..n).flat_map(|i| (0..d).map(move |j| (i, j)));
    Matrix::new(n, d, values.map(|ij| (x[ij] + offset) as f32).collect()).unwrap()
}

/// Rows that are mostly zero, as features after a ReLU are.
fn sparse_rows(n: usize, d: usize) -> Matrix {
    let latent = normal(n, 12, 3);
    let x = &latent * normal(12, d, 4);
    let noise = normal(n, d, 5);
    let values = (0..n).flat_map(|i| (0..d).map(move |j| (i, j)));
    let values = values
        .map(|ij| (x[ij] + 0.3 * noise[ij] - 5.0).max(0.0) as f32)
        .collect();
    let rows = Matrix::new(n, d, values).unwrap();
    let share = rows.values().iter().filter(|&&x| x != 0.0).count() as f64 / (n * d) as f64;
    assert!(share < 0.25, "{share}");
    rows
}

fn params(k: usize) -> PcaParams {
    PcaParams {
        keep: Keep::Components(k),
        ..PcaParams::default()
    }
}

fn fit(params: &PcaParams, rows: &dyn RowBlocks) -> Pca {
    params.fit_blocks(rows, &mut |_, _| true).unwrap()
}

fn fault(params: &PcaParams, rows: &Matrix) -> String {
    params
        .fit_blocks(rows, &mut |_, _| true)
        .unwrap_err()
        .to_string()
}

/// All eigenvalues and the total variance from the n x n Gram matrix in f64.
fn oracle(rows: &Matrix) -> (Vec<f64>, f64) {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let mean: Vec<f64> = (0..d)
        .map(|j| (0..n).map(|i| f64::from(rows.row(i)[j])).sum::<f64>() / n as f64)
        .collect();
    let x = Mat::from_fn(n, d, |i, j| f64::from(rows.row(i)[j]) - mean[j]);
    let gram = &x * x.transpose();
    let values = gram.self_adjoint_eigenvalues(Side::Lower).unwrap();
    let values: Vec<f64> = values.iter().rev().map(|v| v / (n - 1) as f64).collect();
    let total = values.iter().sum();
    (values, total)
}

fn assert_ratios(pca: &Pca, rows: &Matrix, tolerance: f64) {
    let (values, total) = oracle(rows);
    assert!((pca.total_variance() / total - 1.0).abs() < tolerance);
    for (i, ratio) in pca.explained_variance_ratio().into_iter().enumerate() {
        assert!(
            (ratio - values[i] / total).abs() < tolerance,
            "ratio {i}: {ratio} {}",
            values[i] / total
        );
    }
    for (i, ratio) in pca.further_ratios().into_iter().enumerate() {
        let exact = values[pca.n_components() + i] / total;
        assert!(
            (ratio / exact - 1.0).abs() < 1e-2,
            "further {i}: {ratio} {exact}"
        );
    }
}

/// V^T V = I, cov(scores) = diag(theta), reconstruction = TV - sum(theta), signs.
fn assert_properties(pca: &Pca, rows: &Matrix) {
    let (n, k, d) = (rows.n_rows(), pca.n_components(), pca.n_features());
    let v = MatRef::from_row_major_slice(pca.components(), k, d);
    let v = Mat::from_fn(k, d, |i, j| f64::from(v[(i, j)]));
    let product = &v * v.transpose();
    let scores = pca.transform_block(rows).unwrap();
    let s = Mat::from_fn(n, k, |i, j| f64::from(scores.row(i)[j]));
    let covariance = s.transpose() * &s;
    let theta = pca.explained_variance();
    for i in 0..k {
        for j in 0..k {
            let unit = if i == j { 1.0 } else { 0.0 };
            assert!(
                (product[(i, j)] - unit).abs() < 1e-6,
                "V^T V ({i}, {j}) {}",
                product[(i, j)]
            );
            let expected = unit * theta[i];
            let found = covariance[(i, j)] / (n - 1) as f64;
            assert!(
                (found - expected).abs() < 1e-5 * theta[0],
                "cov ({i}, {j}) {found} {expected}"
            );
        }
        let row = &pca.components()[i * d..][..d];
        let largest = row
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap();
        assert!(largest > 0.0);
    }
    let back = &s * &v;
    let mut lost = 0.0;
    for i in 0..n {
        for j in 0..d {
            lost += (f64::from(rows.row(i)[j]) - pca.mean()[j] - back[(i, j)]).powi(2);
        }
    }
    let expected = pca.total_variance() - theta.iter().sum::<f64>();
    assert!((lost / (n - 1) as f64 - expected).abs() < 1e-5 * pca.total_variance());
}

#[test]
fn known_spectra_about_a_large_mean() {
    let fast: Vec<f64> = (0..60).map(|i| 100.0 * 0.8_f64.powi(i)).collect();
    let slow: Vec<f64> = (1..=400).map(|i| 100.0 / f64::from(i)).collect();
    let tied: Vec<f64> = (0..300).map(|i| if i < 30 { 10.0 } else { 1.0 }).collect();
    for (name, spectrum) in [("fast", fast), ("slow", slow), ("tied", tied)] {
        let rows = rows_with(&spectrum, N, D, 1e3);
        let pca = fit(&params(20), &rows);
        assert!(
            pca.converged() && pca.residual().unwrap() < 1e-3,
            "{name} {:?} {}",
            pca.residual(),
            pca.n_passes()
        );
        assert_ratios(&pca, &rows, 1e-6);
        assert_properties(&pca, &rows);
    }
}

#[test]
fn sparse_rows_match_the_gram_matrix() {
    let rows = sparse_rows(N, D);
    let pca = fit(&params(20), &rows);
    assert!(pca.converged());
    assert_ratios(&pca, &rows, 1e-6);
    assert_properties(&pca, &rows);
}

/// The same rows in blocks of another size.
struct Cut(Matrix, usize);

impl RowBlocks for Cut {
    fn n_rows(&self) -> usize {
        self.0.n_rows()
    }

    fn n_cols(&self) -> usize {
        self.0.n_cols()
    }

    fn n_blocks(&self) -> usize {
        self.0.n_rows().div_ceil(self.1)
    }

    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        let size = self.1 * self.0.n_cols();
        let end = self.0.values().len().min((i + 1) * size);
        Ok(Cow::Borrowed(&self.0.values()[i * size..end]))
    }
}

#[test]
fn block_size_and_row_order_change_nothing_beyond_rounding() {
    for rows in [
        sparse_rows(300, 400),
        rows_with(&[9.0, 4.0, 2.0, 1.0, 0.5], 300, 400, 3.0),
    ] {
        let whole = fit(&params(5), &rows);
        let reversed = (0..300).rev().flat_map(|i| rows.row(i).to_vec()).collect();
        let reversed = Matrix::new(300, 400, reversed).unwrap();
        for other in [
            fit(&params(5), &Cut(rows.clone(), 7)),
            fit(&params(5), &reversed),
        ] {
            for (a, b) in whole
                .explained_variance()
                .iter()
                .zip(other.explained_variance())
            {
                assert!((a - b).abs() < 1e-6 * whole.total_variance());
            }
            for (a, b) in whole.components().iter().zip(other.components()) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
    }
}

#[test]
fn rows_that_are_kept_or_read_again_give_the_same_bytes() {
    let rows = sparse_rows(1100, 300);
    let q = normal(300, 5, 6);
    let mut panel = Panel::zeros(300, 5);
    for i in 0..300 {
        (0..5).for_each(|j| panel.values[i * panel.stride + j] = q[(i, j)] as f32);
    }
    let passes = |keep_bytes: usize| {
        let mut sweep = Sweep::new(&rows).unwrap();
        sweep.keep_bytes = keep_bytes;
        [(); 3].map(|()| {
            let product = sweep.pass(&panel, None, false).unwrap();
            (product.z, product.t)
        })
    };
    let read_again = passes(0);
    assert_eq!(read_again[0], read_again[2]);
    // All nine blocks, of 17 kB each, and some of them.
    assert_eq!(passes(usize::MAX), read_again);
    assert_eq!(passes(80_000), read_again);
}

#[test]
fn scores_of_blocks_are_those_of_the_whole() {
    let rows = sparse_rows(300, 400);
    let pca = fit(&params(5), &rows);
    let whole = pca.transform_block(&rows).unwrap();
    let lost = pca.reconstruction_loss(&rows, &whole).unwrap();
    for n_rows in [7, 128, 1000] {
        let (scores, losses) = pca.transform_blocks(&Cut(rows.clone(), n_rows)).unwrap();
        assert_eq!(scores.n_rows(), 300);
        // The last bits of a product depend on the rows beside it.
        for (a, b) in whole.values().iter().zip(scores.values()) {
            assert!((a - b).abs() < 1e-4, "{n_rows}: {a} {b}");
        }
        for (a, b) in lost.iter().zip(losses) {
            assert!((a - b).abs() < 1e-5, "{n_rows}: {a} {b}");
        }
    }
    assert!(pca.transform_blocks(&sparse_rows(20, 399)).is_err());
    let mut values = rows.values().to_vec();
    values[200 * 400 + 3] = f32::NAN;
    let damaged = Matrix::new(300, 400, values).unwrap();
    let error = pca.transform_blocks(&damaged).unwrap_err().to_string();
    assert!(error.starts_with("row 200, feature 3"), "{error}");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for rows in [
        sparse_rows(1200, 2100),
        rows_with(&[9.0, 4.0, 2.0, 1.0], 1200, 2100, 3.0),
    ] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let pca = fit(&params(4), &rows);
                let scores = pca.transform_blocks(&rows).unwrap();
                (pca, scores)
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
    }
}

#[test]
fn more_components_than_directions_are_reduced() {
    let rows = rows_with(
        &[4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.06, 0.03],
        10,
        50,
        0.0,
    );
    let pca = fit(&params(64), &rows);
    assert_eq!((pca.n_components(), pca.rank_limit()), (9, 9));
    assert_eq!(pca.requested(), Keep::Components(64));
    assert!((pca.explained_variance_ratio().iter().sum::<f64>() - 1.0).abs() < 1e-6);
    let narrow = rows_with(&[3.0, 2.0, 1.0], 40, 3, 0.0);
    let pca = fit(&params(64), &narrow);
    assert_eq!(pca.n_components(), 3);
    assert_properties(&pca, &narrow);
}

#[test]
fn fewer_directions_than_components_stay_orthonormal() {
    // Every row twice, and columns that are constant or zero.
    let half = rows_with(&[4.0, 3.0, 2.0, 1.0], 30, 80, 1.0);
    let twice = (0..60).flat_map(|i| {
        let mut row = half.row(i / 2).to_vec();
        row[3] = 7.0;
        row[5] = 0.0;
        row
    });
    let rows = Matrix::new(60, 80, twice.collect()).unwrap();
    let pca = fit(&params(40), &rows);
    assert_eq!(pca.n_components(), 40);
    assert_ratios(&pca, &rows, 1e-6);
    assert_properties(&pca, &rows);
    for row in pca.components().chunks_exact(80).take(4) {
        assert!(row[3].abs() < 1e-4 && row[5].abs() < 1e-4);
    }
}

#[test]
fn few_rows_give_the_whole_spectrum() {
    let spectrum: Vec<f64> = (1..=119).map(|i| 1.0 / f64::from(i)).collect();
    let rows = rows_with(&spectrum, 120, 300, 2.0);
    let pca = fit(&params(64), &rows);
    let total: f64 = spectrum.iter().sum();
    for share in [0.9, 0.95, 0.99] {
        let needed = pca.needed(share);
        assert!(needed.exact);
        assert_eq!(Some(needed.n_components), reaches(&spectrum, share * total));
    }
}

#[test]
fn a_share_out_of_reach_gets_a_lower_bound() {
    let spectrum: Vec<f64> = (1..=450).map(|i| 100.0 / f64::from(i)).collect();
    let rows = rows_with(&spectrum, N, D, 0.0);
    let pca = fit(&params(10), &rows);
    let total: f64 = spectrum.iter().sum();
    let exact = reaches(&spectrum, 0.99 * total).unwrap();
    let needed = pca.needed(0.99);
    assert!(
        !needed.exact && needed.n_components <= exact && needed.n_components > 10,
        "{needed:?}"
    );
    assert!(pca.needed(0.3).exact);
}

#[test]
fn a_share_of_variance_fixes_the_number() {
    let spectrum: Vec<f64> = (0..400).map(|i| 100.0 * 0.99_f64.powi(i)).collect();
    let rows = rows_with(&spectrum, N, D, 5.0);
    let total: f64 = spectrum.iter().sum();
    for share in [0.5, 0.9, 0.95] {
        let params = PcaParams {
            keep: Keep::Variance(share),
            ..PcaParams::default()
        };
        let pca = fit(&params, &rows);
        let exact = reaches(&spectrum, share * total).unwrap();
        assert!(
            pca.n_components().abs_diff(exact) <= 1,
            "{share}: {} {exact}",
            pca.n_components()
        );
        assert!(pca.converged());
    }
}

#[test]
fn unusable_rows_and_parameters_are_refused() {
    let one = Matrix::new(1, 3, vec![1.0, 2.0, 3.0]).unwrap();
    assert!(fault(&params(2), &one).contains("at least 2 rows"));
    let same = Matrix::new(200, 3, [0.1, 0.2, 0.3].repeat(200)).unwrap();
    let zero = Matrix::new(200, 3, vec![0.0; 600]).unwrap();
    for solver in [Solver::Krylov, Solver::Linfa] {
        let params = PcaParams {
            solver,
            ..params(2)
        };
        assert!(fault(&params, &same).contains("all 200 rows are identical"));
        assert!(fault(&params, &zero).contains("all 200 rows are identical"));
        for bad in [f32::NAN, f32::INFINITY] {
            let mut values = rows_with(&[1.0, 0.5], 200, 3, 0.0).values().to_vec();
            values[150 * 3 + 1] = bad;
            let text = fault(&params, &Matrix::new(200, 3, values).unwrap());
            assert!(text.contains("row 150, feature 1"), "{text}");
        }
    }
    let rows = rows_with(&[1.0, 0.5], 20, 3, 0.0);
    assert!(fault(&params(0), &rows).contains("at least 1"));
    let share = |share| PcaParams {
        keep: Keep::Variance(share),
        ..PcaParams::default()
    };
    assert!(fault(&share(1.0), &rows).contains("below 1"));
    assert!(fault(&share(f64::NAN), &rows).contains("below 1"));
    assert!(
        "pca"
            .parse::<Solver>()
            .unwrap_err()
            .to_string()
            .contains("krylov or linfa")
    );
    let stopped = params(2).fit_blocks(&rows, &mut |_, _| false);
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn the_cap_is_reported() {
    let spectrum: Vec<f64> = (1..=450).map(|i| 1.0 / f64::from(i)).collect();
    let pca = fit(
        &PcaParams {
            max_passes: 1,
            ..params(20)
        },
        &rows_with(&spectrum, N, D, 0.0),
    );
    assert!(!pca.converged() && pca.n_passes() == 1 && pca.residual().unwrap() > 1e-4);
}

#[test]
fn a_flat_spectrum_restarts_and_converges() {
    let spectrum: Vec<f64> = (0..1100).map(|i| 1.0 - 1e-4 * f64::from(i)).collect();
    let rows = rows_with(&spectrum, 1200, 1200, 0.0);
    let pca = fit(
        &PcaParams {
            max_passes: 60,
            ..params(2)
        },
        &rows,
    );
    assert!(pca.converged(), "{:?} {}", pca.residual(), pca.n_passes());
    assert_ratios(&pca, &rows, 1e-6);
}

#[test]
fn frames_keep_their_keys() {
    let rows = rows_with(&[4.0, 2.0, 1.0], 30, 8, 0.0);
    let keys: Vec<String> = (0..30).map(|i| format!("a/{i}.jpg")).collect();
    let columns = vec![
        polars::prelude::Column::new("key".into(), keys),
        rows.clone().into_arrays(FEATURES).unwrap(),
    ];
    let frame = DataFrame::new(30, columns).unwrap();
    let pca = params(3).fit(&frame).unwrap();
    let scores = pca.transform(&frame).unwrap();
    let names: Vec<_> = scores
        .get_column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["key", "pc1", "pc2", "pc3"]);
    let block = pca.transform_block(&rows).unwrap();
    assert_eq!(
        scores.column("pc2").unwrap().f32().unwrap().get(7),
        Some(block.row(7)[1])
    );
    let lost = pca.reconstruction_loss(&rows, &block).unwrap();
    assert!(lost.iter().all(|&l| (0.0..1e-5).contains(&l)), "{lost:?}");
    assert!(params(3).fit_column(&frame, "nothing").is_err());
    assert!(pca.transform_block(&block).is_err());
    assert!(pca.reconstruction_loss(&block, &rows).is_err());
}

#[test]
fn saved_and_loaded_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pca.parquet");
    let rows = sparse_rows(300, 1500);
    let kept = PcaParams {
        keep: Keep::Variance(0.3),
        ..PcaParams::default()
    };
    for params in [params(7), kept] {
        let pca = fit(&params, &rows).with_fingerprint("abc");
        pca.save(&path).unwrap();
        let loaded = Pca::load(&path).unwrap();
        assert_eq!(pca, loaded);
        assert_eq!(
            pca.mean().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            loaded
                .mean()
                .iter()
                .map(|x| x.to_bits())
                .collect::<Vec<_>>()
        );
        let bytes = std::fs::read(&path).unwrap();
        loaded.save(&path).unwrap();
        assert_eq!(bytes, std::fs::read(&path).unwrap());
    }
    let bytes = std::fs::read(&path).unwrap();
    for broken in [&bytes[..bytes.len() / 2], b"", b"PAR1 no parquet PAR1"] {
        std::fs::write(&path, broken).unwrap();
        let text = Pca::load(&path).unwrap_err().to_string();
        assert!(text.contains("no saved PCA"), "{text}");
    }
    let mut foreign = polars::df!["mean" => [1.0, 2.0]].unwrap();
    let file = std::fs::File::create(&path).unwrap();
    polars::prelude::ParquetWriter::new(file)
        .finish(&mut foreign)
        .unwrap();
    assert!(
        Pca::load(&path)
            .unwrap_err()
            .to_string()
            .contains("metadata")
    );
    assert!(matches!(
        Pca::load(folder.path().join("none")),
        Err(Error::Storage { .. })
    ));
    assert!(matches!(
        fit(&params(2), &rows).save(folder.path().join("no/folder")),
        Err(Error::Storage { .. })
    ));
}

#[test]
fn linfa_and_krylov_agree() {
    let spectrum: Vec<f64> = (0..40).map(|i| 100.0 * 0.7_f64.powi(i)).collect();
    let rows = rows_with(&spectrum, 200, 150, 10.0);
    let ours = fit(&params(8), &rows);
    let theirs = fit(
        &PcaParams {
            solver: Solver::Linfa,
            ..params(8)
        },
        &rows,
    );
    assert_eq!(theirs.residual(), None);
    assert!(ours.total_variance() - theirs.total_variance() < 1e-6 * ours.total_variance());
    for (a, b) in ours
        .explained_variance_ratio()
        .iter()
        .zip(theirs.explained_variance_ratio())
    {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    for (a, b) in ours.components().iter().zip(theirs.components()) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    let large = Cut(Matrix::new(2, 1, vec![0.0, 1.0]).unwrap(), 1);
    struct Many(Cut);
    impl RowBlocks for Many {
        fn n_rows(&self) -> usize {
            1 << 40
        }
        fn n_cols(&self) -> usize {
            self.0.n_cols()
        }
        fn n_blocks(&self) -> usize {
            self.0.n_blocks()
        }
        fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
            self.0.block(i)
        }
    }
    let params = PcaParams {
        solver: Solver::Linfa,
        ..params(1)
    };
    let refused = params
        .fit_blocks(&Many(large), &mut |_, _| true)
        .unwrap_err();
    assert!(refused.to_string().contains("2 GiB"));
}

#[test]
fn it_stands_behind_the_traits_of_linfa() {
    let rows = rows_with(&[4.0, 2.0, 1.0], 150, 20, 0.0);
    let records = Array2::from_shape_vec((150, 20), rows.values().to_vec()).unwrap();
    let dataset = DatasetBase::from(records.clone());
    let pca: Pca = Fit::fit(&params(2), &dataset).unwrap();
    assert_eq!(pca, fit(&params(2), &rows));
    let scores: Array2<f32> = pca.predict(&records);
    assert_eq!(
        scores.as_slice().unwrap(),
        pca.transform_block(&rows).unwrap().values()
    );
}
