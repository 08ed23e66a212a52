//! How well an embedding keeps the neighbours and the labels of the space it was made from.

mod sequences;

use fruits_maths::Matrix;
use fruits_maths::neighbors::Space;
pub use fruits_maths::quality::{
    ClassQuality, Confusion, Confusions, DEFAULT_NEIGHBORS, Faithfulness, LabelMeasures,
    LabelQuality, Measures, PermutationNull, Sequences, knn_accuracy, measure, n_neighbors,
    trustworthiness,
};
use polars::prelude::*;

use self::sequences::sequence;
use crate::error::Result;
use crate::frame::{MatrixExt, check_rows, keys, names};
use crate::schema::{KEY, LABEL, TSNE, positions, trust as trust_of};

/// What [`quality`] found.
#[derive(Debug, Clone)]
pub struct Quality {
    /// The measures.
    pub record: Measures,
    /// `key` if the input has it, and `trust`, float32, a row an image in the order of the input: the image's own part of
    /// trustworthiness, 0 to 1; null where it was not in the sample.
    pub scores: DataFrame,
}

/// Compares `tsne_x`, `tsne_y` with `pc1` ... `pcK`, and both with `label`.
///
/// In: the columns above, numeric but for `label` (strings or whole numbers), one row an image; with `key` (the same) also sequences of
/// frames are told apart, see [`Measures`]. Nearest neighbours are exact and of all rows. Ranks, silhouettes and
/// votes without the own sequence take all distances of a row: of more than 14,142 rows they are measured on as many,
/// drawn with `seed`, as make 2 * 10^8 distances, each to all other rows. `k` is lowered to what the rows allow,
/// (n - 1) / 2; the record holds the `k` that was used. Shuffled labels come from `seed`, too.
///
/// # Errors
/// [`Error::Column`](crate::Error::Column) if one is missing, of another type, or holds a null, NaN or infinity, or a key is
/// there twice; [`Error::TooFewRows`](crate::Error::TooFewRows) of fewer than 3.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods" (trustworthiness, continuity);
/// Rousseeuw 1987, "Silhouettes"; Ojala & Garriga 2010, "Permutation tests for studying classifier performance".
pub fn quality(frame: &DataFrame, k: usize, seed: u64) -> Result<Quality> {
    quality_with(frame, k, seed, &mut |_, _| true)
}

/// [`quality`], with `progress(rows done, rows in all)` now and then; `false` stops.
///
/// # Errors
/// As [`quality`], and [`Error::Cancelled`](crate::Error::Cancelled) if `progress` returns `false`.
pub fn quality_with(
    frame: &DataFrame,
    k: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Quality> {
    Columns::of(frame, TSNE)?;
    let high = Matrix::from_scores(frame)?;
    let space = Space::new_with(&high, n_neighbors(k), &mut |_, n| progress(0, n))?;
    quality_in(frame, TSNE, &space, k, seed, progress)
}

/// [`quality_with`] without the search among the scores, and of any projection: of the points of `space`, a row each of
/// `frame`, with [`n_neighbors`] of each, or more. `NAME_x`, `NAME_y` stand in the place of `tsne_x`, `tsne_y`, and `NAME_trust`
/// in that of `trust`; what the record says of t-SNE it says of this projection.
///
/// # Errors
/// As [`quality_with`], and [`Error::Invalid`](crate::Error::Invalid) if there are fewer neighbours or other rows.
pub fn quality_in(
    frame: &DataFrame,
    projection: &str,
    space: &Space,
    k: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Quality> {
    check_rows(frame, space)?;
    let columns = Columns::of(frame, projection)?;
    let low = Space::new_with(&columns.low, n_neighbors(k), &mut |_, n| progress(0, n))?;
    let labels = match &columns.labels {
        Some(labels) => labels.no_null_iter().collect(),
        None => vec![""; frame.height()],
    };
    let sequences = columns.keys.as_ref().map(|keys| keys.no_null_iter());
    let sequences: Option<Vec<&str>> = sequences.map(|keys| keys.map(sequence).collect());
    let found = measure(
        space,
        &low,
        &labels,
        sequences.as_deref(),
        k,
        seed,
        progress,
    )?;
    let trust: Vec<Option<f32>> = found.trust.iter().map(|t| t.map(|t| t as f32)).collect();
    let mut scores: Vec<Column> = frame.column(KEY).ok().cloned().into_iter().collect();
    scores.push(Column::new(trust_of(projection).into(), trust));
    Ok(Quality {
        record: found.measures,
        scores: DataFrame::new(frame.height(), scores)?,
    })
}

/// What is read beside the scores.
struct Columns {
    low: Matrix,
    labels: Option<StringChunked>,
    keys: Option<StringChunked>,
}

impl Columns {
    fn of(frame: &DataFrame, projection: &str) -> Result<Self> {
        let has = |name| frame.column(name).is_ok();
        Ok(Self {
            low: Matrix::from_finite(frame, &positions(projection))?,
            labels: has(LABEL).then(|| names(frame, LABEL)).transpose()?,
            keys: has(KEY).then(|| keys(frame)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::schema::{TRUST, TSNE_X, TSNE_Y};

    fn frame(n: usize) -> DataFrame {
        let values = |factor: f32| {
            (0..n)
                .map(|i| (i as f32 * factor).sin())
                .collect::<Vec<_>>()
        };
        df!(
            KEY => (0..n).map(|i| format!("{}/{i}.jpg", i % 2)).collect::<Vec<_>>(),
            LABEL => (0..n).map(|i| if i % 2 == 0 { "a" } else { "b" }).collect::<Vec<_>>(),
            "pc1" => values(1.0),
            "pc2" => values(2.5),
            TSNE_X => values(1.1),
            TSNE_Y => values(0.3),
        )
        .unwrap()
    }

    #[test]
    fn a_frame_is_measured() {
        let frame = frame(50);
        let found = quality(&frame, 10, 0).unwrap();
        assert_eq!((found.record.k, found.record.n_sampled), (10, 50));
        let high = Matrix::from_columns(&frame, &["pc1", "pc2"]).unwrap();
        let low = Matrix::from_columns(&frame, &[TSNE_X, TSNE_Y]).unwrap();
        let expected = trustworthiness(&high, &low, 10).unwrap();
        assert_eq!(found.record.trustworthiness, expected);
        let trust = found.scores.column(TRUST).unwrap();
        let mean = trust.f32().unwrap().mean().unwrap();
        assert!((mean - expected).abs() < 1e-6);
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let mut n_asked = 0;
        let outcome = quality_with(&frame(50), 10, 0, &mut |_, _| {
            n_asked += 1;
            n_asked < 3
        });
        assert!(matches!(outcome, Err(Error::Cancelled)) && n_asked == 3);
    }

    #[test]
    fn a_column_that_lacks_is_named_or_not_needed() {
        let frame = frame(50);
        assert!(quality(&frame.drop(TSNE_X).unwrap(), 10, 0).is_err());
        assert!(quality(&frame.select([LABEL]).unwrap(), 10, 0).is_err());
        let alone = frame.drop_many([KEY, LABEL]);
        assert_eq!(quality(&alone, 10, 0).unwrap().record.labels, None);
    }
}
