//! `linfa-reduction` as a second solver.

use ::linfa::DatasetBase;
use ::linfa::traits::Fit;
use ndarray::{Array2, Axis, s};

use super::blocks::RowBlocks;
use super::params::Keep;
use super::solution::{Solution, fix_signs, identical};
use super::sweep::{check_rows, not_finite};
use crate::error::{Error, Result};

/// Fits with `linfa_reduction::Pca`; ratios are recomputed against the total variance by the caller.
pub(super) fn solve(
    blocks: &dyn RowBlocks,
    keep: Keep,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Solution> {
    let (n, d) = (blocks.n_rows(), blocks.n_cols());
    let Keep::Components(k) = keep else {
        return Err(Error::Invalid(
            "the linfa solver takes a number of components; use krylov for a share of variance"
                .into(),
        ));
    };
    if !progress(0, 1) {
        return Err(Error::Cancelled);
    }
    let mut x = Array2::<f64>::zeros((n, d));
    let mut at = 0;
    for i in 0..blocks.n_blocks() {
        for row in blocks.block(i)?.chunks_exact(d) {
            if let Some(j) = row.iter().position(|x| !x.is_finite()) {
                return Err(not_finite(at, j, row[j]));
            }
            if at < n {
                x.row_mut(at)
                    .iter_mut()
                    .zip(row)
                    .for_each(|(x, &v)| *x = f64::from(v));
            }
            at += 1;
        }
    }
    check_rows(at, n)?;
    let mean = x.sum_axis(Axis(0)) / n as f64;
    let total: f64 = x
        .outer_iter()
        .map(|row| (&row - &mean).mapv(|x| x * x).sum())
        .sum();
    // Sums of equal values round: rows are compared, not their variance with zero.
    if x.outer_iter().all(|row| row == x.row(0)) {
        return Err(identical(n));
    }
    let k = k.min((n - 1).min(d));
    let dataset = DatasetBase::from(x);
    let fitted = linfa_reduction::Pca::params(k).fit(&dataset).map_err(|e| {
        Error::Invalid(format!(
            "the linfa solver failed ({e}); use krylov or fewer components"
        ))
    })?;
    let scale = (n - 1) as f64;
    let sigma = fitted.singular_values();
    let mut order: Vec<usize> = (0..sigma.len()).collect();
    order.sort_by(|&a, &b| sigma[b].total_cmp(&sigma[a]));
    let rows = order
        .iter()
        .flat_map(|&i| fitted.components().slice(s![i, ..]).to_vec());
    let mut components: Vec<f32> = rows.map(|x| x as f32).collect();
    fix_signs(&mut components, d);
    Ok(Solution {
        n_samples: n,
        mean: mean.to_vec(),
        total_variance: total / scale,
        values: order.iter().map(|&i| sigma[i].powi(2) / scale).collect(),
        components,
        residual: None,
        n_passes: 1,
        converged: true,
    })
}
