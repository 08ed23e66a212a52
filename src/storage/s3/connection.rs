//! The connection: a client, and the runtime that its requests run on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::client::{self, Opened};
use super::counts::{Counts, S3Record};
use super::params::S3Params;
use crate::error::{Error, Result};

/// How often one who waits looks whether to stop: at once, for a person.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a write may still take after a stop: half of the two minutes that a spot instance is given.
const GRACE: Duration = Duration::from_secs(60);
/// Threads for the requests, which wait more than they work.
const N_WORKERS: usize = 2;

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

    /// Requests to S3 until now.
    #[must_use]
    pub fn record(&self) -> S3Record {
        self.0.counts.record()
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
