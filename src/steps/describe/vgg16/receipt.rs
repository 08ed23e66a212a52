//! What set-up wrote down of the libraries it made, `runtime.json`: one that was changed is told by its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use super::runtime::RuntimeFolder;
use crate::error::{Error, Result};
use crate::storage::foreign::Folder;

const RECEIPT: &str = "runtime.json";
/// Set-up writes 3 kB.
const MOST_RECEIPT_BYTES: u64 = 1 << 20;
const LIBRARIES: &str = "lib";

/// Nothing stops this: it takes less than a second.
static NEVER: AtomicBool = AtomicBool::new(false);

#[derive(Deserialize)]
struct Receipt {
    files: Vec<File>,
    /// Links and what they lead to.
    links: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    sha256: String,
}

impl RuntimeFolder {
    /// What set-up did not leave so: each library that has another SHA-256 than in `runtime.json`, is gone or is not in it, in
    /// a few words. Loads none of them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if there is no such file of set-up.
    pub fn changes(&self) -> Result<Vec<String>> {
        let unread = |why: String| {
            let path = self.path().join(RECEIPT);
            Error::runtime(format!("`{}` cannot be read", path.display()), why)
        };
        let folder = Folder::open(self.path()).map_err(|e| unread(e.to_string()))?;
        let bytes = folder
            .file(RECEIPT)
            .and_then(|file| file.read(MOST_RECEIPT_BYTES, &NEVER))
            .map_err(|fault| unread(fault.to_string()))?;
        let receipt: Receipt = serde_json::from_slice(&bytes).map_err(|e| unread(e.to_string()))?;

        let is_library = |path: &str| Path::new(path).starts_with(LIBRARIES);
        let mut known = BTreeSet::new();
        let mut changes = Vec::new();
        for File { path, sha256 } in receipt.files.iter().filter(|file| is_library(&file.path)) {
            known.insert(path.as_str());
            match folder
                .file(path)
                .and_then(|file| file.sha256(u64::MAX, &NEVER))
            {
                Ok(found) if found == *sha256 => {}
                Ok(_) => changes.push(format!("`{path}` has another SHA-256")),
                Err(fault) => changes.push(format!("`{path}` {fault}")),
            }
        }
        for (path, target) in &receipt.links {
            known.insert(path.as_str());
            let found = fs::read_link(self.path().join(path));
            if !found.is_ok_and(|found| found == Path::new(target)) {
                changes.push(format!("`{path}` does not lead to `{target}`"));
            }
        }
        // The libraries look for others beside them.
        for entry in fs::read_dir(self.path().join(LIBRARIES))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = format!("{LIBRARIES}/{}", entry.file_name().to_string_lossy());
            if !known.contains(path.as_str()) {
                changes.push(format!("`{path}` is not set-up's"));
            }
        }
        Ok(changes)
    }
}
