//! What driver and workers of a cluster say to each other: orders, tasks, tries and receipts, as objects in the cache.
//!
//! A driver writes an [`Order`] of tasks and hands out [`Ticket`]s, one a task. A worker reads the order a ticket names,
//! notes a [`Try`], does the task, writes what came out under the key that the task gives, and its receipt last. All keys
//! follow from what is to be done, never from who does it or when, but for those of tries.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::s3::{Encryption, S3Params};
use crate::source::local::hex;
use crate::store::{Shard, Store, Work};

/// Version of the layout of everything here.
pub(super) const SCHEMA: &str = "fruits-cluster/1";
/// Tries of a task before the run gives up on it. Two may be lost with spot instances; a third one lost is the task's own
/// fault.
pub(super) const MAX_TRIES: usize = 3;
/// Orders, by their content.
pub(super) const ORDERS: &str = "cluster/orders";
/// Tries, by run and task.
pub(super) const TRIES: &str = "cluster/tries";
/// What tasks other than features give, by the shards it was made of.
pub(super) const PIECES: &str = "cluster/pieces";
/// Models of users' own, by content.
pub(super) const MODELS: &str = "cluster/models";

/// What a worker gets: where the order lies, and which of its tasks this is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Address of the cache.
    pub cache: String,
    /// How to reach S3, if the cache or the images are there.
    pub s3: Option<Reach>,
    /// Which run of the driver this is.
    pub run: String,
    /// SHA-256 of the order.
    pub order: String,
    /// Place of the task in it.
    pub index: usize,
}

/// How to reach S3, without credentials: each machine has its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reach {
    region: String,
    endpoint_url: Option<String>,
    no_sign_request: bool,
    request_payer: bool,
    timeout_s: f64,
    sse: Option<String>,
    sse_kms_key_id: Option<String>,
}

impl Reach {
    pub fn of(params: &S3Params, region: &str) -> Self {
        let (sse, sse_kms_key_id) = match &params.encryption {
            None => (None, None),
            Some(Encryption::S3) => (Some("AES256".to_owned()), None),
            Some(Encryption::Kms { key_id }) => (Some("aws:kms".to_owned()), key_id.clone()),
        };
        Self {
            region: region.to_owned(),
            endpoint_url: params.endpoint_url.clone(),
            no_sign_request: params.no_sign_request,
            request_payer: params.request_payer,
            timeout_s: params.timeout_s,
            sse,
            sse_kms_key_id,
        }
    }

    pub fn params(&self) -> S3Params {
        S3Params {
            region: Some(self.region.clone()),
            endpoint_url: self.endpoint_url.clone(),
            profile: None,
            no_sign_request: self.no_sign_request,
            request_payer: self.request_payer,
            timeout_s: self.timeout_s,
            encryption: self.sse.as_ref().map(|sse| match sse.as_str() {
                "aws:kms" => Encryption::Kms {
                    key_id: self.sse_kms_key_id.clone(),
                },
                _ => Encryption::S3,
            }),
        }
    }
}

/// Tasks of a run, and what they have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub schema: String,
    /// [`build`] of the driver; a worker of another one refuses.
    pub build: String,
    /// Which run of the driver this is: tries are counted for each.
    pub run: String,
    /// Everything but the files that decides the descriptors; a worker that has another one refuses.
    pub recipe: String,
    /// Address of the images.
    pub input: String,
    /// Bicubic or nearest.
    pub filter: String,
    /// `f32` or `bf16`, never `auto`: that would be each worker's own choice.
    pub precision: String,
    /// Key of a model of the user's own.
    pub model: Option<String>,
    pub tasks: Vec<Task>,
}

/// A task: what is to be done, and under which name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    /// Unique in a run, such as `features-00017`.
    pub name: String,
    pub what: What,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// Descriptors of a shard.
    Features {
        shard: ShardName,
        /// Key, label, size, ETag.
        rows: Vec<(String, String, u64, String)>,
    },
    /// What is to know of the images of a window.
    Survey { window: Vec<ShardName>, to: String },
    /// A window of rows times the factor of a pass.
    Multiply {
        window: Vec<ShardName>,
        factor: String,
        to: String,
    },
    /// Sums of a node of the tree.
    Add {
        parts: Vec<String>,
        are_leaves: bool,
        to: String,
    },
    /// Scores of a window.
    Project {
        window: Vec<ShardName>,
        pca: String,
        to: String,
    },
}

