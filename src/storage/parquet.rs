//! Parquet files that anybody may have written: bounded before they are decoded, and what breaks the decoder is an error.

mod bounds;
mod compact;
mod head;

use std::io::Cursor;

use polars::prelude::*;

use crate::storage::guard::guarded;

/// Decodes the bytes of a file, and the texts of its metadata under `key`; or says why not, as what a sentence that names the
/// file goes on with.
pub(crate) fn read(mut bytes: Vec<u8>, key: &str) -> Result<(DataFrame, Option<String>), String> {
    let bounds = bounds::check(&bytes)?;
    let most = bounds.most_bytes;
    // The columns say their kinds. A second schema is nested as deep as its writer likes, and nobody has bounded it: under another
    // key it is a text.
    for at in bounds.schemas {
        bytes[at] = b'-';
    }
    // One column after the other, in this thread: a panic of the decoder stays here.
    let decode = || -> PolarsResult<(DataFrame, Option<String>)> {
        let mut reader =
            ParquetReader::new(Cursor::new(bytes)).read_parallel(ParallelStrategy::None);
        let pairs = reader.get_metadata()?.key_value_metadata();
        let pair = pairs.iter().flatten().find(|pair| pair.key == key);
        let text = pair.and_then(|pair| pair.value.clone());
        let frame = reader.finish()?;
        Ok((frame, text))
    };
    let decoded = guarded(|| {
        let (frame, text) = decode().map_err(|e| e.to_string())?;
        // The decoder may end early in a column, and say nothing.
        let n_rows = frame.height();
        if let Some(short) = frame.columns().iter().find(|c| c.len() != n_rows) {
            return Err(format!(
                "it says that it holds {n_rows} rows, and a column has {}",
                short.len()
            ));
        }
        match texts_bytes(&frame) <= most {
            true => Ok((frame, text)),
            false => Err(format!(
                "its texts have more than {most} bytes, the most that are given to a file of its size"
            )),
        }
    });
    let broken = "it is damaged, and the decoder of Parquet broke on it";
    decoded.unwrap_or_else(|| Err(broken.to_owned()))
}

/// Bytes of all texts: by a dictionary, a file of a few bytes says a long one a million times.
fn texts_bytes(frame: &DataFrame) -> u64 {
    let texts = frame
        .columns()
        .iter()
        .filter_map(|column| column.str().ok());
    let lengths = texts.map(|texts| texts.iter().flatten().map(|t| t.len() as u64).sum::<u64>());
    lengths.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
