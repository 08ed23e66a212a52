//! Parameters and environment that differ.

use std::collections::BTreeMap;

use crate::record::{Difference, Run};
use crate::steps::describe::DescriptorName;

/// A parameter that records of earlier states lack.
const DESCRIPTOR: &str = "descriptor";

pub(super) fn parameters(baseline: &Run, now: &Run) -> Vec<Difference> {
    let values = |run: &Run| {
        let values = run.parameters.iter();
        let mut values: Vec<_> = values.map(|p| (p.name.clone(), p.typed())).collect();
        // Earlier states had no choice.
        if values.iter().all(|(name, _)| name != DESCRIPTOR) {
            values.push((DESCRIPTOR.to_owned(), DescriptorName::Vgg16.to_string()));
        }
        values
    };
    differing(values(baseline), values(now))
}

pub(super) fn environment(baseline: &Run, now: &Run) -> Vec<Difference> {
    differing(surroundings(baseline), surroundings(now))
}

/// Everything but parameters and images that can change a number.
fn surroundings(run: &Run) -> Vec<(String, String)> {
    let Run {
        provenance,
        features,
        ..
    } = run;
    let mut all = vec![
        ("version", provenance.version.clone()),
        ("git commit", provenance.git_commit.clone()),
        ("rustc", provenance.rustc.clone()),
        ("lock file SHA-256", provenance.lock_sha256.clone()),
        ("processor", provenance.cpu.clone()),
        ("instruction sets", provenance.cpu_features.join(" ")),
    ];
    let network = features.as_ref().and_then(|f| f.network.as_ref());
    if let Some(network) = network {
        all.extend([
            ("ONNX Runtime", network.onnxruntime.clone()),
            ("provider", network.provider.clone()),
            ("precision", network.precision.clone()),
            ("model SHA-256", network.model_sha256.clone()),
        ]);
    }
    let all = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    // The facts of a network say the same in other words, and earlier states have none.
    let facts = features.iter().filter(|_| network.is_none());
    let facts = facts.flat_map(|f| &f.facts);
    let libraries = provenance.libraries.iter();
    all.chain(facts.map(|f| (format!("descriptor: {}", f.name), f.value.clone())))
        .chain(libraries.map(|l| (format!("library {}", l.name), l.version.clone())))
        .collect()
}

/// Names with another value, in the order of `after`, then those that only `before` has. An empty value is none.
fn differing(before: Vec<(String, String)>, after: Vec<(String, String)>) -> Vec<Difference> {
    // Of several by one name the first that has a value.
    let by_name = |all: &[(String, String)]| {
        let mut values: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (name, value) in all {
            let first = values.entry(name.clone()).or_default();
            if first.is_none() && !value.is_empty() {
                *first = Some(value.clone());
            }
        }
        values
    };
    let [in_before, in_after] = [&before, &after].map(|all| by_name(all));
    let only_before = before
        .iter()
        .filter(|(name, _)| !in_after.contains_key(name));
    let names = after.iter().chain(only_before).map(|(name, _)| name);
    let all = names.map(|name| Difference {
        name: name.clone(),
        before: in_before.get(name).cloned().flatten(),
        after: in_after.get(name).cloned().flatten(),
    });
    all.filter(|d| d.before != d.after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each name against each other one would take minutes.
    #[test]
    fn names_without_number_are_compared_at_once() {
        let many = |value: &str| -> Vec<(String, String)> {
            let names = (0..200_000).map(|i| format!("library {i}"));
            names.map(|name| (name, value.to_owned())).collect()
        };
        let began = std::time::Instant::now();
        assert_eq!(differing(many("1"), many("2")).len(), 200_000);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_empty_or_missing_is_absent() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect()
        };
        let before = pairs(&[("seed", "1"), ("limit", ""), ("gone", "x"), ("same", "y")]);
        let after = pairs(&[("seed", "2"), ("limit", "9"), ("same", "y"), ("new", "")]);
        let found = differing(before, after);
        let found: Vec<_> = found
            .iter()
            .map(|d| (d.name.as_str(), d.before.as_deref(), d.after.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("seed", Some("1"), Some("2")),
                ("limit", None, Some("9")),
                ("gone", Some("x"), None)
            ]
        );
    }
}
