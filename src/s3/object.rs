//! The five requests that a run makes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, RequestPayer, ServerSideEncryption};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::MAX_ATTEMPTS;
use super::failure::innermost;
use super::{Content, Encryption, Failure, Kind, Listed, Prefix};

/// Requests at once. An answer of S3 takes 20 to 100 ms (assumed), so this is 300 to 1,600 small objects a second; two
/// cores with AMX describe 83.
pub(crate) const MAX_REQUESTS: usize = 32;
/// First pause before a body is read again; doubled each time. A few round trips: what broke was one connection.
const FIRST_PAUSE_S: f64 = 0.2;
/// Slowest upload that is waited for, a line of 1 Mbit/s; below, a connection counts as dead.
const SLOWEST_UPLOAD_BYTES_PER_S: f64 = 125_000.0;

/// What is done to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Get,
    Put,
    Delete,
}

impl Verb {
    pub fn words(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "read",
            Self::Put => "write",
            Self::Delete => "remove",
        }
    }

    pub fn permission(self) -> &'static str {
        match self {
            Self::List => "s3:ListBucket",
            Self::Get => "s3:GetObject",
            Self::Put => "s3:PutObject",
            Self::Delete => "s3:DeleteObject",
        }
    }

    /// What the permission must be for.
    pub fn resource(self, bucket: &str, prefix: &str) -> String {
        match self {
            Self::List if prefix.is_empty() => format!("the bucket {bucket}"),
            Self::List => format!("the bucket {bucket} for the prefix {prefix}"),
            _ => format!("{bucket}/{prefix}*"),
        }
    }
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

    /// An object, whole and checked against its checksum; another state of it than `etag` is a failure.
    pub(crate) async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, Failure> {
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
            match self.body(answer).await {
                Ok(bytes) => {
                    self.count(|c| &c.received_bytes, bytes.len() as u64);
                    self.count(|c| &c.get_us, began.elapsed().as_micros() as u64);
                    return Ok(Content { bytes, version_id });
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

    async fn body(&self, answer: GetObjectOutput) -> Result<Vec<u8>, Failure> {
        let expected = answer.content_length().map(|n| n.unsigned_abs() as usize);
        let patience = Duration::from_secs_f64(self.connection.params().timeout_s);
        let mut body = answer.body;
        let mut bytes = Vec::with_capacity(expected.unwrap_or_default());
        loop {
            match tokio::time::timeout(patience, body.try_next()).await {
                Err(_) => {
                    return Err(Failure::new(
                        Kind::Timeout,
                        "the answer stopped in its middle",
                    ));
                }
                Ok(Err(fault)) => return Err(Failure::new(Kind::Damaged, innermost(&fault))),
                Ok(Ok(Some(part))) => bytes.extend_from_slice(&part),
                Ok(Ok(None)) => match expected.filter(|&n| n != bytes.len()) {
                    None => return Ok(bytes),
                    Some(n) => {
                        let text = format!("{} of {n} bytes came", bytes.len());
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
    ) -> Vec<(String, Result<Content, Failure>)> {
        let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        let mut reading = JoinSet::new();
        for key in keys {
            let (prefix, requests) = (self.clone(), Arc::clone(&requests));
            reading.spawn(async move {
                let _request = requests.acquire_owned().await;
                let outcome = prefix.get(&key, None).await;
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
        self.connection
            .client()
            .put_object()
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
        Ok(())
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

    fn count(&self, which: impl FnOnce(&super::connection::Counts) -> &AtomicU64, n: u64) {
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
