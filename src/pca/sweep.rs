//! One pass over the rows: `Z = sum (B - c)^T ((B - c) Q)`, and in the first pass the statistics.
//!
//! Work is cut into tasks that depend on the data only, each a sequential product; sums run in the
//! order of the blocks. So the result has the same bytes on any number of threads.

use std::borrow::Cow;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::RowBlocks;
use crate::error::{Error, Result};

/// Columns of a task: its part of Q, 1,024 x 96 x 4 B, stays in a 2 MiB second-level cache with room
/// for the rows that stream through.
pub(super) const CHUNK: usize = 1024;
/// Blocks whose products are summed in `f32` before they join the `f64` sum: 8 x 128 rows bound the
/// rounding, and 8 blocks of 25,088 columns the memory (103 MB).
const WINDOW: usize = 8;
/// Width a panel is padded to: four AVX2 or two AVX-512 registers, enough to hide the latency of a
/// fused multiply-add.
const LANES: usize = 32;
/// Largest share of non-zeros at which a block is taken as sparse. VGG16 features have 9 %; the
/// sparse product was measured as fast as the dense one at about 40 %.
const SPARSE_SHARE: f64 = 0.25;
/// Largest ||mean||^2 / variance of the first block at which the rows need no shift: the products
/// lose at most one of the seven digits of `f32`.
const SHIFT_RATIO: f64 = 100.0;
/// Bytes of sparse blocks that are kept from pass to pass; 4,098 x 25,088 features take 58 MB.
const KEEP_BYTES: usize = 256 << 20;

/// A tall matrix, row-major: a row per feature, padded with zeros to whole lanes.
#[derive(Debug, Clone)]
pub(super) struct Panel<T = f32> {
    pub n_rows: usize,
    pub width: usize,
    pub stride: usize,
    pub values: Vec<T>,
}

/// A panel in double precision: sums.
pub(super) type Tall = Panel<f64>;

impl<T: Copy + Default> Panel<T> {
    pub fn zeros(n_rows: usize, width: usize) -> Self {
        let stride = width.max(1).next_multiple_of(LANES);
        Self { n_rows, width, stride, values: vec![T::default(); n_rows * stride] }
    }

    /// Rows `CHUNK * i ..`, as a matrix without the padding.
    pub fn chunk(&self, i: usize) -> MatRef<'_, T> {
        let start = i * CHUNK;
        let n = CHUNK.min(self.n_rows - start);
        let values = &self.values[start * self.stride..][..n * self.stride];
        MatRef::from_row_major_slice(values, n, self.stride).subcols(0, self.width)
    }
}

impl Tall {
    /// Rounds to single precision.
    pub fn round(&self) -> Panel {
        let (n_rows, width, stride) = (self.n_rows, self.width, self.stride);
        Panel { n_rows, width, stride, values: self.values.iter().map(|&x| x as f32).collect() }
    }
}

/// First and second moments of the rows about a shift `c`.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// Sum of x - c, per column.
    pub sum: Vec<f64>,
    /// Sum of ||x - c||^2.
    pub squares: f64,
}

/// What a pass brings home.
pub(super) struct Product {
    /// `sum (x - c) s^T`, n_cols x width, where s is the row of scores.
    pub z: Tall,
    /// Sum of the scores.
    pub t: Vec<f64>,
}

/// Compressed rows of a block, chunk of columns after chunk.
#[derive(Debug)]
struct Sparse {
    n_rows: usize,
    /// Where a row of a chunk starts: n_chunks x n_rows, then the end.
    starts: Vec<u32>,
    /// Column within its chunk.
    columns: Vec<u16>,
    values: Vec<f32>,
}

enum Rows<'a> {
    Dense(Cow<'a, [f32]>),
    Sparse(Sparse),
    Kept,
}

/// Rows to pass over, again and again.
pub(super) struct Sweep<'a> {
    blocks: &'a dyn RowBlocks,
    n_cols: usize,
    /// `c`; empty if the rows are taken as they are.
    shift: Vec<f32>,
    kept: Vec<Option<Sparse>>,
    kept_bytes: usize,
    rows_per_block: usize,
}

