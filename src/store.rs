//! Descriptors on disk: shards of fixed size, each committed by its receipt.
//!
//! A shard is `features/<fingerprint>/shard-00017.parquet`; `shard-00017.json` beside it is its receipt, written last.
//! A shard without a receipt does not exist. Two runs on the same kind of processor may write the same shard at once:
//! both write the same bytes.
//!
//! Shards in a bucket have the same names. They are copied to this machine when they are first needed, since PCA reads
//! them several times.

#[cfg(feature = "cluster")]
mod exchange;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polars::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "cluster")]
pub(crate) use self::exchange::absolute;
use crate::atomic;
use crate::error::{Error, Result};
use crate::matrix::{Matrix, column, strings};
use crate::place::{JSON, PARQUET, Place};
use crate::rejection::Rejection;
use crate::s3::Prefix;
use crate::schema::{ETAG, FEATURES, KEY, LABEL, SIZE_BYTES};
use crate::source::local::hex;

/// Images of a shard: 128 x 25,088 values are 12.8 MB, small enough to hold several, large enough that a receipt a
/// second is written at most. It never depends on the machine, or results would.
pub const SHARD_LEN: usize = 128;

/// Version of the layout of a shard and its receipt.
const SCHEMA: &str = "fruits-shard/3";

/// Where shards and receipts lie in a cache.
const FOLDER: &str = "features";

/// Shards on this machine, and in a bucket if they are to outlive it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Goes away with the store.
    _temporary: Option<tempfile::TempDir>,
    bucket: Option<Prefix>,
}

/// A shard to compute: at most [`SHARD_LEN`] rows of the manifest.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Place in the plan, counted from 0.
    pub index: usize,
    /// `key`, `label`, `size_bytes`, `etag`.
    pub manifest: DataFrame,
    /// SHA-256 over everything that decides the descriptors.
    pub fingerprint: String,
}

/// What commits a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    schema: String,
    /// Place in the plan.
    pub index: usize,
    /// Of the shard.
    pub fingerprint: String,
    /// Rows of the shard.
    pub n_images: usize,
    /// Values of a descriptor.
    pub n_features: usize,
    /// Size of the shard's file in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the shard's file.
    pub sha256: String,
    /// Files of the shard that could not be used.
    pub rejected: Vec<Rejection>,
    /// Which worker of a cluster did it; absent if it was done in the run's own process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

/// Who did a task of a cluster, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Name of the worker.
    pub worker: String,
    /// From the task's begin to its receipt, without waiting for the network that another task held, in milliseconds.
    pub wall_ms: u64,
}

/// Cuts a sorted manifest into shards. `recipe` names everything else that decides the descriptors: the model's
/// digest, the preprocessing, the precision, library and code versions.
///
/// # Errors
/// [`Error::Invalid`] if a column of the manifest is missing.
pub fn plan(manifest: &DataFrame, recipe: &str) -> Result<Vec<Shard>> {
    let cut = |index: usize| {
        let manifest = manifest.slice((index * SHARD_LEN) as i64, SHARD_LEN);
        let mut hasher = Sha256::new();
        hasher.update(format!("{SCHEMA}\n{recipe}\n{index}\n"));
        hasher.update(manifest_text(&manifest, ETAG)?);
        Ok(Shard {
            index,
            manifest,
            fingerprint: hex(&hasher.finalize()),
        })
    };
    (0..manifest.height().div_ceil(SHARD_LEN))
        .map(cut)
        .collect()
}

/// Images as JSON lines of key, label, size and `identity`, the name of a column: what fingerprints are taken of.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing.
pub fn manifest_text(manifest: &DataFrame, identity: &str) -> Result<String> {
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let keys = strings(manifest, KEY)?;
    let labels = strings(manifest, LABEL)?;
    let identities = strings(manifest, identity)?;
    let lines = keys
        .iter()
        .zip(&labels)
        .zip(sizes.no_null_iter())
        .zip(&identities);
    Ok(lines
        .map(|(((key, label), size), identity)| {
            format!("{}\n", serde_json::json!([key, label, size, identity]))
        })
        .collect())
}

