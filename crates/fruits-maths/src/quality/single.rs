//! Two of the measures alone.

use super::labels::accuracy;
use super::rows::measure;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::neighbors::nearest;
use crate::votes::Classes;

/// Trustworthiness of `low` (n_samples x any) as a picture of `high` (n_samples x any), 0 to 1.
///
/// T = 1 - 2 / (n k (2n - 3k - 1)) * sum over i, and over the k nearest j of i in `low` that are
/// not among its k nearest in `high`, of rank(i, j) - k, where the nearest row in `high` has
/// rank 1. Exact: every rank is counted, ties go by index. Duplicates in `high` therefore rank in
/// their order, as neighbours do. Continuity is the same with the two exchanged.
///
/// # Errors
/// [`Error::Invalid`] if the numbers of rows differ, or `k` is 0 or above (n - 1) / 2; [`Error::NotFinite`].
///
/// # References
/// Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods".
pub fn trustworthiness(high: &Matrix, low: &Matrix, k: usize) -> Result<f64> {
    check(high, low, k)?;
    let near = [nearest(high, k)?, nearest(low, k)?];
    let spaces = [(high, &near[0]), (low, &near[1])];
    let n = high.n_rows();
    let rows: Vec<usize> = (0..n).collect();
    let alike = Classes::of(&vec![""; n]);
    let measured = measure(spaces, &[k], k, &alike, None, &rows, &mut |_, _| true)?;
    Ok(measured.faithfulness(n, k, |row| row.intrusions[0]))
}

/// Share of the rows of `points` (n_samples x any) whose label the `k` nearest other rows vote
/// for, 0 to 1. Of labels with as many votes, the one that sorts first wins, as in scikit-learn.
///
/// # Errors
/// [`Error::TooFewRows`] of fewer than 2, [`Error::Parameter`] for no neighbour, [`Error::Invalid`] if there is not one label a
/// row, [`Error::NotFinite`].
pub fn knn_accuracy(points: &Matrix, labels: &[&str], k: usize) -> Result<f64> {
    let n = points.n_rows();
    if n < 2 {
        return Err(Error::TooFewRows {
            what: "the accuracy of neighbours",
            needed: 2,
            found: n,
        });
    }
    if k == 0 {
        return Err(Error::Parameter {
            name: "k",
            rule: "must be at least 1, not 0".to_owned(),
        });
    }
    if labels.len() != n {
        return Err(Error::Invalid(format!(
            "{} labels of {n} rows: it takes one a row",
            labels.len()
        )));
    }
    let near = nearest(points, k)?;
    Ok(accuracy(&near, &Classes::of(labels).numbers))
}

pub(super) fn check(high: &Matrix, low: &Matrix, k: usize) -> Result<()> {
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
