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

pub use self::lock::host_name;
