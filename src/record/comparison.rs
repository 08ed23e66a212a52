//! What `run.json` says of a run beside an earlier one.

use serde::{Deserialize, Serialize};

/// A run beside its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Whether data and numbers are the same.
    pub verdict: Verdict,
    /// The same with the reason, in a sentence.
    pub sentence: String,
    /// The run that this one is held against.
    pub baseline: Baseline,
    /// Images that only one of the two used, or that changed between them.
    pub inputs: Inputs,
    /// Parameters with another value.
    pub parameters: Vec<Difference>,
    /// Program, libraries, model and processor, where they are others.
    pub environment: Vec<Difference>,
    /// Numbers of both runs, in a fixed order, whether they differ or not.
    pub metrics: Vec<Metric>,
    /// The t-SNE embeddings, laid over each other.
    pub embedding: EmbeddingComparison,
    /// The embeddings of every projection that a run has, t-SNE first and always there: what `embedding` says of t-SNE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<ProjectionComparison>,
}

/// Whether two runs used the same data and gave the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same images with the same labels; every metric and every coordinate is equal to the last bit.
    SameNumbers,
    /// The same images with the same labels, but a metric or a coordinate differs.
    OtherNumbers,
    /// An image was added, removed or changed.
    OtherData,
}

/// What is needed to recognise a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Source of its images.
    pub source: String,
    /// Images it used.
    pub accepted: u64,
    /// The command that gives its numbers.
    pub command: String,
    /// Version of the program.
    pub version: String,
    /// Git commit of the program.
    pub git_commit: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
}

/// The images of two runs, told apart by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Images of both runs, changed or not.
    pub n_common: u64,
    /// Used now, but not by the baseline.
    pub added: Keys,
    /// Used by the baseline, but not now.
    pub removed: Keys,
    /// Used by both, but with other bytes (SHA-256) or another label.
    pub changed: Keys,
}

/// Some keys, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// All of them.
    pub n: u64,
    /// The first fifty at most, sorted.
    pub first: Vec<String>,
}

/// A property in words that differs; absent where a run does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub name: String,
    /// In the baseline.
    pub before: Option<String>,
    /// Now.
    pub after: Option<String>,
}

/// A number of both runs; absent where a run does not have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What it is.
    pub name: String,
    /// In the baseline.
    pub before: Option<f64>,
    /// Now.
    pub after: Option<f64>,
    /// `after - before`; absent unless both are there.
    pub difference: Option<f64>,
}

/// A projection of two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionComparison {
    /// As in [`super::ProjectionRecord`].
    pub name: String,
    /// As there.
    pub title: String,
    /// As there.
    pub rearranges: bool,
    /// The embeddings, laid over each other.
    pub embedding: EmbeddingComparison,
}

/// Two embeddings by one projection, or why they cannot be laid over each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum EmbeddingComparison {
    /// Laid over each other.
    Aligned(Alignment),
    /// Not comparable.
    NotAligned {
        /// Why, in a sentence.
        reason: String,
    },
}

/// How the embedding of a run was laid over that of its baseline, and what is left between them.
///
/// t-SNE is free to turn, mirror and rearrange a picture, so a large disparity alone says nothing; the shared
/// neighbours do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Images of both embeddings that have finite coordinates in both: what everything here is computed on.
    pub n_points: u64,
    /// Images of both embeddings left out because a coordinate is not finite.
    pub n_dropped: u64,
    /// Sum of the squared distances that remain, relative to that of the baseline's points from their mean: 0 (the same
    /// shape) to 1.
    pub disparity: f64,
    /// Factor that the embedding was multiplied by.
    pub scale: f64,
    /// Angle it was turned by, counter-clockwise, in degrees from -180 to 180.
    pub rotation_degrees: f64,
    /// Whether it was mirrored (y became -y) before it was turned.
    pub reflected: bool,
    /// Median of the displacements: distances that remain, in units of the baseline's root mean square radius.
    pub median_displacement: f64,
    /// Images that moved most, at most 24, the farthest first.
    pub most_moved: Vec<Moved>,
    /// Neighbours of an image that are looked at: 10, fewer on small sets.
    pub k: usize,
    /// Mean share of an image's `k` nearest neighbours in one embedding that are so in the other, 0 to 1.
    pub shared_neighbors: f64,
    /// What that share would be by chance: `k / (n_points - 1)`.
    pub shared_by_chance: f64,
}

/// An image and how far it moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// The image.
    pub key: String,
    /// Its class now.
    pub label: String,
    /// Distance of its aligned position from that in the baseline, in units of the baseline's root mean square radius.
    pub displacement: f64,
}
