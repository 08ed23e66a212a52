//! All that the template may say: one serialisable value a section, texts already worded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparison::ComparisonSection;
pub(super) use super::widgets::{
    AxisEnd, Card, Check, CheckState, ClassRow, Fact, Finding, Heading, PairRow, ParameterRow,
    ShareRow, SpaceRow, Thumb,
};

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) policy: String,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) source: String,
    pub(super) headings: Vec<Heading>,
    /// The same by id.
    pub(super) h: BTreeMap<String, Heading>,
    pub(super) summary: Summary,
    pub(super) parameters: Vec<ParameterRow>,
    pub(super) dataset: Dataset,
    pub(super) files: Files,
    pub(super) features: Option<Features>,
    pub(super) glossary: Glossary,
    pub(super) variance: Option<VarianceSection>,
    pub(super) pca: Option<ScatterSection>,
    pub(super) projections: Vec<ProjectionSection>,
    pub(super) quality: Option<QualitySection>,
    pub(super) findings: Option<FindingsSection>,
    pub(super) missing: Missing,
    pub(super) timing: Timing,
    pub(super) provenance: ProvenanceSection,
    pub(super) points_json: String,
    pub(super) run_json: String,
    pub(super) thumbnails_note: Option<String>,
    pub(super) sheets: Vec<String>,
    pub(super) comparison: Option<ComparisonSection>,
}

/// The first screen.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// `complete`, `partial` or `failed` (a gate).
    pub(super) state: &'static str,
    pub(super) sentence: String,
    pub(super) cards: Vec<Card>,
    pub(super) checks: Vec<Check>,
    pub(super) gates: Vec<Check>,
    pub(super) warnings: Vec<String>,
}

/// Section on the images.
#[derive(Debug, Serialize)]
pub(super) struct Dataset {
    pub(super) facts: Vec<Fact>,
    pub(super) chart: Option<String>,
    /// What the chart leaves out.
    pub(super) chart_note: Option<String>,
    pub(super) classes: Vec<ClassRow>,
    pub(super) sizes: Vec<ShareRow>,
    pub(super) n_more_sizes: u64,
    pub(super) modes: Vec<ShareRow>,
    pub(super) seed: u64,
    pub(super) contacts: Vec<Contact>,
    pub(super) contacts_note: Option<String>,
    pub(super) examples: Vec<ExampleView>,
    pub(super) examples_note: Option<String>,
}

