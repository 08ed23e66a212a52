//! Exact nearest neighbours.

mod distance;
mod graph;
mod proposal;
mod space;
#[cfg(test)]
mod tests;

pub use self::distance::{check_finite, squared_distance};
pub use self::graph::{Neighbors, nearest, nearest_with};
pub use self::space::Space;
