//! Rows in blocks, as a fit reads them.

use std::borrow::Cow;

use crate::error::Result;
use crate::matrix::Matrix;

/// Rows of a block of a matrix in memory: those of a feature shard, so that both ways give the same bytes.
pub const BLOCK_ROWS: usize = 128;
/// Bytes of sparse blocks that are kept from pass to pass at most: VGG16 features take 58 MB for 4,098 rows, and 0.95 GB for
/// 67,692, for which a pass after the first then takes 0.7 s instead of 9 s, and the fit 1.2 GB at most.
pub const KEEP_BYTES: usize = 1 << 30;

/// Rows in fixed groups, readable in any order and from several threads.
///
/// All blocks but the last hold the same number of rows; that number follows from the data or a plan, never from the
/// machine, since the order of sums depends on it.
pub trait RowBlocks: Sync {
    /// Rows of all blocks together.
    fn n_rows(&self) -> usize;
    /// Values of a row.
    fn n_cols(&self) -> usize;
    /// Number of blocks, none of them empty.
    fn n_blocks(&self) -> usize;
    /// The `i`-th block, row-major.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>>;

    /// The most bytes of sparse rows that a fit keeps from one pass to the next, instead of reading these blocks again. The
    /// result is the same, whatever it is.
    fn keep_bytes(&self) -> usize {
        KEEP_BYTES
    }
}

/// Blocks of [`BLOCK_ROWS`] rows, without a copy.
impl RowBlocks for Matrix {
    fn n_rows(&self) -> usize {
        self.n_rows()
    }

    fn n_cols(&self) -> usize {
        self.n_cols()
    }

    fn n_blocks(&self) -> usize {
        self.n_rows().div_ceil(BLOCK_ROWS)
    }

    fn block(&self, i: usize) -> Result<Cow<'_, [f32]>> {
        let size = BLOCK_ROWS * self.n_cols();
        let end = self.values().len().min((i + 1) * size);
        Ok(Cow::Borrowed(&self.values()[i * size..end]))
    }
}
