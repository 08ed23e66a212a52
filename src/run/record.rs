//! What a run found, as its record says it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::frame::{column, strings};
use crate::record::{
    ClassCount, Dataset, Example, ImageCounts, ModeCount, Origin, Parameter, Provenance,
    QualityRecord, Run, SCHEMA, SizeCount, SourceRecord, SplitCount, Status,
};
use crate::schema::{HEIGHT, KEY, LABEL, MODE, ORIENTATION, SHA256, SPLIT, WIDTH};
use crate::steps::findings::FindingsRecord;
use crate::steps::load::{Loaded, wanted};
use crate::steps::pca::{Keep, Pca};
use crate::steps::resize::{self, Filter};
use crate::storage::source::{Source, Unread};

use super::options::{OPTIONS, RunOption};
use super::params::Params;

/// Classes of which the report shows an image before and after the resize.
const MAX_EXAMPLES: usize = 5;
/// Share of the images by which frames of the same object may raise label accuracy before a reader is told: what sampling
/// 100 images leaves open (twice the standard error at 0.95).
const FLATTERY: f64 = 0.05;
/// Share of the variance below which a reader is told.
const ENOUGH_VARIANCE: f64 = 0.90;

pub(super) fn pca_warnings(params: &Params, pca: &Pca) -> Vec<String> {
    let mut warnings = Vec::new();
    let kept: f64 = pca.explained_variance_ratio().iter().sum();
    if let Keep::Components(asked) = params.pca.keep {
        if pca.n_components() < asked {
            warnings.push(format!(
                "{asked} components were asked for, but {} images have at most {}: {} are kept",
                pca.n_samples(),
                pca.rank_limit(),
                pca.n_components()
            ));
        }
        if kept < ENOUGH_VARIANCE {
            warnings.push(format!(
                "{} components explain {:.1} % of the variance, less than 90 %",
                pca.n_components(),
                100.0 * kept
            ));
        }
    }
    if !pca.converged() {
        warnings.push(format!(
            "PCA stopped at its cap of {} passes before its residual was small enough",
            pca.n_passes()
        ));
    }
    warnings
}

/// What stands out, for who watches the run.
pub(super) fn findings_note(found: &FindingsRecord) -> String {
    let doubts = format!(
        "{} labels that neighbours do not share",
        found.n_disagreements
    );
    match found.n_conflicts {
        0 => doubts,
        1 => format!("1 image under several labels, {doubts}"),
        n => format!("{n} images under several labels, {doubts}"),
    }
}

/// That images are in the set under several labels.
pub(super) fn conflict_warning(found: &FindingsRecord) -> Option<String> {
    several_labels(found.n_conflicts, "they stand first among the label doubts")
}

/// The same of files with equal bytes, which is all that is known without components.
pub(super) fn same_files_warning(images: &DataFrame) -> Result<Option<String>> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (digest, label) in strings(images, SHA256)?
        .into_iter()
        .zip(strings(images, LABEL)?)
    {
        labels.entry(digest).or_default().insert(label);
    }
    let n = labels.values().filter(|labels| labels.len() > 1).count();
    Ok(several_labels(n as u64, "duplicates.csv names their files"))
}

fn several_labels(n: u64, place: &str) -> Option<String> {
    let images = match n {
        0 => return None,
        1 => "1 image is".to_owned(),
        n => format!("{n} images are"),
    };
    Some(format!(
        "{images} in the set under several labels, of which at most one is right; {place}"
    ))
}

/// A label accuracy that frames of the same objects make up.
pub(super) fn flattered(quality: &QualityRecord) -> Option<String> {
    let labels = quality.labels.as_ref()?;
    let (with, without) = (
        labels.pca.accuracy_judged?,
        labels.pca.accuracy_other_sequences?,
    );
    (with - without > FLATTERY).then(|| {
        format!(
            "neighbours are mostly other frames of the same object: label accuracy is {:.1} % with them and {:.1} % without \
             the image's own sequence",
            100.0 * with,
            100.0 * without
        )
    })
}

