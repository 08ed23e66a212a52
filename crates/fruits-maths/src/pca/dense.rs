//! Small dense algebra of the Krylov solver: tall panels against each other, and eigenvalues.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use super::panel::{CHUNK, Panel, Tall};
use crate::error::{Error, Result};

/// Directions of a block shorter than this share of its longest are rounding, not directions: the
/// square root of 16 units in the last place of `f32`, on squares.
const RANK_SHARE: f64 = 1e-12;

/// `K^T W` with `f32` products summed in `f64`; dim(K) x width.
pub(super) fn project(basis: &[Panel], w: &Tall) -> Mat<f64> {
    let (width, stride) = (w.width, w.stride);
    let dim: usize = basis.iter().map(|q| q.width).sum();
    let parts: Vec<Mat<f32>> = w
        .values
        .par_chunks(CHUNK * stride)
        .enumerate()
        .map(|(i, w)| {
            let w: Vec<f32> = w.iter().map(|&w| w as f32).collect();
            let n = w.len() / stride;
            let w = MatRef::from_row_major_slice(&w, n, stride).subcols(0, width);
            let mut part = Mat::zeros(dim, width);
            let mut at = 0;
            for q in basis {
                let dst = part.as_mut().subrows_mut(at, q.width);
                matmul(
                    dst,
                    Accum::Replace,
                    q.chunk(i).transpose(),
                    w,
                    1.0,
                    Par::Seq,
                );
                at += q.width;
            }
            part
        })
        .collect();
    let mut sum = Mat::zeros(dim, width);
    for part in &parts {
        for j in 0..width {
            for i in 0..dim {
                sum[(i, j)] += f64::from(part[(i, j)]);
            }
        }
    }
    sum
}

/// `W -= K H`.
pub(super) fn subtract(basis: &[Panel], h: &Mat<f64>, w: &mut Tall) {
    let stride = w.stride;
    let h: Mat<f32> = Mat::from_fn(h.nrows(), h.ncols(), |i, j| h[(i, j)] as f32);
    w.values
        .par_chunks_mut(CHUNK * stride)
        .enumerate()
        .for_each(|(i, w)| {
            let n = w.len() / stride;
            let mut part = vec![0.0_f32; w.len()];
            let mut at = 0;
            for q in basis {
                let dst = MatMut::from_row_major_slice_mut(&mut part, n, stride)
                    .subcols_mut(0, h.ncols());
                let h = h.as_ref().subrows(at, q.width);
                matmul(dst, Accum::Add, q.chunk(i), h, 1.0, Par::Seq);
                at += q.width;
            }
            w.iter_mut()
                .zip(&part)
                .for_each(|(w, &p)| *w -= f64::from(p));
        });
}

/// `K Y`, a panel of y.ncols() columns.
pub(super) fn combine(basis: &[Panel], y: MatRef<'_, f64>) -> Panel {
    let y: Mat<f32> = Mat::from_fn(y.nrows(), y.ncols(), |i, j| y[(i, j)] as f32);
    let mut out = Panel::zeros(basis.first().map_or(0, |q| q.n_rows), y.ncols());
    let stride = out.stride;
    out.values
        .par_chunks_mut(CHUNK * stride)
        .enumerate()
        .for_each(|(i, out)| {
            let n = out.len() / stride;
            let mut dst =
                MatMut::from_row_major_slice_mut(out, n, stride).subcols_mut(0, y.ncols());
            let mut at = 0;
            for q in basis {
                let y = y.as_ref().subrows(at, q.width);
                matmul(dst.as_mut(), Accum::Add, q.chunk(i), y, 1.0, Par::Seq);
                at += q.width;
            }
        });
    out
}

/// `W^T W` in `f64`.
pub(super) fn gram(w: &Tall) -> Mat<f64> {
    let parts: Vec<Mat<f64>> = (0..w.n_rows.div_ceil(CHUNK))
        .into_par_iter()
        .map(|i| {
            let part = w.chunk(i);
            let mut product = Mat::zeros(w.width, w.width);
            matmul(
                product.as_mut(),
                Accum::Replace,
                part.transpose(),
                part,
                1.0,
                Par::Seq,
            );
            product
        })
        .collect();
    let mut sum = Mat::zeros(w.width, w.width);
    for part in &parts {
        sum += part;
    }
    sum
}

/// An orthonormal basis of the columns of `W`, as columns again: `W U L^(-1/2)` with `W^T W = U L U^T`.
///
/// Directions shorter than `least`, or than 1e-6 of the longest, are left out; so the basis may be empty. It is
/// orthonormal to 1e-4 where lengths differ by 1e6, so a second round follows.
///
/// # References
/// Stathopoulos & Wu, A block orthogonalization procedure with constant synchronization requirements, SIAM J. Sci.
/// Comput. 23 (2002).
pub(super) fn normalise(w: &Tall, least: f64) -> Result<Tall> {
    let (lambda, u) = eigen(gram(w).as_ref())?;
    let least = (least * least).max(RANK_SHARE * lambda.first().copied().unwrap_or_default());
    let rank = lambda.iter().take_while(|&&l| l > least).count();
    let u = Mat::from_fn(w.width, rank, |i, j| u[(i, j)] / lambda[j].sqrt());
    let mut out = Tall::zeros(w.n_rows, rank);
    if rank > 0 {
        let chunks = out.values.par_chunks_mut(CHUNK * out.stride);
        chunks.enumerate().for_each(|(i, out_values)| {
            let part = w.chunk(i);
            let dst = MatMut::from_row_major_slice_mut(out_values, part.nrows(), out.stride);
            matmul(
                dst.subcols_mut(0, rank),
                Accum::Replace,
                part,
                u.as_ref(),
                1.0,
                Par::Seq,
            );
        });
    }
    Ok(out)
}

/// Eigenvalues of a symmetric matrix, largest first, and its eigenvectors as columns.
pub(super) fn eigen(a: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let n = a.nrows();
    let params = Spec::default();
    let req = evd::self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, params);
    let mut memory = MemBuffer::new(req);
    let mut s = faer::diag::Diag::zeros(n);
    let mut u = Mat::zeros(n, n);
    let stack = MemStack::new(&mut memory);
    evd::self_adjoint_evd(a, s.as_mut(), Some(u.as_mut()), Par::Seq, stack, params)
        .map_err(|e| Error::Internal(format!("eigenvalues of a {n} x {n} matrix: {e:?}")))?;
    let s = s.column_vector();
    let values = (0..n).rev().map(|i| s[i]).collect();
    Ok((values, Mat::from_fn(n, n, |i, j| u[(i, n - 1 - j)])))
}
