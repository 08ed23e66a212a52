//! t-SNE: from principal components to a picture in two dimensions.

mod project;

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
pub use fruits_maths::tsne::{Embedding, Init, TsneParams, divergence, embed, embed_in};
use polars::prelude::*;

pub(crate) use self::project::{TITLE, projection_record};
use crate::error::Result;
use crate::frame::{MatrixExt, check_free, check_rows};
use crate::schema::{TSNE_X, TSNE_Y};

/// An embedding of a frame. There is no way to add rows to it: t-SNE places only what it was given.
#[derive(Debug, Clone)]
pub struct Tsne {
    /// The input's columns, and `tsne_x`, `tsne_y` (`Float32`); rows keep their order.
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

/// Embeds the rows of `frame` in two dimensions.
///
/// In: `pc1`, `pc2`, ... as far as they go without a gap, numeric, not whitened. Out: all columns, and `tsne_x` and `tsne_y`,
/// `Float32`, without unit.
///
/// Exact nearest neighbours; start at the first two components; the learning rate is n / exaggeration
/// in each phase; repulsion by Barnes and Hut. The same input, parameters and build give the same
/// bytes on one kind of processor, whatever the number of threads.
///
/// # Errors
/// [`Error::Column`](crate::Error::Column) if there is no `pc1`, or one of these is of another type or holds a null, NaN or
/// infinity, or if `tsne_x` or `tsne_y` is there already; [`Error::TooFewRows`](crate::Error::TooFewRows) of fewer than 4; [`Error::Parameter`](crate::Error::Parameter).
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

/// [`tsne`], with `progress(iterations done, iterations in all)` after each of them, and before while neighbours are searched
/// for; `false` stops.
///
/// # Errors
/// As [`tsne`], and [`Error::Cancelled`](crate::Error::Cancelled) if `progress` returns `false`.
pub fn tsne_with(
    frame: &DataFrame,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Tsne> {
    check_free(frame, &[TSNE_X, TSNE_Y])?;
    let embedding = embed(&Matrix::from_scores(frame)?, params, progress)?;
    framed(frame, params, embedding)
}

/// [`tsne_with`] without the search: of the points of `space`, a row each of `frame`, with [`TsneParams::n_neighbors`] of each, or more.
///
/// # Errors
/// As [`tsne_with`], and [`Error::Invalid`](crate::Error::Invalid) if there are fewer neighbours or other rows.
pub fn tsne_in(
    frame: &DataFrame,
    space: &Space,
    params: &TsneParams,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Tsne> {
    check_rows(frame, space)?;
    check_free(frame, &[TSNE_X, TSNE_Y])?;
    framed(frame, params, embed_in(space, params, progress)?)
}

fn framed(frame: &DataFrame, params: &TsneParams, embedding: Embedding) -> Result<Tsne> {
    let mut frame = frame.clone();
    for (axis, name) in [TSNE_X, TSNE_Y].into_iter().enumerate() {
        let values = embedding.positions.values().iter().skip(axis).step_by(2);
        let values: Vec<f32> = values.copied().collect();
        frame.with_column(Column::new(name.into(), values))?;
    }
    Ok(Tsne {
        frame,
        kl_divergence: embedding.kl_divergence,
        perplexity: embedding.perplexity,
        perplexity_requested: params.perplexity,
        n_iter: params.n_iter,
        seed: params.seed,
        init: embedding.init,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short() -> TsneParams {
        TsneParams {
            perplexity: 10.0,
            n_iter: 300,
            early_exaggeration_iter: 100,
            ..TsneParams::default()
        }
    }

    #[test]
    fn scores_are_taken_up_to_a_gap() {
        let values = (0..75).map(|i| (i * i) as f32 % 7.3).collect();
        let scores = Matrix::new(25, 3, values).unwrap();
        let mut columns = Vec::new();
        for name in ["pc1", "pc2", "pc3", "pc5"] {
            let j = usize::from(name.as_bytes()[2] - b'1').min(2);
            let values: Vec<f32> = (0..25).map(|i| scores.row(i)[j]).collect();
            columns.push(Column::new(name.into(), values));
        }
        let frame = DataFrame::new(25, columns).unwrap();
        let embedded = tsne(&frame, &short()).unwrap();
        let positions = Matrix::from_columns(&embedded.frame, &[TSNE_X, TSNE_Y]).unwrap();
        let alone = embed(&scores, &short(), &mut |_, _| true).unwrap();
        assert_eq!(positions, alone.positions);
        assert_eq!(
            (embedded.perplexity, embedded.perplexity_requested),
            (8.0, 10.0)
        );
        assert!(tsne(&frame.drop("pc1").unwrap(), &short()).is_err());
    }
}
