//! How well an embedding keeps the neighbours and the labels of the space it was made from.

mod labels;
mod rows;
mod sequences;
#[cfg(test)]
mod tests;

use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};

use crate::error::{Error, Result};
use crate::matrix::{Matrix, strings};
use crate::neighbors::{Neighbors, nearest};
use crate::record::{Faithfulness, LabelsRecord, QualityRecord};
use crate::schema::{KEY, LABEL, TRUST, TSNE_X, TSNE_Y};
use crate::votes::Classes;
pub use crate::votes::DEFAULT_NEIGHBORS;

use self::labels::accuracy;
use self::sequences::Sequences;

/// Further numbers of neighbours at which ranks are compared: 5 is scikit-learn's default, 12 van der Maaten's (2009).
const FURTHER_NEIGHBORS: [usize; 2] = [5, 12];

/// Distances in each space that are measured one by one, at most: about 4 s on two cores at 64 columns. Of more than
/// 14,142 rows a sample is measured, each against all others.
const MAX_DISTANCES: usize = 200_000_000;

/// What [`quality`] found.
#[derive(Debug, Clone)]
pub struct Quality {
    /// The measures.
    pub record: QualityRecord,
    /// `trust`, float32, a row an image in the order of the input: the image's own part of trustworthiness, 0 to 1;
    /// null where it was not in the sample.
    pub scores: DataFrame,
}

/// Compares `tsne_x`, `tsne_y` with `pc1` ... `pcK`, and both with `label`.
///
/// In: the columns above, numeric but for `label` (strings), one row an image; with `key` (strings) also sequences of
/// frames are told apart, see [`QualityRecord`]. Nearest neighbours are exact and of all rows. Ranks, silhouettes and
/// votes without the own sequence take all distances of a row: of more than 14,142 rows they are measured on as many,
/// drawn with `seed`, as make 2 * 10^8 distances, each to all other rows. `k` is lowered to what the rows allow,
/// (n - 1) / 2; the record holds the `k` that was used. Shuffled labels come from `seed`, too.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing, holds a null, NaN or infinity, or there are fewer than 3 rows.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods" (trustworthiness, continuity);
/// Rousseeuw 1987, "Silhouettes"; Ojala & Garriga 2010, "Permutation tests for studying classifier performance".
pub fn quality(frame: &DataFrame, k: usize, seed: u64) -> Result<Quality> {
    let high = Matrix::from_scores(frame)?;
    let low = Matrix::from_columns(frame, &[TSNE_X, TSNE_Y])?;
    let n = frame.height();
    let most = n.saturating_sub(1) / 2;
    let k = k.min(most);
    check(&high, &low, k)?;
    let mut ks: Vec<usize> = FURTHER_NEIGHBORS.map(|further| further.min(most)).to_vec();
    ks.push(k);
    ks.sort_unstable();
    ks.dedup();

    let spaces = [
        Space::new(&high, ks[ks.len() - 1])?,
        Space::new(&low, ks[ks.len() - 1])?,
    ];
    let labels = match frame.column(LABEL) {
        Ok(_) => strings(frame, LABEL)?,
        Err(_) => vec![""; n],
    };
    let classes = Classes::of(&labels);
    let sequences = match frame.column(KEY) {
        Ok(_) => Sequences::of(&strings(frame, KEY)?, &classes),
        Err(_) => None,
    };
    let rows = sample(n, seed);
    let measured = rows::measure(&spaces, &ks, k, &classes, sequences.as_ref(), &rows);

    let by_neighbors: Vec<Faithfulness> = ks
        .iter()
        .enumerate()
        .map(|(at, &k)| Faithfulness {
            k,
            trustworthiness: measured.faithfulness(n, k, |row| row.intrusions[at]),
            continuity: measured.faithfulness(n, k, |row| row.extrusions[at]),
        })
        .collect();
    let at_k = ks.partition_point(|&other| other < k);
    let labels = (classes.names.len() > 1).then(|| LabelsRecord {
        sequences: sequences.as_ref().map(|s| s.record(&rows)),
        pca: labels::label_quality(&spaces[0], k, &classes, &rows, &measured.of_space(0), seed),
        tsne: labels::label_quality(&spaces[1], k, &classes, &rows, &measured.of_space(1), seed),
    });
    let mut trust = vec![None; n];
    for (&i, row) in rows.iter().zip(&measured.rows) {
        trust[i] = Some(rows::share_kept(n, k, 1, row.intrusions[at_k]) as f32);
    }
    Ok(Quality {
        record: QualityRecord {
            k,
            trustworthiness: by_neighbors[at_k].trustworthiness,
            continuity: by_neighbors[at_k].continuity,
            neighbor_recall: rows::neighbor_recall(&spaces, k),
            by_neighbors,
            knn_accuracy_pca: labels.as_ref().map(|l| l.pca.accuracy),
            knn_accuracy_tsne: labels.as_ref().map(|l| l.tsne.accuracy),
            labels,
            n_sampled: rows.len(),
        },
        scores: DataFrame::new(n, vec![Column::new(TRUST.into(), trust)])?,
    })
}

