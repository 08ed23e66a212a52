//! The connection: runtime, client, settings, and what was asked of S3.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    ConfigBag, Intercept, ProvideCredentials, RuntimeComponents, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::{Builder, tls};
use base64::Engine as _;
use tokio::runtime::Runtime;

use super::failure;
use crate::error::{Error, Result};
use crate::record::S3Record;

/// Tries of a request before it has failed for good; the AWS tools take 3, a run that nobody watches takes two more.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// Longest time for a connection to be made.
const CONNECT_TIMEOUT_S: f64 = 5.0;
/// How often one who waits looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Threads for the requests: they wait more than they work.
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
    runtime: Runtime,
    client: Client,
    params: S3Params,
    region: String,
    counts: Arc<Counts>,
}

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
        check(params)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(N_WORKERS)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| Error::Internal(format!("no runtime for requests: {e}")))?;
        let counts = Arc::new(Counts::default());
        let (client, region) = runtime.block_on(client(params, &counts))?;
        Ok(Self(Arc::new(Inner {
            runtime,
            client,
            params: params.clone(),
            region,
            counts,
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

    /// The runtime, for work that goes on beside the caller's.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// Waits for a request, and asks `keep_going` now and then whether to wait on.
    pub(crate) fn wait<F: Future>(
        &self,
        request: F,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<F::Output> {
        self.block_on(async {
            tokio::pin!(request);
            loop {
                match tokio::time::timeout(LOOK_EVERY, &mut request).await {
                    Ok(answer) => return Ok(answer),
                    Err(_) if keep_going() => {}
                    Err(_) => return Err(Error::Interrupted),
                }
            }
        })
    }

    /// Waits for a request. Never called from the runtime's own threads.
    pub(crate) fn block_on<F: Future>(&self, request: F) -> F::Output {
        self.0.runtime.block_on(request)
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
    let Some(url) = &params.endpoint_url else {
        return Ok(());
    };
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

async fn client(params: &S3Params, counts: &Arc<Counts>) -> Result<(Client, String)> {
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
    let has_own_server = shared.endpoint_url().is_some()
        || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some_and(|v| !v.is_empty());
    let region = match shared.region() {
        Some(region) => region.clone(),
        // Servers other than Amazon's take any name here; this is the one they all know.
        None if has_own_server => Region::new("us-east-1"),
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
                Some(profile) => format!("there are no credentials for the profile `{profile}`; check --profile and the \
                                          files it stands in, or log in with `aws sso login`"),
                None => "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile \
                         with --profile, give the instance a role, or read a public bucket with --no-sign-request"
                    .to_owned(),
            },
            source: Box::new(failure::no_credentials(&fault)),
        })?;
    }
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .region(region.clone())
        .force_path_style(has_own_server)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(timeouts)
        // Bodies have a timeout of their own, a part at a time.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(Counter(Arc::clone(counts)))
        .build();
    Ok((Client::from_conf(config), region.to_string()))
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
    Ok(Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .tls_context(context)
        .build_https())
}
