//! What the server knows of its objects.
//!
//! `s3s-fs` maps keys to paths, so that it cannot hold every key, and it knows no ETag when it lists. The index maps keys
//! to files of any name, and listing walks the index, not a folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::crypto::{Checksum as _, Sha256};
use s3s::{S3Result, dto, s3_error};

use crate::listing::{Page, Query};

/// One object: where its bytes are, and everything S3 says of it besides.
#[derive(Clone)]
pub struct Entry {
    pub file: PathBuf,
    pub size_bytes: u64,
    /// MD5 in hex, without the quotes it has on the wire
    pub etag: String,
    pub checksum: dto::Checksum,
    pub version_id: Option<String>,
    pub content_type: String,
    pub user_metadata: Option<dto::Metadata>,
    pub server_side_encryption: Option<String>,
    pub sse_kms_key_id: Option<String>,
    pub last_modified: dto::Timestamp,
}

/// The objects of one bucket, in the order of a listing: that of the keys' UTF-8 bytes.
pub type Bucket = BTreeMap<String, Arc<Entry>>;

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    /// Every version ever put, by bucket, key and version id; empty unless versioned
    versions: BTreeMap<(String, String, String), Arc<Entry>>,
    n_versions: u64,
}

/// All buckets. Shared by the S3 side, the faults and the control plane.
pub struct Index {
    state: Mutex<State>,
    versioned: bool,
}

impl Index {
    pub fn new(versioned: bool) -> Self {
        Self {
            state: Mutex::default(),
            versioned,
        }
    }

    /// Nothing leaves the state half changed, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the bucket is new.
    pub fn add_bucket(&self, bucket: &str) -> bool {
        let mut state = self.state();
        let is_new = !state.buckets.contains_key(bucket);
        if is_new {
            state.buckets.insert(bucket.into(), Bucket::new());
        }
        is_new
    }

    pub fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        self.state().bucket(bucket).map(|_| ())
    }

    /// Puts the object in place and gives the id of its version, if there are versions.
    pub fn put(&self, bucket: &str, key: &str, mut entry: Entry) -> Option<String> {
        let mut state = self.state();
        if self.versioned {
            state.n_versions += 1;
            let id =
                hex(&Sha256::checksum(format!("version {}", state.n_versions).as_bytes())[..16]);
            entry.version_id = Some(id);
        }
        let id = entry.version_id.clone();
        let entry = Arc::new(entry);
        if let Some(id) = &id {
            state
                .versions
                .insert((bucket.into(), key.into(), id.clone()), Arc::clone(&entry));
        }
        state
            .buckets
            .entry(bucket.into())
            .or_default()
            .insert(key.into(), entry);
        id
    }

    /// Its file stays: an answer that is under way, or an older version, may need it.
    pub fn remove(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.state().buckets.get_mut(bucket) {
            bucket.remove(key);
        }
    }

    /// The object as it is now, or one of its versions.
    pub fn get(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Arc<Entry>> {
        let state = self.state();
        let objects = state.bucket(bucket)?;
        let entry = match version_id {
            None => objects
                .get(key)
                .ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?,
            Some(id) => state
                .versions
                .get(&(bucket.into(), key.into(), id.into()))
                .ok_or_else(|| s3_error!(NoSuchVersion, "The specified version does not exist."))?,
        };
        Ok(Arc::clone(entry))
    }

    pub fn list(&self, bucket: &str, query: &Query<'_>) -> S3Result<Page> {
        Ok(Page::of(self.state().bucket(bucket)?, query))
    }

    /// Everything in a bucket, in the order of the keys.
    pub fn all(&self, bucket: &str) -> Option<Bucket> {
        self.state().buckets.get(bucket).cloned()
    }
}

impl State {
    fn bucket(&self, bucket: &str) -> S3Result<&Bucket> {
        self.buckets
            .get(bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
