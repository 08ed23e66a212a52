//! What `ARCHITECTURE.md` says of the layout: imports point to the left, files form no circle, and none is long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::run::project;

/// Every module of the library may use those in front of it. Steps stand side by side and do not know each other.
const ORDER: [&[&str]; 19] = [
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
    &["run"],
    &["outputs"],
    &["compare", "verify"],
    &["plot"],
    &["page"],
    &["notebook"],
];

/// Lines of a file, its tests with it.
const MAX_LINES: usize = 400;

#[test]
fn imports_point_to_the_left() {
    let library = Package::read(&project().join("src"));
    let place = |module: &str| {
        let is_in = |name: &&&str| module == **name || module.starts_with(&format!("{name}::"));
        ORDER
            .iter()
            .position(|names| names.iter().any(|n| is_in(&n)))
    };
    let room = |module: &str| {
        let mut all = ORDER.iter().copied().flatten();
        let is_in = |name: &&&str| module == **name || module.starts_with(&format!("{name}::"));
        all.find(|n| is_in(n)).copied()
    };
    let mut n_seen = 0;
    for (from, uses) in &library.arrows {
        // The files that only list the modules of a room.
        if ["", "storage", "steps"].contains(&from.as_str()) {
            continue;
        }
        let own = place(from).unwrap_or_else(|| panic!("module `{from}` has no place in ORDER"));
        for used in uses {
            let Some(left) = place(used) else {
                panic!(
                    "`{from}` must name the module that it uses, not `{used}`, by which users know it"
                )
            };
            assert!(
                left < own || room(used) == room(from),
                "`{from}` must not use `{used}`, which does not stand before it"
            );
            n_seen += 1;
        }
    }
    assert!(
        n_seen > 150,
        "only {n_seen} arrows: has the layout changed?"
    );
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

fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let files = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let paths = files.map(|entry| entry.expect("readable").into_path());
    let rust = paths.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("text");
        (path, text)
    };
    rust.map(read).collect()
}

/// The modules of a crate that have a file of their own, and which of these each names; the root is "".
struct Package {
    arrows: BTreeMap<String, BTreeSet<String>>,
}

impl Package {
    fn read(folder: &Path) -> Self {
        let files = rust_files(folder).into_iter().map(|(path, text)| {
            let path = path.strip_prefix(folder).expect("below").with_extension("");
            let names: Vec<_> = path.iter().map(|n| n.to_string_lossy()).collect();
            let name = names.join("::");
            let is_root = name == "lib" || name == "main";
            (if is_root { String::new() } else { name }, text)
        });
        let files: BTreeMap<_, _> = files.filter(|(name, _)| !name.ends_with("tests")).collect();
        let arrows = files.iter().map(|(own, text)| {
            let mut used = BTreeSet::new();
            for path in paths(text, own, &files) {
                // The longest beginning that is a file, or the root.
                let ends = (1..=path.len()).rev();
                let found = ends
                    .map(|n| path[..n].join("::"))
                    .find(|m| files.contains_key(m));
                let everywhere = ["Error", "Result"].contains(&path.last().map_or("", |n| n));
                let root = files.contains_key("") && !everywhere;
                used.extend(found.or(root.then(String::new)));
            }
            used.remove(own);
            (own.clone(), used)
        });
        Self {
            arrows: arrows.collect(),
        }
    }

    /// A way from a module to itself.
    fn way_back(&self, start: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways = vec![vec![start.to_owned()]];
        while let Some(way) = ways.pop() {
            for next in &self.arrows[&way[way.len() - 1]] {
                let mut longer = way.clone();
                longer.push(next.clone());
                if next == start {
                    return Some(longer);
                }
                if seen.insert(next.clone()) {
                    ways.push(longer);
                }
            }
        }
        None
    }
}

/// Every path in `text` that begins at `crate`, `self`, `super` or a module below `own`, from the root of the crate; but
/// those of re-exports, and those of the tests at a file's end.
fn paths(text: &str, own: &str, files: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    const TESTS: &str = "#[cfg(test)]\nmod ";
    let is_here = |at: &usize| {
        text[at + TESTS.len()..]
            .lines()
            .next()
            .is_some_and(|l| l.ends_with('{'))
    };
    let mut tests = text.match_indices(TESTS).map(|(at, _)| at);
    let text = &text[..tests.find(is_here).unwrap_or(text.len())];
    let tokens = tokens(text);
    let own: Vec<String> = own
        .split("::")
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect();
    let is_below = |name: &str| {
        let mut below = own.clone();
        below.push(name.to_owned());
        files.contains_key(&below.join("::"))
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", |i| tokens[i].as_str());
        if tokens[at] == "use" && (before(1) == "pub" || (before(1) == ")" && before(4) == "pub")) {
            while at < tokens.len() && tokens[at] != ";" {
                at += 1;
            }
        } else if before(1) == "in" && before(2) == "(" {
            // Who may see a thing.
        } else if before(1) != "::" && tokens.get(at + 1).is_some_and(|t| t == "::") {
            let base = match tokens[at].as_str() {
                "crate" => Some(Vec::new()),
                "self" => Some(own.clone()),
                "super" => Some(own[..own.len().saturating_sub(1)].to_vec()),
                name if is_below(name) => Some([&own[..], &[name.to_owned()]].concat()),
                _ => None,
            };
            if let Some(base) = base {
                at = tree(&tokens, at + 1, base, &mut found);
                continue;
            }
        }
        at += 1;
    }
    found
}

/// Reads what follows `base` from a `::` on, braces with it; says where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    mut base: Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    while tokens.get(at).is_some_and(|t| t == "::") {
        match tokens.get(at + 1).map(String::as_str) {
            Some("super") => {
                base.pop();
            }
            Some("{") => {
                at += 2;
                while at < tokens.len() && tokens[at] != "}" {
                    let mut path = base.clone();
                    if tokens[at] != "self" && tokens[at] != "*" {
                        path.push(tokens[at].clone());
                    }
                    at = tree(tokens, at + 1, path, found);
                    while at < tokens.len() && tokens[at] != "," && tokens[at] != "}" {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|t| t == ","));
                }
                return at + 1;
            }
            Some(name) => base.push(name.to_owned()),
            None => {}
        }
        at += 2;
    }
    found.push(base);
    at
}

/// Names, `::`, and single marks; no comments.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let n = match first {
                c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            if !first.is_whitespace() {
                found.push(rest[..n].to_owned());
            }
            rest = &rest[n..];
        }
    }
    found
}
