//! How well an embedding keeps the neighbours and the labels of the space it was made from.

mod labels;
mod measure;
mod measures;
mod rows;
mod sample;
mod sequences;
mod single;
#[cfg(test)]
mod tests;

pub use self::measure::{Quality, measure, n_neighbors};
pub use self::measures::{
    ClassQuality, Confusion, Confusions, Faithfulness, LabelMeasures, LabelQuality, Measures,
    PermutationNull, Sequences,
};
pub use self::single::{knn_accuracy, trustworthiness};
pub use crate::votes::DEFAULT_NEIGHBORS;
