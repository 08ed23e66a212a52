//! Folders that are gone when nobody holds them any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::storage::lock;

/// Starts the names of these folders: no other program's, since they are removed where nobody holds them.
const PREFIX: &str = ".fruits-temporary-";

/// A folder that goes away with this value, or when another run begins after this process has died.
#[derive(Debug)]
pub struct TempDir {
    folder: tempfile::TempDir,
    /// Says that its process lives.
    _held: Option<File>,
}

impl TempDir {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps it for good, under a name without the dot that hid it.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        let path = self.folder.keep();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = path.with_file_name(name.replace(PREFIX, "fruits-"));
        match fs::rename(&path, &shown) {
            Ok(()) => shown,
            Err(_) => path,
        }
    }
}

/// A new folder in that for temporary files.
///
/// # Errors
/// [`Error::Storage`], which names the folder for temporary files.
pub fn folder(purpose: &str) -> Result<TempDir> {
    let all = std::env::temp_dir();
    let prefix = format!("{PREFIX}{purpose}-");
    loop {
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(&all);
        let folder = made.map_err(Error::storage("create a folder in", &all))?;
        let held = lock::hold(folder.path());
        // Without a lock for an instant, it may have been taken for one of a process that died.
        if folder.path().exists() {
            return Ok(TempDir {
                folder,
                _held: held,
            });
        }
    }
}

/// Removes the folders of processes that died.
pub fn remove_stale() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
        let is_ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_ours
            && path.symlink_metadata().is_ok_and(|m| m.is_dir())
            && let Some(_held) = lock::hold(&path)
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
