//! What can go wrong with a request, and the sentence for it.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Prefix;
use super::object::Verb;
use crate::error::Error;

/// A request that failed for good: what could be tried again was.
#[derive(Debug)]
pub(crate) struct Failure {
    pub kind: Kind,
    /// What S3 or the network said, in one line.
    text: String,
}

/// Why a request failed, as far as the answer to it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The credentials may not do this.
    Denied,
    /// There is no such object.
    NoSuchKey,
    /// There is no such bucket.
    NoSuchBucket,
    /// The object's storage class does not let it be read at once.
    Archived,
    /// The object is not the one that was listed.
    Changed,
    /// The bucket is in another region: this one, if S3 said.
    Region(Option<String>),
    /// There are no credentials.
    NoCredentials,
    /// The credentials were valid once.
    Expired,
    /// S3 does not know the credentials or their signature.
    Refused,
    /// No answer in time.
    Timeout,
    /// The body broke off, or was not what its checksum says.
    Damaged,
    /// S3 asked for fewer requests, or had a fault of its own.
    Busy,
    /// No connection.
    Unreachable,
    /// Anything else.
    Other,
}

/// What to do without credentials.
pub(super) const NO_CREDENTIALS: &str = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
     name a profile with --profile (`aws sso login` renews one of single sign-on), give the instance a role, or read a \
     public bucket with --no-sign-request";
/// What S3 said may hold anything; a log line holds this much of it.
const MAX_TEXT: usize = 300;

impl Failure {
    pub fn new(kind: Kind, text: impl fmt::Display) -> Self {
        let one_line = text
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let text = one_line
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_TEXT)
            .collect();
        Self { kind, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        if let Some(failure) = of_credentials(&error) {
            return failure;
        }
        match &error {
            SdkError::TimeoutError(_) => Self::new(Kind::Timeout, "no answer in time"),
            // A host that does not take a connection takes none for the next object either.
            SdkError::DispatchFailure(fault) if fault.is_timeout() && !is_connecting(&error) => {
                Self::new(Kind::Timeout, "no answer in time")
            }
            SdkError::DispatchFailure(_) => Self::new(Kind::Unreachable, innermost(&error)),
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => of_answer(&error),
            _ => Self::new(Kind::Other, innermost(&error)),
        }
    }
}

/// Whether the time went by before there was a connection. The SDK tells that in words only.
fn is_connecting(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if e.to_string().contains("HTTP connect timeout") {
            return true;
        }
        cause = e.source();
    }
    false
}

/// What the answer's status and code mean. An answer without a code has its status.
fn of_answer<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map_or(0, |r| r.status().as_u16());
    let code = error.as_service_error().and_then(|e| e.code());
    let said = error
        .as_service_error()
        .and_then(|e| e.message())
        .filter(|text| !text.is_empty());
    let region = error
        .raw_response()
        .and_then(|r| r.headers().get("x-amz-bucket-region"));
    let kind = match (code.unwrap_or_default(), status) {
        ("NoSuchBucket" | "NoSuchAccessPoint", _) => Kind::NoSuchBucket,
        ("NoSuchKey", _) => Kind::NoSuchKey,
        ("InvalidObjectState", _) => Kind::Archived,
        ("PreconditionFailed", _) => Kind::Changed,
        ("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired", _) => Kind::Expired,
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "RequestTimeTooSkewed",
            _,
        ) => Kind::Refused,
        ("AuthorizationHeaderMalformed", _) if !said.unwrap_or_default().contains("region") => {
            Kind::Refused
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) | (_, 301 | 307) => {
            Kind::Region(region.map(ToOwned::to_owned))
        }
        ("AccessDenied" | "AllAccessDisabled", _) | (_, 403) => Kind::Denied,
        ("RequestTimeout", _) => Kind::Timeout,
        ("SlowDown" | "ServiceUnavailable" | "InternalError" | "ThrottlingException", _)
        | (_, 429 | 500 | 502..=504) => Kind::Busy,
        (_, 404) => Kind::NoSuchKey,
        (_, 412) => Kind::Changed,
        _ => Kind::Other,
    };
    let code = code.map_or_else(|| format!("status {status}"), ToOwned::to_owned);
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    Failure::new(kind, format!("S3 says {code}{said}"))
}

