//! What the members of a cluster hand to each other in a cache, beside the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use fruits::store::{FOLDER, MOST_RECEIPT_BYTES, Receipt, Shard, Store, keys};
use fruits::{Error, Result, atomic};

use crate::keys::Key;

/// Bytes of a piece or a model at most, as of any object in a bucket.
pub const MOST_BYTES: u64 = 4 << 30;

/// Media type of what only this program reads.
const BYTES: &str = "application/octet-stream";

/// A cache, seen as objects under keys.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    pub store: &'a Store,
}

impl<'a> Exchange<'a> {
    pub fn of(store: &'a Store) -> Self {
        Self { store }
    }

    /// Writes an object whole, over one that may be there.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`]; [`Error::Invalid`] if a link leads out of the cache.
    pub fn put(self, key: &Key, bytes: Vec<u8>) -> Result<()> {
        if let Some(prefix) = self.store.bucket() {
            return prefix.write(key.as_str(), bytes, BYTES);
        }
        let path = self.path(key)?;
        if let Some(folder) = path.parent() {
            atomic::create_folder(folder)?;
        }
        atomic::write_below(self.store.root(), &path, &bytes)
    }

    /// Reads an object, if it is there. Whoever may write to the cache could have put anything there: one of more bytes is not
    /// read, and none behind a link.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn get(self, key: &Key, most_bytes: u64) -> Result<Option<Vec<u8>>> {
        match self.store.bucket() {
            Some(prefix) => prefix.read_at_most(key.as_str(), most_bytes),
            None => self.store.read_here(key.as_str(), most_bytes),
        }
    }

    /// Reads receipts or tries, several at once; those that are there.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn get_all(self, keys: &[Key]) -> Result<BTreeMap<Key, Vec<u8>>> {
        if let Some(prefix) = self.store.bucket() {
            let names = keys.iter().map(|key| key.as_str().to_owned());
            let mut read = prefix.read_all(names.collect(), MOST_RECEIPT_BYTES)?;
            let read = keys
                .iter()
                .filter_map(|key| Some((key.clone(), read.remove(key.as_str())?)));
            return Ok(read.collect());
        }
        let read = keys
            .iter()
            .map(|key| Ok((key.clone(), self.get(key, MOST_RECEIPT_BYTES)?)));
        let there = read.filter_map(|read| match read {
            Ok((key, bytes)) => bytes.map(|bytes| Ok((key, bytes))),
            Err(e) => Some(Err(e)),
        });
        there.collect()
    }

    /// The keys of all objects in `folder`, sorted. What has another name than a key is nobody's.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn keys_in(self, folder: &Key) -> Result<Vec<Key>> {
        let mut names = Vec::new();
        if let Some(prefix) = self.store.bucket() {
            let listed = prefix.below(folder.as_str()).list(&mut |_| true)?;
            names.extend(listed.into_iter().map(|o| format!("{folder}/{}", o.key)));
        } else {
            let root = self.path(folder)?;
            for entry in walkdir::WalkDir::new(&root) {
                let entry = match entry {
                    Ok(entry) => entry,
                    // The folder is not there, or another member removed what was listed.
                    Err(e) if e.io_error().is_some_and(is_gone) => continue,
                    Err(e) => return Err(Error::storage("list", root)(e.into())),
                };
                if entry.file_type().is_file() && !is_partial(entry.path()) {
                    let below = entry.path().strip_prefix(self.store.root());
                    names.extend(below.ok().and_then(Path::to_str).map(str::to_owned));
                }
            }
        }
        let mut keys: Vec<_> = names.into_iter().filter_map(|n| Key::new(n).ok()).collect();
        keys.sort();
        Ok(keys)
    }

    /// Removes an object; one that is not there is no fault.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn discard(self, key: &Key) -> Result<()> {
        if let Some(prefix) = self.store.bucket() {
            return prefix.remove(key.as_str());
        }
        let path = self.path(key)?;
        match std::fs::remove_file(&path) {
            Err(e) if !is_gone(&e) => Err(Error::storage("remove", path)(e)),
            _ => Ok(()),
        }
    }

    /// Removes pieces with their receipts, these first.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn discard_all(self, pieces: &[Key]) -> Result<()> {
        pieces.par_iter().try_for_each(|key| {
            self.discard(&key.receipt())?;
            self.discard(key)
        })
    }

    /// Where it is, for another process.
    ///
    /// # Errors
    /// [`Error::Storage`] if the folder cannot be made, [`Error::Invalid`] if its name is not UTF-8.
    pub fn address(self) -> Result<String> {
        if let Some(prefix) = self.store.bucket() {
            return Ok(prefix.to_string());
        }
        atomic::create_folder(self.store.root())?;
        absolute(self.store.root())
    }

    /// Removes all objects in `folder`.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn remove_all(self, folder: &Key) -> Result<()> {
        if self.store.bucket().is_some() {
            let keys = self.keys_in(folder)?;
            return keys.par_iter().try_for_each(|key| self.discard(key));
        }
        let path = self.path(folder)?;
        match std::fs::remove_dir_all(&path) {
            Err(e) if !is_gone(&e) => Err(Error::storage("remove", path)(e)),
            _ => Ok(()),
        }
    }

    /// The receipts of some shards, each asked for by itself: no listing of a whole cache. Also those that reject a file
    /// for now only. In a folder the shard's file must be there, too; in a bucket whoever reads it finds out.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn receipts_of(self, shards: &[Shard]) -> Result<Vec<Option<Receipt>>> {
        let wanted: Vec<_> = shards.iter().map(Key::of_receipt).collect();
        let read = self.get_all(&wanted)?;
        let receipt = |(shard, key): (&Shard, &Key)| {
            let receipt: Receipt = serde_json::from_slice(read.get(key)?).ok()?;
            // Not through a link: what lies out of the cache is nobody's shard.
            let file = std::fs::symlink_metadata(self.store.root().join(keys(shard).data));
            let whole = self.store.bucket().is_some()
                || file.is_ok_and(|f| f.is_file() && f.len() == receipt.size_bytes);
            (whole && receipt.commits(shard)).then_some(receipt)
        };
        Ok(shards.iter().zip(&wanted).map(receipt).collect())
    }

    /// Takes the receipts of shards back that reject files which may be readable now, or whose files are gone. One that
    /// another run committed meanwhile stays.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub fn take_back(self, shards: &[Shard]) -> Result<()> {
        let there = self.receipts_of(shards)?;
        let lasting = self.store.receipts(shards, &mut || true)?;
        let stale = there.iter().zip(&lasting);
        let stale = shards
            .iter()
            .zip(stale)
            .filter(|(_, (there, lasting))| there.is_some() && lasting.is_none());
        for (shard, _) in stale {
            self.discard(&Key::of_receipt(shard))?;
        }
        Ok(())
    }

    /// How many of these shards have a receipt, without reading them.
    ///
    /// # Errors
    /// [`Error::Bucket`].
    pub fn n_committed(self, shards: &[Shard]) -> Result<usize> {
        let Some(prefix) = self.store.bucket() else {
            let there = |shard: &&Shard| self.store.root().join(keys(shard).receipt).exists();
            return Ok(shards.iter().filter(there).count());
        };
        let listed = prefix.below(FOLDER).list(&mut |_| true)?;
        let there: BTreeSet<_> = listed
            .into_iter()
            .map(|o| format!("{FOLDER}/{}", o.key))
            .collect();
        let there = |shard: &&Shard| there.contains(&keys(shard).receipt);
        Ok(shards.iter().filter(there).count())
    }

    /// Where an object lies in a folder here. Whoever may write to the folder could have a link on the way to it.
    fn path(self, key: &Key) -> Result<PathBuf> {
        let root = self.store.root();
        let path = root.join(key.as_str());
        let folder = path.ancestors().skip(1).find(|folder| folder.exists());
        let real = |path: &Path| path.canonicalize().map_err(Error::storage("find", path));
        match folder {
            Some(folder) if folder.starts_with(root) && !real(folder)?.starts_with(real(root)?) => {
                Err(Error::Invalid(format!(
                    "`{}` is a link out of the cache; remove it",
                    folder.display()
                )))
            }
            _ => Ok(path),
        }
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

#[cfg(test)]
mod tests {
    use fruits::place::Place;
    use fruits::storage::temporary;

    use super::*;

    #[test]
    fn a_link_in_a_cache_leads_nowhere() {
        let folder = temporary::folder("test").unwrap();
        let (cache, outside) = (folder.path().join("cache"), folder.path().join("outside"));
        std::fs::create_dir_all(cache.join("cluster")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("x"), "theirs").unwrap();
        std::os::unix::fs::symlink(&outside, cache.join("cluster/pieces")).unwrap();
        let store = Store::open(Some(&Place::Folder(cache.clone()))).unwrap();
        let exchange = Exchange::of(&store);
        let (link, below) = (
            Key::new("cluster/pieces/x").unwrap(),
            Key::new("cluster/pieces/y/z").unwrap(),
        );
        assert!(exchange.get(&link, 9).is_err());
        assert!(exchange.put(&link, vec![1]).is_err());
        assert!(exchange.put(&below, vec![1]).is_err());
        assert!(exchange.discard(&link).is_err());
        assert_eq!(std::fs::read(outside.join("x")).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

        let good = Key::new("cluster/tries/a/b").unwrap();
        exchange.put(&good, vec![7]).unwrap();
        assert_eq!(exchange.get(&good, 1).unwrap(), Some(vec![7]));
        assert!(exchange.get(&good, 0).is_err());
        let endless = Key::new("cluster/tries/a/zero").unwrap();
        std::os::unix::fs::symlink("/dev/zero", cache.join(endless.as_str())).unwrap();
        assert!(exchange.get(&endless, 9).is_err());
        assert_eq!(
            exchange
                .keys_in(&Key::new("cluster/tries").unwrap())
                .unwrap(),
            [good]
        );
    }
}
