//! What the members of a cluster hand to each other in a cache, beside the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::{FOLDER, Receipt, Shard, Store, create_parent, keys, remove};
use crate::atomic;
use crate::error::{Error, Result};

/// Media type of what only this program reads.
const BYTES: &str = "application/octet-stream";

impl Store {
    /// Writes an object whole, over one that may be there.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        if let Some(prefix) = &self.bucket {
            return prefix.write(key, bytes, BYTES);
        }
        let path = self.root.join(key);
        create_parent(&path)?;
        atomic::write(&path, &bytes)
    }

    /// Reads an object, if it is there.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if let Some(prefix) = &self.bucket {
            return prefix.read(key);
        }
        let path = self.root.join(key);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_gone(&e) => Ok(None),
            Err(e) => Err(Error::storage("read", path)(e)),
        }
    }

    /// Reads objects, several at once; those that are there.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn get_all(&self, keys: &[String]) -> Result<BTreeMap<String, Vec<u8>>> {
        if let Some(prefix) = &self.bucket {
            return prefix.read_all(keys.to_vec());
        }
        let read = keys.iter().map(|key| Ok((key.clone(), self.get(key)?)));
        let there = read.filter_map(|read| match read {
            Ok((key, bytes)) => bytes.map(|bytes| Ok((key, bytes))),
            Err(e) => Some(Err(e)),
        });
        there.collect()
    }

    /// The keys of all objects in `folder`, sorted.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn keys_in(&self, folder: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        if let Some(prefix) = &self.bucket {
            let listed = prefix.below(folder).list(&mut |_| true)?;
            keys.extend(listed.into_iter().map(|o| format!("{folder}/{}", o.key)));
        } else {
            for entry in walkdir::WalkDir::new(self.root.join(folder)) {
                let entry = match entry {
                    Ok(entry) => entry,
                    // The folder is not there, or another member removed what was listed.
                    Err(e) if e.io_error().is_some_and(is_gone) => continue,
                    Err(e) => return Err(Error::storage("list", self.root.join(folder))(e.into())),
                };
                if entry.file_type().is_file() && !is_partial(entry.path()) {
                    let below = entry.path().strip_prefix(&self.root);
                    keys.extend(below.ok().and_then(Path::to_str).map(str::to_owned));
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// Removes an object; one that is not there is no fault.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn discard(&self, key: &str) -> Result<()> {
        match &self.bucket {
            Some(prefix) => prefix.remove(key),
            None => remove(&self.root.join(key)),
        }
    }

    /// Removes pieces with their receipts, these first.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn discard_all(&self, pieces: &[String]) -> Result<()> {
        pieces.par_iter().try_for_each(|key| {
            self.discard(&format!("{key}.json"))?;
            self.discard(key)
        })
    }

    /// Where it is, for another process.
    ///
    /// # Errors
    /// [`Error::Storage`] if the folder cannot be made, [`Error::Invalid`] if its name is not UTF-8.
    pub fn address(&self) -> Result<String> {
        if let Some(prefix) = &self.bucket {
            return Ok(prefix.to_string());
        }
        std::fs::create_dir_all(&self.root).map_err(Error::storage("create folder", &self.root))?;
        absolute(&self.root)
    }

    /// Removes all objects in `folder`.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn remove_all(&self, folder: &str) -> Result<()> {
        if let Some(prefix) = &self.bucket {
            let keys = self.keys_in(folder)?;
            return keys.par_iter().try_for_each(|key| prefix.remove(key));
        }
        let path = self.root.join(folder);
        match std::fs::remove_dir_all(&path) {
            Err(e) if !is_gone(&e) => Err(Error::storage("remove", path)(e)),
            _ => Ok(()),
        }
    }

    /// The receipts of some shards, each asked for by itself: no listing of a whole cache. Also those that reject a file
    /// for now only. In a folder the shard's file must be there, too; in a bucket whoever reads it finds out.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn receipts_of(&self, shards: &[Shard]) -> Result<Vec<Option<Receipt>>> {
        let wanted: Vec<_> = shards.iter().map(|shard| keys(shard).receipt).collect();
        let read = self.get_all(&wanted)?;
        let receipt = |shard: &Shard| {
            let receipt: Receipt = serde_json::from_slice(read.get(&keys(shard).receipt)?).ok()?;
            let file = std::fs::metadata(self.root.join(keys(shard).data));
            let whole = self.bucket.is_some() || file.is_ok_and(|f| f.len() == receipt.size_bytes);
            (whole && receipt.commits(shard)).then_some(receipt)
        };
        Ok(shards.iter().map(receipt).collect())
    }

    /// Takes the receipts of shards back, so that they are computed anew.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`].
    pub fn take_back(&self, shards: &[Shard]) -> Result<()> {
        let found = self.receipts_of(shards)?;
        let stale = shards
            .iter()
            .zip(found)
            .filter(|(_, receipt)| receipt.is_some());
        for (shard, _) in stale {
            self.discard(&keys(shard).receipt)?;
        }
        Ok(())
    }

    /// How many of these shards have a receipt, without reading them.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn n_committed(&self, shards: &[Shard]) -> Result<usize> {
        if self.bucket.is_none() {
            let there = |shard: &&Shard| self.root.join(keys(shard).receipt).exists();
            return Ok(shards.iter().filter(there).count());
        }
        let there: BTreeSet<_> = self.keys_in(FOLDER)?.into_iter().collect();
        let there = |shard: &&Shard| there.contains(&keys(shard).receipt);
        Ok(shards.iter().filter(there).count())
    }
}

/// A path that another process finds, too.
///
/// # Errors
/// [`Error::Storage`] if there is no such folder, [`Error::Invalid`] if its name is not UTF-8.
pub fn absolute(path: &Path) -> Result<String> {
    let path = path.canonicalize().map_err(Error::storage("find", path))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::Invalid(format!("`{}` is not UTF-8; rename it", path.display())))
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

/// A file that is being written.
fn is_partial(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(atomic::TEMPORARY_PREFIX))
}
