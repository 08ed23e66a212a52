//! The SDK's client, set up as a run needs it.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    ProvideCredentials, RuntimeComponents, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use base64::Engine as _;

use super::bounded::{Bounded, NeverTooLarge};
use super::counts::{Counter, Counts};
use super::failure::{self, NO_CREDENTIALS};
use super::params::{MAX_ATTEMPTS, S3Params};
use crate::error::{Error, Result};

/// Longest time for a connection to be made: two resends of a lost first packet (after 1 and 3 s, RFC 6298).
const CONNECT_TIMEOUT_S: f64 = 5.0;

/// How long a request may take: until its answer begins, and as long again until that has come whole. The body of an object
/// is read outside of this.
pub(super) fn timeouts(answer_s: f64) -> TimeoutConfig {
    let seconds = Duration::from_secs_f64;
    TimeoutConfig::builder()
        .connect_timeout(seconds(CONNECT_TIMEOUT_S.min(answer_s)))
        .read_timeout(seconds(answer_s))
        .operation_attempt_timeout(seconds(2.0 * answer_s))
        .build()
}

/// What a connection is made of.
pub(super) struct Opened {
    pub client: Client,
    pub region: String,
    pub endpoint: Option<String>,
}

pub(super) async fn open(params: &S3Params, counts: &Arc<Counts>) -> Result<Opened> {
    let http_client = SharedHttpClient::new(Bounded(http_client()?));
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).http_client(http_client.clone());
    if let Some(profile) = &params.profile {
        // Without this, keys in the environment would win over the profile that was asked for.
        let config = ProviderConfig::without_region()
            .with_http_client(http_client)
            .with_region(params.region.clone().map(Region::new));
        let of_profile = ProfileFileCredentialsProvider::builder()
            .configure(&config)
            .profile_name(profile)
            .build();
        loader = loader
            .profile_name(profile)
            .credentials_provider(of_profile);
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
    let named = shared.region().filter(|region| !region.as_ref().is_empty());
    let region = match named {
        Some(region) => region.clone(),
        // Servers other than Amazon's take any name here; this is the one they all know.
        None if endpoint.is_some() => Region::new("us-east-1"),
        None => {
            return Err(Error::Bucket {
                message: "no region is set; give it with --region, AWS_REGION or a profile"
                    .to_owned(),
                source: "each region has an S3 of its own".into(),
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
        // The SDK's own quota for retries is used up by 50 failures, and 32 requests are under way at once: a hiccup of
        // S3 would end a run. The number of requests and that of their attempts are bounded already.
        .retry_partition(
            RetryPartition::custom("fruits")
                .token_bucket(TokenBucket::unlimited())
                .build(),
        )
        .retry_classifier(NeverTooLarge)
        .timeout_config(timeouts(params.timeout_s))
        // Bodies of objects have bounds of their own.
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

pub(super) fn check(params: &S3Params) -> Result<()> {
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
