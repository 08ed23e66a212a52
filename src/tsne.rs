//! t-SNE: from principal components to a picture in two dimensions.

mod affinities;
mod descent;
mod quadtree;
mod sources;
mod start;

use polars::prelude::*;

use self::affinities::{Affinities, affinities};
use self::descent::{Descent, Step, exact_normaliser, kl_divergence, normaliser};
pub use self::start::Init;
use self::start::start;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::neighbors::{check_finite, nearest};
use crate::schema::{KEY, LABEL, TSNE_X, TSNE_Y};

/// Fewest points: with 4, (n - 1) / 3 is the smallest perplexity there is, 1.
const MIN_POINTS: usize = 4;

/// Neighbours per unit of perplexity; the rest of a row of P is negligible (van der Maaten 2014).
const NEIGHBORS_PER_PERPLEXITY: f64 = 3.0;

/// Momentum in the early exaggeration and after it (van der Maaten & Hinton 2008).
const MOMENTUM: [f64; 2] = [0.5, 0.8];

/// What decides an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct TsneParams {
    /// Effective number of neighbours, 1 or more; at most (n - 1) / 3 is used. 30 (van der Maaten
    /// & Hinton 2008: 5 to 50).
    pub perplexity: f64,
    /// Iterations, early exaggeration included; more than those. 1,000 (van der Maaten 2014).
    pub n_iter: usize,
    /// Factor on P in the first iterations, 1 or more. 12 (van der Maaten 2014).
    pub early_exaggeration: f64,
    /// Number of these first iterations. 250 (van der Maaten 2014).
    pub early_exaggeration_iter: usize,
    /// Accuracy of the repulsion, 0 (exact) to 1. 0.5 (van der Maaten 2014).
    pub theta: f64,
    /// Seed of the jitter, for starts that need one: see [`Init`]. 42, as for PCA.
    pub seed: u64,
}

impl Default for TsneParams {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            n_iter: 1000,
            early_exaggeration: 12.0,
            early_exaggeration_iter: 250,
            theta: 0.5,
            seed: 42,
        }
    }
}

impl TsneParams {
    /// # Errors
    /// [`Error::Invalid`] that names the first parameter out of its range.
    pub(crate) fn check(&self) -> Result<()> {
        let ranges = [
            ("perplexity", self.perplexity, 1.0, f64::MAX),
            (
                "early exaggeration",
                self.early_exaggeration,
                1.0,
                f64::from(f32::MAX),
            ),
            ("theta", self.theta, 0.0, 1.0),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                let rule = if high > 1.0 {
                    "1 or more".to_owned()
                } else {
                    format!("{low} to {high}")
                };
                return Err(Error::Invalid(format!(
                    "t-SNE {name} {value}: it must be {rule}"
                )));
            }
        }
        if self.n_iter <= self.early_exaggeration_iter {
            return Err(Error::Invalid(format!(
                "{} t-SNE iterations: there must be more than the {} of the early exaggeration",
                self.n_iter, self.early_exaggeration_iter
            )));
        }
        Ok(())
    }
}

/// An embedding of a frame. There is no way to add rows to it: t-SNE places only what it was given.
#[derive(Debug, Clone)]
pub struct Tsne {
    /// `key` and `label` if the input has them, `tsne_x`, `tsne_y` (`Float32`), in its row order.
    pub frame: DataFrame,
    /// KL(P || Q) in natural units, P without exaggeration.
    pub kl_divergence: f64,
    /// As used.
    pub perplexity: f64,
    /// As asked for.
    pub perplexity_requested: f64,
    /// Iterations, early exaggeration included.
    pub n_iter: usize,
    /// As asked for.
    pub seed: u64,
    /// How the points started.
    pub init: Init,
}

/// An embedding of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// n_samples x 2, centred.
    pub positions: Matrix,
    /// KL(P || Q) in natural units, P without exaggeration.
    pub kl_divergence: f64,
    /// As used: at most (n_samples - 1) / 3.
    pub perplexity: f64,
    /// How the points started.
    pub init: Init,
}