impl<'a> Sweep<'a> {
    /// Looks at the first block and decides on the shift.
    pub fn new(blocks: &'a dyn RowBlocks) -> Result<Self> {
        let n_cols = blocks.n_cols();
        let first = blocks.block(0)?;
        check(&first, n_cols, 0, 0)?;
        let n = (first.len() / n_cols) as f64;
        let mut mean = vec![0.0_f64; n_cols];
        for row in first.chunks_exact(n_cols) {
            for (m, &x) in mean.iter_mut().zip(row) {
                *m += f64::from(x);
            }
        }
        mean.iter_mut().for_each(|m| *m /= n);
        let mut variance = 0.0;
        for row in first.chunks_exact(n_cols) {
            for (m, &x) in mean.iter().zip(row) {
                variance += (f64::from(x) - m).powi(2);
            }
        }
        let norm: f64 = mean.iter().map(|m| m * m).sum();
        let as_is = is_sparse(&first) && norm <= SHIFT_RATIO * variance / n;
        let shift = if as_is { Vec::new() } else { mean.iter().map(|&m| m as f32).collect() };
        let kept = (0..blocks.n_blocks()).map(|_| None).collect();
        Ok(Self { blocks, n_cols, shift, kept, kept_bytes: 0, rows_per_block: first.len() / n_cols })
    }

    /// The shift `c`, per column.
    pub fn shift(&self, column: usize) -> f64 {
        self.shift.get(column).map_or(0.0, |&c| f64::from(c))
    }

    /// One pass. `centre` is taken from every row of scores: `(mu - c)^T Q`, or nothing in the first pass.
    pub fn pass(
        &mut self,
        q: &Panel,
        centre: Option<&[f32]>,
        mut moments: Option<&mut Moments>,
    ) -> Result<Product> {
        let (d, stride) = (self.n_cols, q.stride);
        let mut z = Tall::zeros(d, q.width);
        let mut t = vec![0.0_f64; stride];
        let mut parts: Vec<Moments> = Vec::new();
        if moments.is_some() {
            parts.resize_with(d.div_ceil(CHUNK), Moments::default);
            for (i, part) in parts.iter_mut().enumerate() {
                part.sum = vec![0.0; CHUNK.min(d - i * CHUNK)];
            }
        }
        let n_blocks = self.blocks.n_blocks();
        for start in (0..n_blocks).step_by(WINDOW) {
            let window: Vec<usize> = (start..n_blocks.min(start + WINDOW)).collect();
            let this = &*self;
            let check = moments.is_some();
            let loaded: Vec<(Rows<'a>, Vec<f32>)> = window
                .par_iter()
                .map(|&i| {
                    let rows = this.load(i, check)?;
                    let scores = this.scores(i, &rows, q, centre);
                    Ok((rows, scores))
                })
                .collect::<Result<_>>()?;
            let chunks = z.values.par_chunks_mut(CHUNK * stride);
            if moments.is_some() {
                chunks.zip(&mut parts).enumerate().for_each(|(i, (z, part))| {
                    this.accumulate(i, start, &loaded, stride, z);
                    this.count(i, start, &loaded, part);
                });
            } else {
                chunks.enumerate().for_each(|(i, z)| this.accumulate(i, start, &loaded, stride, z));
            }
            for (i, (rows, scores)) in window.into_iter().zip(loaded) {
                for row in scores.chunks_exact(stride) {
                    t.iter_mut().zip(row).for_each(|(t, &s)| *t += f64::from(s));
                }
                if let Rows::Sparse(sparse) = rows
                    && self.kept_bytes + sparse.bytes() <= KEEP_BYTES
                {
                    self.kept_bytes += sparse.bytes();
                    self.kept[i] = Some(sparse);
                }
            }
        }
        if let Some(moments) = moments.as_mut() {
            moments.squares = parts.iter().map(|part| part.squares).sum();
            moments.sum = parts.into_iter().flat_map(|part| part.sum).collect();
        }
        Ok(Product { z, t })
    }

    /// Takes a block and compresses it if that pays.
    fn load(&self, i: usize, must_check: bool) -> Result<Rows<'a>> {
        if self.kept[i].is_some() {
            return Ok(Rows::Kept);
        }
        let values = self.blocks.block(i)?;
        if must_check {
            check(&values, self.n_cols, i, self.rows_per_block)?;
        }
        Ok(if self.shift.is_empty() && is_sparse(&values) {
            Rows::Sparse(Sparse::new(&values, self.n_cols))
        } else {
            Rows::Dense(values)
        })
    }

    /// `(B - c) Q - centre`, n_rows x stride.
    fn scores(&self, i: usize, rows: &Rows<'_>, q: &Panel, centre: Option<&[f32]>) -> Vec<f32> {
        let mut scores = match self.form(i, rows) {
            Ok(sparse) => sparse.scores(q),
            Err(dense) => self.dense_scores(dense, q),
        };
        if let Some(centre) = centre {
            for row in scores.chunks_exact_mut(q.stride) {
                row.iter_mut().zip(centre).for_each(|(s, c)| *s -= c);
            }
        }
        scores
    }

