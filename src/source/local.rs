//! A folder of images on this machine.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::{Listing, Object, State, Unlisted, is_hidden_path};
use crate::error::{Error, Result};
use crate::rejection::Reason;

/// A folder of images; keys are paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// Takes a folder that exists.
    ///
    /// # Errors
    /// [`Error::Storage`] if `root` is missing or is no folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let metadata = root
            .metadata()
            .map_err(Error::storage("read folder", &root))?;
        if !metadata.is_dir() {
            let source = io::Error::new(io::ErrorKind::NotADirectory, "it is a file, not a folder");
            return Err(Error::storage("read folder", &root)(source));
        }
        Ok(Self { root })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All files below the folder but hidden ones, sorted by key. Links are followed; a loop of links is an
    /// [`Unlisted`] entry, as is a folder that cannot be opened.
    #[must_use]
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let walk = WalkDir::new(&self.root).follow_links(true).min_depth(1);
        for entry in walk.into_iter().filter_entry(|e| !is_hidden_path(e.path())) {
            match entry.and_then(|e| Ok((e.metadata()?, e))) {
                Ok((metadata, entry)) if metadata.is_file() => listing.objects.push(Object {
                    key: self.key(entry.path()),
                    size_bytes: metadata.len(),
                    state: State::File(entry.into_path()),
                }),
                Ok(_) => {}
                Err(fault) => listing.unlisted.push(Unlisted {
                    key: self.key(fault.path().unwrap_or(&self.root)),
                    reason: fault
                        .io_error()
                        .map_or(Reason::Unreadable, Reason::of_reading),
                    message: fault
                        .io_error()
                        .map_or(fault.to_string(), ToString::to_string),
                }),
            }
        }
        listing
            .objects
            .sort_by(|a, b| (&a.key, &a.state).cmp(&(&b.key, &b.state)));
        listing.unlisted.sort_by(|a, b| a.key.cmp(&b.key));
        listing
    }

    /// The bytes of the file with this key.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.root.join(key))
    }

    fn key(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// SHA-256 of a file in lower-case hexadecimal, read in pieces.
///
/// # Errors
/// What the operating system said.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