/// Embeds the rows of `frame` in two dimensions.
///
/// In: `pc1`, `pc2`, ... as far as they go without a gap, numeric, not whitened. Out: `key` and
/// `label` if there are any, `tsne_x` and `tsne_y`, `Float32`, without unit.
///
/// Exact nearest neighbours; start at the first two components; the learning rate is n / exaggeration
/// in each phase; repulsion by Barnes and Hut. The same input, parameters and build give the same
/// bytes on one kind of processor, whatever the number of threads.
///
/// # Errors
/// [`Error::Invalid`] if there is no `pc1`, fewer than 4 rows, a null, NaN or infinity, or a
/// parameter out of its range.
///
/// # References
/// - van der Maaten & Hinton 2008, "Visualizing data using t-SNE"
/// - van der Maaten 2014, "Accelerating t-SNE using tree-based algorithms"
/// - Kobak & Berens 2019, "The art of using t-SNE for single-cell transcriptomics"
/// - Belkina et al. 2019, "Automated optimized parameters for t-distributed stochastic neighbor
///   embedding"
/// - Poličar, Stražar & Zupan 2024, "openTSNE: a modular Python library for t-SNE"
pub fn tsne(frame: &DataFrame, params: &TsneParams) -> Result<Tsne> {
    tsne_with(frame, params, &mut |_, _| true)
}

