//! A run held against a second one of the same parameters.
//!
//! The same bytes need no more words. Other bytes come from another kind of processor or another program, or somebody
//! changed them: then the difference is measured so that what may differ does not count. Components turn into each
//! other where their variances are nearly equal, so single ones are never compared; t-SNE is chaotic, so its
//! coordinates are not compared either, but what they are worth. What follows from a file is held against that file
//! ([`super::Recorded::files`]), and the file against the other one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::derived::{Duplicate, duplicates, value};
use super::differences::{Differences, walk};
use super::finding::named;
use super::metrics::{METRICS, ratios, worst};
use super::scores::{components, scores};
use super::{Finding, Recorded, Rejected};
use crate::atomic;
use crate::error::Result;
use crate::matrix::strings;
use crate::outputs::{DUPLICATES, EMBEDDINGS, PCA, REJECTED, RUN};
use crate::record::{Provenance, Run};
use crate::schema::{KEY, LABEL, SHA256};

/// Parts of a record that parameters and images do not decide: where the images are, what was asked for and by whom
/// (`auto` then, the precision itself now), and the program, which is compared by itself.
const FREE: [&str; 8] = [
    "provenance",
    "parameters",
    "comparison",
    "source.kind",
    "source.name",
    "source.region",
    "source.endpoint",
    "features.precision_reason",
];

/// Parts that last digits change. Each is a number of [`METRICS`] or follows from such a number or from a file, and is
/// held against it; the fingerprint covers program and processor.
const OF_DIGITS: [&str; 24] = [
    "dataset.near_duplicates",
    "features.fingerprint",
    "features.max",
    "features.mean",
    "features.min",
    "features.n_constant",
    "features.norm_max",
    "features.norm_mean",
    "features.norm_min",
    "features.onnxruntime",
    "features.zero_ratio",
    "findings",
    "pca.converged",
    "pca.explained_variance",
    "pca.explained_variance_ratio",
    "pca.explained_variance_ratio_sum",
    "pca.further_ratios",
    "pca.n_passes",
    "pca.needed",
    "pca.residual",
    "pca.total_variance",
    "pca.worst_reconstructed",
    "quality",
    "tsne.kl_divergence",
];

/// Parts in words that hold numbers.
const SENTENCES: [&str; 2] = ["status.reason", "warnings"];

/// What a comparison gives.
pub(super) enum Outcome {
    /// The same bytes, or the same numbers.
    Equal,
    /// Within tolerance, with the figure.
    Close(String),
    /// Neither, and where.
    Other(String),
}

use Outcome::{Close, Equal, Other};

impl Outcome {
    fn finding(self, what: &str) -> Finding {
        let what = format!("again: {what}");
        match self {
            Equal => Finding::ok(what, "equal"),
            Close(figure) => Finding::ok(what, format!("equal within tolerance: {figure}")),
            Other(fault) => Finding::differs(what, fault),
        }
    }
}

