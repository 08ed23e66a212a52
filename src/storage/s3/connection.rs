//! The connection: a client, and the runtime that its requests run on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::runtime::Runtime;
use tokio::task::{AbortHandle, unconstrained};

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
    requests: Requests,
    client: Client,
    params: S3Params,
    region: String,
    endpoint: Option<String>,
    counts: Arc<Counts>,
    stop: &'static AtomicBool,
}

/// The runtime of requests. Whoever waits here may be on a thread of another runtime: a library does not choose its caller.
#[derive(Debug)]
struct Requests(
    /// Always there until it is dropped.
    Option<Runtime>,
);

impl Drop for Requests {
    /// It may go on a thread of this or another runtime, where waiting for its end is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Requests {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(N_WORKERS)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| Error::Internal(format!("no runtime for requests: {e}")))?;
        Ok(Self(Some(runtime)))
    }

    fn runtime(&self) -> Result<&Runtime> {
        let gone = || Error::Internal("the runtime for requests is gone".to_owned());
        self.0.as_ref().ok_or_else(gone)
    }

    /// Waits on this thread for what the runtime's own threads bring. `Runtime::block_on` would panic where the caller is a
    /// task of a runtime, and there the budget of that task must not be asked: it is renewed between two polls of the task,
    /// and this is within one.
    fn wait<F: Future>(&self, work: F) -> Result<F::Output> {
        let _entered = self.runtime()?.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut work = pin!(unconstrained(work));
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return Ok(output),
                Poll::Pending => thread::park(),
            }
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

    /// [`Connection::open`], with a flag that ends what waits: reads at once with [`Error::Cancelled`], writes after a
    /// minute, so that what is computed is kept.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_until(params: &S3Params, stop: &'static AtomicBool) -> Result<Self> {
        client::check(params)?;
        let requests = Requests::start()?;
        let counts = Arc::new(Counts::default());
        let Opened {
            client,
            region,
            endpoint,
        } = requests.wait(client::open(params, &counts))??;
        Ok(Self(Arc::new(Inner {
            requests,
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
        Ok(self.0.requests.runtime()?.spawn(work).abort_handle())
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
        self.0.requests.wait(async {
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
                    return Err(Error::Cancelled);
                }
            }
        })?
    }
}
