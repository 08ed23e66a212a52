//! What driver and workers of a cluster say to each other: orders, tasks, tries and receipts, as objects in the cache.
//!
//! A driver writes an [`Order`] of tasks and hands out [`Ticket`]s, one a task, each under the mark of the secret. A worker reads
//! the order a ticket names, holds it against its digest, notes a [`Try`], does the task, writes what came out under the key
//! that the task gives, and its receipt last. Shards have keys that follow from what they are made of; all else has a folder of
//! its run.

use fruits::s3::{Encryption, S3Params};
use fruits::storage::digest;
use fruits::store::Shard;
use fruits::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::keys::{Fingerprint, Key};
use crate::secret::Secret;

/// Version of the layout of everything here.
pub const SCHEMA: &str = "fruits-cluster/2";
/// Tries of a task before the run gives up on it. Two may be lost with spot instances; a third one lost is the task's own
/// fault.
pub const MAX_TRIES: usize = 3;
/// Orders, by their content.
pub const ORDERS: &str = "cluster/orders";
/// Tries, by run and task.
pub const TRIES: &str = "cluster/tries";
/// What tasks other than features give, by run.
pub const PIECES: &str = "cluster/pieces";
/// Models of users' own, by content.
const MODELS: &str = "cluster/models";

/// Where a model of this SHA-256 lies.
pub fn model_key(sha256: &str) -> Result<Key> {
    Key::new(format!("{MODELS}/{sha256}.onnx"))
}

/// What a worker gets: where the order lies, and which of its tasks this is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Address of the cache.
    pub cache: String,
    /// How to reach S3, if the cache or the images are there.
    pub s3: Option<Reach>,
    /// Which run of the driver this is.
    pub run: String,
    /// SHA-256 of the order.
    pub order: Fingerprint,
    /// Its size; no more is read of what lies in its place.
    pub order_bytes: u64,
    /// Place of the task in it.
    pub index: usize,
}

impl Ticket {
    /// As it goes to workers.
    pub fn seal(&self, secret: &Secret) -> Result<String> {
        let text = serde_json::to_string(self);
        secret.seal(&text.map_err(|e| Error::Internal(format!("no JSON: {e}")))?)
    }

    /// The ticket, if it is of a driver that knows the secret.
    pub fn open(sealed: &str, secret: &Secret) -> Result<Self> {
        let text = secret.open(sealed)?.ok_or_else(|| {
            Error::Invalid(
                "the task is of a driver with another secret; give driver and workers the same file with --secret"
                    .to_owned(),
            )
        })?;
        serde_json::from_str(text)
            .map_err(|e| Error::Invalid(format!("the task is of another build: {e}")))
    }
}

/// How to reach S3, without credentials: each machine has its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    region: String,
    pub endpoint_url: Option<String>,
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
pub struct Order {
    pub schema: String,
    /// [`Chosen::build`](fruits::pipeline::descriptor::Chosen::build) of the driver; a worker of another one refuses.
    pub build: String,
    /// Which run of the driver this is: tries are counted for each.
    pub run: String,
    /// Everything but the files that decides the descriptors; a worker that has another one refuses.
    pub recipe: String,
    /// Address of the images.
    pub input: String,
    /// Bicubic or nearest.
    pub filter: String,
    /// As in `--descriptor`.
    pub descriptor: String,
    /// Of its network: `f32` or `bf16`, never `auto`, which would be each worker's own choice; `auto` without a network.
    pub precision: String,
    /// Key of a model of the user's own.
    pub model: Option<Key>,
    pub tasks: Vec<Task>,
}

/// A task: what is to be done, and under which name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique in a run, such as `features-00017`.
    pub name: String,
    pub what: What,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// Descriptors of a shard.
    Features {
        shard: ShardName,
        /// Key, label, size, ETag.
        rows: Vec<(String, String, u64, String)>,
    },
    /// What is to know of the images of a window.
    Survey { window: Vec<ShardName>, to: Key },
    /// A window of rows times the factor of a pass.
    Multiply {
        window: Vec<ShardName>,
        factor: Key,
        to: Key,
    },
    /// Sums of a node of the tree.
    Add {
        parts: Vec<Key>,
        are_leaves: bool,
        to: Key,
    },
    /// Scores of a window.
    Project {
        window: Vec<ShardName>,
        pca: Key,
        to: Key,
    },
}

/// Names a shard in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardName {
    pub index: usize,
    pub fingerprint: Fingerprint,
}

impl ShardName {
    pub fn of(shard: &Shard) -> Result<Self> {
        Ok(Self {
            index: shard.index,
            fingerprint: shard.fingerprint.clone().try_into()?,
        })
    }

    /// The shard without its rows.
    pub fn shard(&self) -> Shard {
        Shard::named(self.index, self.fingerprint.as_str())
    }
}

/// A worker began a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Try {
    pub worker: String,
    /// Milliseconds since 1970, by the worker's clock.
    pub began_ms: u64,
    /// Why it failed; absent while it works, if it was killed, and if it did the task.
    pub fault: Option<Fault>,
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Milliseconds since 1970, by the worker's clock.
    pub at_ms: u64,
    pub why: String,
    /// What the task was to read, if it was damaged or gone: then no other try helps.
    pub damaged: Option<String>,
}

impl Fault {
    pub fn of(error: &Error) -> Self {
        Self {
            at_ms: now_ms(),
            why: error.to_string(),
            damaged: match error {
                Error::Damaged { shards } => shards.first().cloned(),
                _ => None,
            },
        }
    }
}

impl Order {
    /// The bytes and their SHA-256.
    pub fn sealed(&self) -> Result<(Vec<u8>, Fingerprint)> {
        let bytes = json(self)?;
        let digest = digest::of(&bytes).try_into()?;
        Ok((bytes, digest))
    }

    /// Where the order of this digest lies.
    pub fn key(digest: &Fingerprint) -> Result<Key> {
        Key::new(format!("{ORDERS}/{}.json", digest.as_str()))
    }
}

impl Task {
    /// The folder of its tries.
    pub fn tries(&self, run: &str) -> Result<Key> {
        Key::new(format!("{TRIES}/{run}/{}", self.name))
    }

    /// Where its piece goes; a shard has a place of its own.
    pub fn piece(&self) -> Option<&Key> {
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

pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Internal(format!("no JSON: {e}")))
}
