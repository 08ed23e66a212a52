//! Names of the files of a run, and what each holds.

/// Descriptors in few dimensions and what was found of each image: `key`, `label`, `pc1` ... `pcK`, `outlier_score`,
/// `label_agreement`; then of each projection `NAME_x`, `NAME_y`, and `NAME_trust` (`trust` of t-SNE).
pub const EMBEDDINGS: &str = "embeddings.parquet";
/// The images that were used: `key`, `label`, `size_bytes`, `etag`, `sha256`, `version_id`.
pub const MANIFEST: &str = "manifest.parquet";
/// The fitted PCA.
pub const PCA: &str = "pca.parquet";
/// Files that could not be used: `key`, `size_bytes`, `reason`, `message`.
pub const REJECTED: &str = "rejected.csv";
/// Files that are equal and images that look alike: `kind` (`exact`: same bytes; `near`: close descriptors), `group`,
/// `key`, `distance` (of the kept components; 0 of equal files).
pub const DUPLICATES: &str = "duplicates.csv";
/// [`crate::record::Timings`].
pub const TIMINGS: &str = "timings.json";
/// [`crate::record::Run`].
pub const RUN: &str = "run.json";
/// The report.
pub const REPORT: &str = "index.html";
