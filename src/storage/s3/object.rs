//! The requests of a run that are about one object.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{RequestPayer, ServerSideEncryption};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::timeouts;
use super::counts::Counts;
use super::failure::{Failure, Kind, innermost};
use super::params::{Encryption, MAX_ATTEMPTS};
use super::prefix::{Content, Prefix};
use crate::storage::digest;

/// Requests at once. An answer of S3 takes 20 to 100 ms (assumed), so this is 300 to 1,600 small objects a second; two
/// cores with AMX describe 83.
pub(crate) const MAX_REQUESTS: usize = 32;
/// Most bytes of an object that nobody knows the size of: that of a large model.
pub(super) const MAX_BYTES: u64 = 4 << 30;
/// Most memory that is taken on the word of a server: more is taken as it comes.
const MAX_TRUSTED_BYTES: u64 = 64 << 20;
/// First pause before a body is read again; doubled each time. A few round trips: what broke was one connection.
const FIRST_PAUSE_S: f64 = 0.2;
/// Slowest upload that is waited for, a line of 1 Mbit/s; below, a connection counts as dead.
const SLOWEST_UPLOAD_BYTES_PER_S: f64 = 125_000.0;
/// Slowest download: of the same line a part, since all requests share it.
const SLOWEST_DOWNLOAD_BYTES_PER_S: f64 = SLOWEST_UPLOAD_BYTES_PER_S / MAX_REQUESTS as f64;

/// How many bytes an object may have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Size {
    AtMost(u64),
    /// As it was listed.
    Exactly(u64),
}

impl Size {
    fn most_bytes(self) -> u64 {
        match self {
            Self::AtMost(n) | Self::Exactly(n) => n,
        }
    }
}

/// What must hold of the object that a write replaces.
#[derive(Debug)]
pub(super) enum Condition {
    None,
    /// There is none.
    Absent,
    /// It has this ETag.
    Matches(String),
}

/// What comes of an object.
enum Part<'a> {
    /// It begins, perhaps anew; so many bytes are announced.
    First {
        n_bytes: u64,
    },
    Next(&'a [u8]),
}

