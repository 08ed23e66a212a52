//! What produced a run.

use serde::{Deserialize, Serialize};

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