/// Some images of a class in one picture.
#[derive(Debug, Serialize)]
pub(super) struct Contact {
    pub(super) label: String,
    pub(super) n: String,
    pub(super) n_shown: usize,
    pub(super) jpeg: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// An image before and after the resize.
#[derive(Debug, Serialize)]
pub(super) struct ExampleView {
    pub(super) key: String,
    pub(super) original: Option<String>,
    pub(super) size: String,
    pub(super) resized: String,
}

/// Section on files that are not as they should be.
#[derive(Debug, Serialize)]
pub(super) struct Files {
    pub(super) sentence: String,
    pub(super) reasons: Vec<ShareRow>,
    pub(super) rejected: Vec<RejectedView>,
    pub(super) n_more_rejected: String,
    pub(super) duplicates: Vec<Vec<Thumb>>,
    pub(super) duplicates_sentence: String,
    pub(super) near: Vec<Vec<Thumb>>,
    pub(super) near_sentence: String,
}

/// A rejected file.
#[derive(Debug, Serialize)]
pub(super) struct RejectedView {
    pub(super) key: String,
    pub(super) size: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// Section on the descriptors.
#[derive(Debug, Serialize)]
pub(super) struct Features {
    pub(super) sentence: String,
    pub(super) facts: Vec<Fact>,
    pub(super) statistics: Vec<Fact>,
}

/// Words of the glossary that depend on the descriptor.
#[derive(Debug, Serialize)]
pub(super) struct Glossary {
    pub(super) descriptor: String,
    pub(super) fingerprint: String,
}

/// Section on the explained variance.
#[derive(Debug, Serialize)]
pub(super) struct VarianceSection {
    pub(super) plot: String,
    pub(super) sentences: Vec<String>,
    pub(super) components: Vec<ComponentRow>,
    pub(super) facts: Vec<Fact>,
    pub(super) worst: Vec<Thumb>,
}

/// A principal component.
#[derive(Debug, Serialize)]
pub(super) struct ComponentRow {
    pub(super) name: String,
    pub(super) variance: String,
    pub(super) ratio: String,
    pub(super) sum: String,
}

/// A scatter plot.
#[derive(Debug, Serialize)]
pub(super) struct ScatterSection {
    pub(super) plot: String,
    /// Geometry of the plot as JSON.
    pub(super) frame: String,
    pub(super) shown: String,
    /// That classes look the same, where they do.
    pub(super) looks: Option<String>,
    pub(super) legend: Vec<ClassRow>,
    pub(super) ends: Vec<AxisEnd>,
}

/// Section on a projection.
#[derive(Debug, Serialize)]
pub(super) struct ProjectionSection {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) scatter: Option<ScatterSection>,
    /// What one must know to read it.
    pub(super) hint: String,
    pub(super) facts: Vec<Fact>,
    /// Why there is no plot; said only where there is none.
    pub(super) missing: String,
}

/// Section on how well neighbours and labels are kept.
#[derive(Debug, Serialize)]
pub(super) struct QualitySection {
    pub(super) planes: Vec<PlaneQuality>,
    pub(super) labels_sentences: Vec<String>,
    /// Measures of labels in PCA space and in each plane.
    pub(super) spaces: Vec<SpaceRow>,
    pub(super) classes: Vec<ClassQualityRow>,
    pub(super) has_sequences: bool,
    pub(super) confusions: Vec<ConfusionView>,
    pub(super) k: usize,
}

/// How well a projection keeps neighbours.
#[derive(Debug, Serialize)]
pub(super) struct PlaneQuality {
    pub(super) title: String,
    /// Whether distances between clusters mean little.
    pub(super) rearranges: bool,
    pub(super) sentences: Vec<String>,
    /// By the number of neighbours: trustworthiness and continuity.
    pub(super) neighborhoods: Vec<SpaceRow>,
    pub(super) facts: Vec<Fact>,
}

/// A class; values are those in PCA space and in each plane.
#[derive(Debug, Serialize)]
pub(super) struct ClassQualityRow {
    pub(super) marker: String,
    pub(super) label: String,
    pub(super) n: String,
    pub(super) accuracy: Vec<String>,
    pub(super) other_sequences: Vec<String>,
    pub(super) silhouette: Vec<String>,
}

/// Which classes are taken for which, in one space.
#[derive(Debug, Serialize)]
pub(super) struct ConfusionView {
    pub(super) name: String,
    pub(super) plot: String,
    pub(super) note: Option<String>,
    pub(super) n_wrong: String,
    pub(super) pairs: Vec<PairRow>,
    pub(super) has_more: bool,
    pub(super) n_more: String,
}

/// Section on images that stand out.
#[derive(Debug, Serialize)]
pub(super) struct FindingsSection {
    pub(super) outliers_sentence: String,
    pub(super) outliers: Vec<Finding>,
    pub(super) representatives: Vec<Thumb>,
    pub(super) n_more_representatives: usize,
    pub(super) conflicts_sentence: String,
    pub(super) conflicts: Vec<Vec<Thumb>>,
    pub(super) disagreements_sentence: String,
    pub(super) disagreements: Vec<Finding>,
}

/// Why a section is empty; said only where it is.
#[derive(Debug, Serialize)]
pub(super) struct Missing {
    pub(super) features: String,
    pub(super) pca: String,
    pub(super) quality: String,
}

/// Section on time: the only one that differs between two runs of one command.
#[derive(Debug, Default, Serialize)]
pub(super) struct Timing {
    pub(super) total: String,
    pub(super) rate: Option<String>,
    pub(super) stages: Vec<StageRow>,
    pub(super) facts: Vec<Fact>,
    pub(super) s3: Option<Vec<Fact>>,
    pub(super) cluster: Option<ClusterSection>,
    pub(super) options: Vec<ParameterRow>,
}

/// What a cluster did.
#[derive(Debug, Serialize)]
pub(super) struct ClusterSection {
    pub(super) chart: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) workers: Vec<WorkerRow>,
    pub(super) n_more_workers: usize,
    pub(super) lost: Vec<LostRow>,
    pub(super) n_more_lost: usize,
}

/// What a worker did.
#[derive(Debug, Serialize)]
pub(super) struct WorkerRow {
    pub(super) name: String,
    pub(super) n_shards: String,
    pub(super) shards: String,
    pub(super) images: String,
    pub(super) features: String,
    pub(super) reductions: String,
    pub(super) reducing: String,
}

/// A try that gave nothing.
#[derive(Debug, Serialize)]
pub(super) struct LostRow {
    pub(super) task: String,
    pub(super) worker: String,
    pub(super) lost: String,
    pub(super) why: String,
}

/// A stage.
#[derive(Debug, Serialize)]
pub(super) struct StageRow {
    pub(super) name: String,
    pub(super) wall: String,
    pub(super) share: String,
    pub(super) items: String,
    pub(super) rate: String,
    pub(super) cache_hits: String,
    pub(super) parts: Vec<PartRow>,
}

/// A part of a stage.
#[derive(Debug, Serialize)]
pub(super) struct PartRow {
    pub(super) name: String,
    pub(super) busy: String,
    pub(super) share: String,
}

/// Section on where the numbers come from.
#[derive(Debug, Serialize)]
pub(super) struct ProvenanceSection {
    pub(super) command: String,
    pub(super) facts: Vec<Fact>,
    pub(super) libraries: Vec<LibraryRow>,
    pub(super) outputs: Vec<OutputRow>,
}

/// A library.
#[derive(Debug, Serialize)]
pub(super) struct LibraryRow {
    pub(super) name: String,
    pub(super) version: String,
}

/// A file beside the report.
#[derive(Debug, Serialize)]
pub(super) struct OutputRow {
    pub(super) name: String,
    pub(super) size: String,
    pub(super) sha256: String,
}
