//! The comparison in words and figures.

use serde::Serialize;

use super::super::format::{count, counted, number, percent};
use super::super::pieces::{KEY_CHARS, LABEL_CHARS};
use super::super::widgets::{ClassRow, Fact, Thumb};
use crate::plot::{shortened, shown};
use crate::record::{
    Alignment, Comparison, Difference, EmbeddingComparison, Inputs, Keys, Metric,
    ProjectionComparison, Verdict,
};
use crate::schema::TSNE;

/// Digits of a SHA-256 that tell two apart at a glance; the record has them all.
const DIGEST_CHARS: usize = 16;

/// Section on an earlier run.
#[derive(Debug, Serialize)]
pub(in crate::page) struct ComparisonSection {
    pub(super) verdict: &'static str,
    pub(super) sentence: String,
    pub(super) baseline: Vec<Fact>,
    pub(super) metrics: Vec<MetricRow>,
    pub(super) inputs: String,
    pub(super) keys: Vec<KeyGroup>,
    pub(super) parameters: Vec<DifferenceRow>,
    pub(super) environment: Vec<DifferenceRow>,
    /// A part a projection.
    pub(super) embeddings: Vec<EmbeddingPart>,
}

/// The embeddings of both runs by one projection.
#[derive(Debug, Serialize)]
pub(super) struct EmbeddingPart {
    pub(super) heading: String,
    pub(super) title: String,
    /// Whether the picture may be rearranged at the smallest cause.
    pub(super) rearranges: bool,
    /// Why there is nothing more.
    pub(super) not_aligned: Option<String>,
    /// Neighbours that are the same in both embeddings.
    pub(super) shared: String,
    pub(super) facts: Vec<Fact>,
    pub(super) plot: Option<MovesView>,
    pub(super) moved: Vec<Thumb>,
    pub(super) has_pictures: bool,
}

/// A number of both runs.
#[derive(Debug, Serialize)]
pub(super) struct MetricRow {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) difference: String,
    pub(super) differs: bool,
}

