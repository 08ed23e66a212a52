//! The steps, on frames. None of them knows another; [`crate::run`] knows their order.

pub mod describe;
pub mod duplicates;
pub mod findings;
pub mod load;
pub mod pca;
pub mod projection;
pub mod quality;
pub mod resize;
pub mod tsne;
