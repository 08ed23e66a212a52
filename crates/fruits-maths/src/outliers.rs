//! Rows that stand out: outliers, those whose neighbours have another label, those that stand for their class, and those that
//! are nearly one.

use crate::copies::Distinct;
use crate::matrix::Matrix;
use crate::neighbors::Neighbors;
use crate::votes::{Classes, vote};

/// Neighbours of the outlier score (the default of scikit-learn; Breunig et al. advise 10 to 20 and more).
pub const OUTLIER_NEIGHBORS: usize = 20;

/// The local outlier factor of each row: the mean density of its neighbours relative to its own. 1 is as dense as they are,
/// more is sparser.
///
/// The density is the inverse of the mean reachability distance, max(distance, the neighbour's distance to its own k-th
/// neighbour), plus 1e-10 against division by 0 among duplicates, as in scikit-learn.
///
/// # References
/// Breunig, Kriegel, Ng & Sander 2000, "LOF: identifying density-based local outliers".
#[must_use]
pub fn local_outlier_factors(near: &Neighbors) -> Vec<f64> {
    let (n, k) = (near.n_rows(), near.k());
    let reach = |i: usize| near.squared_distances(i).last().map_or(0.0, |d| d.sqrt());
    let density = |i: usize| {
        let pairs = near.indices(i).iter().zip(near.squared_distances(i));
        let sum: f64 = pairs.map(|(&j, &d)| reach(j as usize).max(d.sqrt())).sum();
        1.0 / (sum / k as f64 + 1e-10)
    };
    let densities: Vec<f64> = (0..n).map(density).collect();
    (0..n)
        .map(|i| {
            let sum: f64 = near
                .indices(i)
                .iter()
                .map(|&j| densities[j as usize] / densities[i])
                .sum();
            sum / k as f64
        })
        .collect()
}

/// The local outlier factor of each row among distinct ones; copies have that of the first of them. Where nothing is a copy these are
/// the factors of scikit-learn.
///
/// More copies than neighbours would be infinitely dense, and whatever lies beside them infinitely sparse: Breunig et al. let the
/// neighbourhood reach to so many distinct points (their k-distinct-distance), which is the same as to count copies once. Since
/// distinct neighbours are apart by a share of the usual distance, see [`Distinct::find`], factors are bounded.
///
/// # References
/// Breunig, Kriegel, Ng & Sander 2000, section 4.1, on duplicates.
#[must_use]
pub fn distinct_outlier_factors(distinct: &Distinct) -> Vec<f64> {
    let (first, rows) = (distinct.first(), distinct.rows());
    let factors = match rows.len() {
        1 => vec![1.0],
        _ => local_outlier_factors(distinct.near()),
    };
    let mut all = vec![1.0; first.len()];
    for (&row, factor) in rows.iter().zip(factors) {
        all[row] = factor;
    }
    first.iter().map(|&row| all[row]).collect()
}

/// What the neighbours of a row say of its label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Share of them that have the row's own label.
    pub share: f64,
    /// The class that they vote for.
    pub vote: usize,
}

/// What the neighbours of each row say of its label.
#[must_use]
pub fn agreements(near: &Neighbors, classes: &Classes) -> Vec<Agreement> {
    let agreement = |i: usize| {
        let voters = near.indices(i);
        let same = |&&j: &&u32| classes.numbers[j as usize] == classes.numbers[i];
        Agreement {
            share: voters.iter().filter(same).count() as f64 / voters.len() as f64,
            vote: vote(voters, &classes.numbers),
        }
    };
    (0..near.n_rows()).map(agreement).collect()
}

