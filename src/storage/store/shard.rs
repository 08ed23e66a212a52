//! The shards of a plan, and where each lies.

use polars::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::frame::{sizes, strings};
use crate::schema::{ETAG, KEY, LABEL, SIZE_BYTES};
use crate::storage::digest::hex;

/// Images of a shard: 128 x 25,088 values are 12.8 MB, small enough to hold several, large enough that a receipt a
/// second is written at most. It never depends on the machine, or results would.
pub const SHARD_LEN: usize = 128;

/// Version of the layout of a shard and its receipt.
pub(super) const SCHEMA: &str = "fruits-shard/4";

/// Grows when the code changes what a shard holds for the same file and recipe: decoding, resizing, thumbnails,
/// descriptors. `tests/it/golden.rs` is red where that was forgotten.
pub const CODE_VERSION: u32 = 4;

/// What decides a descriptor and is the same for every run of this program: its code, and the packages that decode.
pub(crate) fn code() -> String {
    let decoders = env!("FRUITS_DECODERS_SHA256");
    format!("code {CODE_VERSION} decoders {decoders}")
}

/// Where shards and receipts lie in a cache.
#[doc(hidden)]
pub const FOLDER: &str = "features";

/// A shard to compute: at most [`SHARD_LEN`] rows of the manifest.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Place in the plan, counted from 0.
    pub index: usize,
    /// `key`, `label`, `size_bytes`, `etag`; no row if only the shard's name is known.
    pub manifest: DataFrame,
    /// SHA-256 over everything that decides the descriptors.
    pub fingerprint: String,
}

impl Shard {
    /// A shard without its rows, as a worker of a cluster reads what the driver has held against the plan.
    #[doc(hidden)]
    #[must_use]
    pub fn named(index: usize, fingerprint: &str) -> Self {
        Self {
            index,
            manifest: DataFrame::empty(),
            fingerprint: fingerprint.to_owned(),
        }
    }

    pub(super) fn is_only_named(&self) -> bool {
        self.manifest.height() == 0
    }
}

/// Cuts a sorted manifest into shards. `recipe` names everything else that decides the descriptors: the model's
/// digest, the preprocessing, the precision, library and code versions.
///
/// # Errors
/// [`crate::Error::Column`] if the manifest lacks one.
pub fn plan(manifest: &DataFrame, recipe: &str) -> Result<Vec<Shard>> {
    let cut = |index: usize| {
        let manifest = manifest.slice((index * SHARD_LEN) as i64, SHARD_LEN);
        // A split follows from the key, and is no matter of the cache.
        let manifest = manifest.select([KEY, LABEL, SIZE_BYTES, ETAG])?;
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
/// [`crate::Error::Column`] if one is missing or of another type.
pub fn manifest_text(manifest: &DataFrame, identity: &str) -> Result<String> {
    let sizes = sizes(manifest, SIZE_BYTES)?;
    let keys = strings(manifest, KEY)?;
    let labels = strings(manifest, LABEL)?;
    let identities = strings(manifest, identity)?;
    let lines = keys.iter().zip(&labels).zip(sizes).zip(&identities);
    Ok(lines
        .map(|(((key, label), size), identity)| {
            format!("{}\n", serde_json::json!([key, label, size, identity]))
        })
        .collect())
}

/// Where a shard's two files are, below the cache.
#[doc(hidden)]
pub struct Keys {
    pub data: String,
    pub receipt: String,
}

#[doc(hidden)]
#[must_use]
pub fn keys(shard: &Shard) -> Keys {
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
