//! All that the template may say: one serialisable value a section, texts already worded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparison::ComparisonSection;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) policy: String,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) source: String,
    pub(super) headings: Vec<Heading>,
    /// The same by id.
    pub(super) h: BTreeMap<&'static str, Heading>,
    pub(super) summary: Summary,
    pub(super) parameters: Vec<ParameterRow>,
    pub(super) dataset: Dataset,
    pub(super) files: Files,
    pub(super) features: Option<Features>,
    pub(super) variance: Option<VarianceSection>,
    pub(super) pca: Option<ScatterSection>,
    pub(super) tsne: Option<ScatterSection>,
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

/// Number, id and title of a section.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Heading {
    pub(super) id: &'static str,
    pub(super) number: usize,
    pub(super) title: &'static str,
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

/// One figure of the first screen.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) section: &'static str,
}

/// One thing the assignment asks for.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) state: CheckState,
    pub(super) name: &'static str,
    pub(super) finding: String,
    pub(super) section: &'static str,
}

/// Whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CheckState {
    /// Yes.
    Met,
    /// No.
    Missed,
    /// This run was not asked to.
    Unused,
}

/// A parameter.
#[derive(Debug, Serialize)]
pub(super) struct ParameterRow {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) origin: &'static str,
}

/// A name and what it is: a row of a table of facts.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether the value is a digest or an identifier.
    pub(super) code: bool,
}

/// An image in the text.
#[derive(Debug, Serialize)]
pub(super) struct Thumb {
    /// Base64 of a JPEG; absent if there is no thumbnail.
    pub(super) jpeg: Option<String>,
    pub(super) key: String,
    pub(super) label: String,
    pub(super) note: String,
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

/// A class.
#[derive(Debug, Serialize)]
pub(super) struct ClassRow {
    pub(super) marker: String,
    pub(super) label: String,
    pub(super) n: String,
    pub(super) share: String,
}

/// A value and how many images have it.
#[derive(Debug, Serialize)]
pub(super) struct ShareRow {
    pub(super) name: String,
    pub(super) n: String,
    pub(super) share: String,
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

/// A section with a scatter plot.
#[derive(Debug, Serialize)]
pub(super) struct ScatterSection {
    pub(super) plot: String,
    /// Geometry of the plot as JSON.
    pub(super) frame: String,
    pub(super) shown: String,
    pub(super) legend: Vec<ClassRow>,
    pub(super) facts: Vec<Fact>,
    pub(super) ends: Vec<AxisEnd>,
}

/// The images at one end of an axis.
#[derive(Debug, Serialize)]
pub(super) struct AxisEnd {
    pub(super) name: String,
    pub(super) thumbs: Vec<Thumb>,
}

/// Section on how well neighbours and labels are kept.
#[derive(Debug, Serialize)]
pub(super) struct QualitySection {
    pub(super) sentences: Vec<String>,
    /// By the number of neighbours: trustworthiness and continuity.
    pub(super) neighborhoods: Vec<SpaceRow>,
    pub(super) facts: Vec<Fact>,
    pub(super) labels_sentences: Vec<String>,
    /// Measures of labels in PCA and t-SNE space.
    pub(super) spaces: Vec<SpaceRow>,
    pub(super) classes: Vec<ClassQualityRow>,
    pub(super) has_sequences: bool,
    pub(super) confusions: Vec<ConfusionView>,
    pub(super) k: usize,
}

/// A name and some figures.
#[derive(Debug, Serialize)]
pub(super) struct SpaceRow {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// A class; pairs are PCA and t-SNE.
#[derive(Debug, Serialize)]
pub(super) struct ClassQualityRow {
    pub(super) marker: String,
    pub(super) label: String,
    pub(super) n: String,
    pub(super) accuracy: [String; 2],
    pub(super) other_sequences: [String; 2],
    pub(super) silhouette: [String; 2],
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

/// Images of one class that are taken for another.
#[derive(Debug, Serialize)]
pub(super) struct PairRow {
    pub(super) label: String,
    pub(super) predicted: String,
    pub(super) n: String,
}

/// Section on images that stand out.
#[derive(Debug, Serialize)]
pub(super) struct FindingsSection {
    pub(super) outliers_sentence: String,
    pub(super) outliers: Vec<Finding>,
    pub(super) representatives: Vec<Thumb>,
    pub(super) n_more_representatives: usize,
    pub(super) disagreements_sentence: String,
    pub(super) disagreements: Vec<Finding>,
}

/// An image that stands out, and its nearest.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) image: Thumb,
    pub(super) near: Vec<Thumb>,
}

/// Why a section is empty; said only where it is.
#[derive(Debug, Serialize)]
pub(super) struct Missing {
    pub(super) features: String,
    pub(super) pca: String,
    pub(super) tsne: String,
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

impl Fact {
    /// A fact in words.
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            code: false,
        }
    }

    /// A digest or an identifier.
    pub(super) fn code(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            code: true,
        }
    }
}
