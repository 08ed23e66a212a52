//! What a descriptor says of itself, as a record keeps it.

use serde::{Deserialize, Serialize};

/// The network of a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// SHA-256 of the model file.
    pub model_sha256: String,
    /// Which model that is, in words.
    pub model: String,
    /// Whether the weights are the known ImageNet ones.
    pub model_known: bool,
    /// `f32` or `bf16`, as computed.
    pub precision: String,
    /// Why that precision.
    pub precision_reason: String,
    /// Execution provider of ONNX Runtime.
    pub provider: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
}

/// What a descriptor is, as parts of sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What computes: `network`.
    pub engine: String,
    /// The values, after their number: `VGG16 descriptors`.
    pub values: String,
    /// How many an image has by the descriptor's definition; absent where a model of the user's own decides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_values: Option<usize>,
    /// What the numbers of an image are: `the last pooling layer of ...`.
    pub meaning: String,
    /// The same without details.
    pub short: String,
    /// What the values owe to other images: `known ImageNet weights`.
    pub learned: String,
    /// What decides a value, for who explains the fingerprint.
    pub decided_by: String,
}

/// A name and what it is: a row of a table of facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What is told.
    pub name: String,
    /// In words.
    pub value: String,
}
