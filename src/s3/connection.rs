//! The connection: runtime, client, settings, and what was asked of S3.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::client::{self, Opened};
use crate::error::{Error, Result};
use crate::record::S3Record;

/// Tries of a request before it has failed for good; the AWS tools take 3, a run that nobody watches takes two more.
pub(crate) const MAX_ATTEMPTS: u32 = 5;
/// How often one who waits looks whether to stop: at once, for a person.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a write may still take after a stop: half of the two minutes that a spot instance is given.
const GRACE: Duration = Duration::from_secs(60);
/// Threads for the requests, which wait more than they work.
const N_WORKERS: usize = 2;

/// How to reach S3.
#[derive(Debug, Clone, PartialEq)]
pub struct S3Params {
    /// Such as `eu-west-3`; from the usual chain (`AWS_REGION`, profile, instance) if absent.
    pub region: Option<String>,
    /// A server other than Amazon's, addressed with the bucket in the path.
    pub endpoint_url: Option<String>,
    /// Profile in the shared configuration files.
    pub profile: Option<String>,
    /// Send requests without a signature, for public buckets.
    pub no_sign_request: bool,
    /// Confirm that this side pays for its requests.
    pub request_payer: bool,
    /// Longest wait for an answer, or for the next part of one, in seconds.
    pub timeout_s: f64,
    /// Encryption of what is written; the bucket's own default if absent.
    pub encryption: Option<Encryption>,
}

impl Default for S3Params {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            profile: None,
            no_sign_request: false,
            request_payer: false,
            // S3 answers within a second; half a minute without a byte is a dead connection.
            timeout_s: 30.0,
            encryption: None,
        }
    }
}

/// Server-side encryption of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3: keys of S3.
    S3,
    /// SSE-KMS, with this key or the account's own for S3.
    Kms {
        /// Identifier or ARN of the key.
        key_id: Option<String>,
    },
}

/// A connection to S3; clones share it.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Always there until the last clone goes.
    runtime: Option<Runtime>,
    client: Client,
    params: S3Params,
    region: String,
    endpoint: Option<String>,
    counts: Arc<Counts>,
    stop: &'static AtomicBool,
}

impl Drop for Inner {
    /// The last clone may go on the runtime's own thread, where waiting for its end is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The flag of a connection that nobody stops.
static NEVER: AtomicBool = AtomicBool::new(false);

/// What was asked of S3.
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

impl Connection {
    /// Reads settings and credentials from the usual places: environment, shared files, single sign-on, container or
    /// instance role. Asks nothing of S3.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong endpoint or timeout, [`Error::Bucket`] without a region or credentials.
    pub fn open(params: &S3Params) -> Result<Self> {
        Self::open_until(params, &NEVER)
    }

    /// [`Connection::open`], with a flag that ends what waits: reads at once with [`Error::Interrupted`], writes after a
    /// minute, so that what is computed is kept.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_until(params: &S3Params, stop: &'static AtomicBool) -> Result<Self> {
        client::check(params)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(N_WORKERS)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| Error::Internal(format!("no runtime for requests: {e}")))?;
        let counts = Arc::new(Counts::default());
        let Opened {
            client,
            region,
            endpoint,
        } = runtime.block_on(client::open(params, &counts))?;
        Ok(Self(Arc::new(Inner {
            runtime: Some(runtime),
            client,
            params: params.clone(),
            region,
            endpoint,
            counts,
            stop,
        })))
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn params(&self) -> &S3Params {
        &self.0.params
    }

    /// The region of its requests.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// The server, where it is not Amazon's.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// What was asked of S3 until now.
    #[must_use]
    pub fn record(&self) -> S3Record {
        let counts = &self.0.counts;
        let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let [lists, gets, puts, deletes] =
            [&counts.lists, &counts.gets, &counts.puts, &counts.deletes].map(count);
        S3Record {
            lists,
            gets,
            puts,
            deletes,
            retries: count(&counts.attempts).saturating_sub(lists + gets + puts + deletes),
            received_bytes: count(&counts.received_bytes),
            sent_bytes: count(&counts.sent_bytes),
            get_s: count(&counts.get_us) as f64 / 1e6,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Starts work that goes on beside the caller's.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<AbortHandle> {
        Ok(self.runtime()?.spawn(work).abort_handle())
    }

    /// Waits for an answer; a stop ends that. Never called from the runtime's own threads.
    pub(crate) fn wait<F: Future>(&self, request: F) -> Result<F::Output> {
        self.wait_until(request, &mut || true, Duration::ZERO)
    }

    /// [`Connection::wait`] for what should still be written when a stop has come.
    pub(crate) fn wait_with_grace<F: Future>(&self, request: F) -> Result<F::Output> {
        self.wait_until(request, &mut || true, GRACE)
    }

    /// [`Connection::wait`], and asks `keep_going` as well.
    pub(crate) fn wait_while<F: Future>(
        &self,
        request: F,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<F::Output> {
        self.wait_until(request, keep_going, Duration::ZERO)
    }

    fn wait_until<F: Future>(
        &self,
        request: F,
        keep_going: &mut dyn FnMut() -> bool,
        grace: Duration,
    ) -> Result<F::Output> {
        self.runtime()?.block_on(async {
            tokio::pin!(request);
            let mut stopped: Option<Instant> = None;
            loop {
                if let Ok(answer) = tokio::time::timeout(LOOK_EVERY, &mut request).await {
                    return Ok(answer);
                }
                if keep_going() && !self.0.stop.load(Ordering::Relaxed) {
                    continue;
                }
                if stopped.get_or_insert_with(Instant::now).elapsed() >= grace {
                    return Err(Error::Interrupted);
                }
            }
        })
    }

    fn runtime(&self) -> Result<&Runtime> {
        let gone = || Error::Internal("the runtime for requests is gone".to_owned());
        self.0.runtime.as_ref().ok_or_else(gone)
    }
}
