//! What takes all distances of a row: ranks, silhouettes, and votes without the own sequence.

use rayon::prelude::*;

use super::sequences::Grouping;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::neighbors::{Neighbors, squared_distance};
use crate::simd::clear_upper_halves;
use crate::votes::{Classes, vote};

/// Rows a worker takes at a time; only speed depends on it.
const ROWS_PER_TASK: usize = 16;
/// Tasks of a thread between two looks whether to go on: 0.2 s at 67,692 rows. Only speed depends on it.
const TASKS_PER_THREAD: usize = 8;

/// The measured rows, in the order they were asked for.
pub(super) struct Measured {
    pub rows: Vec<Row>,
}

/// One of them.
pub(super) struct Row {
    /// For each number of neighbours k: the sum of rank - k in the first space, over the k nearest in the second that are
    /// not among the k nearest in the first.
    pub intrusions: Vec<u64>,
    /// The same with the spaces exchanged.
    pub extrusions: Vec<u64>,
    /// In each space.
    pub silhouette: [f64; 2],
    /// In each space, the vote of the nearest rows of other sequences; `None` where the row's class has no other.
    pub vote_of_others: [Option<usize>; 2],
}

/// Either space with as many neighbours as the last of `ks`.
pub(super) fn measure(
    spaces: [(&Matrix, &Neighbors); 2],
    ks: &[usize],
    k: usize,
    classes: &Classes,
    sequences: Option<&Grouping>,
    rows: &[usize],
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Measured> {
    let work = |task: &[usize]| {
        clear_upper_halves();
        let row = |&i: &usize| {
            let [high, low] = spaces.map(|(_, near)| near);
            let distances = spaces.map(|(points, _)| distances(points, i));
            let vote_without = |at: usize| {
                let sequences = sequences.filter(|s| s.can_judge(i))?;
                let others = nearest_of_others(&distances[at], sequences, i, k);
                Some(vote(&others, &classes.numbers))
            };
            Row {
                intrusions: excesses([high, low], &distances[0], i, ks),
                extrusions: excesses([low, high], &distances[1], i, ks),
                silhouette: distances.each_ref().map(|d| silhouette(d, i, classes)),
                vote_of_others: [vote_without(0), vote_without(1)],
            }
        };
        task.iter().map(row).collect::<Vec<_>>()
    };
    let mut measured = Vec::with_capacity(rows.len());
    for part in rows.chunks(ROWS_PER_TASK * TASKS_PER_THREAD * rayon::current_num_threads()) {
        let tasks: Vec<_> = part.par_chunks(ROWS_PER_TASK).map(work).collect();
        measured.extend(tasks.into_iter().flatten());
        if !progress(measured.len(), rows.len()) {
            return Err(Error::Cancelled);
        }
    }
    Ok(Measured { rows: measured })
}

/// A measured row in one space.
pub(super) struct InSpace {
    pub silhouette: f64,
    pub vote_of_others: Option<usize>,
}

impl Measured {
    pub(super) fn of_space(&self, at: usize) -> Vec<InSpace> {
        let row = |row: &Row| InSpace {
            silhouette: row.silhouette[at],
            vote_of_others: row.vote_of_others[at],
        };
        self.rows.iter().map(row).collect()
    }

    /// 1 minus the normalised sum of `excess`.
    pub(super) fn faithfulness(&self, n: usize, k: usize, excess: impl Fn(&Row) -> u64) -> f64 {
        share_kept(n, k, self.rows.len(), self.rows.iter().map(excess).sum())
    }
}

/// 1 - 2 / (m k (2n - 3k - 1)) * excess of m of n rows.
pub(super) fn share_kept(n: usize, k: usize, m: usize, excess: u64) -> f64 {
    let (n, k, m) = (n as f64, k as f64, m as f64);
    1.0 - 2.0 / (m * k * (2.0 * n - 3.0 * k - 1.0)) * excess as f64
}

/// Mean share of the neighbours in the first space that are neighbours in the second, which has as many.
pub(super) fn neighbor_recall(near: &[Neighbors; 2]) -> f64 {
    let (n, k) = (near[0].n_rows(), near[0].k());
    let kept = |i: usize| {
        let low = near[1].indices(i);
        let high = near[0].indices(i);
        high.iter().filter(|j| low.contains(j)).count()
    };
    (0..n).map(kept).sum::<usize>() as f64 / (n * k) as f64
}

fn distances(points: &Matrix, i: usize) -> Vec<f64> {
    let row = points.row(i);
    (0..points.n_rows())
        .map(|j| squared_distance(row, points.row(j)))
        .collect()
}

/// For each k of `ks` (ascending): the sum of rank - k in the first space, in which the row has `distances`, over the k nearest
/// in the second that are not among the k nearest in the first. The nearest row has rank 1; of two at one distance the smaller
/// index comes first.
fn excesses(near: [&Neighbors; 2], distances: &[f64], i: usize, ks: &[usize]) -> Vec<u64> {
    let [near, other] = near.map(|near| near.indices(i));
    let rank = |&j: &u32| match near.iter().position(|&l| l == j) {
        Some(at) => at as u64 + 1,
        None => {
            let (j, to_j) = (j as usize, distances[j as usize]);
            // Two plain counts, which become vector instructions.
            let nearer = distances.iter().filter(|&&d| d < to_j).count();
            let as_near = distances[..j].iter().filter(|&&d| d == to_j).count();
            // The row itself is among them and has no rank.
            let own = usize::from((distances[i], i) < (to_j, j));
            (1 + nearer + as_near - own) as u64
        }
    };
    let ranks: Vec<u64> = other.iter().map(rank).collect();
    ks.iter()
        .map(|&k| ranks[..k].iter().map(|r| r.saturating_sub(k as u64)).sum())
        .collect()
}

/// (b - a) / max(a, b): a is the mean distance to the other rows of the own class, b the smallest mean distance to those
/// of another; 0 for a row that is alone in its class.
fn silhouette(squared: &[f64], i: usize, classes: &Classes) -> f64 {
    let own = classes.numbers[i];
    if classes.counts[own] < 2 || classes.names.len() < 2 {
        return 0.0;
    }
    let mut sums = vec![0.0; classes.names.len()];
    for (d, &class) in squared.iter().zip(&classes.numbers) {
        sums[class] += d.sqrt();
    }
    let mean = |class: usize| sums[class] / classes.counts[class] as f64;
    let a = sums[own] / (classes.counts[own] - 1) as f64;
    let others = (0..sums.len()).filter(|&class| class != own).map(mean);
    let b = others.fold(f64::INFINITY, f64::min);
    match a.max(b) {
        0.0 => 0.0,
        larger => (b - a) / larger,
    }
}

/// The at most `k` nearest rows that are not of the sequence of row `i`.
fn nearest_of_others(distances: &[f64], sequences: &Grouping, i: usize, k: usize) -> Vec<u32> {
    let mut others: Vec<(f64, u32)> = distances
        .iter()
        .zip(0u32..)
        .filter(|&(_, j)| !sequences.are_one(i, j as usize))
        .map(|(&d, j)| (d, j))
        .collect();
    let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if others.len() > k {
        others.select_nth_unstable_by(k, nearer);
        others.truncate(k);
    }
    others.into_iter().map(|(_, j)| j).collect()
}
