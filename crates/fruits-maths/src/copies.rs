//! Rows that are copies of one another, as one picture is that was saved several times.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::matrix::Matrix;
use crate::neighbors::{Neighbors, nearest_with};

/// Share of the usual distance up to which two rows are copies. A drawn sign saved by JPEG at 14 qualities from 60 to 86 has its
/// nearest copy at 0.001 to 0.009 of it by a colour histogram, and at 0.021 to 0.030 by VGG16. Of 4,098 frames of turning
/// fruits one pair in 1,000 is nearer than 0.038, by the histogram, and of 400 none nearer than 0.117, by VGG16.
const SAME: f64 = 0.03;
/// How often a row that is spread evenly may have another so near by chance: it decides in one or two dimensions, where 0.03 is
/// not near.
const CHANCE: f64 = 1e-3;
/// Share of the distance to the last neighbour up to which two rows are nearly the same. Photographs of 100 pixels that were saved
/// again lie at 0.03 to 0.07 of it (quality 95) and 0.09 to 0.20 (85) from the first, by VGG16; the nearest two of
/// different labels in three clean sets at 0.6 to 1.4.
const NEARLY: f64 = 0.2;

/// Rows with their copies counted once.
#[derive(Debug, Clone, PartialEq)]
pub struct Distinct {
    /// For each row, the first of its copies.
    first: Vec<usize>,
    /// The rows that are the first of their copies.
    rows: Vec<usize>,
    near: Neighbors,
    usual: f64,
}

impl Distinct {
    /// The rows of `points`, whose nearest are `near`. Rows are copies where one is among the nearest of the other and nearer than
    /// 0.03 of the usual distance, which is the median distance of a row to the last of its neighbours, of rows where that is
    /// not 0; in one or two dimensions nearer than chance brings one in 1,000 rows. What is left is searched and looked at
    /// again until there are no copies, so any two neighbours are farther apart.
    ///
    /// # Errors
    /// As [`nearest_with`].
    pub fn find(
        points: &Matrix,
        near: &Neighbors,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        let mut found = Self {
            first: (0..near.n_rows()).collect(),
            rows: (0..near.n_rows()).collect(),
            near: near.clone(),
            usual: usual_reach(near),
        };
        let by_chance = (CHANCE / near.k().max(1) as f64).powf(1.0 / points.n_cols().max(1) as f64);
        while found.merge(SAME.min(by_chance)) {
            let values = found.rows.iter().flat_map(|&i| points.row(i));
            let values = values.copied().collect();
            let left = Matrix::new(found.rows.len(), points.n_cols(), values)?;
            found.near = nearest_with(&left, near.k(), progress)?;
            found.usual = usual_reach(&found.near);
        }
        Ok(found)
    }

    /// Counts copies once; whether there were any.
    fn merge(&mut self, share: f64) -> bool {
        let (near, rows) = (&self.near, &self.rows);
        let limit = (share * self.usual).powi(2);
        let mut groups = Groups::new(rows.len());
        for i in 0..rows.len() {
            let pairs = near.indices(i).iter().zip(near.squared_distances(i));
            for (&j, _) in pairs.take_while(|(_, d)| **d <= limit) {
                groups.join(i, j as usize);
            }
        }
        let first: BTreeMap<usize, usize> = rows
            .iter()
            .enumerate()
            .map(|(i, &row)| (row, rows[groups.first(i)]))
            .collect();
        self.first.iter_mut().for_each(|row| *row = first[&*row]);
        let n = rows.len();
        self.rows.retain(|row| first[row] == *row);
        self.rows.len() < n
    }

    /// For each row, the first of its copies: itself, if it has none before it.
    #[must_use]
    pub fn first(&self) -> &[usize] {
        &self.first
    }

    /// The rows that are the first of their copies.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The nearest of [`rows`](Self::rows), among themselves.
    #[must_use]
    pub fn near(&self) -> &Neighbors {
        &self.near
    }

    /// Pairs of distinct rows, smaller one first, that are nearly the same: one is among the nearest of the other, and the distance
    /// is at most a fifth of that to the last neighbour of either.
    #[must_use]
    pub fn nearly_same(&self) -> BTreeSet<(usize, usize)> {
        let (near, rows) = (&self.near, &self.rows);
        let last = |i: usize| near.squared_distances(i).last().copied().unwrap_or(0.0);
        let mut found = BTreeSet::new();
        for i in 0..rows.len() {
            let pairs = near.indices(i).iter().zip(near.squared_distances(i));
            let pairs = pairs.map(|(&j, &d)| (j as usize, d));
            let nearly = pairs.filter(|&(j, d)| d <= NEARLY.powi(2) * last(i).min(last(j)));
            found.extend(nearly.map(|(j, _)| (rows[i.min(j)], rows[i.max(j)])));
        }
        found
    }
}

/// The median of what is not 0 among the distances of rows to their last neighbours, the upper one of two; 0 without any.
fn usual_reach(near: &Neighbors) -> f64 {
    let last = |i: usize| near.squared_distances(i).last().copied();
    let last = (0..near.n_rows()).filter_map(last);
    let mut last: Vec<f64> = last.filter(|d| *d > 0.0).collect();
    last.sort_by(f64::total_cmp);
    last.get(last.len() / 2).map_or(0.0, |d| d.sqrt())
}

/// Rows that belong together, each group known by its first row.
///
/// # References
/// Tarjan 1975, "Efficiency of a good but not linear set union algorithm".
#[derive(Debug, Clone)]
pub struct Groups {
    above: Vec<usize>,
}

impl Groups {
    /// Each of `n` rows alone.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self {
            above: (0..n).collect(),
        }
    }

    /// The first row of the group of row `i`.
    pub fn first(&mut self, mut i: usize) -> usize {
        while self.above[i] != i {
            self.above[i] = self.above[self.above[i]];
            i = self.above[i];
        }
        i
    }

    /// Makes one group of those of two rows.
    pub fn join(&mut self, i: usize, j: usize) {
        let (i, j) = (self.first(i), self.first(j));
        self.above[i.max(j)] = i.min(j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::nearest;

    fn distinct(values: Vec<f32>, k: usize) -> Distinct {
        let points = Matrix::new(values.len(), 1, values).unwrap();
        let near = nearest(&points, k).unwrap();
        Distinct::find(&points, &near, &mut |_, _| true).unwrap()
    }

    #[test]
    fn copies_are_counted_once_however_many() {
        let mut values: Vec<f32> = (0..10).map(|i| i as f32).collect();
        assert_eq!(
            distinct(values.clone(), 3).first(),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        );
        // More than neighbours are looked at, equal and nearly so.
        values.extend([4.0; 8]);
        values.extend((1..9).map(|i| 6.0 + i as f32 * 1e-5));
        let found = distinct(values, 3);
        assert_eq!(found.rows(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(found.first()[10..], [[4; 8], [6; 8]].concat());
        assert_eq!(found.near().squared_distances(4), [1.0, 1.0, 4.0]);
        let all = distinct(vec![5.0; 9], 3);
        assert_eq!((all.rows(), all.near().k()), (&[0][..], 0));
    }

    #[test]
    fn what_is_nearly_the_same_is_no_copy() {
        let mut values: Vec<f32> = (0..10).map(|i| i as f32).collect();
        values.push(4.1);
        let found = distinct(values, 3);
        assert_eq!(found.rows().len(), 11);
        assert_eq!(Vec::from_iter(found.nearly_same()), [(4, 10)]);
    }
}
