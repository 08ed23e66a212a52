//! What is known of the images of a window and of their descriptors, as bytes.

use fruits::features::Survey;
use fruits::pca::{Reader, RowBlocks, put, put_count};
use fruits::pipeline::gather::{Blocks, stack, whole};
use fruits::polars::prelude::*;
use fruits::storage::read_parquet;
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
    // As files of a report are written: nothing else is read.
    ParquetWriter::new(&mut parquet)
        .with_compression(ParquetCompression::Zstd(None))
        .set_parallel(false)
        .finish(&mut images)?;
    Ok(packed(&parquet, &all.lowest, &all.highest))
}

fn packed(parquet: &[u8], lowest: &[f32], highest: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parquet.len() + 8 * lowest.len() + 64);
    put_count(&mut bytes, parquet.len());
    bytes.extend(parquet);
    put_count(&mut bytes, lowest.len());
    put(&mut bytes, lowest);
    put(&mut bytes, highest);
    bytes
}

/// What a survey wrote.
pub fn read_survey(bytes: &[u8]) -> Result<(DataFrame, Survey)> {
    let damaged = || Error::Internal("a survey is not whole".to_owned());
    let mut from = Reader(bytes);
    let size = from.count().ok_or_else(damaged)?;
    let (parquet, rest) = from.0.split_at_checked(size).ok_or_else(damaged)?;
    let images = read_parquet(parquet.to_vec())
        .map_err(|why| Error::Internal(format!("a survey cannot be read: {why}")))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A survey of three images, written in some way.
    fn of(compression: ParquetCompression) -> Vec<u8> {
        let columns = vec![
            Column::new("key".into(), ["a", "b", "c"]),
            Column::new("zeros".into(), [0_u64, 1, 2]),
            Column::new("sum".into(), [1.0, 2.0, 3.0]),
            Column::new("squares".into(), [4.0, 5.0, 6.0]),
        ];
        let mut images = DataFrame::new(3, columns).unwrap();
        let mut parquet = Vec::new();
        ParquetWriter::new(&mut parquet)
            .with_compression(compression)
            .finish(&mut images)
            .unwrap();
        packed(&parquet, &[0.5, 1.5], &[2.5, 3.5])
    }

    #[test]
    fn a_survey_is_bounded_before_it_is_decoded() {
        let good = of(ParquetCompression::Zstd(None));
        let (images, survey) = read_survey(&good).unwrap();
        assert_eq!(images.get_column_names(), ["key"]);
        assert_eq!(
            (survey.zeros, survey.sums),
            (vec![0, 1, 2], vec![1.0, 2.0, 3.0])
        );
        assert_eq!(
            (survey.lowest, survey.highest),
            (vec![0.5, 1.5], vec![2.5, 3.5])
        );

        let said = read_survey(&of(ParquetCompression::Lz4Raw)).unwrap_err();
        assert!(
            said.to_string().contains("not as `report` writes it"),
            "{said}"
        );
        for n in 0..good.len() {
            assert!(read_survey(&good[..n]).is_err(), "{n} bytes");
        }
    }
}
