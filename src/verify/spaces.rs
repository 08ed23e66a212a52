//! Components and scores of two analyses as spaces: what signs, and turns among near-equal variances, leave as it is.

use fruits_maths::Matrix;
use polars::prelude::DataFrame;

use crate::error::Result;
use crate::frame::MatrixExt;
use crate::schema::pc;
use crate::steps::pca::Pca;

/// Share by which the variance must fall behind the last component that is compared. Below, it turns into those that
/// were not kept: a pair 0.1 % apart was turned by 39 degrees, pairs 1 % apart by 4 to 6 (a turn goes with the
/// difference over the gap: Davis & Kahan 1970, "The rotation of eigenvectors by a perturbation III").
const LEAST_GAP: f64 = 0.01;

/// That many leading components, in words.
pub(super) fn components_named(n: usize, pca: &Pca) -> String {
    match pca.n_components() {
        k if k == n => format!("the {k} components"),
        k => format!("the first {n} of {k} components"),
    }
}

/// The most leading components that are the same space whatever the last digits: behind them the variance falls.
pub(super) fn n_stable(pca: &Pca) -> usize {
    let k = pca.n_components();
    let mut ratios = pca.explained_variance_ratio();
    ratios.extend(pca.further_ratios());
    if k == pca.rank_limit() {
        ratios.truncate(k);
        ratios.push(0.0);
    }
    let falls = |&n: &usize| {
        ratios
            .get(n)
            .is_some_and(|next| *next <= (1.0 - LEAST_GAP) * ratios[n - 1])
    };
    (1..=k).rev().find(falls).unwrap_or(0)
}

/// The inner products of the components: then x now, row-major.
pub(super) fn products(then: &Pca, now: &Pca) -> Vec<f64> {
    let d = now.n_features();
    let mut products = Vec::with_capacity(then.n_components() * now.n_components());
    for a in then.components().chunks_exact(d) {
        for b in now.components().chunks_exact(d) {
            let terms = a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y));
            products.push(terms.sum());
        }
    }
    products
}

/// For each image, how far what the first `n` components and its scores describe is from what the others describe:
/// ||V s - W t||, relative to the root mean square of ||W t||. Signs and turns within the `n` do not count.
pub(super) fn distances(
    (then, old): (&Pca, &DataFrame),
    (now, new): (&Pca, &DataFrame),
    n: usize,
) -> Result<Vec<f64>> {
    let names: Vec<_> = (0..n).map(pc).collect();
    let old = Matrix::from_columns(old, &names)?;
    let new = Matrix::from_columns(new, &names)?;
    // Components are orthonormal to the precision of f32 only, which the differences would show.
    let (a, ab, b) = (
        products(then, then),
        products(then, now),
        products(now, now),
    );
    let k = now.n_components();
    let form = |s: &[f32], m: &[f64], t: &[f32]| -> f64 {
        let rows = s.iter().zip(m.chunks_exact(k));
        rows.map(|(&s, row)| {
            let terms = row.iter().zip(t).map(|(m, &t)| m * f64::from(t));
            f64::from(s) * terms.sum::<f64>()
        })
        .sum()
    };
    let norms: Vec<f64> = (0..new.n_rows())
        .map(|i| form(new.row(i), &b, new.row(i)))
        .collect();
    let mean_square = norms.iter().sum::<f64>() / norms.len().max(1) as f64;
    let squared = |i: usize| {
        let (s, t) = (old.row(i), new.row(i));
        form(s, &a, s) + norms[i] - 2.0 * form(s, &ab, t)
    };
    // Rounding may make nothing negative; NaN stays and is far from everything.
    let relative = |square: f64| (square / mean_square).clamp(0.0, f64::INFINITY).sqrt();
    Ok((0..norms.len()).map(|i| relative(squared(i))).collect())
}
