//! `fruits` in a notebook.

#[cfg(fruits_library_missing)]
compile_error!(env!("FRUITS_LIBRARY_MISSING"));

#[cfg(not(fruits_library_missing))]
extern crate fruits_library;
#[cfg(not(fruits_library_missing))]
pub use fruits_library::*;
