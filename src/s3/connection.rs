//! The connection: runtime, client, settings, and what was asked of S3.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    ConfigBag, Intercept, ProvideCredentials, RuntimeComponents, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use base64::Engine as _;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::failure::{self, NO_CREDENTIALS};
use crate::error::{Error, Result};
use crate::record::S3Record;

/// Tries of a request before it has failed for good; the AWS tools take 3, a run that nobody watches takes two more.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// Longest time for a connection to be made: two resends of a lost first packet (after 1 and 3 s, RFC 6298).
const CONNECT_TIMEOUT_S: f64 = 5.0;
/// How often one who waits looks whether to stop: at once, for a person.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a write may still take after a stop: half of the two minutes that a spot instance is given.
const GRACE: Duration = Duration::from_secs(60);
/// Threads for the requests. They wait more than they work: 4,098 reads take 2 s of processor time.
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
            // S3 answers within a second; a busy minute of it is not a dead connection.
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
struct Counter(Arc<Counts>);

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
        check(params)?;
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
        } = runtime.block_on(client(params, &counts))?;
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

fn check(params: &S3Params) -> Result<()> {
    if !(params.timeout_s > 0.0 && params.timeout_s <= 3600.0) {
        let message = format!(
            "the timeout must be above 0 and at most 3600 s, not {}",
            params.timeout_s
        );
        return Err(Error::Invalid(message));
    }
    params
        .endpoint_url
        .as_deref()
        .map_or(Ok(()), check_endpoint)
}

fn check_endpoint(url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match rest {
        // It would stand in logs and in the report.
        Some(rest) if rest.split('/').next().unwrap_or_default().contains('@') => Err(Error::Invalid(
            "the endpoint's URL must hold no user or password; credentials come from the environment or a profile"
                .to_owned(),
        )),
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => Err(Error::Invalid(format!(
            "the endpoint `{url}` must start with https:// or http:// and name a host"
        ))),
    }
}

/// What a connection is made of.
struct Opened {
    client: Client,
    region: String,
    endpoint: Option<String>,
}

async fn client(params: &S3Params, counts: &Arc<Counts>) -> Result<Opened> {
    let seconds = Duration::from_secs_f64;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(seconds(CONNECT_TIMEOUT_S.min(params.timeout_s)))
        .read_timeout(seconds(params.timeout_s))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()?);
    if let Some(profile) = &params.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &params.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &params.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if params.no_sign_request {
        loader = loader.no_credentials();
    }
    let shared = loader.load().await;
    let of_s3 = std::env::var("AWS_ENDPOINT_URL_S3")
        .ok()
        .filter(|url| !url.is_empty());
    let of_all = shared.endpoint_url().map(ToOwned::to_owned);
    let endpoint = params.endpoint_url.clone().or(of_s3).or(of_all);
    endpoint.as_deref().map_or(Ok(()), check_endpoint)?;
    let region = match shared.region() {
        Some(region) => region.clone(),
        // Servers other than Amazon's take any name here; this is the one they all know.
        None if endpoint.is_some() => Region::new("us-east-1"),
        None => {
            return Err(Error::Bucket {
                message: "no region is set; give it with --region, AWS_REGION or a profile"
                    .to_owned(),
                source: "S3 has an endpoint a region".into(),
            });
        }
    };
    if let Some(provider) = shared.credentials_provider() {
        let found = provider.provide_credentials().await;
        found.map_err(|fault| Error::Bucket {
            message: match &params.profile {
                Some(profile) => format!("{NO_CREDENTIALS}; the profile asked for is `{profile}`"),
                None => NO_CREDENTIALS.to_owned(),
            },
            source: Box::new(failure::no_credentials(&fault)),
        })?;
    }
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .region(region.clone())
        .force_path_style(endpoint.is_some())
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        // The SDK's quota for retries ends when 50 of 32 requests at once have failed: a hiccup of S3 would end a run.
        // Their number and that of their attempts are bounded already.
        .retry_partition(
            RetryPartition::custom("fruits")
                .token_bucket(TokenBucket::unlimited())
                .build(),
        )
        .timeout_config(timeouts)
        // Bodies have a timeout of their own, a part at a time.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(Counter(Arc::clone(counts)))
        .build();
    Ok(Opened {
        client: Client::from_conf(config),
        region: region.to_string(),
        endpoint,
    })
}

/// HTTPS that trusts what the machine trusts, and Mozilla's certificates on one that has none, such as a bare
/// container.
fn http_client() -> Result<SharedHttpClient> {
    let mut trusted = tls::TrustStore::default();
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let body = base64::engine::general_purpose::STANDARD.encode(certificate);
            let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            trusted.add_pem_certificate(pem);
        }
        trusted = trusted.with_native_roots(false);
    }
    let context = tls::TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|e| Error::Internal(format!("no TLS: {e}")))?;
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder();
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector
                // As the AWS tools do: HTTPS_PROXY, NO_PROXY ...
                .proxy_config(ProxyConfig::from_env())
                .tls_provider(tls::Provider::Rustls(
                    tls::rustls_provider::CryptoMode::Ring,
                ))
                .tls_context(context.clone())
                .build()
        }),
    )
}
