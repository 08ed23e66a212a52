//! The five requests that a run makes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, RequestPayer, ServerSideEncryption};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::counts::Counts;
use super::failure::{Failure, Kind, innermost};
use super::params::{Encryption, MAX_ATTEMPTS};
use super::prefix::{Content, Listed, Prefix};
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
    /// A page of the listing, and the token of the next.
    pub(super) async fn list_page(
        &self,
        token: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), Failure> {
        self.count(|c| &c.lists, 1);
        let page = self
            .connection
            .client()
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .set_continuation_token(token)
            // A key may hold what XML cannot.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.payer())
            .send()
            .await?;
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        let objects = page.contents().iter().map(|object| {
            let key = object.key().unwrap_or_default();
            let key = if is_encoded {
                decoded(key)?
            } else {
                key.to_owned()
            };
            Ok(Listed {
                key: key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned(),
                size_bytes: object.size().unwrap_or_default().unsigned_abs(),
                etag: object.e_tag().unwrap_or_default().to_owned(),
                modified: object
                    .last_modified()
                    .and_then(|at| SystemTime::try_from(*at).ok()),
            })
        });
        let objects = objects.collect::<Result<Vec<_>, Failure>>()?;
        let more = page.is_truncated() == Some(true);
        let next = page.next_continuation_token.filter(|_| more);
        if more && next.is_none() {
            let text = "the listing goes on, but the server does not say where; it must know ListObjectsV2";
            return Err(Failure::new(Kind::Other, text));
        }
        Ok((objects, next))
    }

    /// An object, whole and checked against its checksum; another state of it than `etag` is a failure, and so is more than
    /// `most_bytes`.
    pub(crate) async fn get(
        &self,
        key: &str,
        etag: Option<&str>,
        most_bytes: u64,
    ) -> Result<Content, Failure> {
        let mut bytes = Vec::new();
        let mut take = |part: Part<'_>| match part {
            Part::First { n_bytes } => {
                bytes = Vec::with_capacity(n_bytes.min(MAX_TRUSTED_BYTES) as usize);
            }
            Part::Next(part) => bytes.extend_from_slice(part),
        };
        let (etag, version_id) = self.get_parts(key, etag, most_bytes, &mut take).await?;
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
        self.get_parts(key, None, most_bytes, &mut take).await?;
        Ok(hasher.hex())
    }

    /// An object in parts; gives its ETag and version.
    async fn get_parts(
        &self,
        key: &str,
        etag: Option<&str>,
        most_bytes: u64,
        take: &mut (dyn FnMut(Part) + Send),
    ) -> Result<(String, Option<String>), Failure> {
        self.count(|c| &c.gets, 1);
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let answer = self
                .connection
                .client()
                .get_object()
                .bucket(&self.bucket)
                .key(self.full(key))
                .set_if_match(etag.filter(|e| !e.is_empty()).map(ToOwned::to_owned))
                .set_request_payer(self.payer())
                .send()
                .await?;
            let version_id = answer.version_id().map(ToOwned::to_owned);
            let etag_there = answer.e_tag().unwrap_or_default().to_owned();
            match self.body(answer, most_bytes, take).await {
                Ok(n_bytes) => {
                    self.count(|c| &c.received_bytes, n_bytes);
                    self.count(|c| &c.get_us, began.elapsed().as_micros() as u64);
                    return Ok((etag_there, version_id));
                }
                // The SDK repeats requests, but not a body that broke off on the way.
                Err(_) if attempt < MAX_ATTEMPTS => {
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
        most_bytes: u64,
        take: &mut (dyn FnMut(Part) + Send),
    ) -> Result<u64, Failure> {
        let expected = answer.content_length().map(i64::unsigned_abs);
        let too_large = |n: u64| {
            let text =
                format!("the server sends {n} bytes where at most {most_bytes} can be right");
            Failure::new(Kind::Damaged, text)
        };
        if let Some(n) = expected.filter(|&n| n > most_bytes) {
            return Err(too_large(n));
        }
        let patience = Duration::from_secs_f64(self.connection.params().timeout_s);
        let mut body = answer.body;
        take(Part::First {
            n_bytes: expected.unwrap_or_default(),
        });
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
                let outcome = prefix.get(&key, None, most_bytes).await;
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
        let timeouts = aws_sdk_s3::config::timeout::TimeoutConfig::builder()
            .read_timeout(Duration::from_secs_f64(patience))
            .build();
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
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts))
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

    fn payer(&self) -> Option<RequestPayer> {
        self.connection
            .params()
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    fn count(&self, which: impl FnOnce(&Counts) -> &AtomicU64, n: u64) {
        which(self.connection.counts()).fetch_add(n, Ordering::Relaxed);
    }
}

/// A key as it was before S3 encoded it for XML: like a form's field, with `+` for a space.
fn decoded(key: &str) -> Result<String, Failure> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Failure::new(Kind::Other, format!("a listed key is not UTF-8: {key}")))
}

/// The pause before the next try: doubled each time, and spread over its second half, so that many readers do not come
/// back at once. The spread comes from the key: nothing here is random.
fn pause(key: &str, attempt: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (key, attempt).hash(&mut hasher);
    let spread = (hasher.finish() % 1000) as f64 / 1000.0;
    Duration::from_secs_f64(FIRST_PAUSE_S * f64::from(1 << (attempt - 1)) * (0.5 + 0.5 * spread))
}
