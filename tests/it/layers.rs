//! What `ARCHITECTURE.md` says of the layout: imports point to the left, files form no circle, and none is long.

use std::path::PathBuf;

use crate::imports::{Package, rust_files};
use crate::run::project;

/// Every module of the library may use those in front of it. Steps stand side by side and do not know each other.
const ORDER: [&[&str]; 29] = [
    &["error"],
    &["schema"],
    &["frame"],
    &[
        "storage::digest",
        "storage::guard",
        "storage::lock",
        "storage::rejection",
    ],
    &[
        "storage::temporary",
        "storage::atomic",
        "storage::foreign",
        "storage::parquet",
    ],
    &["storage::s3"],
    &["storage::place"],
    &["storage::source"],
    &["storage::store"],
    &["storage::cache"],
    &["steps::projection"],
    &[
        "steps::load",
        "steps::resize",
        "steps::describe",
        "steps::pca",
        "steps::duplicates",
        "steps::findings",
        "steps::tsne",
        "steps::quality",
    ],
    &["record"],
    &["run::descriptor", "run::machine", "run::pace"],
    &["run::control", "run::gather", "run::shards"],
    &["run::workers"],
    &["run::here"],
    &["run::params"],
    &["run::options", "run::limits"],
    &["run::record"],
    &["run::plan", "run::projections", "run::reduction"],
    &["run::stages"],
    &["run::described"],
    &["run"],
    &["outputs"],
    &["compare", "verify"],
    &["plot"],
    &["page"],
    &["notebook"],
];

/// The same of the cluster.
const CLUSTER: [&[&str]; 9] = [
    &["clock"],
    &["engine", "keys", "secret"],
    &["exchange", "survey", "task"],
    &["jobs", "piece", "scope", "tries"],
    &["driver"],
    &["rows"],
    &["kept"],
    &["worker"],
    &["cluster"],
];

/// Lines of a file, its tests with it.
const MAX_LINES: usize = 400;

#[test]
fn imports_point_to_the_left() {
    // The files that only list the modules of a room need no place.
    assert_ordered("src", &ORDER, &["", "storage", "steps"], 150);
    assert_ordered("crates/fruits-cluster/src", &CLUSTER, &[""], 40);
}

/// Holds each module of a crate to its place in `order`; `n_arrows` say that there was something to hold.
fn assert_ordered(folder: &str, order: &[&[&str]], lists: &[&str], n_arrows: usize) {
    let is_in =
        |module: &str, name: &str| module == name || module.starts_with(&format!("{name}::"));
    // The first place that names a module or what it is in.
    let found = |module: &str| {
        let places = order.iter().enumerate();
        let mut names = places.flat_map(|(place, names)| names.iter().map(move |n| (place, *n)));
        names.find(|(_, name)| is_in(module, name))
    };
    let mut n_seen = 0;
    for (from, uses) in &Package::read(&project().join(folder)).arrows {
        if lists.contains(&from.as_str()) {
            continue;
        }
        let Some((own, own_room)) = found(from) else {
            panic!("{folder}: module `{from}` has no place in the order")
        };
        for used in uses {
            let Some((left, room)) = found(used) else {
                panic!(
                    "{folder}: `{from}` must name the module that it uses, not `{used}`, by which users know it"
                )
            };
            assert!(
                left < own || room == own_room,
                "{folder}: `{from}` must not use `{used}`, which does not stand before it"
            );
            n_seen += 1;
        }
    }
    assert!(
        n_seen > n_arrows,
        "{folder}: only {n_seen} arrows; has the layout changed?"
    );
}

#[test]
fn mathematics_stands_alone() {
    let manifest = project().join("crates/fruits-maths/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("text");
    let (_, dependencies) = manifest.split_once("[dependencies]").expect("dependencies");
    let names = dependencies.lines().filter_map(|l| l.split_once(" = "));
    let names: Vec<_> = names.map(|(name, _)| name).collect();
    assert!(names.contains(&"faer"), "{names:?}");
    for name in names {
        let is_strange = ["polars", "aws-", "fruits"]
            .iter()
            .any(|n| name.starts_with(n));
        assert!(!is_strange, "fruits-maths depends on {name}");
    }
}

#[test]
fn the_page_touches_no_file() {
    let files = ["src/page.rs", "src/plot.rs", "src/page", "src/plot"];
    let touching = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "std::time",
        "storage::atomic",
        "storage::temporary",
        ".exists()",
        ".canonicalize()",
    ];
    for (path, text) in files
        .iter()
        .flat_map(|file| rust_files(&project().join(file)))
    {
        let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for words in touching {
            assert!(!code.contains(words), "{}: `{words}`", path.display());
        }
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for folder in sources() {
        let package = Package::read(&folder);
        for module in package.arrows.keys() {
            if let Some(way) = package.way_back(module) {
                circles.push(format!("{}: {}", folder.display(), way.join(" -> ")));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_is_long() {
    // What is written by hand; a template of CloudFormation can only be one file.
    let kinds = ["rs", "html", "css", "js", "mjs", "py", "sh", "c"];
    let rooms = [
        "build.rs",
        "benches",
        "crates",
        "deploy",
        "examples",
        "fuzz",
        "notebooks",
        "setup",
        "src",
        "templates",
        "tests",
    ];
    let mut n_files = 0;
    let mut long = Vec::new();
    for room in rooms.map(|name| project().join(name)) {
        let installed = |e: &walkdir::DirEntry| e.file_name() == "node_modules";
        let entries = walkdir::WalkDir::new(room).into_iter();
        for entry in entries.filter_entry(|e| !installed(e)) {
            let path = entry.expect("readable").into_path();
            let kind = path.extension().and_then(|e| e.to_str());
            if !path.is_file() || !kind.is_some_and(|kind| kinds.contains(&kind)) {
                continue;
            }
            let n = std::fs::read_to_string(&path)
                .expect("text")
                .lines()
                .count();
            if n > MAX_LINES {
                long.push(format!("{}: {n} lines", path.display()));
            }
            n_files += 1;
        }
    }
    assert!(
        n_files > 300,
        "only {n_files} files: has the layout changed?"
    );
    assert!(
        long.is_empty(),
        "more than {MAX_LINES} lines:\n{}",
        long.join("\n")
    );
}

/// The folders of the library and of each crate.
fn sources() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(project().join("crates")).expect("the crates");
    let crates = crates.map(|entry| entry.expect("readable").path().join("src"));
    let mut all: Vec<_> = crates.chain([project().join("src")]).collect();
    all.sort();
    all
}