/// [`tsne`], with `progress(iterations done, iterations in all)` after each of them; `false` stops.
///
/// # Errors
/// As [`tsne`], and [`Error::Interrupted`] if `progress` returns `false`.
pub fn tsne_with(
    frame: &DataFrame,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Tsne> {
    let embedding = embed(&Matrix::from_scores(frame)?, params, progress)?;
    let mut columns: Vec<Column> = [KEY, LABEL]
        .iter()
        .filter_map(|name| frame.column(name).ok().cloned())
        .collect();
    for (axis, name) in [TSNE_X, TSNE_Y].into_iter().enumerate() {
        let values = embedding.positions.values().iter().skip(axis).step_by(2);
        columns.push(Column::new(
            name.into(),
            values.copied().collect::<Vec<f32>>(),
        ));
    }
    Ok(Tsne {
        frame: DataFrame::new(frame.height(), columns)?,
        kl_divergence: embedding.kl_divergence,
        perplexity: embedding.perplexity,
        perplexity_requested: params.perplexity,
        n_iter: params.n_iter,
        seed: params.seed,
        init: embedding.init,
    })
}

/// Embeds the rows of `scores` (n_samples x n_components, principal components first to last).
///
/// `progress` as for [`tsne_with`].
///
/// # Errors
/// As [`tsne_with`].
pub fn embed(
    scores: &Matrix,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Embedding> {
    params.check()?;
    let n = scores.n_rows();
    if n < MIN_POINTS || scores.n_cols() == 0 {
        return Err(Error::Invalid(format!(
            "t-SNE of {n} rows and {} components: it takes at least {MIN_POINTS} rows and 1 component",
            scores.n_cols()
        )));
    }
    check_finite(scores)?;
    let (p, perplexity) = joint_probabilities(scores, params.perplexity)?;
    let (positions, init) = start(scores, params.seed);
    let mut descent = Descent::new(&p, positions);
    for iteration in 0..params.n_iter {
        let is_early = iteration < params.early_exaggeration_iter;
        let exaggeration = if is_early {
            params.early_exaggeration
        } else {
            1.0
        };
        descent.step(Step {
            exaggeration: exaggeration as f32,
            learning_rate: (n as f64 / exaggeration) as f32,
            momentum: MOMENTUM[usize::from(!is_early)] as f32,
            theta: params.theta as f32,
        });
        if !progress(iteration + 1, params.n_iter) {
            return Err(Error::Interrupted);
        }
    }
    let z = normaliser(descent.positions());
    let kl_divergence = kl_divergence(&p, descent.positions(), z);
    let positions = Matrix::new(n, 2, descent.positions().as_flattened().to_vec())?;
    if !kl_divergence.is_finite() || check_finite(&positions).is_err() {
        return Err(Error::Internal("t-SNE left the finite numbers".to_owned()));
    }
    Ok(Embedding {
        positions,
        kl_divergence,
        perplexity,
        init,
    })
}

/// P over exact neighbours, and the perplexity it has: at most (n - 1) / 3.
fn joint_probabilities(scores: &Matrix, perplexity: f64) -> Result<(Affinities, f64)> {
    let n = scores.n_rows();
    let perplexity = perplexity.min((n - 1) as f64 / 3.0);
    // Rounded down, but not for an error in the last digit of a perplexity that was reduced.
    let k = (NEIGHBORS_PER_PERPLEXITY * perplexity + 1e-9) as usize;
    let neighbors = nearest(scores, k)?;
    Ok((affinities(&neighbors, n, perplexity), perplexity))
}

/// KL(P || Q) in natural units of any embedding `positions` (n_samples x 2) of `scores` (n_samples x n_components), whoever made
/// it: the figure to compare programs by. P has exact neighbours and the given perplexity (at most (n_samples - 1) / 3), Z is
/// summed over all pairs, which takes 5 s at 67,692 rows on two cores.
///
/// # Errors
/// [`Error::Invalid`] for matrices of other shapes, or with values that are no finite numbers, and for a perplexity below 1.
///
/// # References
/// van der Maaten & Hinton 2008, "Visualizing data using t-SNE", equations 2 and 4
pub fn divergence(scores: &Matrix, positions: &Matrix, perplexity: f64) -> Result<f64> {
    let (n, width) = (positions.n_rows(), positions.n_cols());
    if n != scores.n_rows() || width != 2 || n < MIN_POINTS {
        return Err(Error::Invalid(format!(
            "the divergence of {n} x {width} positions of {} rows: it takes as many positions as rows, 2 columns, at least \
             {MIN_POINTS} rows",
            scores.n_rows()
        )));
    }
    let params = TsneParams {
        perplexity,
        ..TsneParams::default()
    };
    params.check()?;
    check_finite(scores)?;
    check_finite(positions)?;
    let (p, _) = joint_probabilities(scores, perplexity)?;
    let (positions, _) = positions.values().as_chunks::<2>();
    Ok(kl_divergence(&p, positions, exact_normaliser(positions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

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

    /// Three clusters, 20 apart.
    fn clusters(n: usize) -> Matrix {
        let points = normal(n, 6, 11);
        let shifted = points.values().iter().enumerate().map(|(at, value)| {
            let (i, j) = (at / 6, at % 6);
            value + if i % 3 == j { 20.0 } else { 0.0 }
        });
        Matrix::new(n, 6, shifted.collect()).unwrap()
    }

    fn short() -> TsneParams {
        TsneParams {
            perplexity: 10.0,
            n_iter: 300,
            early_exaggeration_iter: 100,
            ..TsneParams::default()
        }
    }

    fn run(scores: &Matrix, params: &TsneParams) -> Embedding {
        embed(scores, params, &mut |_, _| true).unwrap()
    }

    #[test]
    fn clusters_stay_apart() {
        let embedding = run(&clusters(240), &short());
        let neighbors = nearest(&embedding.positions, 5).unwrap();
        for i in 0..240 {
            assert!(
                neighbors
                    .indices(i)
                    .iter()
                    .all(|&j| j as usize % 3 == i % 3),
                "row {i}"
            );
        }
        assert!(embedding.kl_divergence > 0.0 && embedding.kl_divergence < 1.0);
        let (mut sum, n) = ([0.0f64; 2], 240.0);
        embedding.positions.values().chunks(2).for_each(|p| {
            sum[0] += f64::from(p[0]);
            sum[1] += f64::from(p[1]);
        });
        assert!(
            sum[0].abs() / n < 1e-3 && sum[1].abs() / n < 1e-3,
            "centred: {sum:?}"
        );
    }

    #[test]
    fn gives_the_same_bytes_on_any_number_of_threads() {
        let scores = clusters(500);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| run(&scores, &short()))
        };
        let one = on(1);
        assert_eq!(one, on(1));
        assert_eq!(one, on(2));
        assert_eq!(one, on(5));
    }

    #[test]
    fn theta_zero_and_a_half_end_in_equally_good_pictures() {
        let scores = clusters(240);
        let exact = run(
            &scores,
            &TsneParams {
                theta: 0.0,
                ..short()
            },
        )
        .kl_divergence;
        let approximate = run(&scores, &short()).kl_divergence;
        assert!(
            (exact - approximate).abs() < 0.1 * exact,
            "{exact} {approximate}"
        );
    }

    #[test]
    fn an_embedding_has_the_divergence_it_reports() {
        let scores = clusters(240);
        let embedding = run(&scores, &short());
        let found = divergence(&scores, &embedding.positions, 10.0).unwrap();
        assert!((found - embedding.kl_divergence).abs() < 1e-12);
        assert!(divergence(&scores, &normal(239, 2, 1), 10.0).is_err());
        assert!(divergence(&scores, &normal(240, 3, 1), 10.0).is_err());
        assert!(divergence(&scores, &embedding.positions, 0.0).is_err());
    }

    #[test]
    fn perplexity_is_reduced_to_a_third_of_the_rows() {
        let embedding = run(
            &normal(31, 4, 1),
            &TsneParams {
                perplexity: 30.0,
                ..short()
            },
        );
        assert_eq!(embedding.perplexity, 10.0);
        assert_eq!(run(&normal(4, 4, 1), &short()).perplexity, 1.0);
    }

    #[test]
    fn duplicates_neither_hang_nor_leave_the_numbers() {
        let alike = Matrix::new(90, 3, vec![0.1; 270]).unwrap();
        let embedding = run(&alike, &short());
        assert_eq!(embedding.init, Init::Noise);
        let two_places = (0..90)
            .flat_map(|i| [if i < 45 { 1.0 } else { -1.0 }, 0.0])
            .collect();
        let embedding_of_two = run(&Matrix::new(90, 2, two_places).unwrap(), &short());
        assert_eq!(embedding_of_two.init, Init::JitteredComponents);
        for embedding in [embedding, embedding_of_two] {
            assert!(
                check_finite(&embedding.positions).is_ok() && embedding.kl_divergence.is_finite()
            );
        }
    }

    #[test]
    fn the_seed_counts_only_where_there_is_jitter() {
        let other = TsneParams { seed: 1, ..short() };
        let scores = normal(30, 3, 2);
        assert_eq!(run(&scores, &short()), run(&scores, &other));
        let line = Matrix::new(30, 1, scores.values()[..30].to_vec()).unwrap();
        assert_ne!(run(&line, &short()), run(&line, &other));
    }

    #[test]
    fn stops_when_asked_to() {
        let mut calls = Vec::new();
        let stopped = embed(&normal(20, 3, 1), &short(), &mut |done, total| {
            calls.push((done, total));
            done < 3
        });
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(calls, [(1, 300), (2, 300), (3, 300)]);
    }

    #[test]
    fn refuses_bad_input() {
        let scores = normal(20, 3, 1);
        let refused =
            |scores: &Matrix, params: TsneParams| match embed(scores, &params, &mut |_, _| true) {
                Err(Error::Invalid(message)) => message,
                other => panic!("{other:?}"),
            };
        assert!(refused(&normal(3, 3, 1), short()).contains("at least 4 rows"));
        assert!(
            refused(
                &scores,
                TsneParams {
                    perplexity: f64::NAN,
                    ..short()
                }
            )
            .contains("perplexity NaN")
        );
        assert!(
            refused(
                &scores,
                TsneParams {
                    perplexity: 0.5,
                    ..short()
                }
            )
            .contains("1 or more")
        );
        assert!(
            refused(
                &scores,
                TsneParams {
                    theta: 1.5,
                    ..short()
                }
            )
            .contains("0 to 1")
        );
        assert!(
            refused(
                &scores,
                TsneParams {
                    n_iter: 100,
                    ..short()
                }
            )
            .contains("100 t-SNE iterations")
        );
        let mut values = scores.values().to_vec();
        values[7] = f32::INFINITY;
        assert!(
            refused(&Matrix::new(20, 3, values).unwrap(), short()).starts_with("row 2 holds inf")
        );
    }

    #[test]
    fn a_frame_keeps_its_keys_and_order() {
        let scores = normal(25, 3, 1);
        let mut columns = vec![Column::new(
            KEY.into(),
            (0..25).map(|i| format!("k{i}")).collect::<Vec<_>>(),
        )];
        for name in ["pc1", "pc2", "pc3", "pc5"] {
            let j = usize::from(name.as_bytes()[2] - b'1').min(2);
            let values: Vec<f32> = (0..25).map(|i| scores.row(i)[j]).collect();
            columns.push(Column::new(name.into(), values));
        }
        let frame = DataFrame::new(25, columns).unwrap();
        let embedded = tsne(&frame, &short()).unwrap();
        let names: Vec<_> = embedded
            .frame
            .get_column_names()
            .iter()
            .map(|n| n.to_string())
            .collect();
        assert_eq!(names, [KEY, TSNE_X, TSNE_Y]);
        let positions = Matrix::from_columns(&embedded.frame, &[TSNE_X, TSNE_Y]).unwrap();
        // pc5 comes after a gap: it is not used.
        assert_eq!(positions, run(&scores, &short()).positions);
        assert_eq!(
            (embedded.perplexity, embedded.perplexity_requested),
            (8.0, 10.0)
        );
        assert!(tsne(&frame.drop("pc1").unwrap(), &short()).is_err());
    }
}
