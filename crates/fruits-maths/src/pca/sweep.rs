//! One pass over the rows: `Z = sum (B - c)^T ((B - c) Q)`, and in the first pass the statistics.
//!
//! Work is cut into windows of blocks, and these into tasks, each a sequential product; the sums of the windows are added
//! in a tree of fixed fan-in. Both depend on the data only. So the result has the same bytes on any number of threads,
//! and on any number of machines.

use std::borrow::Cow;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::blocks::RowBlocks;
use super::panel::{CHUNK, Panel};
use super::sparse::Sparse;
use super::sums::{Leaf, Moments, Passes, Sums, Tree};
use crate::error::{Error, Result};

/// Blocks whose products are summed in `f32` before they join the `f64` sum: 8 x 128 rows bound the
/// rounding, and 8 blocks of 25,088 columns the memory (103 MB).
pub const WINDOW: usize = 8;
/// Largest share of non-zeros at which a block is taken as sparse: a safe distance above the 9 % of VGG16 features, for
/// which a fit takes 1.4 to 2.1 s and with dense products 3.5 to 4.1 s (4,098 rows, 2 busy cores, same hour; ratios
/// equal to 1e-9).
const SPARSE_SHARE: f64 = 0.25;
/// Largest ||mean||^2 / variance of the first block at which the rows need no shift: the products
/// lose at most one of the seven digits of `f32`.
const SHIFT_RATIO: f64 = 100.0;
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
    /// Most of `kept_bytes`.
    pub keep_bytes: usize,
    rows_per_block: usize,
    /// Rows of the blocks of a pass.
    n_rows_met: usize,
}

impl<'a> Sweep<'a> {
    /// Looks at the first block and decides on the shift.
    pub fn new(blocks: &'a dyn RowBlocks) -> Result<Self> {
        let n_cols = blocks.n_cols();
        let first = blocks.block(0)?;
        let n_nonzero = survey(&first, n_cols, 0, 0)?;
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
        let as_is = is_sparse(n_nonzero, &first) && norm <= SHIFT_RATIO * variance / n;
        let shift = if as_is {
            Vec::new()
        } else {
            mean.iter().map(|&m| m as f32).collect()
        };
        let kept = (0..blocks.n_blocks()).map(|_| None).collect();
        Ok(Self {
            blocks,
            n_cols,
            shift,
            kept,
            kept_bytes: 0,
            keep_bytes: blocks.keep_bytes(),
            rows_per_block: first.len() / n_cols,
            n_rows_met: 0,
        })
    }

    /// Rows of one window, about a shift that was found before.
    pub fn about(blocks: &'a dyn RowBlocks, shift: Vec<f32>) -> Self {
        Self {
            blocks,
            n_cols: blocks.n_cols(),
            shift,
            kept: (0..blocks.n_blocks()).map(|_| None).collect(),
            kept_bytes: 0,
            keep_bytes: 0,
            rows_per_block: 0,
            n_rows_met: 0,
        }
    }

    /// `c`; empty if the rows are taken as they are.
    pub fn into_shift(self) -> Vec<f32> {
        self.shift
    }