/// A property that differs; empty where a run does not have it.
#[derive(Debug, Serialize)]
pub(super) struct DifferenceRow {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// Images that came, went or changed.
#[derive(Debug, Serialize)]
pub(super) struct KeyGroup {
    pub(super) name: &'static str,
    pub(super) n: String,
    pub(super) first: Vec<String>,
    /// Empty if all are listed.
    pub(super) n_more: String,
}

/// The plot of both embeddings.
#[derive(Debug, Serialize)]
pub(super) struct MovesView {
    pub(super) svg: String,
    pub(super) shown: String,
    pub(super) legend: Vec<ClassRow>,
}

/// Everything but pictures.
pub(super) fn worded(comparison: &Comparison) -> ComparisonSection {
    let base = &comparison.baseline;
    let inputs = &comparison.inputs;
    ComparisonSection {
        verdict: match comparison.verdict {
            Verdict::SameNumbers => "same-numbers",
            Verdict::OtherNumbers => "other-numbers",
            Verdict::OtherData => "other-data",
        },
        sentence: format!("{}.", shown(&comparison.sentence)),
        baseline: vec![
            Fact::new("Source", shown(&base.source)),
            Fact::new("Images used", count(base.accepted)),
            Fact::code("Command", shown(&base.command)),
            Fact::new("Program", shown(&format!("fruits {}", base.version))),
            Fact::code("Git commit", shown(&base.git_commit)),
            Fact::code("Input manifest SHA-256", digest(&base.manifest_sha256)),
        ],
        metrics: comparison.metrics.iter().map(metric_row).collect(),
        inputs: inputs_sentence(inputs),
        keys: key_groups(inputs),
        parameters: comparison.parameters.iter().map(difference_row).collect(),
        environment: comparison.environment.iter().map(difference_row).collect(),
        embeddings: comparison.projections.iter().map(embedding).collect(),
    }
}

fn embedding(projection: &ProjectionComparison) -> EmbeddingPart {
    let title = shown(&projection.title);
    let mut part = EmbeddingPart {
        // t-SNE had this heading before there were others.
        heading: match projection.name.as_str() {
            TSNE => "Embeddings laid over each other".to_owned(),
            _ => format!("{title} embeddings laid over each other"),
        },
        title,
        rearranges: projection.rearranges,
        not_aligned: None,
        shared: String::new(),
        facts: Vec::new(),
        plot: None,
        moved: Vec::new(),
        has_pictures: false,
    };
    match &projection.embedding {
        EmbeddingComparison::NotAligned { reason } => {
            let reason = shown(reason);
            part.not_aligned = Some(format!("The embeddings cannot be aligned: {reason}."));
        }
        EmbeddingComparison::Aligned(alignment) => {
            part.shared = shared(alignment);
            part.facts = facts(alignment);
            part.moved = moved(alignment);
        }
    }
    part
}

fn metric_row(metric: &Metric) -> MetricRow {
    let cell = |value: Option<f64>| value.map_or("–".to_owned(), figure);
    let difference = match metric.difference {
        None => "–".to_owned(),
        Some(0.0) => "0".to_owned(),
        // What rounds to nothing is not nothing.
        Some(d) if d.abs() < 5e-5 => signed(d, number(d)),
        Some(d) => signed(d, figure(d)),
    };
    MetricRow {
        name: shown(&metric.name),
        before: cell(metric.before),
        after: cell(metric.after),
        difference,
        differs: metric.before != metric.after,
    }
}

/// A count as such, everything else with four decimals where these tell enough.
fn figure(value: f64) -> String {
    let text = match value.abs() {
        size if value.fract() == 0.0 && size < 1e15 => count(size as u64),
        size if (1e-4..1e3).contains(&size) => format!("{size:.4}"),
        _ => return number(value),
    };
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    sign.to_owned() + &text
}

fn signed(value: f64, text: String) -> String {
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

fn difference_row(difference: &Difference) -> DifferenceRow {
    let cell = |value: &Option<String>| value.as_deref().map(digest).unwrap_or_default();
    DifferenceRow {
        name: shown(&difference.name),
        before: cell(&difference.before),
        after: cell(&difference.after),
    }
}

/// The beginning of a SHA-256; anything else as it is.
fn digest(text: &str) -> String {
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => format!("{}…", &text[..DIGEST_CHARS]),
        false => shown(text),
    }
}

fn inputs_sentence(inputs: &Inputs) -> String {
    let n = |keys: &Keys| count(keys.n);
    if [&inputs.added, &inputs.removed, &inputs.changed].map(|keys| keys.n) == [0; 3] {
        let images = counted(inputs.n_common, "image", "images");
        return format!("Both runs used the same {images} with the same labels.");
    }
    format!(
        "{} in both runs, {} of them with other bytes or another label; {} only in this run, {} only in the baseline.",
        counted(inputs.n_common, "image", "images"),
        n(&inputs.changed),
        n(&inputs.added),
        n(&inputs.removed)
    )
}

fn key_groups(inputs: &Inputs) -> Vec<KeyGroup> {
    let groups = [
        ("Added", &inputs.added),
        ("Removed", &inputs.removed),
        ("Changed", &inputs.changed),
    ];
    let groups = groups.into_iter().filter(|(_, keys)| keys.n > 0);
    groups
        .map(|(name, keys)| KeyGroup {
            name,
            n: count(keys.n),
            first: keys.first.iter().map(|key| shown(key)).collect(),
            n_more: match keys.n.saturating_sub(keys.first.len() as u64) {
                0 => String::new(),
                n => count(n),
            },
        })
        .collect()
}

pub(super) fn shared(alignment: &Alignment) -> String {
    let k = alignment.k;
    format!(
        "{} of the {} are the same; by chance it would be {}",
        percent(alignment.shared_neighbors),
        counted(k as u64, "nearest neighbour", "nearest neighbours"),
        percent(alignment.shared_by_chance)
    )
}

fn facts(alignment: &Alignment) -> Vec<Fact> {
    let dropped = match alignment.n_dropped {
        0 => String::new(),
        n => format!("; {} without a finite position left out", count(n)),
    };
    let mirrored = match alignment.reflected {
        true => "mirrored, then turned",
        false => "turned",
    };
    let angle = format!("{:.1}\u{B0}", alignment.rotation_degrees).replace('-', "\u{2212}");
    vec![
        Fact::new(
            "Images in both embeddings",
            format!("{}{dropped}", count(alignment.n_points)),
        ),
        Fact::new("Shared neighbours", shared(alignment)),
        Fact::new(
            "Moved to fit",
            format!(
                "{mirrored} by {angle}, scaled by {}",
                number(alignment.scale)
            ),
        ),
        Fact::new(
            "Disparity",
            format!(
                "{} (0 the same shape, 1 nothing in common)",
                small(alignment.disparity)
            ),
        ),
        Fact::new("Median displacement", radii(alignment.median_displacement)),
    ]
}

/// Four decimals, unless these are all 0.
fn small(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 5e-5 => number(v),
        v => format!("{v:.4}"),
    }
}

/// A displacement; what would round to nothing keeps its digits.
fn radii(displacement: f64) -> String {
    match displacement {
        0.0 => "0 radii".to_owned(),
        d if d < 0.005 => format!("{} radii", number(d)),
        d => format!("{d:.2} radii"),
    }
}

fn moved(alignment: &Alignment) -> Vec<Thumb> {
    let moved = alignment.most_moved.iter();
    moved
        .map(|image| Thumb {
            jpeg: None,
            key: shortened(&image.key, KEY_CHARS),
            label: shortened(&image.label, LABEL_CHARS),
            note: radii(image.displacement),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_that_round_to_nothing_are_shown() {
        let row = |before, after| {
            let metric = Metric {
                name: String::new(),
                before: Some(before),
                after: Some(after),
                difference: Some(after - before),
            };
            let row = metric_row(&metric);
            (row.before, row.after, row.difference)
        };
        let texts = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(row(4_098.0, 180.0), texts("4,098", "180", "\u{2212}3,918"));
        assert_eq!(row(0.5, 0.625), texts("0.5000", "0.6250", "+0.1250"));
        let tiny = f64::powi(2.0, -20);
        assert_eq!(
            row(0.5, 0.5 - tiny),
            texts("0.5000", "0.5000", "\u{2212}9.54e\u{2212}7")
        );
        assert_eq!(row(0.5, 0.5), texts("0.5000", "0.5000", "0"));
    }

    #[test]
    fn digests_are_shortened_and_names_are_not() {
        assert_eq!(digest(&"ab".repeat(32)), "abababababababab…");
        assert_eq!(digest("Intel\u{1}"), "Intel\u{2401}");
    }
}
