//! What a run leaves behind as data: `run.json` and `timings.json`.
//!
//! `run.json` holds nothing that differs between two runs of the same command on the same kind of
//! machine; clocks, memory, threads and folders of outputs live in `timings.json`.

mod comparison;
mod gate;
mod measures;

use serde::{Deserialize, Serialize};

pub use self::comparison::{
    Alignment, Baseline, Comparison, Difference, EmbeddingComparison, Inputs, Keys, Metric, Moved,
    Verdict,
};
pub use self::gate::{Gate, GateName, Unit};
pub use self::measures::{
    ClassQuality, Confusion, Confusions, Disagreement, Faithfulness, FindingsRecord, LabelQuality,
    LabelsRecord, Outlier, PermutationNull, QualityRecord, Representative, Sequences,
};

/// Version of the layout of `run.json`; the number grows when a key changes its meaning.
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
    /// Embedding; absent if the run did not come that far.
    pub tsne: Option<TsneRecord>,
    /// Quality of the embedding; absent without one.
    pub quality: Option<QualityRecord>,
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
    /// Files left out by `--classes`, `--top-classes` or `--limit`, and files in no class folder.
    pub skipped: u64,
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

/// Two files that look alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearDuplicate {
    /// The one whose key sorts first.
    pub first: String,
    /// The other.
    pub second: String,
    /// Euclidean distance of their kept components.
    pub distance: f64,
    /// The same, relative to the median distance of an image to its nearest.
    pub relative: f64,
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

/// The descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeaturesRecord {
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
    /// Resize filter.
    pub filter: String,
    /// Values of a descriptor.
    pub n_features: usize,
    /// Share of exact zeros, 0 to 1.
    pub zero_ratio: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean of all values.
    pub mean: f64,
    /// Smallest Euclidean norm of a descriptor.
    pub norm_min: f64,
    /// Mean Euclidean norm.
    pub norm_mean: f64,
    /// Largest Euclidean norm.
    pub norm_max: f64,
    /// Images with a value that was NaN or infinite; they are rejected.
    pub n_non_finite: u64,
    /// Features with the same value in every image.
    pub n_constant: u64,
    /// SHA-256 over everything but the images that decides the descriptors: model, preprocessing, precision, code.
    pub fingerprint: String,
}

/// The principal components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PcaRecord {
    /// `krylov` or `linfa`.
    pub solver: String,
    /// Seed of the starting block.
    pub seed: u64,
    /// Components kept.
    pub n_components: usize,
    /// The rule that fixed that number, in words.
    pub rule: String,
    /// Largest number of components with variance: min(n - 1, n_features).
    pub rank_limit: usize,
    /// Variance along each kept component (divided by n - 1).
    pub explained_variance: Vec<f64>,
    /// The same, relative to the total variance of all features.
    pub explained_variance_ratio: Vec<f64>,
    /// Sum of the ratios.
    pub explained_variance_ratio_sum: f64,
    /// Ratios past the kept components that the solver also found, for the scree plot.
    pub further_ratios: Vec<f64>,
    /// Total variance of all features (divided by n - 1).
    pub total_variance: f64,
    /// Largest relative residual of a kept component; absent where the solver gives none.
    pub residual: Option<f64>,
    /// Passes over the descriptors.
    pub n_passes: usize,
    /// Whether the stopping rule was met before the cap.
    pub converged: bool,
    /// How many components 90, 95 and 99 % of the variance take.
    pub needed: Vec<Needed>,
    /// Images that the kept components describe worst, worst first, at most twelve.
    pub worst_reconstructed: Vec<Reconstruction>,
}

/// How many components a share of the variance takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Needed {
    /// Share of the total variance, 0 to 1.
    pub variance: f64,
    /// The number, or the least it can be.
    pub n_components: usize,
    /// Whether the number is exact; otherwise it is a lower bound.
    pub exact: bool,
}

/// How badly the kept components describe an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    /// The image.
    pub key: String,
    /// Share of the image's squared distance from the mean that is lost, 0 to 1.
    pub lost: f64,
}

/// The embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TsneRecord {
    /// As used.
    pub perplexity: f64,
    /// As asked for.
    pub perplexity_requested: f64,
    /// Seed of the run.
    pub seed: u64,
    /// Iterations, early exaggeration included.
    pub n_iter: usize,
    /// Kullback-Leibler divergence of the un-exaggerated P from Q, natural logarithm.
    pub kl_divergence: f64,
    /// How the points started.
    pub init: String,
}

/// A parameter, its value and where the value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// As on the command line, without dashes.
    pub name: String,
    /// As text.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// Who set a parameter; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file named by `--config`.
    File,
    /// A `FRUITS_*` variable.
    Environment,
    /// The command line.
    Flag,
    /// The code that called the library, in a notebook or elsewhere.
    Code,
}

