//! Tall matrices in memory, and how they are cut into tasks.

use faer::MatRef;

/// Columns of a task: its part of Q, 1,024 x 64 x 4 B, stays in a 2 MiB second-level cache with room
/// for the rows that stream through.
pub(super) const CHUNK: usize = 1024;
/// Width a panel is padded to: four AVX2 or two AVX-512 registers, enough to hide the latency of a
/// fused multiply-add.
pub(super) const LANES: usize = 32;

/// A tall matrix, row-major: a row per feature, padded with zeros to whole lanes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel<T = f32> {
    /// Features.
    pub n_rows: usize,
    /// Columns without the padding.
    pub width: usize,
    /// Values of a row, with the padding.
    pub stride: usize,
    /// n_rows x stride.
    pub values: Vec<T>,
}

/// A panel in double precision: sums.
pub(super) type Tall = Panel<f64>;

impl<T: Copy + Default> Panel<T> {
    /// Nothing but zeros.
    #[must_use]
    pub fn zeros(n_rows: usize, width: usize) -> Self {
        let stride = width.max(1).next_multiple_of(LANES);
        Self {
            n_rows,
            width,
            stride,
            values: vec![T::default(); n_rows * stride],
        }
    }

    /// Rows `CHUNK * i ..`, as a matrix without the padding.
    pub(super) fn chunk(&self, i: usize) -> MatRef<'_, T> {
        let start = i * CHUNK;
        let n = CHUNK.min(self.n_rows - start);
        let values = &self.values[start * self.stride..][..n * self.stride];
        MatRef::from_row_major_slice(values, n, self.stride).subcols(0, self.width)
    }
}

impl Panel {
    /// Sums of the same shape.
    pub(super) fn like(&self, values: Vec<f64>) -> Tall {
        Tall {
            n_rows: self.n_rows,
            width: self.width,
            stride: self.stride,
            values,
        }
    }
}

impl Tall {
    /// Rounds to single precision.
    pub(super) fn round(&self) -> Panel {
        let (n_rows, width, stride) = (self.n_rows, self.width, self.stride);
        Panel {
            n_rows,
            width,
            stride,
            values: self.values.iter().map(|&x| x as f32).collect(),
        }
    }
}
