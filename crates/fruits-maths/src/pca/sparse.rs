//! Products with rows that are mostly zero, as features after a ReLU are.
//!
//! Only the non-zeros are multiplied and kept from pass to pass: 9 % of the values for VGG16 features.

use super::panel::{CHUNK, LANES, Panel};

/// Compressed rows of a block, chunk of columns after chunk.
#[derive(Debug)]
pub(super) struct Sparse {
    n_rows: usize,
    /// Where a row of a chunk starts: n_chunks x n_rows, then the end.
    starts: Vec<u32>,
    /// Column within its chunk.
    columns: Vec<u16>,
    values: Vec<f32>,
}

impl Sparse {
    pub fn new(values: &[f32], n_cols: usize, n_nonzero: usize) -> Self {
        let n_rows = values.len() / n_cols;
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
        Self {
            n_rows,
            starts,
            columns,
            values: kept,
        }
    }

    pub fn bytes(&self) -> usize {
        self.values.len() * 6 + self.starts.len() * 4
    }

    fn row(&self, chunk: usize, row: usize) -> (&[u16], &[f32]) {
        let at = chunk * self.n_rows + row;
        let range = self.starts[at] as usize..self.starts[at + 1] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }

    pub fn chunk(&self, chunk: usize) -> (&[u16], &[f32]) {
        let start = self.starts[chunk * self.n_rows] as usize;
        let end = self.starts[(chunk + 1) * self.n_rows] as usize;
        (&self.columns[start..end], &self.values[start..end])
    }

    pub fn scores(&self, q: &Panel) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.n_rows * q.stride];
        pulp::Arch::new().dispatch(Gather {
            rows: self,
            q,
            scores: &mut scores,
        });
        scores
    }

    pub fn accumulate(&self, chunk: usize, scores: &[f32], stride: usize, sum: &mut [f32]) {
        pulp::Arch::new().dispatch(Scatter {
            rows: self,
            chunk,
            scores,
            stride,
            sum,
        });
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