/// The shortest command of `report` that gives the same numbers as `parameters`.
#[must_use]
pub fn command(parameters: &[Parameter]) -> String {
    let set = parameters
        .iter()
        .filter(|p| p.origin != Origin::Default && !p.value.is_empty());
    let words = set.map(|p| match (p.name.as_str(), p.value.as_str()) {
        // They take no value.
        ("no-sign-request" | "request-payer", "false") => String::new(),
        ("no-sign-request" | "request-payer", _) => format!(" --{}", p.name),
        (name, value) => format!(" --{name}={}", quoted(value)),
    });
    format!("report{}", words.collect::<String>())
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/,=+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What produced the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// A command that gives the same numbers.
    pub command: String,
    /// Version of this crate.
    pub version: String,
    /// Git commit the binary was built from, `-dirty` if the tree had changes; `unknown` outside git.
    pub git_commit: String,
    /// Compiler.
    pub rustc: String,
    /// SHA-256 of the lock file the binary was built with.
    pub lock_sha256: String,
    /// Versions of the libraries that decide numbers or pictures.
    pub libraries: Vec<Version>,
    /// Processor model.
    pub cpu: String,
    /// Instruction sets that matter here and are present.
    pub cpu_features: Vec<String>,
    /// SHA-256 of the sorted manifest: key, label, size and SHA-256 of every image used.
    pub manifest_sha256: String,
    /// Files written beside `run.json` and their SHA-256.
    pub outputs: Vec<Output>,
}

/// A library and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Package name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A file of the run and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// File name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

/// The content of `timings.json`: all that differs between two runs of the same command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Stages in order.
    pub stages: Vec<Stage>,
    /// Wall time of the whole run, the report included, in seconds.
    pub total_s: f64,
    /// Largest resident memory of the process.
    pub peak_rss_bytes: u64,
    /// Worker threads.
    pub threads: usize,
    /// What was asked of S3; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Record>,
    /// What a cluster did; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterRecord>,
    /// Options that change no number: folders, threads ...
    pub options: Vec<Parameter>,
}

/// What a cluster did for a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// As in `--engine`.
    pub engine: String,
    /// Jobs that were handed to it.
    pub n_jobs: u64,
    /// Those that did something, by name.
    pub workers: Vec<WorkerRecord>,
    /// Tries that gave nothing, and that another one followed.
    pub lost: Vec<LostTry>,
}

/// What one worker did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name.
    pub name: String,
    /// Shards it described, as first and last of each run of numbers.
    pub shards: Vec<[usize; 2]>,
    /// Images of these, with the rejected ones.
    pub n_images: u64,
    /// Time from the begin of each of these tasks to its receipt, summed over tasks that overlap, in seconds.
    pub features_s: f64,
    /// Other tasks: surveys, products and sums of the PCA, scores.
    pub n_reductions: u64,
    /// The same for these.
    pub reductions_s: f64,
}

impl WorkerRecord {
    /// One that did nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// It described a shard; shards come in order.
    pub fn add_shard(&mut self, index: usize, n_images: usize, wall_s: f64) {
        match self.shards.last_mut() {
            Some(last) if last[1] + 1 == index => last[1] = index,
            _ => self.shards.push([index, index]),
        }
        self.n_images += n_images as u64;
        self.features_s += wall_s;
    }
}

/// A try of a task that gave nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostTry {
    /// Name of the task, such as `features-00017`.
    pub task: String,
    /// Who tried.
    pub worker: String,
    /// Until it failed, or until the next try began, in seconds.
    pub lost_s: f64,
    /// What it met; absent if the worker ended or hung.
    pub why: Option<String>,
}

/// What was asked of S3. Each request is counted once under its kind, however often it was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct S3Record {
    /// Pages of listings.
    pub lists: u64,
    /// Objects read.
    pub gets: u64,
    /// Objects written.
    pub puts: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Content of the objects read, in bytes.
    pub received_bytes: u64,
    /// Content of the objects written, in bytes.
    pub sent_bytes: u64,
    /// Time from each read's request to its last byte, summed over reads that overlap, in seconds.
    pub get_s: f64,
}

/// A stage and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `list`, `features`, `gather`, `pca`, `tsne`, `quality`, `report`.
    pub name: String,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Images that went through.
    pub items: u64,
    /// Of these, how many were taken from the cache.
    pub cache_hits: u64,
    /// What it did, where that is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// In words: `network`, `writing` ...
    pub name: String,
    /// Wall time in seconds, without waiting for the part beside it; parts that work side by side overlap.
    pub busy_s: f64,
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