/// The fault of the credentials that lies below the error, if one does.
fn of_credentials(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if let Some(fault) = e.downcast_ref::<CredentialsError>() {
            return Some(no_credentials(fault));
        }
        cause = e.source();
    }
    None
}

/// Why no credentials could be had.
pub(super) fn no_credentials(fault: &CredentialsError) -> Failure {
    match fault {
        CredentialsError::CredentialsNotLoaded(_) => {
            Failure::new(Kind::NoCredentials, "no source of credentials has any")
        }
        _ => Failure::new(Kind::NoCredentials, innermost(fault)),
    }
}

/// The last cause: what is around it says only where it was met.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        last = e.to_string();
        cause = e.source();
    }
    last
}

impl Prefix {
    /// The sentence for a failed request: what it was, why, what to do; what S3 said follows as its source.
    pub(super) fn explain(&self, verb: Verb, key: &str, failure: Failure) -> Error {
        let what = format!("{} `{self}{}`", verb.words(), key.escape_debug());
        let (bucket, connection) = (&self.bucket, &self.connection);
        let tried = super::connection::MAX_ATTEMPTS;
        let again = "the same command then continues";
        let message = match &failure.kind {
            Kind::Denied => format!("cannot {what}: {}", self.missing(verb, &failure)),
            Kind::NoSuchKey if verb != Verb::List => {
                format!("cannot {what}: there is no such object")
            }
            Kind::NoSuchBucket | Kind::NoSuchKey => format!(
                "cannot {what}: there is no bucket `{bucket}`{}; check its name",
                connection
                    .endpoint()
                    .map_or(String::new(), |url| format!(" at {url}"))
            ),
            Kind::Archived => format!("cannot {what}: the object is archived; restore it in S3"),
            Kind::Changed => {
                format!("cannot {what}: the object changed; run the same command again")
            }
            Kind::Region(Some(region)) => format!(
                "cannot {what}: the bucket is in the region {region}, not in {}; give --region {region} (all buckets of a \
                 run must be in one region)",
                connection.region()
            ),
            Kind::Region(None) => format!(
                "cannot {what}: the bucket is not in the region {}; give its own with --region",
                connection.region()
            ),
            Kind::NoCredentials => format!("cannot {what}: {NO_CREDENTIALS}"),
            Kind::Expired => format!(
                "cannot {what}: the credentials have expired; renew them (such as with `aws sso login`) and {again}"
            ),
            Kind::Refused => format!(
                "cannot {what}: the credentials are not accepted; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
                 AWS_SESSION_TOKEN, or the profile, and this machine's clock"
            ),
            Kind::Timeout => format!(
                "cannot {what}: no answer within {} s, tried {tried} times; check the network or raise --s3-timeout, \
                 {again}",
                connection.params().timeout_s
            ),
            Kind::Damaged => format!(
                "cannot {what}: what came was incomplete or damaged, tried {tried} times; {again}"
            ),
            Kind::Busy => format!(
                "cannot {what}: S3 could not serve it, tried {tried} times; wait a little, {again}"
            ),
            Kind::Unreachable => format!(
                "cannot {what}: {} cannot be reached; check the network, --region and --endpoint-url (http:// or https://), \
                 {again}",
                connection.endpoint().unwrap_or("S3")
            ),
            Kind::Other => format!("cannot {what}"),
        };
        Error::Bucket {
            message,
            source: Box::new(failure),
        }
    }

    /// What is missing where S3 says 403. It says so, too, of an object that is gone, to one who may not list.
    pub(super) fn missing(&self, verb: Verb, failure: &Failure) -> String {
        let params = self.connection.params();
        if params.no_sign_request {
            return "the bucket does not allow it without a signature; leave out --no-sign-request"
                .to_owned();
        }
        if failure.text.contains("kms:") {
            return "permission is missing for the key that encrypts it: S3 names it".to_owned();
        }
        let gone = if verb == Verb::Get {
            ", or it is gone"
        } else {
            ""
        };
        let payer = match verb {
            Verb::List | Verb::Get if !params.request_payer => {
                "; where its owner lets the reader pay, give --request-payer"
            }
            _ => "",
        };
        format!(
            "permission is missing{gone}; the credentials need {} on {}{payer}",
            verb.permission(),
            verb.resource(&self.bucket, &self.prefix)
        )
    }
}
