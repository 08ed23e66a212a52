//! From points to their places in two dimensions.

use super::affinities::{Affinities, affinities};
use super::descent::{Descent, Step};
use super::divergence::{exact_normaliser, kl_divergence, normaliser};
use super::params::TsneParams;
use super::start::{Init, start};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::neighbors::{Space, check_finite};

/// Fewest points: with 4, (n - 1) / 3 is the smallest perplexity there is, 1.
const MIN_POINTS: usize = 4;

/// Momentum in the early exaggeration and after it (van der Maaten & Hinton 2008).
const MOMENTUM: [f64; 2] = [0.5, 0.8];

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

/// Embeds the rows of `scores` (n_samples x n_components, principal components first to last).
///
/// `progress(iterations done, iterations in all)` is called after each of them, and before while neighbours are searched for;
/// `false` stops.
///
/// Exact nearest neighbours; start at the first two components; the learning rate is n / exaggeration in each phase; repulsion
/// by Barnes and Hut. The same input, parameters and build give the same bytes on one kind of processor, whatever the number
/// of threads.
///
/// # Errors
/// [`Error::TooFewRows`] of fewer than 4, [`Error::Invalid`] without a column, [`Error::NotFinite`], [`Error::Parameter`];
/// [`Error::Cancelled`] if `progress` returns `false`.
pub fn embed(
    scores: &Matrix,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Embedding> {
    check(scores, params)?;
    let k = params.n_neighbors(scores.n_rows());
    let space = Space::new_with(scores, k, &mut |_, _| progress(0, params.n_iter))?;
    embed_in(&space, params, progress)
}

/// [`embed`] without the search: of the points of `space`, which holds [`TsneParams::n_neighbors`] of each, or more.
///
/// # Errors
/// As [`embed`], and [`Error::Invalid`] if there are fewer neighbours.
pub fn embed_in(
    space: &Space,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Embedding> {
    let scores = space.points();
    check(scores, params)?;
    let n = scores.n_rows();
    let p = joint_probabilities(space, params)?;
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
            return Err(Error::Cancelled);
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
        perplexity: params.perplexity_of(n),
        init,
    })
}

fn check(scores: &Matrix, params: &TsneParams) -> Result<()> {
    params.check()?;
    match (scores.n_rows(), scores.n_cols()) {
        (MIN_POINTS.., 1..) => Ok(()),
        (MIN_POINTS.., _) => Err(Error::Invalid(
            "t-SNE takes rows of 1 value or more, not of none".to_owned(),
        )),
        (found, _) => Err(Error::TooFewRows {
            what: "t-SNE",
            needed: MIN_POINTS,
            found,
        }),
    }
}

/// P over exact neighbours.
fn joint_probabilities(space: &Space, params: &TsneParams) -> Result<Affinities> {
    let n = space.points().n_rows();
    let near = space.near(params.n_neighbors(n))?;
    Ok(affinities(&near, params.perplexity_of(n)))
}

/// KL(P || Q) in natural units of any embedding `positions` (n_samples x 2) of `scores` (n_samples x n_components), whoever made
/// it: the figure to compare programs by. P has exact neighbours and the given perplexity (at most (n_samples - 1) / 3), Z is
/// summed over all pairs, which takes 5 s at 67,692 rows on two cores.
///
/// # Errors
/// [`Error::Invalid`] for matrices of other shapes, [`Error::NotFinite`], and [`Error::Parameter`] for a perplexity below 1.
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
    check_finite(positions)?;
    let space = Space::new(scores, params.n_neighbors(n))?;
    let p = joint_probabilities(&space, &params)?;
    let (positions, _) = positions.values().as_chunks::<2>();
    Ok(kl_divergence(&p, positions, exact_normaliser(positions)))
}
