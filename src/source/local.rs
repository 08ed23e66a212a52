//! A folder of images on this machine.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::error::{Error, Result};

/// A folder of images; keys are paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolder {
    root: PathBuf,
}

/// A file below a [`LocalFolder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Path below the root with `/` between parts. Bytes that are no UTF-8 show as `U+FFFD`.
    pub key: String,
    /// Where the bytes are.
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub size_bytes: u64,
}

/// A part of the listing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Path below the root.
    pub key: String,
    /// What the operating system said.
    pub message: String,
    /// Whether it is not there, permission is missing, or another kind of fault.
    pub kind: io::ErrorKind,
}

/// What is below a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files, sorted by key.
    pub objects: Vec<Object>,
    /// Folders and links that could not be followed, sorted by key.
    pub unlisted: Vec<Unlisted>,
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
        for entry in walk.into_iter().filter_entry(|e| !is_hidden(e.path())) {
            match entry.and_then(|e| Ok((e.metadata()?, e))) {
                Ok((metadata, entry)) if metadata.is_file() => listing.objects.push(Object {
                    key: self.key(entry.path()),
                    path: entry.into_path(),
                    size_bytes: metadata.len(),
                }),
                Ok(_) => {}
                Err(fault) => listing.unlisted.push(Unlisted {
                    key: self.key(fault.path().unwrap_or(&self.root)),
                    kind: fault
                        .io_error()
                        .map_or(io::ErrorKind::Other, io::Error::kind),
                    message: fault
                        .io_error()
                        .map_or(fault.to_string(), ToString::to_string),
                }),
            }
        }
        listing
            .objects
            .sort_by(|a, b| (&a.key, &a.path).cmp(&(&b.key, &b.path)));
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

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
