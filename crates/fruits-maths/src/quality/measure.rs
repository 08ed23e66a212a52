//! All measures of an embedding.

use super::labels::label_quality;
use super::measures::{Faithfulness, LabelMeasures, Measures};
use super::rows;
use super::sample::sample;
use super::sequences::Grouping;
use super::single::check;
use crate::error::{Error, Result};
use crate::neighbors::Space;
use crate::votes::Classes;

/// Further numbers of neighbours at which ranks are compared: 5 is scikit-learn's default, 12 van der Maaten's (2009).
const FURTHER_NEIGHBORS: [usize; 2] = [5, 12];

/// What [`measure`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// The measures.
    pub measures: Measures,
    /// Each row's own part of trustworthiness, 0 to 1; none where it was not in the sample.
    pub trust: Vec<Option<f64>>,
}

/// Neighbours of each row in either space that [`measure`] takes at `k`.
#[must_use]
pub fn n_neighbors(k: usize) -> usize {
    FURTHER_NEIGHBORS.into_iter().fold(k, usize::max)
}

/// Compares `low` (n_samples x any) with the `high` (n_samples x any) that it is a picture of, and both with `labels`, one a
/// row; where `sequences` names for each row what it is a frame of, votes without the own sequence are counted, too.
///
/// Either space holds [`n_neighbors`] of each row, or more. Ranks, silhouettes and votes without the own sequence take all distances of a
/// row: of more than 14,142 rows they are measured on as many, drawn with `seed`, as make 2 * 10^8 distances, each to all other
/// rows. `k` is lowered to what the rows allow, (n - 1) / 2; the measures hold the `k` that was used. Shuffled labels come from
/// `seed`, too.
///
/// `progress(rows done, rows in all)` is called now and then; `false` stops.
///
/// # Errors
/// [`Error::Cancelled`] if `progress` returns `false`; [`Error::TooFewRows`] of fewer than 3; [`Error::Invalid`] if the numbers of rows,
/// labels or sequences differ, or a space holds too few neighbours.
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods" (trustworthiness, continuity);
/// Rousseeuw 1987, "Silhouettes"; Ojala & Garriga 2010, "Permutation tests for studying classifier performance".
pub fn measure(
    high: &Space,
    low: &Space,
    labels: &[&str],
    sequences: Option<&[&str]>,
    k: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Quality> {
    let points = [high.points(), low.points()];
    let n = points[0].n_rows();
    for (what, len) in [
        ("labels", labels.len()),
        ("sequences", sequences.map_or(n, <[_]>::len)),
    ] {
        if len != n {
            return Err(Error::Invalid(format!(
                "{len} {what} of {n} rows: one a row"
            )));
        }
    }
    if n < 3 {
        return Err(Error::TooFewRows {
            what: "the quality of an embedding",
            needed: 3,
            found: n,
        });
    }
    let most = (n - 1) / 2;
    let k = k.min(most);
    check(points[0], points[1], k)?;
    let mut ks: Vec<usize> = FURTHER_NEIGHBORS.map(|further| further.min(most)).to_vec();
    ks.push(k);
    ks.sort_unstable();
    ks.dedup();

    let near = [high.near(ks[ks.len() - 1])?, low.near(ks[ks.len() - 1])?];
    let near_k = [near[0].first(k)?, near[1].first(k)?];
    let classes = Classes::of(labels);
    let grouping = sequences.and_then(|names| Grouping::of(names, &classes));
    let rows = sample(n, seed);
    let grouping = grouping.as_ref();
    let spaces = [(points[0], &near[0]), (points[1], &near[1])];
    let measured = rows::measure(spaces, &ks, k, &classes, grouping, &rows, progress)?;

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
    let mut in_space = |at: usize| {
        let mut keep_going = || progress(rows.len(), rows.len());
        let of_space = measured.of_space(at);
        label_quality(
            &near_k[at],
            &classes,
            &rows,
            &of_space,
            seed,
            &mut keep_going,
        )
    };
    let labels = match classes.names.len() {
        0..=1 => None,
        _ => Some(LabelMeasures {
            sequences: grouping.map(|g| g.counted(&rows)),
            pca: in_space(0)?,
            tsne: in_space(1)?,
        }),
    };
    let mut trust = vec![None; n];
    for (&i, row) in rows.iter().zip(&measured.rows) {
        trust[i] = Some(rows::share_kept(n, k, 1, row.intrusions[at_k]));
    }
    Ok(Quality {
        measures: Measures {
            k,
            trustworthiness: by_neighbors[at_k].trustworthiness,
            continuity: by_neighbors[at_k].continuity,
            neighbor_recall: rows::neighbor_recall(&near_k),
            by_neighbors,
            knn_accuracy_pca: labels.as_ref().map(|l| l.pca.accuracy),
            knn_accuracy_tsne: labels.as_ref().map(|l| l.tsne.accuracy),
            labels,
            n_sampled: rows.len(),
        },
        trust,
    })
}