/// Names a shard in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ShardName {
    pub index: usize,
    pub fingerprint: String,
}

impl ShardName {
    pub fn of(shard: &Shard) -> Self {
        Self {
            index: shard.index,
            fingerprint: shard.fingerprint.clone(),
        }
    }

    /// The shard, with the rows of its manifest or none.
    pub fn with(&self, manifest: polars::prelude::DataFrame) -> Shard {
        Shard {
            index: self.index,
            manifest,
            fingerprint: self.fingerprint.clone(),
        }
    }
}

/// A worker began a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Try {
    pub worker: String,
    /// Milliseconds since 1970, by the worker's clock.
    pub began_ms: u64,
    /// Why it failed, and when; absent while it works, if it was killed, and if it did the task.
    pub fault: Option<(u64, String)>,
}

/// What commits a piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub sha256: String,
    pub work: Work,
}

/// Which program this is: version, commit, and the exact versions of all that it is built of.
pub(super) fn build() -> String {
    format!(
        "{} {} {}",
        env!("CARGO_PKG_VERSION"),
        env!("FRUITS_GIT_COMMIT"),
        env!("FRUITS_LOCK_SHA256")
    )
}

impl Order {
    /// The bytes and their SHA-256.
    pub fn sealed(&self) -> Result<(Vec<u8>, String)> {
        let bytes = json(self)?;
        let digest = hex(&Sha256::digest(&bytes));
        Ok((bytes, digest))
    }
}

impl Task {
    /// The folder of its tries.
    pub fn tries(&self, run: &str) -> String {
        format!("{TRIES}/{run}/{}", self.name)
    }

    /// Where its piece goes; a shard has a place of its own.
    pub fn piece(&self) -> Option<&str> {
        match &self.what {
            What::Features { .. } => None,
            What::Survey { to, .. }
            | What::Multiply { to, .. }
            | What::Add { to, .. }
            | What::Project { to, .. } => Some(to),
        }
    }

    /// What it is, for a person: `shard 17 (Plum 3/0_100.jpg to Plum 3/9_100.jpg)`.
    pub fn describe(&self) -> String {
        match &self.what {
            What::Features { shard, rows } => {
                let key = |row: Option<&(String, String, u64, String)>| {
                    row.map_or(String::new(), |row| row.0.clone())
                };
                format!(
                    "shard {} ({} to {})",
                    shard.index,
                    key(rows.first()),
                    key(rows.last())
                )
            }
            _ => self.name.clone(),
        }
    }
}

impl Piece {
    /// Writes a piece, then its receipt.
    pub fn commit(store: &Store, key: &str, bytes: Vec<u8>, work: Work) -> Result<()> {
        let piece = Self {
            sha256: hex(&Sha256::digest(&bytes)),
            work,
        };
        store.put(key, bytes)?;
        store.put(&receipt_key(key), json(&piece)?)
    }

    /// The receipt of a piece, if it is there.
    pub fn find(store: &Store, key: &str) -> Result<Option<Self>> {
        let bytes = store.get(&receipt_key(key))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Reads a piece that was committed.
    pub fn read(store: &Store, key: &str) -> Result<Vec<u8>> {
        let bytes = store.get(key)?;
        let whole = match (&bytes, Self::find(store, key)?) {
            (Some(bytes), Some(piece)) => hex(&Sha256::digest(bytes)) == piece.sha256,
            _ => false,
        };
        if !whole {
            // The next run makes it anew.
            store.discard(&receipt_key(key))?;
        }
        bytes.filter(|_| whole).ok_or_else(|| Error::Engine {
            message: format!(
                "`{key}` in the cache is not what its receipt says; run the same command again"
            ),
            source: "the object is missing or damaged".into(),
        })
    }
}

pub(super) fn receipt_key(key: &str) -> String {
    format!("{key}.json")
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Internal(format!("no JSON: {e}")))
}

/// Milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "machines have no other clock in common; it names runs and dates tries, and is in no output"
)]
pub(super) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
