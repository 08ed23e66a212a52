//! Where bytes come from and go to: files and folders here, buckets, and shards with their receipts.

pub mod atomic;
pub mod cache;
pub mod digest;
pub(crate) mod foreign;
pub mod guard;
pub(crate) mod lock;
pub(crate) mod parquet;
pub mod place;
pub mod rejection;
pub mod s3;
pub mod source;
pub mod store;
pub mod temporary;

use polars::prelude::DataFrame;

pub use self::lock::host_name;

/// A Parquet file that anybody may have written, such as one that another machine left: bounded before it is decoded, and
/// taken only as `report` writes it.
///
/// # Errors
/// Why it cannot be used, in words.
pub fn read_parquet(bytes: Vec<u8>) -> Result<DataFrame, String> {
    parquet::read(bytes, "").map(|(frame, _)| frame)
}