/// Every parameter that can change a number: those that are options under their names, the others, where they are not the
/// default, in words.
pub(super) fn parameters(params: &Params) -> Vec<Parameter> {
    let parameter = |option: &RunOption| {
        if option.is_idle(params.descriptor_name()) {
            return None;
        }
        let value = option.of?(params);
        let origin = match value == option.default_value() {
            true => Origin::Default,
            false => Origin::Code,
        };
        Some(option.parameter(value.as_ref(), origin))
    };
    let mut parameters: Vec<_> = OPTIONS.iter().filter_map(parameter).collect();
    let defaults = Params::new(params.input.clone());
    let further = [
        (
            "t-SNE seed",
            params.tsne.seed.to_string(),
            params.pca.seed.to_string(),
        ),
        (
            "PCA passes at most",
            params.pca.max_passes.to_string(),
            defaults.pca.max_passes.to_string(),
        ),
        (
            "early exaggeration",
            params.tsne.early_exaggeration.to_string(),
            defaults.tsne.early_exaggeration.to_string(),
        ),
        (
            "early exaggeration iterations",
            params.tsne.early_exaggeration_iter.to_string(),
            defaults.tsne.early_exaggeration_iter.to_string(),
        ),
        (
            "t-SNE theta",
            params.tsne.theta.to_string(),
            defaults.tsne.theta.to_string(),
        ),
    ];
    for (name, value, default) in further {
        if value != default {
            parameters.push(Parameter {
                name: name.to_owned(),
                value,
                values: Vec::new(),
                origin: Origin::Code,
            });
        }
    }
    let further = params.further_projections.iter();
    parameters.extend(further.map(|projection| Parameter {
        name: format!("projection {}", projection.name()),
        value: projection.recipe(),
        values: Vec::new(),
        origin: Origin::Code,
    }));
    parameters
}

/// What is known of a run once its images are.
pub(super) fn begin_record(params: &Params, loaded: &Loaded, images: &DataFrame) -> Result<Run> {
    let accepted = images.height() as u64;
    let connection = match &params.input {
        Source::Folder(_) => None,
        Source::Bucket(prefix) => Some(prefix.connection()),
    };
    let mut warnings = Vec::new();
    let classes = if accepted == 0 {
        Vec::new()
    } else {
        count(strings(images, LABEL)?)
    };
    let classes: Vec<_> = classes
        .into_iter()
        .map(|(label, n)| ClassCount {
            label: label.to_owned(),
            n,
        })
        .collect();
    if classes.len() == 1 {
        warnings.push(
            "there is one class only: nothing is said of how well labels are told apart".to_owned(),
        );
    }
    warnings.extend(loaded.warnings.iter().cloned());
    if !loaded.rejected.is_empty() {
        warnings.push(match loaded.rejected.len() {
            1 => "1 file was rejected; it is listed with the reason".to_owned(),
            n => format!("{n} files were rejected; each is listed with its reason"),
        });
    }
    Ok(Run {
        schema: SCHEMA.to_owned(),
        status: Status::Complete,
        source: SourceRecord {
            kind: params.input.kind().to_owned(),
            name: params.input.to_string(),
            region: connection.map(|c| c.region().to_owned()),
            endpoint: connection.and_then(|c| c.endpoint().map(ToOwned::to_owned)),
            n_objects: loaded.n_listed,
            size_bytes: loaded.size_bytes,
            label_rule: loaded.labels.in_words(),
        },
        images: ImageCounts {
            listed: loaded.n_listed,
            accepted,
            rejected: loaded.rejected.len() as u64,
            skipped: loaded.n_skipped,
            other: loaded.n_other,
            left_behind: loaded.n_left_behind,
        },
        classes,
        dataset: if accepted == 0 {
            Dataset::default()
        } else {
            dataset(images)?
        },
        features: None,
        pca: None,
        findings: None,
        tsne: None,
        quality: None,
        projections: Vec::new(),
        gates: Vec::new(),
        warnings,
        parameters: parameters(params),
        provenance: Provenance::default(),
        comparison: None,
    })
}