    /// Adds `sum (B - c)^T S` over the window to the part `z` of chunk `i`.
    fn accumulate(
        &self,
        i: usize,
        start: usize,
        loaded: &[(Rows<'_>, Vec<f32>)],
        stride: usize,
        z: &mut [f64],
    ) {
        let n = z.len() / stride;
        let mut sum = vec![0.0_f32; z.len()];
        let mut buffer = Vec::new();
        for (j, (rows, scores)) in loaded.iter().enumerate() {
            match self.form(start + j, rows) {
                Ok(sparse) => sparse.accumulate(i, scores, stride, &mut sum),
                Err(dense) => {
                    let b = self.shifted(dense, i * CHUNK, n, &mut buffer);
                    let s = MatRef::from_row_major_slice(scores, b.nrows(), stride);
                    let sum = MatMut::from_row_major_slice_mut(&mut sum, n, stride);
                    matmul(sum, Accum::Add, b.transpose(), s, 1.0, Par::Seq);
                }
            }
        }
        z.iter_mut().zip(&sum).for_each(|(z, &s)| *z += f64::from(s));
    }

    /// Adds the moments of the window in the columns of chunk `i`.
    fn count(&self, i: usize, start: usize, loaded: &[(Rows<'_>, Vec<f32>)], part: &mut Moments) {
        let n = part.sum.len();
        let mut buffer = Vec::new();
        for (j, (rows, _)) in loaded.iter().enumerate() {
            match self.form(start + j, rows) {
                Ok(sparse) => {
                    let (columns, values) = sparse.chunk(i);
                    for (&column, &x) in columns.iter().zip(values) {
                        let x = f64::from(x);
                        part.sum[usize::from(column)] += x;
                        part.squares += x * x;
                    }
                }
                Err(dense) => {
                    let b = self.shifted(dense, i * CHUNK, n, &mut buffer);
                    for r in 0..b.nrows() {
                        let row = b.row(r);
                        let mut squares = 0.0;
                        for (sum, &x) in part.sum.iter_mut().zip(row.iter()) {
                            let x = f64::from(x);
                            *sum += x;
                            squares += x * x;
                        }
                        part.squares += squares;
                    }
                }
            }
        }
    }

    fn form<'b>(&'b self, i: usize, rows: &'b Rows<'_>) -> std::result::Result<&'b Sparse, &'b [f32]> {
        match rows {
            Rows::Dense(values) => Err(values),
            Rows::Sparse(sparse) => Ok(sparse),
            // `Kept` is only made where there is one.
            Rows::Kept => self.kept[i].as_ref().ok_or(&[]),
        }
    }

    fn dense_scores(&self, values: &[f32], q: &Panel) -> Vec<f32> {
        let n = values.len() / self.n_cols;
        let mut scores = vec![0.0_f32; n * q.stride];
        let mut buffer = Vec::new();
        for i in 0..self.n_cols.div_ceil(CHUNK) {
            let q = q.chunk(i);
            let b = self.shifted(values, i * CHUNK, q.nrows(), &mut buffer);
            let stride = scores.len() / n;
            let s = MatMut::from_row_major_slice_mut(&mut scores, n, stride).subcols_mut(0, q.ncols());
            matmul(s, Accum::Add, b, q, 1.0, Par::Seq);
        }
        scores
    }

    /// Columns `start .. start + n` of `B - c`.
    fn shifted<'b>(
        &self,
        values: &'b [f32],
        start: usize,
        n: usize,
        buffer: &'b mut Vec<f32>,
    ) -> MatRef<'b, f32> {
        let n_rows = values.len() / self.n_cols;
        if self.shift.is_empty() {
            let all = MatRef::from_row_major_slice(values, n_rows, self.n_cols);
            return all.subcols(start, n);
        }
        let shift = &self.shift[start..start + n];
        buffer.clear();
        for row in values.chunks_exact(self.n_cols) {
            buffer.extend(row[start..start + n].iter().zip(shift).map(|(x, c)| x - c));
        }
        MatRef::from_row_major_slice(&buffer[..], n_rows, n)
    }
}

impl Sparse {
    fn new(values: &[f32], n_cols: usize) -> Self {
        let n_rows = values.len() / n_cols;
        let n_nonzero = values.iter().filter(|&&x| x != 0.0).count();
        // One place more, so that the loop may write before it knows.
        let mut columns = vec![0_u16; n_nonzero + 1];
        let mut kept = vec![0.0_f32; n_nonzero + 1];
        let mut starts = Vec::with_capacity(n_cols.div_ceil(CHUNK) * n_rows + 1);
        let mut at = 0;
        for start in (0..n_cols).step_by(CHUNK) {
            let n = CHUNK.min(n_cols - start);
            for row in values.chunks_exact(n_cols) {
                starts.push(at as u32);
                for (j, &x) in row[start..start + n].iter().enumerate() {
                    columns[at] = j as u16;
                    kept[at] = x;
                    at += usize::from(x != 0.0);
                }
            }
        }
        starts.push(at as u32);
        columns.truncate(at);
        kept.truncate(at);
        Self { n_rows, starts, columns, values: kept }
    }

