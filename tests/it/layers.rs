//! Modules import only from their left: `ARCHITECTURE.md` states the order, this test holds it.

use std::path::Path;

use crate::run::project;

/// Every module may use those in front of it. Steps stand side by side and do not know each other.
const ORDER: [&[&str]; 21] = [
    &["error"],
    &["schema", "record"],
    &["gates"],
    &["rejection"],
    &["atomic"],
    &["s3"],
    &["place"],
    &["matrix"],
    &["simd"],
    &["neighbors"],
    &["votes"],
    &["source"],
    &[
        "load", "resize", "features", "pca", "findings", "tsne", "quality",
    ],
    &["store"],
    &["pipeline"],
    &["outputs"],
    &["compare", "verify"],
    &["plot"],
    &["report"],
    &["notebook"],
    &["bin"],
];

#[test]
fn imports_point_to_the_left() {
    let src = project().join("src");
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&src) {
        let entry = entry.expect("readable");
        if entry.path().extension().is_none_or(|e| e != "rs") || entry.path().ends_with("lib.rs") {
            continue;
        }
        let own = module(entry.path().strip_prefix(&src).expect("below src"));
        let own_rank = rank(&own).unwrap_or_else(|| panic!("module `{own}` has no place in ORDER"));
        for line in std::fs::read_to_string(entry.path()).expect("text").lines() {
            let Some(rest) = line.trim_start().strip_prefix("use crate::") else {
                continue;
            };
            let used = rest.split([':', ';', '{', ' ']).next().unwrap_or_default();
            // The binary's own modules, and names that lib.rs re-exports, are no arrows between library modules.
            let Some(used_rank) = rank(used) else {
                continue;
            };
            assert!(
                used == own || used_rank < own_rank,
                "{}: `{own}` must not use `{used}`",
                entry.path().display()
            );
            seen += 1;
        }
    }
    assert!(
        seen > 40,
        "only {seen} imports were found: has the layout changed?"
    );
}

fn module(path: &Path) -> String {
    let first = path.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|names| names.contains(&name))
}