fn dataset(images: &DataFrame) -> Result<Dataset> {
    let widths = column(images, WIDTH)?.u32()?.no_null_iter();
    let heights = column(images, HEIGHT)?.u32()?.no_null_iter();
    let sizes = by_frequency(count(widths.zip(heights).collect::<Vec<_>>()));
    let modes = by_frequency(count(strings(images, MODE)?));
    let splits = match images.column(SPLIT) {
        Ok(_) => count(strings(images, SPLIT)?),
        Err(_) => Vec::new(),
    };
    let orientations = column(images, ORIENTATION)?.u32()?;
    let mut same: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (digest, key) in strings(images, SHA256)?
        .into_iter()
        .zip(strings(images, KEY)?)
    {
        same.entry(digest).or_default().push(key.to_owned());
    }
    let mut duplicates: Vec<_> = same.into_values().filter(|keys| keys.len() > 1).collect();
    duplicates.sort();
    let n_duplicate_groups = duplicates.len() as u64;
    duplicates.truncate(MAX_DUPLICATE_GROUPS);
    Ok(Dataset {
        n_sizes: sizes.len() as u64,
        sizes: sizes
            .into_iter()
            .take(MAX_SIZES)
            .map(|((width, height), n)| SizeCount { width, height, n })
            .collect(),
        modes: modes
            .into_iter()
            .map(|(mode, n)| ModeCount {
                mode: mode.to_owned(),
                n,
            })
            .collect(),
        splits: splits
            .into_iter()
            .map(|(split, n)| SplitCount {
                split: split.to_owned(),
                n,
            })
            .collect(),
        n_rotated: orientations.no_null_iter().filter(|&o| o > 1).count() as u64,
        duplicates,
        n_duplicate_groups,
        near_duplicates: Vec::new(),
    })
}

/// Image sizes that the record lists; the others are counted.
const MAX_SIZES: usize = 10;
/// Groups of equal files that the record lists; the others are counted.
pub(crate) const MAX_DUPLICATE_GROUPS: usize = 50;

/// Values with how often they occur, sorted by value.
fn count<T: Ord>(values: Vec<T>) -> Vec<(T, u64)> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Most frequent first, ties in their order.
fn by_frequency<T>(mut counts: Vec<(T, u64)>) -> Vec<(T, u64)> {
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts
}

/// An image of each of the first classes, before and after the resize; and why some are missing, if the source fails.
pub(super) fn examples(
    source: &Source,
    images: &DataFrame,
    filter: Filter,
    stop: &AtomicBool,
) -> Result<(Vec<Example>, Option<String>)> {
    let mut examples = Vec::new();
    if images.height() == 0 {
        return Ok((examples, None));
    }
    let mut first = BTreeMap::new();
    for (label, file) in strings(images, LABEL)?.into_iter().zip(wanted(images)?) {
        first.entry(label).or_insert(file);
    }
    let files: Vec<_> = first.into_values().take(MAX_EXAMPLES).collect();
    let keys: Vec<_> = files.iter().map(|file| file.key.clone()).collect();
    for (key, fetched) in keys.into_iter().zip(source.fetch(files, stop)) {
        let fetched = match fetched {
            Ok(fetched) => fetched,
            // A file that went away or changed since is no reason to lose a report, nor is a source that did.
            Err(Unread::File(..)) => continue,
            Err(Unread::Run(Error::Cancelled)) => return Err(Error::Cancelled),
            Err(Unread::Run(error)) => {
                let text = format!("images before and after the resize are missing: {error}");
                return Ok((examples, Some(text)));
            }
        };
        if let Ok(preview) = resize::preview(&fetched.bytes, filter) {
            examples.push(Example {
                key,
                original: preview.original_png,
                original_mime: "image/png".to_owned(),
                resized_png: preview.resized_png,
            });
        }
    }
    Ok((examples, None))
}