    /// What the blocks from `start` to the end of their window add to a pass.
    pub fn window(
        &mut self,
        start: usize,
        q: &Panel,
        centre: Option<&[f32]>,
        with_moments: bool,
    ) -> Result<Leaf> {
        let (d, stride) = (self.n_cols, q.stride);
        let end = self.blocks.n_blocks().min(start + WINDOW);
        let this = &*self;
        let loaded: Vec<(Rows<'a>, Vec<f32>)> = (start..end)
            .into_par_iter()
            .map(|i| {
                let rows = this.load(i)?;
                let scores = this.scores(i, &rows, q, centre);
                Ok((rows, scores))
            })
            .collect::<Result<_>>()?;
        let mut z = vec![0.0_f32; d * stride];
        let parts: Vec<Moments> = z
            .par_chunks_mut(CHUNK * stride)
            .enumerate()
            .map(|(i, z)| {
                this.accumulate(i, start, &loaded, stride, z);
                if with_moments {
                    this.count(i, start, &loaded, z.len() / stride)
                } else {
                    Moments::default()
                }
            })
            .collect();
        let mut t = vec![0.0_f64; stride];
        for (i, (rows, scores)) in (start..end).zip(loaded) {
            self.n_rows_met += scores.len() / stride;
            for row in scores.chunks_exact(stride) {
                t.iter_mut().zip(row).for_each(|(t, &s)| *t += f64::from(s));
            }
            if let Rows::Sparse(sparse) = rows
                && self.kept_bytes + sparse.bytes() <= self.keep_bytes
            {
                self.kept_bytes += sparse.bytes();
                self.kept[i] = Some(sparse);
            }
        }
        let moments = with_moments.then(|| Moments {
            squares: parts.iter().map(|part| part.squares).sum(),
            sum: parts.into_iter().flat_map(|part| part.sum).collect(),
        });
        Ok(Leaf { z, t, moments })
    }

    /// Takes a block, refuses what is not finite, and compresses it if that pays.
    fn load(&self, i: usize) -> Result<Rows<'a>> {
        if self.kept[i].is_some() {
            return Ok(Rows::Kept);
        }
        let values = self.blocks.block(i)?;
        let n_nonzero = survey(&values, self.n_cols, i, self.rows_per_block)?;
        Ok(if self.shift.is_empty() && is_sparse(n_nonzero, &values) {
            Rows::Sparse(Sparse::new(&values, self.n_cols, n_nonzero))
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

    /// `sum (B - c)^T S` over the window, in the rows of chunk `i`.
    fn accumulate(
        &self,
        i: usize,
        start: usize,
        loaded: &[(Rows<'_>, Vec<f32>)],
        stride: usize,
        sum: &mut [f32],
    ) {
        let n = sum.len() / stride;
        let mut buffer = Vec::new();
        for (j, (rows, scores)) in loaded.iter().enumerate() {
            match self.form(start + j, rows) {
                Ok(sparse) => sparse.accumulate(i, scores, stride, sum),
                Err(dense) => {
                    let b = self.shifted(dense, i * CHUNK, n, &mut buffer);
                    let s = MatRef::from_row_major_slice(scores, b.nrows(), stride);
                    let sum = MatMut::from_row_major_slice_mut(sum, n, stride);
                    matmul(sum, Accum::Add, b.transpose(), s, 1.0, Par::Seq);
                }
            }
        }
    }

    /// The moments of the window in the `n` columns of chunk `i`.
    fn count(&self, i: usize, start: usize, loaded: &[(Rows<'_>, Vec<f32>)], n: usize) -> Moments {
        let mut part = Moments {
            sum: vec![0.0; n],
            squares: 0.0,
        };
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
        part
    }

    fn form<'b>(
        &'b self,
        i: usize,
        rows: &'b Rows<'_>,
    ) -> std::result::Result<&'b Sparse, &'b [f32]> {
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
            let s =
                MatMut::from_row_major_slice_mut(&mut scores, n, stride).subcols_mut(0, q.ncols());
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

impl Passes for Sweep<'_> {
    fn n_rows(&self) -> usize {
        self.blocks.n_rows()
    }

    fn n_cols(&self) -> usize {
        self.n_cols
    }

    fn shift(&self, column: usize) -> f64 {
        self.shift.get(column).map_or(0.0, |&c| f64::from(c))
    }

    fn pass(&mut self, q: &Panel, centre: Option<&[f32]>, with_moments: bool) -> Result<Sums> {
        let mut tree = Tree::default();
        self.n_rows_met = 0;
        for start in (0..self.blocks.n_blocks()).step_by(WINDOW) {
            tree.push(&self.window(start, q, centre, with_moments)?);
        }
        check_rows(self.n_rows_met, self.blocks.n_rows())?;
        tree.finish()
    }
}

/// Whether so few values are not zero that a sparse product pays.
fn is_sparse(n_nonzero: usize, values: &[f32]) -> bool {
    n_nonzero as f64 <= SPARSE_SHARE * values.len() as f64
}

/// Counts the non-zeros; refuses NaN and infinity, and blocks that hold no whole rows.
fn survey(values: &[f32], n_cols: usize, block: usize, rows_per_block: usize) -> Result<usize> {
    if values.is_empty() || !values.len().is_multiple_of(n_cols) {
        return Err(Error::Internal(format!(
            "block {block} holds no whole rows of {n_cols} values"
        )));
    }
    let (mut n_nonzero, mut finite) = (0, true);
    for part in values.chunks(CHUNK) {
        // 32-bit counters are what the compiler can put in lanes.
        n_nonzero += part.iter().map(|&x| u32::from(x != 0.0)).sum::<u32>() as usize;
        finite &= part.iter().fold(true, |finite, x| finite & x.is_finite());
    }
    if finite {
        return Ok(n_nonzero);
    }
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(n_nonzero),
        Some(at) => Err(not_finite(
            block * rows_per_block + at / n_cols,
            at % n_cols,
            values[at],
        )),
    }
}

/// Refuses blocks that hold other rows than they say: variances are divided by what they say.
pub(super) fn check_rows(met: usize, said: usize) -> Result<()> {
    if met == said {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the blocks hold {met} rows, and their number is said to be {said}"
    )))
}

/// What is said of a value that is NaN or infinite.
pub(super) fn not_finite(row: usize, feature: usize, value: f32) -> Error {
    Error::NotFinite {
        row,
        column: feature,
        value,
    }
}
