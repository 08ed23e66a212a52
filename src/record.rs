//! What a run leaves behind as data: `run.json` and `timings.json`.
//!
//! `run.json` holds nothing that differs between two runs of the same command on the same kind of
//! machine; clocks, memory, threads and folders of outputs live in `timings.json`.

mod comparison;
mod features;
mod gate;
pub mod gates;
pub(crate) mod list;
mod parameter;
mod provenance;
mod timings;

use serde::{Deserialize, Serialize};

use crate::steps::tsne::projection_record;

pub use self::comparison::{
    Alignment, Baseline, Comparison, Difference, EmbeddingComparison, Inputs, Keys, Metric, Moved,
    ProjectionComparison, Verdict,
};
pub use self::features::FeaturesRecord;
pub use self::gate::{Gate, GateName, Unit};
pub use self::parameter::{Origin, Parameter};
pub use self::provenance::{Output, Provenance, Version};
pub use self::timings::{ClusterRecord, LostTry, Part, Stage, Timings, WorkerRecord};
pub use crate::steps::describe::{About, Fact, NetworkRecord};
pub use crate::steps::duplicates::NearDuplicate;
pub use crate::steps::findings::{
    Conflict, Disagreement, FindingsRecord, LabelledCopy, Likeness, Outlier, Representative,
};
pub use crate::steps::pca::{Needed, PcaRecord, Reconstruction};
pub use crate::steps::projection::{
    Figure, FigureValue, Measured, ProjectionLabels, ProjectionQuality, ProjectionRecord,
    TsneRecord,
};
pub use crate::steps::quality::{
    ClassQuality, Confusion, Confusions, Faithfulness, LabelMeasures as LabelsRecord, LabelQuality,
    Measures as QualityRecord, PermutationNull, Sequences,
};
pub use crate::storage::s3::S3Record;

/// Version of the layout of `run.json`; the number grows when a key changes its meaning, not when one is added.
pub const SCHEMA: &str = "fruits-run/2";

/// The content of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// How far the run came.
    pub status: Status,
    /// Where the images came from.
    pub source: SourceRecord,
    /// Image counts; listed = accepted + rejected + skipped.
    pub images: ImageCounts,
    /// Classes by name, with their accepted images.
    pub classes: Vec<ClassCount>,
    /// What the files are like.
    pub dataset: Dataset,
    /// Descriptors; absent if the run did not come that far.
    pub features: Option<FeaturesRecord>,
    /// Principal components; absent if the run did not come that far.
    pub pca: Option<PcaRecord>,
    /// Images that stand out; absent without principal components.
    pub findings: Option<FindingsRecord>,
    /// t-SNE; absent if the run did not come that far.
    pub tsne: Option<TsneRecord>,
    /// Quality of t-SNE; absent without it.
    pub quality: Option<QualityRecord>,
    /// Every picture of the components that there is, t-SNE with its quality among them; empty in a record from before
    /// there was this list, see [`crate::outputs::Finished::open`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<ProjectionRecord>,
    /// Limits that the run was held to; empty if it had none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Reductions and findings that a reader must know, as sentences.
    pub warnings: Vec<String>,
    /// Every parameter that can change a number, in a fixed order.
    pub parameters: Vec<Parameter>,
    /// What produced the run.
    pub provenance: Provenance,
    /// The run beside an earlier one; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

impl Run {
    /// Enters t-SNE into the projections of a record from before there were others.
    pub(crate) fn enter_tsne(&mut self) {
        if let (Some(tsne), true) = (&self.tsne, self.projections.is_empty()) {
            self.projections.push(ProjectionRecord {
                quality: self.quality.as_ref().map(ProjectionQuality::from),
                ..projection_record(tsne)
            });
        }
    }
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Status {
    /// Every stage finished.
    Complete,
    /// A stage could not run on this data; what came before it is whole.
    Partial {
        /// The stage: `pca`, `tsne` ...
        stage: String,
        /// Why, in a sentence.
        reason: String,
    },
}

/// Where the images came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `folder` or `s3`.
    pub kind: String,
    /// As the user named it; `s3://bucket/prefix/` of a bucket.
    pub name: String,
    /// Region of the bucket; absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Server of the bucket, where it is not Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Files found, images or not.
    pub n_objects: u64,
    /// Their size together.
    pub size_bytes: u64,
    /// How a label was found.
    pub label_rule: String,
}

/// Image counts; `listed = accepted + rejected + skipped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCounts {
    /// Files found below the source.
    pub listed: u64,
    /// Images with a descriptor.
    pub accepted: u64,
    /// Files that could not be used, each a row of `rejected.csv`.
    pub rejected: u64,
    /// Files left out by `--classes`, `--top-classes` or `--limit`, files in no class folder, and files that are no images
    /// by their names.
    pub skipped: u64,
    /// The last of these: notes, tables, weights.
    #[serde(default)]
    pub other: u64,
    /// Files and folders that systems leave among photographs; they are not listed.
    #[serde(default)]
    pub left_behind: u64,
}

/// A class and its accepted images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Folder name.
    pub label: String,
    /// Accepted images.
    pub n: u64,
}

/// What the accepted files are like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Image sizes, most frequent first, at most ten.
    pub sizes: Vec<SizeCount>,
    /// Number of different image sizes.
    pub n_sizes: u64,
    /// Colour modes, most frequent first.
    pub modes: Vec<ModeCount>,
    /// Images in each part of the set, by the name of its folder; empty where the set has no parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitCount>,
    /// Images turned upright by their EXIF orientation.
    pub n_rotated: u64,
    /// Groups of files with the same bytes, each sorted, at most fifty.
    pub duplicates: Vec<Vec<String>>,
    /// Number of groups of files with the same bytes.
    pub n_duplicate_groups: u64,
    /// Pairs of different files with the closest kept components, closest first, at most twelve; empty without PCA.
    #[serde(default)]
    pub near_duplicates: Vec<NearDuplicate>,
}

/// An image size and how many have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeCount {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Images.
    pub n: u64,
}

/// A colour mode and how many images have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeCount {
    /// `rgb8`, `l8`, `cmyk8` ...
    pub mode: String,
    /// Images.
    pub n: u64,
}

/// A part of the set, such as `train`, and how many images are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCount {
    /// Its folder above the classes.
    pub split: String,
    /// Images.
    pub n: u64,
}

/// An image before and after the resize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The image.
    pub key: String,
    /// The image as it was found, in a format that browsers show.
    pub original: Vec<u8>,
    /// Media type of `original`.
    pub original_mime: String,
    /// The resized image as PNG.
    pub resized_png: Vec<u8>,
}