/// Holds the run `recorded` against `again`, which was computed with its parameters: one finding a result, `equal`,
/// `equal within tolerance` with the figure, or what differs and where.
#[must_use]
pub fn compare(recorded: &Recorded, again: &Recorded) -> Vec<Finding> {
    let (then, now) = (&recorded.run, &again.run);
    let others = program(&then.provenance, &now.provenance);
    let detail = match others.is_empty() {
        true => "by the same program on the same kind of processor".to_owned(),
        false => format!("last digits may differ: {}", others.join("; ")),
    };
    let mut findings = vec![Finding::ok("computed again", detail)];
    let images = images(recorded, again);
    let are_same = matches!(images, Equal);
    findings.push(images.finding("images"));
    findings.push(rejected(recorded, again).finding(REJECTED));
    if !are_same {
        let reason = "not compared: other images were used";
        findings.push(Finding::skipped("again: results", reason));
        return findings;
    }
    let of_data: Vec<_> = [(PCA, components as Comparison), (EMBEDDINGS, scores)]
        .into_iter()
        .filter_map(|(name, compare)| {
            let outcome = bytes(name, recorded, again, compare)?;
            Some((name, outcome))
        })
        .collect();
    let is_exact = others.is_empty() && of_data.iter().all(|(_, outcome)| matches!(outcome, Equal));
    let record = record(then, now, is_exact).unwrap_or_else(|e| Other(e.sentence()));
    findings.push(record.finding(RUN));
    if !is_exact {
        for (name, compare) in [
            ("explained variance", ratios as OfRecords),
            ("worst described images", worst),
        ] {
            findings.extend(compare(then, now).map(|outcome| outcome.finding(name)));
        }
        for metric in &METRICS {
            let outcome = metric.compare(then, now);
            findings.extend(outcome.map(|outcome| outcome.finding(metric.name)));
        }
    }
    let pairs = of_data.into_iter();
    findings.extend(pairs.map(|(name, outcome)| outcome.finding(name)));
    let compare: Comparison = match is_exact {
        true => |_, _| Ok(Other("holds other rows".to_owned())),
        false => equal_files,
    };
    let outcome = bytes(DUPLICATES, recorded, again, compare);
    findings.extend(outcome.map(|outcome| outcome.finding(DUPLICATES)));
    findings
}

type Comparison = fn(&Recorded, &Recorded) -> Result<Outcome>;
type OfRecords = fn(&Run, &Run) -> Option<Outcome>;

/// The same bytes, or what `compare` says of others; none where neither run has the file.
fn bytes(
    name: &str,
    recorded: &Recorded,
    again: &Recorded,
    compare: Comparison,
) -> Option<Outcome> {
    Some(
        match [recorded, again].map(|run| atomic::read(&run.folder.join(name))) {
            [Ok(then), Ok(now)] if then == now => Equal,
            [Ok(_), Ok(_)] => compare(recorded, again).unwrap_or_else(|e| Other(e.sentence())),
            [Err(_), Err(_)] => return None,
            [Ok(_), Err(_)] => Other("was written then and is not now".to_owned()),
            [Err(_), Ok(_)] => Other("is written now and was not then".to_owned()),
        },
    )
}

/// What computed the run, and what computed it again, where they are not the same: why bytes may differ.
fn program(then: &Provenance, now: &Provenance) -> Vec<String> {
    let mut others = Vec::new();
    let mut compare = |what: &str, then: &str, now: &str| {
        if then != now {
            others.push(format!("{what} {then} then, {now} now"));
        }
    };
    compare("version", &then.version, &now.version);
    compare("commit", &then.git_commit, &now.git_commit);
    compare("compiler", &then.rustc, &now.rustc);
    for library in &now.libraries {
        let old = then.libraries.iter().find(|l| l.name == library.name);
        let old = old.map_or("none", |l| l.version.as_str());
        compare(&library.name, old, &library.version);
    }
    compare("processor", &then.cpu, &now.cpu);
    let (old, new) = (then.cpu_features.join("+"), now.cpu_features.join("+"));
    compare("instructions", &old, &new);
    others
}

fn images(recorded: &Recorded, again: &Recorded) -> Outcome {
    let list = |run: &Recorded| -> Result<BTreeMap<String, [String; 2]>, String> {
        let frame = run.manifest.as_ref().map_err(Clone::clone)?;
        let column = |name| strings(frame, name).map_err(|e| e.sentence());
        let values = column(LABEL)?.into_iter().zip(column(SHA256)?);
        let rows = column(KEY)?.into_iter().zip(values);
        Ok(rows
            .map(|(key, (label, sha256))| (key.to_owned(), [label.to_owned(), sha256.to_owned()]))
            .collect())
    };
    match (list(recorded), list(again)) {
        (Ok(then), Ok(now)) if then == now => Equal,
        (Ok(then), Ok(now)) => {
            let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            let other = keys
                .into_iter()
                .filter(|key| then.get(*key) != now.get(*key));
            let other: Vec<_> = other.collect();
            Other(format!("{} are others: {}", other.len(), named(&other)))
        }
        (Err(reason), _) | (_, Err(reason)) => Other(reason),
    }
}

