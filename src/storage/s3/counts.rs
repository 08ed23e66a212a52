//! The count of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use serde::{Deserialize, Serialize};

/// Requests to S3. Each is counted once under its kind, however often it was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct S3Record {
    /// Pages of listings.
    pub lists: u64,
    /// Objects read.
    pub gets: u64,
    /// Objects written.
    pub puts: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Content of the objects read, in bytes.
    pub received_bytes: u64,
    /// Content of the objects written, in bytes.
    pub sent_bytes: u64,
    /// Time from each read's request to its last byte, summed over reads that overlap, in seconds.
    pub get_s: f64,
}

/// Requests to S3.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests on the wire, with those that were sent again.
    attempts: AtomicU64,
    pub lists: AtomicU64,
    pub gets: AtomicU64,
    pub puts: AtomicU64,
    pub deletes: AtomicU64,
    pub received_bytes: AtomicU64,
    pub sent_bytes: AtomicU64,
    /// Time from a read's request to its last byte, summed.
    pub get_us: AtomicU64,
}

impl Counts {
    /// As they stand now.
    pub fn record(&self) -> S3Record {
        let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let [lists, gets, puts, deletes] =
            [&self.lists, &self.gets, &self.puts, &self.deletes].map(count);
        S3Record {
            lists,
            gets,
            puts,
            deletes,
            retries: count(&self.attempts).saturating_sub(lists + gets + puts + deletes),
            received_bytes: count(&self.received_bytes),
            sent_bytes: count(&self.sent_bytes),
            get_s: count(&self.get_us) as f64 / 1e6,
        }
    }
}

/// Counts each request as it goes out: the SDK sends again without a word.
#[derive(Debug)]
pub(super) struct Counter(pub Arc<Counts>);

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "Counter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.attempts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
