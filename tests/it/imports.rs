//! Which files of a crate name which others, read from their text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
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
pub struct Package {
    pub arrows: BTreeMap<String, BTreeSet<String>>,
}

impl Package {
    pub fn read(folder: &Path) -> Self {
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
    pub fn way_back(&self, start: &str) -> Option<Vec<String>> {
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
