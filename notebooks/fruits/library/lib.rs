//! All of `fruits`, as a dynamic library.

pub use fruits::*;
#[cfg(feature = "cluster")]
pub use fruits_cluster as cluster;
