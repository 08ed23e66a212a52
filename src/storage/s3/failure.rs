//! What can go wrong with a request.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::bounded::{MAX_ANSWER_BYTES, is_too_large};

/// A request that failed for good: what could be tried again was.
#[derive(Debug)]
pub(crate) struct Failure {
    pub kind: Kind,
    /// What S3 or the network said, in one line.
    pub(super) text: String,
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
    /// More bytes than can be right.
    TooLarge,
    /// The server names another address.
    Moved,
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
        if is_too_large(&error) {
            let text = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
            return Self::new(Kind::TooLarge, text);
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
    let header = |name: &str| error.raw_response().and_then(|r| r.headers().get(name));
    let region = header("x-amz-bucket-region").map(ToOwned::to_owned);
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
        ("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed", _) => {
            Kind::Region(region)
        }
        (_, 301..=303 | 307 | 308) => match region {
            None => Kind::Moved,
            region => Kind::Region(region),
        },
        ("AccessDenied" | "AllAccessDisabled", _) | (_, 403) => Kind::Denied,
        ("RequestTimeout", _) => Kind::Timeout,
        ("SlowDown" | "ServiceUnavailable" | "InternalError" | "ThrottlingException", _)
        | (_, 429 | 500 | 502..=504) => Kind::Busy,
        (_, 404) => Kind::NoSuchKey,
        (_, 412) => Kind::Changed,
        _ => Kind::Other,
    };
    let code = code.map_or_else(|| format!("status {status}"), ToOwned::to_owned);
    let to = header("location").filter(|_| kind == Kind::Moved);
    let said = to.or(said);
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
