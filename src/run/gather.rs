//! Committed shards as the blocks of rows that PCA reads, and what the descriptors are like.

use std::borrow::Cow;

use fruits_maths::Matrix;
use polars::prelude::*;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::schema::{
    ETAG, HEIGHT, KEY, LABEL, MODE, ORIENTATION, SHA256, SIZE_BYTES, THUMBNAIL, VERSION_ID, WIDTH,
};
use crate::steps::describe::{DescriptorStats, Running, Survey};
use crate::steps::pca::{KEEP_BYTES, RowBlocks};
use crate::storage::store::{Receipt, Shard, Store};

use super::machine::available_bytes;

/// Descriptors of at most this many bytes are kept in memory; larger sets are read from their shards in each pass.
/// 512 MiB are 5,349 images of 25,088 values: with the rest of a run, less than 1.5 GB.
const MEMORY_BYTES: u64 = 512 << 20;
/// One part of so many of the free memory is taken for what could be read again: descriptors and sparse rows take a part each, the
/// fit and the page the rest. At 900 MB a cached run of 4,098 images of VGG16 takes 364 MB instead of 898, and 4.5 s instead of 3.8.
const PARTS: u64 = 4;

/// Rows of descriptors: all in memory, or read shard by shard.
pub struct Blocks<'a> {
    store: &'a Store,
    shards: Vec<(&'a Shard, &'a Receipt)>,
    in_memory: Option<Vec<Matrix>>,
    n_rows: usize,
    n_features: usize,
}

/// Reads every committed shard once: all columns but `features`, sorted by key, what the descriptors are like, and these. Shards
/// without an image are left out of the blocks. `progress` hears how many images were read and says whether to go on.
///
/// # Errors
/// [`Error::Damaged`] with all shards that are, since each round of computing them again begins with the first stage.
pub fn gather<'a>(
    store: &'a Store,
    shards: &'a [Shard],
    receipts: &'a [Receipt],
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<(DataFrame, DescriptorStats, Blocks<'a>)> {
    let shards: Vec<_> = shards
        .iter()
        .zip(receipts)
        .filter(|(_, r)| r.n_images > 0)
        .collect();
    let n_rows = shards.iter().map(|(_, r)| r.n_images).sum();
    let n_features = shards.first().map_or(0, |(_, r)| r.n_features);
    let keep = (n_rows * n_features * size_of::<f32>()) as u64 <= MEMORY_BYTES.min(spare_bytes());

    let (mut images, mut matrices) = (None, Vec::new());
    let mut running = Running::new(n_features);
    let (mut n_done, mut damaged) = (0, Vec::new());
    // A group at a time, so that memory stays bounded while all cores decompress.
    for group in shards.chunks(rayon::current_num_threads()) {
        if !progress(n_done) {
            return Err(Error::Cancelled);
        }
        let read = group
            .par_iter()
            .map(|(shard, receipt)| store.read(shard, receipt));
        for outcome in read.collect::<Vec<_>>() {
            let (frame, matrix) = match outcome {
                Err(Error::Damaged { shards }) => {
                    damaged.extend(shards);
                    continue;
                }
                read => read?,
            };
            n_done += frame.height() as u64;
            running.add(&Survey::of(&matrix));
            stack(&mut images, frame)?;
            if keep {
                matrices.push(matrix);
            }
        }
    }
    if !damaged.is_empty() {
        return Err(Error::Damaged { shards: damaged });
    }
    let images = whole(images)?;
    let in_memory = keep.then_some(matrices);
    let blocks = Blocks {
        store,
        shards,
        in_memory,
        n_rows,
        n_features,
    };
    Ok((images, running.finish(), blocks))
}

/// The columns of a shard without a row, for a run none of whose files can be used.
fn without_images() -> Result<DataFrame> {
    let columns = [
        (KEY, DataType::String),
        (LABEL, DataType::String),
        (SIZE_BYTES, DataType::UInt64),
        (ETAG, DataType::String),
        (SHA256, DataType::String),
        (VERSION_ID, DataType::String),
        (WIDTH, DataType::UInt32),
        (HEIGHT, DataType::UInt32),
        (MODE, DataType::String),
        (ORIENTATION, DataType::UInt32),
        (THUMBNAIL, DataType::Binary),
    ];
    let empty = columns
        .into_iter()
        .map(|(name, dtype)| Column::new_empty(name.into(), &dtype));
    Ok(DataFrame::new(0, empty.collect())?)
}

impl RowBlocks for Blocks<'_> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_cols(&self) -> usize {
        self.n_features
    }

    fn n_blocks(&self) -> usize {
        self.shards.len()
    }

    fn block(&self, i: usize) -> fruits_maths::Result<Cow<'_, [f32]>> {
        Ok(match self.matrix(i)? {
            Cow::Borrowed(matrix) => Cow::Borrowed(matrix.values()),
            Cow::Owned(matrix) => Cow::Owned(matrix.into_values()),
        })
    }

    fn keep_bytes(&self) -> usize {
        usize::try_from(spare_bytes()).map_or(KEEP_BYTES, |spare| spare.min(KEEP_BYTES))
    }
}

fn spare_bytes() -> u64 {
    available_bytes().map_or(u64::MAX, |free| free / PARTS)
}

impl<'a> Blocks<'a> {
    /// Committed shards that are read whenever they are needed.
    pub fn stored(store: &'a Store, shards: Vec<(&'a Shard, &'a Receipt)>) -> Self {
        Self {
            store,
            n_rows: shards.iter().map(|(_, r)| r.n_images).sum(),
            n_features: shards.first().map_or(0, |(_, r)| r.n_features),
            shards,
            in_memory: None,
        }
    }

    /// The other columns of the `i`-th block, and what is to know of its rows.
    pub fn survey(&self, i: usize) -> Result<(DataFrame, Survey)> {
        let (shard, receipt) = self.shards[i];
        let (images, matrix) = self.store.read(shard, receipt)?;
        Ok((images, Survey::of(&matrix)))
    }

    /// The `i`-th block as a matrix.
    pub fn matrix(&self, i: usize) -> Result<Cow<'_, Matrix>> {
        if let Some(matrices) = &self.in_memory {
            return Ok(Cow::Borrowed(&matrices[i]));
        }
        let (shard, receipt) = self.shards[i];
        let (_, matrix) = self.store.read(shard, receipt)?;
        Ok(Cow::Owned(matrix))
    }
}

/// Adds rows below.
pub fn stack(images: &mut Option<DataFrame>, more: DataFrame) -> Result<()> {
    match images {
        Some(all) => {
            all.vstack_mut(&more)?;
        }
        None => *images = Some(more),
    }
    Ok(())
}

/// All rows in one piece; the columns alone if there was none.
pub fn whole(images: Option<DataFrame>) -> Result<DataFrame> {
    let mut images = images.map_or_else(without_images, Ok)?;
    images.rechunk_mut();
    Ok(images)
}
