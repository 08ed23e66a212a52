//! How to reach S3, and what is written there.

/// Tries of a request before it has failed for good; the AWS tools take 3, a run that nobody watches takes two more.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

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