    fn bytes(&self) -> usize {
        self.values.len() * 6 + self.starts.len() * 4
    }

    fn row(&self, chunk: usize, row: usize) -> (&[u16], &[f32]) {
        let at = chunk * self.n_rows + row;
        let range = self.starts[at] as usize..self.starts[at + 1] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }

    fn chunk(&self, chunk: usize) -> (&[u16], &[f32]) {
        let start = self.starts[chunk * self.n_rows] as usize;
        let end = self.starts[(chunk + 1) * self.n_rows] as usize;
        (&self.columns[start..end], &self.values[start..end])
    }

    fn scores(&self, q: &Panel) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.n_rows * q.stride];
        pulp::Arch::new().dispatch(Gather { rows: self, q, scores: &mut scores });
        scores
    }

    fn accumulate(&self, chunk: usize, scores: &[f32], stride: usize, sum: &mut [f32]) {
        pulp::Arch::new().dispatch(Scatter { rows: self, chunk, scores, stride, sum });
    }
}

/// `S += B Q` of a sparse block, compiled for the widest registers there are.
struct Gather<'a> {
    rows: &'a Sparse,
    q: &'a Panel,
    scores: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let stride = self.q.stride;
        for i in 0..self.q.n_rows.div_ceil(CHUNK) {
            let q = &self.q.values[i * CHUNK * stride..];
            for r in 0..self.rows.n_rows {
                let (columns, values) = self.rows.row(i, r);
                for at in (0..stride).step_by(LANES) {
                    let out = &mut self.scores[r * stride + at..][..LANES];
                    gather(out, columns, values, &q[at..], stride);
                }
            }
        }
    }
}

/// `Z += B^T S` of a chunk of columns of a sparse block.
struct Scatter<'a> {
    rows: &'a Sparse,
    chunk: usize,
    scores: &'a [f32],
    stride: usize,
    sum: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let stride = self.stride;
        for r in 0..self.rows.n_rows {
            let (columns, values) = self.rows.row(self.chunk, r);
            for at in (0..stride).step_by(LANES) {
                let s = &self.scores[r * stride + at..][..LANES];
                scatter(s, columns, values, &mut self.sum[at..], stride);
            }
        }
    }
}

/// `out += sum x_j q_j` over the non-zeros of a row.
#[inline(always)]
fn gather(out: &mut [f32], columns: &[u16], values: &[f32], q: &[f32], stride: usize) {
    let mut sum = [0.0_f32; LANES];
    for i in 0..columns.len().min(values.len()) {
        let (column, x) = (usize::from(columns[i]), values[i]);
        let row = &q[column * stride..][..LANES];
        for l in 0..LANES {
            sum[l] = x.mul_add(row[l], sum[l]);
        }
    }
    for l in 0..LANES {
        out[l] += sum[l];
    }
}

/// `z_j += x_j s` over the non-zeros of a row.
#[inline(always)]
fn scatter(s: &[f32], columns: &[u16], values: &[f32], z: &mut [f32], stride: usize) {
    let mut kept = [0.0_f32; LANES];
    kept.copy_from_slice(s);
    for i in 0..columns.len().min(values.len()) {
        let (column, x) = (usize::from(columns[i]), values[i]);
        let row = &mut z[column * stride..][..LANES];
        for l in 0..LANES {
            row[l] = x.mul_add(kept[l], row[l]);
        }
    }
}

fn is_sparse(values: &[f32]) -> bool {
    let n = values.iter().filter(|&&x| x != 0.0).count();
    n as f64 <= SPARSE_SHARE * values.len() as f64
}

/// Refuses NaN and infinity, and blocks that hold no whole rows.
fn check(values: &[f32], n_cols: usize, block: usize, rows_per_block: usize) -> Result<()> {
    if values.is_empty() || values.len() % n_cols != 0 {
        return Err(Error::Internal(format!("block {block} holds no whole rows of {n_cols} values")));
    }
    // A sum of zeros is finite, a NaN or an infinity times zero is not.
    if values.iter().map(|x| x * 0.0).sum::<f32>() == 0.0 {
        return Ok(());
    }
    let at = values.iter().position(|x| !x.is_finite()).unwrap_or_default();
    Err(not_finite(block * rows_per_block + at / n_cols, at % n_cols, values[at]))
}

/// What is said of a value that is NaN or infinite.
pub(super) fn not_finite(row: usize, feature: usize, value: f32) -> Error {
    Error::Invalid(format!(
        "row {row}, feature {feature} is {value}; PCA takes finite values only, remove the row"
    ))
}
