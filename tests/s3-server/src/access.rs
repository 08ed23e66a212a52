//! Who may do what: one pair of keys, perhaps with a session token, and perhaps everyone for reading.

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey, SimpleAuth};
use s3s::{S3Result, s3_error};

use crate::options::Options;
use crate::target::percent_decoded;

/// What an unsigned request may do to a public bucket.
const PUBLIC_OPERATIONS: [&str; 5] = [
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListObjectsV2",
];

/// [`SimpleAuth`], with the error that S3 gives for an unknown key.
pub struct Keys(SimpleAuth);

impl Keys {
    pub fn new(options: &Options) -> Self {
        Self(SimpleAuth::from_single(
            options.access_key.as_str(),
            options.secret_key.as_str(),
        ))
    }
}

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secret = self.0.lookup(access_key).cloned();
        secret.ok_or_else(|| {
            s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )
        })
    }
}

/// What is checked after the signature.
pub struct Access {
    session_token: Option<String>,
    public: bool,
}

impl Access {
    pub fn new(options: &Options) -> Self {
        Self {
            session_token: options.session_token.clone(),
            public: options.public,
        }
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            let is_allowed = self.public && PUBLIC_OPERATIONS.contains(&context.s3_op().name());
            return if is_allowed {
                Ok(())
            } else {
                Err(s3_error!(AccessDenied, "Access Denied"))
            };
        }
        match &self.session_token {
            Some(wanted) if sent_token(context).as_ref() != Some(wanted) => Err(s3_error!(
                InvalidToken,
                "The provided token is malformed or otherwise invalid."
            )),
            _ => Ok(()),
        }
    }
}

/// From the header or, in a presigned address, from the query.
fn sent_token(context: &S3AccessContext<'_>) -> Option<String> {
    if let Some(token) = context.headers().get("x-amz-security-token") {
        return token.to_str().ok().map(str::to_owned);
    }
    let query = context.uri().query()?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("X-Amz-Security-Token="))
        .map(percent_decoded)
}
