//! What commits a shard.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::shard::{SCHEMA, SHARD_LEN, Shard, code, keys};
use crate::frame::strings;
use crate::schema::KEY;
use crate::storage::digest;
use crate::storage::rejection::Rejection;

/// What commits a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    schema: String,
    /// [`code`] of the program that made the shard; absent in those that did not say so yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
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
    /// SHA-256 of the receipt itself, as compact JSON in which this is empty.
    #[serde(default)]
    seal: String,
}

/// What lies under the key of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A receipt that a run of this program takes, if its fingerprint is a planned one; what it says of the shard's file, and
    /// whether it says which program wrote it.
    Usable {
        size_bytes: u64,
        sha256: String,
        says_code: bool,
    },
    /// A receipt of another layout, code or decoders: no run of this program takes it.
    OfOthers,
    /// No whole receipt, or that of another shard.
    Damaged,
}

/// All that a receipt of any layout has.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Who did a task of a cluster, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Name of the worker.
    pub worker: String,
    /// From the task's begin to its receipt, without waiting for the network that another task held, in milliseconds.
    pub wall_ms: u64,
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
    /// Of a shard whose file holds `bytes`: n_images x n_features.
    pub(super) fn new(
        shard: &Shard,
        bytes: &[u8],
        [n_images, n_features]: [usize; 2],
        rejected: Vec<Rejection>,
        work: Option<Work>,
    ) -> Self {
        let bare = Self {
            schema: SCHEMA.to_owned(),
            code: Some(code()),
            index: shard.index,
            fingerprint: shard.fingerprint.clone(),
            n_images,
            n_features,
            size_bytes: bytes.len() as u64,
            sha256: digest::of(bytes),
            rejected,
            work,
            seal: String::new(),
        };
        Self {
            seal: bare.digest(),
            ..bare
        }
    }

    /// Whether it commits this shard, perhaps for now only.
    #[doc(hidden)]
    #[must_use]
    pub fn commits(&self, shard: &Shard) -> bool {
        self.schema == SCHEMA
            && self.fingerprint == shard.fingerprint
            && self.index == shard.index
            && self.seal == self.digest()
            && self.is_possible()
            && (shard.is_only_named() || self.tells_all(shard))
    }

    /// What these bytes under `key` are.
    pub(crate) fn seen(bytes: &[u8], key: &str) -> Seen {
        let Ok(Head { schema }) = serde_json::from_slice(bytes) else {
            return Seen::Damaged;
        };
        if schema != SCHEMA {
            let layouts = SCHEMA.trim_end_matches(|c: char| c.is_ascii_digit());
            return match schema.starts_with(layouts) {
                true => Seen::OfOthers,
                false => Seen::Damaged,
            };
        }
        let Ok(receipt) = serde_json::from_slice::<Self>(bytes) else {
            return Seen::Damaged;
        };
        let digits = &receipt.fingerprint;
        let is_sealed = receipt.seal == receipt.digest()
            && digits.len() == 64
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_sealed || keys(&Shard::named(receipt.index, digits)).receipt != key {
            return Seen::Damaged;
        }
        match &receipt.code {
            Some(theirs) if *theirs != code() => Seen::OfOthers,
            code => Seen::Usable {
                size_bytes: receipt.size_bytes,
                says_code: code.is_some(),
                sha256: receipt.sha256,
            },
        }
    }

    /// Whether the file can hold that many values: what is allocated depends on it.
    fn is_possible(&self) -> bool {
        // LZ4 unpacks to at most 255 times as much, and equal rows are written once.
        const MOST_FOLD: u64 = 256 * SHARD_LEN as u64;
        let n_values = self.n_images.checked_mul(self.n_features);
        let n_bytes = n_values.and_then(|n| u64::try_from(n).ok()?.checked_mul(4));
        n_bytes.is_some_and(|n| n <= self.size_bytes.saturating_mul(MOST_FOLD))
    }

    /// SHA-256 of everything but the seal.
    fn digest(&self) -> String {
        let bare = Self {
            seal: String::new(),
            ..self.clone()
        };
        digest::of(serde_json::to_vec(&bare).unwrap_or_default())
    }

    pub(super) fn rejected_keys(&self) -> BTreeSet<&str> {
        self.rejected.iter().map(|r| r.key.as_str()).collect()
    }

    /// Whether each file of the shard is an image or rejected, and no other is.
    fn tells_all(&self, shard: &Shard) -> bool {
        let Ok(keys) = strings(&shard.manifest, KEY) else {
            return false;
        };
        let rejected = self.rejected_keys();
        let n_known = keys.iter().filter(|key| rejected.contains(*key)).count();
        rejected.len() == self.rejected.len()
            && n_known == rejected.len()
            && self.n_images == keys.len() - n_known
    }

    /// Whether another run would reject the same files.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.rejected.iter().all(|r| r.reason.is_lasting())
    }
}
