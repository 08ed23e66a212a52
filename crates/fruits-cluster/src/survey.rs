//! What is known of the images of a window and of their descriptors, as bytes.

use fruits::features::Survey;
use fruits::pca::{Reader, RowBlocks, put, put_count};
use fruits::pipeline::gather::{Blocks, stack, whole};
use fruits::polars::prelude::*;
use fruits::{Error, Result};

/// All columns of a window but the descriptors, as Parquet behind its size; then what is to know of these.
pub fn survey(blocks: &Blocks) -> Result<Vec<u8>> {
    let mut all = Survey::empty(blocks.n_cols());
    let mut images = None;
    for i in 0..blocks.n_blocks() {
        let (frame, survey) = blocks.survey(i)?;
        stack(&mut images, frame)?;
        all.append(&survey);
    }
    let mut images = whole(images)?;
    images.with_column(Column::new("zeros".into(), &all.zeros))?;
    images.with_column(Column::new("sum".into(), &all.sums))?;
    images.with_column(Column::new("squares".into(), &all.squares))?;
    let mut parquet = Vec::new();
    ParquetWriter::new(&mut parquet)
        .with_compression(ParquetCompression::Lz4Raw)
        .set_parallel(false)
        .finish(&mut images)?;
    let mut bytes = Vec::with_capacity(parquet.len() + 8 * all.lowest.len() + 64);
    put_count(&mut bytes, parquet.len());
    bytes.extend(parquet);
    put_count(&mut bytes, all.lowest.len());
    put(&mut bytes, &all.lowest);
    put(&mut bytes, &all.highest);
    Ok(bytes)
}

/// What a survey wrote.
pub fn read_survey(bytes: &[u8]) -> Result<(DataFrame, Survey)> {
    let damaged = || Error::Internal("a survey is not whole".to_owned());
    let mut from = Reader(bytes);
    let size = from.count().ok_or_else(damaged)?;
    let (parquet, rest) = from.0.split_at_checked(size).ok_or_else(damaged)?;
    let images = ParquetReader::new(std::io::Cursor::new(parquet))
        .set_rechunk(true)
        .finish()?;
    let mut from = Reader(rest);
    let n = from.count().ok_or_else(damaged)?;
    let survey = Survey {
        lowest: from.take(n)?,
        highest: from.take(n)?,
        zeros: images.column("zeros")?.u64()?.no_null_iter().collect(),
        sums: images.column("sum")?.f64()?.no_null_iter().collect(),
        squares: images.column("squares")?.f64()?.no_null_iter().collect(),
    };
    Ok((images.drop_many(["zeros", "sum", "squares"]), survey))
}