/// The row nearest to the mean of its class, class after class; of two as near the first.
#[must_use]
pub fn representatives(points: &Matrix, classes: &Classes) -> Vec<usize> {
    let mut members = vec![Vec::new(); classes.names.len()];
    for (i, &class) in classes.numbers.iter().enumerate() {
        members[class].push(i);
    }
    let nearest = |rows: Vec<usize>| {
        let mut mean = vec![0.0f64; points.n_cols()];
        for &i in &rows {
            for (sum, &value) in mean.iter_mut().zip(points.row(i)) {
                *sum += f64::from(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
        let distance = |i: usize| -> f64 {
            let pairs = points.row(i).iter().zip(&mean);
            pairs.map(|(&x, m)| (f64::from(x) - m).powi(2)).sum()
        };
        let distances = rows.iter().map(|&i| (distance(i), i));
        distances.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    };
    let rows = members.into_iter().filter_map(nearest);
    rows.map(|(_, i)| i).collect()
}

/// Two rows, one of which is the other's nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The row that comes first.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// Euclidean.
    pub distance: f64,
}

/// Each row with its nearest other, each pair once, closest first.
#[must_use]
pub fn closest_pairs(near: &Neighbors) -> Vec<Pair> {
    let nearest = |i: usize| {
        let other = near.indices(i).first().map(|&j| j as usize);
        let squared = near.squared_distances(i).first();
        other
            .zip(squared)
            .map(|(j, &squared)| (squared, i.min(j), i.max(j)))
    };
    let mut pairs: Vec<_> = (0..near.n_rows()).filter_map(nearest).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    pairs.dedup_by_key(|(_, first, second)| (*first, *second));
    let pair = |(squared, first, second): (f64, usize, usize)| Pair {
        first,
        second,
        distance: squared.sqrt(),
    };
    pairs.into_iter().map(pair).collect()
}

/// The median distance of a row to its nearest other, the upper one of two; 0 without any.
#[must_use]
pub fn usual_distance(near: &Neighbors) -> f64 {
    let nearest = |i: usize| near.squared_distances(i).first().copied();
    let mut nearest: Vec<f64> = (0..near.n_rows()).filter_map(nearest).collect();
    nearest.sort_by(f64::total_cmp);
    nearest.get(nearest.len() / 2).map_or(0.0, |d| d.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::nearest;

    /// Two grids of 5 x 5, far apart.
    fn grids() -> Vec<f32> {
        let grid = |x: f32| (0..25).flat_map(move |i| [x + (i % 5) as f32, (i / 5) as f32]);
        grid(0.0).chain(grid(100.0)).collect()
    }

    fn matrix(values: Vec<f32>) -> Matrix {
        Matrix::new(values.len() / 2, 2, values).unwrap()
    }

    #[test]
    fn what_lies_apart_is_an_outlier() {
        let mut values = grids();
        values[14..16].copy_from_slice(&[2.0, 60.0]);
        let factors = local_outlier_factors(&nearest(&matrix(values), 20).unwrap());
        assert!(factors[7] > 5.0);
        assert!((0..50).all(|i| i == 7 || factors[i] < 2.0), "{factors:?}");
    }

    #[test]
    fn duplicates_and_few_rows_have_finite_factors() {
        let near = nearest(&matrix(vec![1.0; 60]), 20).unwrap();
        assert_eq!(local_outlier_factors(&near), [1.0; 30]);
        let near = nearest(&matrix(vec![0.0, 0.0, 1.0, 0.0]), 20).unwrap();
        assert_eq!(local_outlier_factors(&near), [1.0; 2]);
    }

    #[test]
    fn copies_neither_hide_an_outlier_nor_make_one() {
        let mut values = grids();
        values[14..16].copy_from_slice(&[2.0, 60.0]);
        let alone = matrix(values.clone());
        let near = nearest(&alone, 20).unwrap();
        let distinct = |points: &Matrix, near: &Neighbors| {
            Distinct::find(points, near, &mut |_, _| true).unwrap()
        };
        // Nothing is a copy: the numbers are those of all rows.
        let expected = local_outlier_factors(&near);
        assert_eq!(distinct_outlier_factors(&distinct(&alone, &near)), expected);

        // 40 copies of one point, half of them not quite equal.
        for i in 0..40 {
            let off = (i % 2) as f32 * i as f32 * 1e-4;
            values.extend([values[4] + off, values[5]]);
        }
        let points = matrix(values);
        let near = nearest(&points, 20).unwrap();
        assert!(local_outlier_factors(&near).iter().any(|f| *f > 1e3));
        let factors = distinct_outlier_factors(&distinct(&points, &near));
        assert_eq!(factors[..50], expected);
        assert_eq!(factors[50..], [expected[2]; 40]);
    }

    #[test]
    fn the_middle_stands_for_its_class_and_neighbours_tell_a_wrong_label() {
        let points = matrix(grids());
        let mut labels = [["a"; 25], ["b"; 25]].concat();
        assert_eq!(representatives(&points, &Classes::of(&labels)), [12, 37]);
        labels[12] = "b";
        let agreements = agreements(&nearest(&points, 10).unwrap(), &Classes::of(&labels));
        assert_eq!(
            agreements[12],
            Agreement {
                share: 0.0,
                vote: 0
            }
        );
        assert_eq!(
            agreements[40],
            Agreement {
                share: 1.0,
                vote: 1
            }
        );
    }

    #[test]
    fn pairs_come_once_and_closest_first() {
        let values = vec![0.0, 0.0, 3.0, 0.0, 10.0, 0.0, 11.0, 0.0, 12.5, 0.0];
        let near = nearest(&matrix(values), 3).unwrap();
        let pair = |first, second, distance| Pair {
            first,
            second,
            distance,
        };
        let expected = [pair(2, 3, 1.0), pair(3, 4, 1.5), pair(0, 1, 3.0)];
        assert_eq!(closest_pairs(&near), expected);
        assert_eq!(usual_distance(&near), 1.5);
        assert_eq!(usual_distance(&nearest(&matrix(vec![]), 3).unwrap()), 0.0);
    }
}