/// Points and their nearest neighbours.
struct Space<'a> {
    points: &'a Matrix,
    near: Neighbors,
}

impl<'a> Space<'a> {
    fn new(points: &'a Matrix, k: usize) -> Result<Self> {
        let near = nearest(points, k)?;
        Ok(Self { points, near })
    }

    /// The `k` nearest rows of row `i`, nearest first.
    fn nearest(&self, i: usize, k: usize) -> &[u32] {
        &self.near.indices(i)[..k]
    }
}

/// Trustworthiness of `low` (n_samples x any) as a picture of `high` (n_samples x any), 0 to 1.
///
/// T = 1 - 2 / (n k (2n - 3k - 1)) * sum over i, and over the k nearest j of i in `low` that are
/// not among its k nearest in `high`, of rank(i, j) - k, where the nearest row in `high` has
/// rank 1. Exact: every rank is counted, ties go by index. Duplicates in `high` therefore rank in
/// their order, as neighbours do. Continuity is the same with the two exchanged.
///
/// # Errors
/// [`Error::Invalid`] if the numbers of rows differ, `k` is 0 or above (n - 1) / 2, or a value is
/// NaN or infinite.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods".
pub fn trustworthiness(high: &Matrix, low: &Matrix, k: usize) -> Result<f64> {
    check(high, low, k)?;
    let spaces = [Space::new(high, k)?, Space::new(low, k)?];
    let n = high.n_rows();
    let rows: Vec<usize> = (0..n).collect();
    let alike = Classes::of(&vec![""; n]);
    let measured = rows::measure(&spaces, &[k], k, &alike, None, &rows);
    Ok(measured.faithfulness(n, k, |row| row.intrusions[0]))
}

/// Share of the rows of `points` (n_samples x any) whose label the `k` nearest other rows vote
/// for, 0 to 1. Of labels with as many votes, the one that sorts first wins, as in scikit-learn.
///
/// # Errors
/// [`Error::Invalid`] if there is not one label a row, `k` is 0, there are fewer than 2 rows, or a
/// value is NaN or infinite.
pub fn knn_accuracy(points: &Matrix, labels: &[&str], k: usize) -> Result<f64> {
    let n = points.n_rows();
    if labels.len() != n || k == 0 || n < 2 {
        return Err(Error::Invalid(format!(
            "accuracy of {k} neighbours on {n} rows with {} labels: it takes 1 neighbour, 2 rows and a label a row",
            labels.len()
        )));
    }
    let space = Space::new(points, k)?;
    Ok(accuracy(
        &space,
        space.near.k(),
        &Classes::of(labels).numbers,
    ))
}

fn check(high: &Matrix, low: &Matrix, k: usize) -> Result<()> {
    let n = high.n_rows();
    if low.n_rows() != n {
        return Err(Error::Invalid(format!(
            "{} rows cannot be a picture of {n} rows: one row each",
            low.n_rows()
        )));
    }
    if k == 0 || k > n.saturating_sub(1) / 2 {
        return Err(Error::Invalid(format!(
            "trustworthiness at {k} neighbours of {n} rows: it is defined from 1 to (n - 1) / 2"
        )));
    }
    Ok(())
}

/// Rows to measure against all `n`, ascending: all, or those with the smallest random numbers.
fn sample(n: usize, seed: u64) -> Vec<usize> {
    let n_rows = n.min(MAX_DISTANCES / n.max(1));
    if n_rows == n {
        return (0..n).collect();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Permutations of the labels take the first streams.
    random.set_stream(u64::MAX);
    let mut keys: Vec<(u64, usize)> = (0..n)
        .map(|i| (StandardUniform.sample(&mut random), i))
        .collect();
    keys.sort_unstable();
    let mut rows: Vec<usize> = keys[..n_rows].iter().map(|&(_, i)| i).collect();
    rows.sort_unstable();
    rows
}