impl Store {
    /// Takes a cache, or a folder that goes away with the store. A cache in a bucket has such a folder here as well, for
    /// what is read again and again.
    ///
    /// # Errors
    /// [`Error::Storage`] if no temporary folder can be made.
    pub fn open(cache: Option<&Place>) -> Result<Self> {
        match cache {
            None => Self::temporary(),
            Some(Place::Folder(root)) => Ok(Self {
                root: root.clone(),
                _temporary: None,
                bucket: None,
            }),
            Some(Place::Bucket(prefix)) => Ok(Self {
                bucket: Some(prefix.clone()),
                ..Self::temporary()?
            }),
        }
    }

    fn temporary() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fruits-").tempdir();
        let folder = folder.map_err(Error::storage("create a folder in", std::env::temp_dir()))?;
        Ok(Self {
            root: folder.path().to_path_buf(),
            _temporary: Some(folder),
            bucket: None,
        })
    }

    /// The receipts of the shards that are committed, whose files are there in full length; `None` for each that is to be
    /// computed.
    ///
    /// # Errors
    /// [`Error::Bucket`] if the bucket cannot be listed or read, [`Error::Interrupted`] if `keep_going` says no.
    pub fn receipts(
        &self,
        plan: &[Shard],
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Option<Receipt>>> {
        let Some(prefix) = &self.bucket else {
            return Ok(plan.iter().map(|shard| self.receipt(shard)).collect());
        };
        let listed = prefix.below(FOLDER).list(&mut |_| keep_going())?;
        let sizes: BTreeMap<_, _> = listed
            .into_iter()
            .map(|o| (format!("{FOLDER}/{}", o.key), o.size_bytes))
            .collect();
        let there = plan
            .iter()
            .map(keys)
            .filter(|k| sizes.contains_key(&k.data) && sizes.contains_key(&k.receipt));
        let read = prefix.read_all(there.map(|k| k.receipt).collect())?;
        let receipt = |shard: &Shard| {
            let keys = keys(shard);
            let receipt: Receipt = serde_json::from_slice(read.get(&keys.receipt)?).ok()?;
            let whole = sizes.get(&keys.data) == Some(&receipt.size_bytes);
            (whole && receipt.holds(shard)).then_some(receipt)
        };
        Ok(plan.iter().map(receipt).collect())
    }

    /// The receipt of a shard that is committed here.
    fn receipt(&self, shard: &Shard) -> Option<Receipt> {
        let (data, receipt) = self.paths(shard);
        let receipt: Receipt = serde_json::from_slice(&fs::read(receipt).ok()?).ok()?;
        let whole = fs::metadata(data).is_ok_and(|m| m.len() == receipt.size_bytes);
        (whole && receipt.holds(shard)).then_some(receipt)
    }

    /// Writes a shard, then its receipt; here first, then in the bucket. `images` has the column `features`
    /// `Array(Float32, n_features)`, which the file holds as bytes. A worker of a cluster says what it is called and when it
    /// `began`.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Bucket`]; [`Error::Invalid`] if there are no such features.
    pub fn commit(
        &self,
        shard: &Shard,
        mut images: DataFrame,
        n_features: usize,
        mut rejected: Vec<Rejection>,
        began: Option<(&str, Instant)>,
    ) -> Result<Receipt> {
        // Another run may have been faster; its file must stay the one its receipt names. What is here of a bucket is a copy.
        if self.bucket.is_none()
            && let Some(receipt) = self.receipt(shard)
        {
            return Ok(receipt);
        }
        let (data, receipt_path) = self.paths(shard);
        create_parent(&data)?;
        let features = Matrix::from_arrays(&images, FEATURES)?;
        images.with_column(features.to_binaries(FEATURES))?;
        let mut bytes = Vec::new();
        // One row group: a shard is always read whole.
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_row_group_size(Some(SHARD_LEN))
            .set_parallel(false)
            .finish(&mut images)?;
        atomic::write(&data, &bytes)?;
        rejected.sort();
        let receipt = Receipt {
            schema: SCHEMA.to_owned(),
            index: shard.index,
            fingerprint: shard.fingerprint.clone(),
            n_images: images.height(),
            n_features,
            size_bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
            rejected,
            work: began.map(|(worker, began)| Work::since(worker, began)),
        };
        let text = serde_json::to_vec_pretty(&receipt)
            .map_err(|e| Error::Internal(format!("a receipt is no JSON: {e}")))?;
        atomic::write(&receipt_path, &text)?;
        if let Some(prefix) = &self.bucket {
            let keys = keys(shard);
            prefix.write(&keys.data, bytes, PARQUET)?;
            prefix.write(&keys.receipt, text, JSON)?;
        }
        Ok(receipt)
    }

    /// Reads a committed shard: the columns that [`Store::commit`] was given but `features`, and these, n x n_features.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file is not the one its receipt names; the receipt is then taken back, so that the
    /// next run computes the shard again. [`Error::Bucket`].
    pub fn read(&self, shard: &Shard, receipt: &Receipt) -> Result<(DataFrame, Matrix)> {
        let (data, receipt_path) = self.paths(shard);
        let mut is_here = data.exists();
        if is_here
            && self.bucket.is_some()
            && hex(&Sha256::digest(atomic::read(&data)?)) != receipt.sha256
        {
            // A copy of what was there before.
            remove(&data)?;
            is_here = false;
        }
        let bytes = match &self.bucket {
            Some(prefix) if !is_here => prefix.read(&keys(shard).data)?.unwrap_or_default(),
            _ => atomic::read(&data)?,
        };
        if hex(&Sha256::digest(&bytes)) != receipt.sha256 {
            remove(&receipt_path)?;
            let mut name = data;
            if let Some(prefix) = &self.bucket {
                remove(&name)?;
                prefix.remove(&keys(shard).receipt)?;
                name = PathBuf::from(format!("{prefix}{}", keys(shard).data));
            }
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the shard was damaged after it was written; run the same command again to compute it anew",
            );
            return Err(Error::storage("read", name)(source));
        }
        if !is_here {
            create_parent(&data)?;
            atomic::write(&data, &bytes)?;
        }
        let images = ParquetReader::new(std::io::Cursor::new(bytes))
            .set_rechunk(true)
            .finish()?;
        let features = Matrix::from_binaries(&images, FEATURES, receipt.n_features)?;
        Ok((images.drop(FEATURES)?, features))
    }

    fn paths(&self, shard: &Shard) -> (PathBuf, PathBuf) {
        let keys = keys(shard);
        (self.root.join(keys.data), self.root.join(keys.receipt))
    }
}

