//! Descriptors on disk: shards of fixed size, each committed by its receipt.
//!
//! A shard is `features/<fingerprint>/shard-00017.parquet`; `shard-00017.json` beside it is its receipt, written last.
//! A shard without a receipt does not exist. Two runs may write the same shard at once: both write the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::{Error, Result};
use crate::matrix::{column, strings};
use crate::rejection::Rejection;
use crate::schema::{KEY, LABEL, SHA256, SIZE_BYTES};
use crate::source::local::hex;

/// Images of a shard: 128 x 25,088 values are 12.8 MB, small enough to hold several, large enough that a receipt a
/// second is written at most. It never depends on the machine, or results would.
pub const SHARD_LEN: usize = 128;

/// Version of the layout of a shard and its receipt.
const SCHEMA: &str = "fruits-shard/1";

/// A folder of shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// A shard to compute: at most [`SHARD_LEN`] rows of the manifest.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Place in the plan, counted from 0.
    pub index: usize,
    /// `key`, `label`, `size_bytes`, `sha256`.
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
        hasher.update(manifest_text(&manifest)?);
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

/// The manifest as JSON lines of key, label, size and digest: what fingerprints are taken of.
///
/// # Errors
/// [`Error::Invalid`] if a column is missing.
pub fn manifest_text(manifest: &DataFrame) -> Result<String> {
    let sizes = column(manifest, SIZE_BYTES)?.u64()?;
    let keys = strings(manifest, KEY)?;
    let labels = strings(manifest, LABEL)?;
    let digests = strings(manifest, SHA256)?;
    let lines = keys
        .iter()
        .zip(&labels)
        .zip(sizes.no_null_iter())
        .zip(&digests);
    Ok(lines
        .map(|(((key, label), size), digest)| {
            format!("{}\n", serde_json::json!([key, label, size, digest]))
        })
        .collect())
}

impl Store {
    /// Takes a folder, made if it is not there.
    ///
    /// # Errors
    /// [`Error::Storage`] if nothing can be written there.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        atomic::writable_folder(&root)?;
        Ok(Self { root })
    }

    /// The receipt of a committed shard whose file is there in full length; `None` if the shard is to be computed.
    #[must_use]
    pub fn receipt(&self, shard: &Shard) -> Option<Receipt> {
        let (data, receipt) = self.paths(shard);
        let receipt: Receipt = serde_json::from_slice(&fs::read(receipt).ok()?).ok()?;
        let whole = fs::metadata(data).is_ok_and(|m| m.len() == receipt.size_bytes);
        let same = receipt.schema == SCHEMA && receipt.fingerprint == shard.fingerprint;
        // A file that could not be read then may be readable now.
        let lasting = receipt.rejected.iter().all(|r| r.reason.is_lasting());
        (whole && same && lasting).then_some(receipt)
    }

    /// Writes a shard, then its receipt.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn commit(
        &self,
        shard: &Shard,
        mut images: DataFrame,
        n_features: usize,
        mut rejected: Vec<Rejection>,
    ) -> Result<Receipt> {
        // Another run may have been faster; its file must stay the one its receipt names.
        if let Some(receipt) = self.receipt(shard) {
            return Ok(receipt);
        }
        let (data, receipt_path) = self.paths(shard);
        if let Some(folder) = data.parent() {
            fs::create_dir_all(folder).map_err(Error::storage("create folder", folder))?;
        }
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
        };
        let text = serde_json::to_vec_pretty(&receipt)
            .map_err(|e| Error::Internal(format!("a receipt is no JSON: {e}")))?;
        atomic::write(&receipt_path, &text)?;
        Ok(receipt)
    }

    /// Reads a committed shard: the columns that [`Store::commit`] was given.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file is not the one its receipt names; the receipt is then taken back, so that the
    /// next run computes the shard again.
    pub fn read(&self, shard: &Shard, receipt: &Receipt) -> Result<DataFrame> {
        let (data, receipt_path) = self.paths(shard);
        let bytes = atomic::read(&data)?;
        if hex(&Sha256::digest(&bytes)) != receipt.sha256 {
            remove(&receipt_path)?;
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the shard was damaged after it was written; run the same command again to compute it anew",
            );
            return Err(Error::storage("read", &data)(source));
        }
        Ok(ParquetReader::new(std::io::Cursor::new(bytes))
            .set_rechunk(true)
            .finish()?)
    }

    fn paths(&self, shard: &Shard) -> (PathBuf, PathBuf) {
        // 16 hexadecimal digits keep paths short; the receipt holds all 64.
        let folder = self.root.join("features").join(&shard.fingerprint[..16]);
        let name = format!("shard-{:05}", shard.index);
        (
            folder.join(format!("{name}.parquet")),
            folder.join(format!("{name}.json")),
        )
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
