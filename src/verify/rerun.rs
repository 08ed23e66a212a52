//! A run held against a second one of the same parameters.
//!
//! The same bytes need no more words. Other bytes come from another kind of processor or another program, or somebody
//! changed them: then the difference is measured so that what may differ does not count. Components turn into each
//! other where their variances are nearly equal, so single ones are never compared; t-SNE is chaotic, so its
//! coordinates are not compared either, but what they are worth. What follows from a file is held against that file
//! ([`Recorded::files`]), and the file against the other one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::derived::value;
use super::differences::{Differences, walk};
use super::finding::{Finding, named};
use super::metrics::{metrics, ratios, worst};
use super::outcome::Outcome::{self, Close, Equal, Other, Unknown};
use super::recorded::{Duplicate, Recorded, Rejected};
use super::scores::{components, scores};
use crate::error::{Error, Result};
use crate::frame::strings;
use crate::outputs::{DUPLICATES, EMBEDDINGS, PCA, REJECTED, RUN, Unread};
use crate::record::{Provenance, Run};
use crate::schema::{KEY, LABEL, SHA256};

/// Parts of a record that parameters and images do not decide: where the images are, how parameters were said (`auto`
/// then, the precision itself now), and the program, which is compared by itself; the words on the descriptor, which another
/// program may put in another way ([`words`] are those of the same one); the part of what was skipped, which earlier states do
/// not have; what systems leave is no part of the input.
const FREE: [&str; 12] = [
    "provenance",
    "parameters",
    "comparison",
    "source.kind",
    "source.name",
    "source.region",
    "source.endpoint",
    "features.precision_reason",
    "features.about",
    "features.facts",
    "images.other",
    "images.left_behind",
];

/// Parts that last digits change, beside those of the projections. Each is a number of [`metrics`] or follows from such
/// a number or from a file, and is held against it; the fingerprint covers program and processor.
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

/// Holds the run `recorded` against `again`, which was computed with its parameters: one finding a result, `equal`,
/// `equal within tolerance` with the figure, or what differs and where.
///
/// # Errors
/// [`Error::Cancelled`] with `stop`.
pub fn compare(recorded: &Recorded, again: &Recorded, stop: &AtomicBool) -> Result<Vec<Finding>> {
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
        return Ok(findings);
    }
    let mut of_data = Vec::new();
    for (name, compare) in [(PCA, components as Comparison), (EMBEDDINGS, scores)] {
        if let Some(outcome) = bytes(name, recorded, again, stop, compare)? {
            of_data.push((name, outcome));
        }
    }
    let is_exact = others.is_empty() && of_data.iter().all(|(_, outcome)| matches!(outcome, Equal));
    let record = record(then, now, is_exact, others.is_empty());
    let record = record.unwrap_or_else(|e| Other(e.to_string()));
    findings.push(record.finding(RUN));
    if !is_exact {
        for (name, compare) in [
            ("explained variance", ratios as OfRecords),
            ("worst described images", worst),
        ] {
            findings.extend(compare(then, now).map(|outcome| outcome.finding(name)));
        }
        let metrics = metrics(then, now).into_iter();
        findings.extend(metrics.map(|(name, outcome)| outcome.finding(&name)));
    }
    let pairs = of_data.into_iter();
    findings.extend(pairs.map(|(name, outcome)| outcome.finding(name)));
    let compare: Comparison = match is_exact {
        true => |_, _, _| Ok(Other("holds other rows".to_owned())),
        false => equal_files,
    };
    let outcome = bytes(DUPLICATES, recorded, again, stop, compare)?;
    findings.extend(outcome.map(|outcome| outcome.finding(DUPLICATES)));
    Ok(findings)
}

type Comparison = fn(&Recorded, &Recorded, &AtomicBool) -> Result<Outcome>;
type OfRecords = fn(&Run, &Run) -> Option<Outcome>;

