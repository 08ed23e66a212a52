//! What is done to a bucket, and the sentence for what went wrong with it.

use super::failure::{Failure, Kind, NO_CREDENTIALS};
use super::params::MAX_ATTEMPTS;
use super::prefix::Prefix;
use crate::error::Error;

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
    /// The sentence for a failed request: what it was, why, what to do; what S3 said follows as its source.
    pub(super) fn explain(&self, verb: Verb, key: &str, failure: Failure) -> Error {
        let what = format!("{} `{self}{}`", verb.words(), key.escape_debug());
        let (bucket, connection) = (&self.bucket, &self.connection);
        let tried = MAX_ATTEMPTS;
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
                 AWS_SESSION_TOKEN, or the profile, and this machine's clock{}",
                if verb == Verb::Put { OR_CHECKSUMS } else { "" }
            ),
            Kind::Timeout => format!(
                "cannot {what}: no answer within {} s, tried {tried} times; check the network or raise --s3-timeout, \
                 {again}",
                connection.params().timeout_s
            ),
            Kind::Damaged => format!(
                "cannot {what}: what came was incomplete or damaged, tried {tried} times; {again}"
            ),
            Kind::TooLarge => format!(
                "cannot {what}: more comes than can be right; check that {} is a server of S3, and the network before it",
                connection.endpoint().unwrap_or("S3")
            ),
            Kind::Moved => format!(
                "cannot {what}: {} sends to another address, which is not followed; name the server itself with \
                 --endpoint-url (http:// or https://), or the bucket's region with --region",
                connection.endpoint().unwrap_or("S3")
            ),
            Kind::Busy => format!(
                "cannot {what}: S3 could not serve it, tried {tried} times; wait a little, {again}"
            ),
            Kind::Unreachable => format!(
                "cannot {what}: {} cannot be reached; check the network, --region and --endpoint-url (http:// or https://), \
                 {again}",
                connection.endpoint().unwrap_or("S3")
            ),
            Kind::Other if verb == Verb::Put && is_of_checksums(&failure.text) => {
                format!("cannot {what}{OR_CHECKSUMS}")
            }
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

/// What else may be wrong with an upload: a server that does not know the headers may take the signature over them for
/// another one.
const OR_CHECKSUMS: &str = "; where the server does not know the checksums of uploads, set \
                            AWS_REQUEST_CHECKSUM_CALCULATION=when_required";

/// Whether a server seems not to know the checksums that come with an upload.
fn is_of_checksums(text: &str) -> bool {
    let text = text.to_lowercase();
    ["notimplemented", "checksum", "sha256", "trailer"]
        .iter()
        .any(|word| text.contains(word))
}