fn rejected(recorded: &Recorded, again: &Recorded) -> Outcome {
    let (then, now) = match (&recorded.rejected, &again.rejected) {
        (Ok(then), Ok(now)) if then == now => return Equal,
        (Ok(then), Ok(now)) => (then, now),
        (Err(reason), _) | (_, Err(reason)) => return Other(reason.clone()),
    };
    let reasons = |rows: &[Rejected]| -> BTreeSet<String> {
        let reason = |row: &Rejected| format!("{}: {}", row.key, row.reason);
        rows.iter().map(reason).collect()
    };
    let (then, now) = (reasons(then), reasons(now));
    if then == now {
        return Close(format!(
            "the same {} files and reasons, other messages",
            now.len()
        ));
    }
    let only = |of: &BTreeSet<String>, in_none: &BTreeSet<String>| {
        let only: Vec<_> = of.difference(in_none).cloned().collect();
        match only.is_empty() {
            true => "none".to_owned(),
            false => named(&only),
        }
    };
    let (gone, new) = (only(&then, &now), only(&now, &then));
    Other(format!(
        "rejected then and not now: {gone}; now and not then: {new}"
    ))
}

/// The groups of equal files; near ones follow from the scores, whose last digits may differ.
fn equal_files(recorded: &Recorded, again: &Recorded) -> Result<Outcome> {
    let exact = |run: &Recorded| -> Result<Vec<Duplicate>> {
        let rows = duplicates(&run.folder)?.into_iter();
        Ok(rows.filter(|row| row.kind == "exact").collect())
    };
    Ok(match exact(recorded)? == exact(again)? {
        true => {
            Close("the same equal files; those that look alike follow from the scores".to_owned())
        }
        false => Other("other files are equal".to_owned()),
    })
}

/// The whole record. Where `is_exact`, every number must be the same: both were read from JSON.
fn record(then: &Run, now: &Run, is_exact: bool) -> Result<Outcome> {
    let mut differences = Differences::default();
    let [then, now] = [value(then)?, value(now)?];
    walk("", &then, &now, &mut |path, then, now| {
        let is_in = |parts: &[&str]| parts.iter().any(|part| is_part(path, part));
        let is_digit = || {
            is_in(&OF_DIGITS)
                || is_outcome_of_gate(path)
                || (is_in(&SENTENCES) && is_same_but_numbers(then, now))
        };
        if !is_in(&FREE) && (is_exact || !is_digit()) {
            differences.push(path, [then, now], ["then", "now"]);
        }
    });
    Ok(match differences.sentence() {
        None => Equal,
        Some(sentence) => Other(sentence),
    })
}

/// Whether `path` is `part` or lies in it.
fn is_part(path: &str, part: &str) -> bool {
    let rest = path.strip_prefix(part);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What a run has in the place of a limit is one of its numbers; the limit itself is a parameter.
fn is_outcome_of_gate(path: &str) -> bool {
    is_part(path, "gates") && (path.ends_with("].value") || path.ends_with("].passed"))
}

/// Sentences that are the same but for the numbers in them.
fn is_same_but_numbers(then: &Value, now: &Value) -> bool {
    let words = |value: &Value| {
        let text = value.as_str()?;
        Some(text.replace(|c: char| c.is_ascii_digit(), ""))
    };
    words(then) == words(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_of_a_record() {
        assert!(is_part("pca.needed[0].exact", "pca.needed"));
        assert!(is_part("quality", "quality") && is_part("quality.k", "quality"));
        assert!(!is_part(
            "pca.explained_variance_ratio",
            "pca.explained_variance"
        ));
        assert!(is_outcome_of_gate("gates[0].passed") && !is_outcome_of_gate("gates[0].limit"));
    }

    #[test]
    fn numbers_in_sentences_may_differ() {
        let pair = |a: &str, b: &str| is_same_but_numbers(&json!(a), &json!(b));
        assert!(pair(
            "64 components explain 85.9 %",
            "64 components explain 86.1 %"
        ));
        assert!(!pair("one class only", "two classes only"));
    }
}