/// The same bytes by their digests, or what `compare` says of others; none where neither run has the file.
fn bytes(
    name: &str,
    recorded: &Recorded,
    again: &Recorded,
    stop: &AtomicBool,
    compare: Comparison,
) -> Result<Option<Outcome>> {
    let [then, now] = [recorded, again].map(|run| Some((run.output(name)?, run.files.get(name)?)));
    Ok(Some(match (then, now) {
        (None, None) => return Ok(None),
        (Some(_), None) => Other("was written then and is not now".to_owned()),
        (None, Some(_)) => Other("is written now and was not then".to_owned()),
        // What a report may leave out is known by its digest.
        (Some((then, Err(Unread::Missing))), Some((now, Ok(_)))) if name == PCA => {
            match then.sha256 == now.sha256 {
                true => Equal,
                false => Unknown(format!(
                    "is not in the report, and has SHA-256 {} now, not {}: other bytes cannot be compared",
                    now.sha256, then.sha256
                )),
            }
        }
        (Some((then, Ok(_))), Some((now, Ok(_)))) if then.sha256 == now.sha256 => Equal,
        (Some((_, Ok(_))), Some((_, Ok(_)))) => match compare(recorded, again, stop) {
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            outcome => outcome.unwrap_or_else(|e| Other(e.to_string())),
        },
        (Some((_, Err(unread))), _) | (_, Some((_, Err(unread)))) => Other(unread.to_string()),
    }))
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
        let column = |name| strings(frame, name).map_err(|e| e.to_string());
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
fn equal_files(recorded: &Recorded, again: &Recorded, _stop: &AtomicBool) -> Result<Outcome> {
    let (then, now) = match (&recorded.duplicates, &again.duplicates) {
        (Ok(then), Ok(now)) => (then, now),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Other(reason.clone())),
    };
    let exact = |rows: &[Duplicate]| -> Vec<Duplicate> {
        let rows = rows.iter().filter(|row| row.kind == "exact");
        rows.cloned().collect()
    };
    Ok(match exact(then) == exact(now) {
        true => {
            Close("the same equal files; those that look alike follow from the scores".to_owned())
        }
        false => Other("other files are equal".to_owned()),
    })
}

/// The whole record. Where `is_exact`, every number must be the same: both were read from JSON. Where the program is the
/// same, so are its words.
fn record(then: &Run, now: &Run, is_exact: bool, is_same_program: bool) -> Result<Outcome> {
    let mut differences = Differences::default();
    if is_same_program {
        let [then, now] = [words(then)?, words(now)?];
        walk("features", &then, &now, &mut |path, then, now| {
            differences.push(path, [then, now], ["then", "now"]);
        });
    }
    let of_projections = digits_of_projections(now);
    let [then, now] = [value(then)?, value(now)?];
    walk("", &then, &now, &mut |path, then, now| {
        let is_in = |parts: &[&str]| parts.iter().any(|part| is_part(path, part));
        let is_digit = || {
            is_in(&OF_DIGITS)
                || of_projections.iter().any(|part| is_part(path, part))
                || is_outcome_of_gate(path)
                || (is_in(&SENTENCES) && is_same_but_numbers(then, now))
        };
        if !is_in(&FREE) && !is_wording(path) && (is_exact || !is_digit()) {
            differences.push(path, [then, now], ["then", "now"]);
        }
    });
    Ok(match differences.sentence() {
        None => Equal,
        Some(sentence) => Other(sentence),
    })
}

/// What a descriptor says of itself, without the reason for its precision: `auto` chose then what is asked for now.
fn words(run: &Run) -> Result<Value> {
    let Some(features) = &run.features else {
        return Ok(Value::Null);
    };
    let reason = features.network.as_ref().map(|n| &n.precision_reason);
    let reason = reason.map(|reason| format!(" ({reason})"));
    let facts = features.facts.iter().map(|fact| {
        let value = match &reason {
            Some(reason) => fact.value.strip_suffix(reason).unwrap_or(&fact.value),
            None => &fact.value,
        };
        json!({"name": fact.name, "value": value})
    });
    Ok(json!({"about": value(&features.about)?, "facts": facts.collect::<Vec<_>>()}))
}

/// Parts of the projections that last digits change: what came out of them, and their quality.
fn digits_of_projections(run: &Run) -> Vec<String> {
    let mut parts = Vec::new();
    for (i, projection) in run.projections.iter().enumerate() {
        let path = format!("projections[{i}]");
        parts.push(format!("{path}.quality"));
        for (j, figure) in projection.figures.iter().enumerate() {
            if figure.measured.is_some() {
                let figure = format!("{path}.figures[{j}]");
                parts.extend([format!("{figure}.value"), format!("{figure}.measured")]);
            }
        }
    }
    parts
}

/// What a projection says of itself in words: another program may have others.
fn is_wording(path: &str) -> bool {
    let words = [".title", ".hint", ".brief"];
    is_part(path, "projections") && words.iter().any(|end| path.ends_with(end))
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

    #[test]
    fn parts_of_a_record() {
        assert!(is_part("pca.needed[0].exact", "pca.needed"));
        assert!(is_part("quality", "quality") && is_part("quality.k", "quality"));
        assert!(!is_part(
            "pca.explained_variance_ratio",
            "pca.explained_variance"
        ));
        assert!(is_outcome_of_gate("gates[0].passed") && !is_outcome_of_gate("gates[0].limit"));
        assert!(is_wording("projections[0].hint") && !is_wording("projections[0].name"));
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