impl Prefix {
    /// An object, whole and checked against its checksum; another state of it than `etag` is a failure, and so is another
    /// size.
    pub(crate) async fn get(
        &self,
        key: &str,
        etag: Option<&str>,
        size: Size,
    ) -> Result<Content, Failure> {
        let mut bytes = Vec::new();
        let mut take = |part: Part<'_>| match part {
            Part::First { n_bytes } => {
                bytes = Vec::with_capacity(n_bytes.min(MAX_TRUSTED_BYTES) as usize);
            }
            Part::Next(part) => bytes.extend_from_slice(part),
        };
        let (etag, version_id) = self.get_parts(key, etag, size, &mut take).await?;
        Ok(Content {
            bytes,
            etag,
            version_id,
        })
    }

    /// The SHA-256 of an object, of which a part at a time is in memory; more than `most_bytes` is a failure.
    pub(super) async fn get_sha256(&self, key: &str, most_bytes: u64) -> Result<String, Failure> {
        let mut hasher = digest::Hasher::default();
        let mut take = |part: Part<'_>| match part {
            Part::First { .. } => hasher = digest::Hasher::default(),
            Part::Next(part) => hasher.update(part),
        };
        let size = Size::AtMost(most_bytes);
        self.get_parts(key, None, size, &mut take).await?;
        Ok(hasher.hex())
    }

    /// An object in parts; gives its ETag and version.
    async fn get_parts(
        &self,
        key: &str,
        etag: Option<&str>,
        size: Size,
        take: &mut (dyn FnMut(Part) + Send),
    ) -> Result<(String, Option<String>), Failure> {
        self.count(|c| &c.gets, 1);
        let etag = etag.filter(|e| !e.is_empty());
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let answer = self
                .connection
                .client()
                .get_object()
                .bucket(&self.bucket)
                .key(self.full(key))
                .set_if_match(etag.map(ToOwned::to_owned))
                .set_request_payer(self.payer())
                .send()
                .await?;
            let version_id = answer.version_id().map(ToOwned::to_owned);
            let etag_there = answer.e_tag().unwrap_or_default().to_owned();
            // A server may not know the condition.
            if let Some(etag) = etag.filter(|etag| is_another(etag, &etag_there)) {
                let text = format!("its ETag is {etag_there}, and {etag} was listed");
                return Err(Failure::new(Kind::Changed, text));
            }
            match self.body(answer, size, take).await {
                Ok(n_bytes) => {
                    self.count(|c| &c.received_bytes, n_bytes);
                    self.count(|c| &c.get_us, began.elapsed().as_micros() as u64);
                    return Ok((etag_there, version_id));
                }
                // The SDK repeats requests, but not a body that broke off on the way.
                Err(failure) if failure.kind != Kind::TooLarge && attempt < MAX_ATTEMPTS => {
                    tokio::time::sleep(pause(key, attempt)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Gives the number of bytes.
    async fn body(
        &self,
        answer: GetObjectOutput,
        size: Size,
        take: &mut (dyn FnMut(Part) + Send),
    ) -> Result<u64, Failure> {
        let most_bytes = size.most_bytes();
        let announced = answer.content_length().map(i64::unsigned_abs);
        let too_large = |n: u64| {
            let text =
                format!("the server sends {n} bytes where at most {most_bytes} can be right");
            Failure::new(Kind::TooLarge, text)
        };
        if let Some(n) = announced.filter(|&n| n > most_bytes) {
            return Err(too_large(n));
        }
        let expected = match size {
            Size::Exactly(n) => Some(n),
            Size::AtMost(_) => announced,
        };
        let patience_s = self.connection.params().timeout_s;
        let patience = Duration::from_secs_f64(patience_s);
        let mut body = answer.body;
        take(Part::First {
            n_bytes: announced.unwrap_or_default(),
        });
        let began = Instant::now();
        let mut n_bytes = 0;
        loop {
            match tokio::time::timeout(patience, body.try_next()).await {
                Err(_) => {
                    return Err(Failure::new(
                        Kind::Timeout,
                        "the answer stopped in its middle",
                    ));
                }
                Ok(Err(fault)) => return Err(Failure::new(Kind::Damaged, innermost(&fault))),
                Ok(Ok(Some(part))) => {
                    n_bytes += part.len() as u64;
                    if n_bytes > most_bytes {
                        return Err(too_large(n_bytes));
                    }
                    let passed_s = began.elapsed().as_secs_f64();
                    if passed_s > patience_s + n_bytes as f64 / SLOWEST_DOWNLOAD_BYTES_PER_S {
                        let text = format!("only {n_bytes} bytes came in {passed_s:.0} s");
                        return Err(Failure::new(Kind::Timeout, text));
                    }
                    take(Part::Next(&part));
                }
                Ok(Ok(None)) => match expected.filter(|&n| n != n_bytes) {
                    None => return Ok(n_bytes),
                    Some(n) => {
                        let text = format!("{n_bytes} of {n} bytes came");
                        return Err(Failure::new(Kind::Damaged, text));
                    }
                },
            }
        }
    }

    /// Objects, several at once; in no order.
    pub(super) async fn get_all(
        &self,
        keys: Vec<String>,
        most_bytes: u64,
    ) -> Vec<(String, Result<Content, Failure>)> {
        let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        let mut reading = JoinSet::new();
        for key in keys {
            let (prefix, requests) = (self.clone(), Arc::clone(&requests));
            reading.spawn(async move {
                let _request = requests.acquire_owned().await;
                let outcome = prefix.get(&key, None, Size::AtMost(most_bytes)).await;
                (key, outcome)
            });
        }
        reading.join_all().await
    }

    /// Writes an object with its checksum, encrypted as asked.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> Result<(), Failure> {
        let written = self.put_on(key, bytes, content_type, &Condition::None);
        written.await.map(drop)
    }

    /// [`Prefix::put`] if `condition` is met; gives the ETag.
    pub(super) async fn put_on(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        condition: &Condition,
    ) -> Result<String, Failure> {
        self.count(|c| &c.puts, 1);
        let n_bytes = bytes.len() as u64;
        let params = self.connection.params();
        let (encryption, key_id) = match &params.encryption {
            None => (None, None),
            Some(Encryption::S3) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms { key_id }) => {
                (Some(ServerSideEncryption::AwsKms), key_id.clone())
            }
        };
        // Doubled, not computed: the SDK keeps a pool of connections for each timeout that it has seen.
        let slowest_s = n_bytes as f64 / SLOWEST_UPLOAD_BYTES_PER_S;
        let mut patience = params.timeout_s;
        while patience < slowest_s {
            patience *= 2.0;
        }
        let (if_match, if_none_match) = match condition {
            Condition::None => (None, None),
            Condition::Absent => (None, Some("*".to_owned())),
            Condition::Matches(etag) => (Some(etag.clone()), None),
        };
        let answer = self
            .connection
            .client()
            .put_object()
            .set_if_match(if_match)
            .set_if_none_match(if_none_match)
            .bucket(&self.bucket)
            .key(self.full(key))
            .body(ByteStream::from(bytes))
            .content_type(content_type)
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_request_payer(self.payer())
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts(patience)))
            .send()
            .await?;
        self.count(|c| &c.sent_bytes, n_bytes);
        Ok(answer.e_tag.unwrap_or_default())
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Failure> {
        self.count(|c| &c.deletes, 1);
        self.connection
            .client()
            .delete_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .set_request_payer(self.payer())
            .send()
            .await?;
        Ok(())
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn payer(&self) -> Option<RequestPayer> {
        self.connection
            .params()
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    pub(super) fn count(&self, which: impl FnOnce(&Counts) -> &AtomicU64, n: u64) {
        which(self.connection.counts()).fetch_add(n, Ordering::Relaxed);
    }
}

/// Whether two ETags name different states, as far as the second one is known. Servers differ in quotes and in the mark of
/// weak ones.
fn is_another(etag: &str, there: &str) -> bool {
    let bare = |etag: &str| etag.trim_start_matches("W/").trim_matches('"').to_owned();
    !there.is_empty() && bare(etag) != bare(there)
}

/// The pause before the next try: doubled each time, and spread over its second half, so that many readers do not come
/// back at once. The spread comes from the key: nothing here is random.
fn pause(key: &str, attempt: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (key, attempt).hash(&mut hasher);
    let spread = (hasher.finish() % 1000) as f64 / 1000.0;
    Duration::from_secs_f64(FIRST_PAUSE_S * f64::from(1 << (attempt - 1)) * (0.5 + 0.5 * spread))
}
