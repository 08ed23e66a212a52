//! A cache as files under keys, in a folder here or in a bucket.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::names::{self, CLUSTER, Name};
use crate::error::{Error, Result};
use crate::storage::foreign::{Fault, Folder, What};
use crate::storage::place::Place;
use crate::storage::s3::Prefix;
use crate::storage::store::FOLDER;

/// A file of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where it lies below the cache.
    pub key: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was written, as the file system or S3 says.
    pub modified: Option<SystemTime>,
    /// Another one as soon as it is replaced.
    state: String,
}

/// The two files of a shard, as far as they are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pair {
    pub receipt: Option<Object>,
    pub data: Option<Object>,
}

/// What this program wrote into a cache, by the names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By the key without its ending.
    pub shards: BTreeMap<String, Pair>,
    pub partial: Vec<Object>,
    pub cluster: Vec<Object>,
    /// Folders that hold such files, the outer ones first.
    pub folders: Vec<String>,
    /// Links under names of this program.
    pub links: Vec<String>,
    /// Files beside these, under names that this program does not give.
    pub n_others: u64,
}

/// A file that was to be read.
pub(super) enum Content<T> {
    Read(T),
    Gone,
    /// Why not.
    Unreadable(String),
}

#[derive(Debug)]
pub(super) enum Files {
    Folder(Folder),
    Bucket(Prefix),
}

impl Files {
    pub fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Bucket(prefix) => Ok(Self::Bucket(prefix.clone())),
            Place::Folder(path) => {
                let folder = Folder::open(path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        let why = "there is no such folder; name the cache with --cache";
                        io::Error::new(error.kind(), why)
                    }
                    _ => error,
                });
                Ok(Self::Folder(
                    folder.map_err(Error::storage("open cache", path))?,
                ))
            }
        }
    }

    pub fn list(&self, stop: &AtomicBool) -> Result<Listing> {
        let mut listing = Listing::default();
        match self {
            Self::Folder(folder) => walk(folder, "", &mut listing, stop)?,
            Self::Bucket(prefix) => {
                for top in [FOLDER, CLUSTER] {
                    walk_bucket(prefix, top, &mut listing, stop)?;
                }
            }
        }
        Ok(listing)
    }

    /// Both files of a shard as they are now.
    pub fn look(&self, stem: &str, stop: &AtomicBool) -> Result<Pair> {
        let Some((below, _)) = stem.rsplit_once('/') else {
            return Ok(Pair::default());
        };
        let mut listing = Listing::default();
        match self {
            Self::Folder(folder) => walk(folder, below, &mut listing, stop)?,
            Self::Bucket(prefix) => walk_bucket(prefix, below, &mut listing, stop)?,
        }
        Ok(listing.shards.remove(stem).unwrap_or_default())
    }

    /// The bytes of a file, at most `most`.
    pub fn read(&self, key: &str, most: u64, stop: &AtomicBool) -> Result<Content<Vec<u8>>> {
        match self {
            Self::Folder(folder) => {
                content(folder.file(key).and_then(|file| file.read(most, stop)))
            }
            Self::Bucket(prefix) => Ok(in_bucket(prefix.try_read(key, most)?)),
        }
    }

    /// The SHA-256 of a file of at most `most` bytes.
    pub fn sha256(&self, key: &str, most: u64, stop: &AtomicBool) -> Result<Content<String>> {
        match self {
            Self::Folder(folder) => {
                content(folder.file(key).and_then(|file| file.sha256(most, stop)))
            }
            Self::Bucket(prefix) => Ok(in_bucket(prefix.try_sha256(key, most)?)),
        }
    }

    /// Removes a file; one that is not there is no fault.
    pub fn remove(&self, key: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => folder
                .remove(key)
                .map_err(|fault| fault_at("remove", &folder.path().join(key), fault)),
            Self::Bucket(prefix) => prefix.remove(key),
        }
    }

    /// Removes those of these folders that are empty. One that is not, or cannot be removed, harms nobody.
    pub fn remove_empty(&self, folders: &[String]) {
        if let Self::Folder(folder) = self {
            for key in folders.iter().rev() {
                let _ = folder.remove_empty(key);
            }
        }
    }
}

impl Listing {
    fn take(&mut self, object: Object) {
        match names::name(&object.key) {
            Some(Name::Data(stem)) => {
                self.shards.entry(stem).or_default().data = Some(object);
            }
            Some(Name::Receipt(stem)) => {
                self.shards.entry(stem).or_default().receipt = Some(object);
            }
            Some(Name::Cluster) => self.cluster.push(object),
            Some(Name::Partial) => self.partial.push(object),
            // What lies beside the folders of this program is not even counted.
            None => self.n_others += u64::from(object.key.contains('/')),
        }
    }
}

fn walk_bucket(
    prefix: &Prefix,
    below: &str,
    listing: &mut Listing,
    stop: &AtomicBool,
) -> Result<()> {
    let listed = prefix
        .below(below)
        .list(&mut |_| !stop.load(Ordering::Relaxed))?;
    for object in listed {
        listing.take(Object {
            key: format!("{below}/{}", object.key),
            size_bytes: object.size_bytes,
            modified: object.modified,
            state: object.etag,
        });
    }
    Ok(())
}

/// Lists what lies in the folder `below`, and in those in it that this program may have made.
fn walk(folder: &Folder, below: &str, listing: &mut Listing, stop: &AtomicBool) -> Result<()> {
    let entries = match folder.entries(below) {
        // Removed or exchanged meanwhile.
        Err(Fault::Missing | Fault::Link) => return Ok(()),
        entries => {
            entries.map_err(|fault| fault_at("list folder", &folder.path().join(below), fault))?
        }
    };
    for entry in entries {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let key = match below {
            "" => entry.name,
            below => format!("{below}/{}", entry.name),
        };
        match entry.what {
            What::Folder if names::is_folder(&key) => {
                listing.folders.push(key.clone());
                walk(folder, &key, listing, stop)?;
            }
            What::Link if names::is_folder(&key) || names::name(&key).is_some() => {
                listing.links.push(key);
            }
            What::File {
                size_bytes,
                modified,
                state,
            } => listing.take(Object {
                key,
                size_bytes,
                modified: Some(modified),
                state,
            }),
            _ => listing.n_others += u64::from(!below.is_empty()),
        }
    }
    Ok(())
}

fn content<T>(read: Result<T, Fault>) -> Result<Content<T>> {
    match read {
        Ok(read) => Ok(Content::Read(read)),
        Err(Fault::Missing) => Ok(Content::Gone),
        Err(Fault::Stopped) => Err(Error::Cancelled),
        Err(fault) => Ok(Content::Unreadable(fault.to_string())),
    }
}

fn in_bucket<T>(read: Result<Option<T>, String>) -> Content<T> {
    match read {
        Ok(Some(read)) => Content::Read(read),
        Ok(None) => Content::Gone,
        Err(why) => Content::Unreadable(format!("cannot be read: {why}")),
    }
}

fn fault_at(action: &'static str, path: &Path, fault: Fault) -> Error {
    let source = match fault {
        Fault::Io(error) => error,
        fault => io::Error::other(fault.to_string()),
    };
    Error::storage(action, path)(source)
}
