//! All of `fruits`, as a dynamic library.

pub use fruits::*;