impl Work {
    /// A task that ends now.
    #[must_use]
    pub fn since(worker: &str, began: Instant) -> Self {
        Self {
            worker: worker.to_owned(),
            wall_ms: began.elapsed().as_millis() as u64,
        }
    }
}

impl Receipt {
    /// Whether it commits this shard, for good: a file that could not be read then may be readable now.
    fn holds(&self, shard: &Shard) -> bool {
        self.commits(shard) && self.is_lasting()
    }

    fn commits(&self, shard: &Shard) -> bool {
        self.schema == SCHEMA && self.fingerprint == shard.fingerprint
    }

    /// Whether another run would reject the same files.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.rejected.iter().all(|r| r.reason.is_lasting())
    }
}

/// Where a shard's two files are, below the cache.
struct Keys {
    data: String,
    receipt: String,
}

fn keys(shard: &Shard) -> Keys {
    // 16 hexadecimal digits keep paths short; the receipt holds all 64.
    let stem = format!(
        "{FOLDER}/{}/shard-{:05}",
        &shard.fingerprint[..16],
        shard.index
    );
    Keys {
        data: format!("{stem}.parquet"),
        receipt: format!("{stem}.json"),
    }
}

fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(Error::storage("create folder", folder)),
        None => Ok(()),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::storage("remove", path)(e))
        }
        _ => Ok(()),
    }
}
