//! The metadata service of an EC2 instance, IMDSv2 only: what a client asks that looks for credentials on its machine.
//!
//! # References
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use std::time::{Duration, Instant, SystemTime};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use s3s::Body;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::{Timestamp, TimestampFormat};
use serde_json::json;

use crate::backend::REGION;
use crate::index::hex;
use crate::options::Options;
use crate::target::Target;

const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

const INSTANCE_ID: &str = "i-0123456789abcdef0";
const INSTANCE_TYPE: &str = "c7i.large";

/// Dates that no run of a test falls outside.
const LAST_UPDATED: &str = "2020-01-01T00:00:00Z";
const EXPIRATION: &str = "2099-01-01T00:00:00Z";

/// How long before its end an instance is told
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html>).
const SPOT_NOTICE: Duration = Duration::from_secs(120);

/// An instance with one role, whose keys are those of the server.
pub struct Metadata {
    role: String,
    credentials: String,
    /// One for all sessions: nothing here depends on their end
    token: String,
    spot_end: Option<SpotEnd>,
}

impl Metadata {
    /// `None` unless an instance role is given.
    pub fn new(options: &Options) -> Option<Self> {
        let role = options.instance_role.clone()?;
        let credentials = json!({
            "Code": "Success",
            "LastUpdated": LAST_UPDATED,
            "Type": "AWS-HMAC",
            "AccessKeyId": options.access_key,
            "SecretAccessKey": options.secret_key,
            // The keys of a role always come with one. Where none is asked for, any will do.
            "Token": options.session_token.as_deref().unwrap_or("token-of-the-instance-role"),
            "Expiration": EXPIRATION,
        });
        Some(Self {
            role,
            credentials: credentials.to_string(),
            token: hex(&Sha256::checksum(
                format!("{}{}", options.secret_key, std::process::id()).as_bytes(),
            )),
            spot_end: options.spot_notice_after.and_then(SpotEnd::new),
        })
    }

    /// The answer, if the request is for the metadata service.
    pub fn answer(&self, target: &Target, headers: &HeaderMap) -> Option<Response<Body>> {
        let path = target.path.strip_prefix("/latest/")?;
        if target.method == Method::PUT && path == "api/token" {
            return Some(match headers.get(TTL_HEADER) {
                Some(ttl) => self.session(ttl),
                None => empty(StatusCode::BAD_REQUEST),
            });
        }
        let is_allowed = headers
            .get(TOKEN_HEADER)
            .is_some_and(|token| token.as_bytes() == self.token.as_bytes());
        Some(match (is_allowed, &target.method) {
            (false, _) => empty(StatusCode::UNAUTHORIZED),
            (true, &Method::GET) => self
                .item(path)
                .map_or_else(|| empty(StatusCode::NOT_FOUND), text),
            (true, _) => empty(StatusCode::METHOD_NOT_ALLOWED),
        })
    }

    /// Clients read from the header how long the token is good for.
    fn session(&self, ttl: &HeaderValue) -> Response<Body> {
        let mut answer = text(self.token.clone());
        answer.headers_mut().insert(TTL_HEADER, ttl.clone());
        answer
    }

    fn item(&self, path: &str) -> Option<String> {
        match path {
            "meta-data/iam/security-credentials" | "meta-data/iam/security-credentials/" => {
                Some(self.role.clone())
            }
            "meta-data/instance-id" => Some(INSTANCE_ID.into()),
            "meta-data/instance-type" => Some(INSTANCE_TYPE.into()),
            "meta-data/placement/region" => Some(REGION.into()),
            "meta-data/spot/instance-action" => {
                let end = self
                    .spot_end
                    .as_ref()
                    .filter(|end| Instant::now() >= end.notice_at)?;
                Some(end.notice.clone())
            }
            "dynamic/instance-identity/document" => Some(
                json!({"instanceId": INSTANCE_ID, "instanceType": INSTANCE_TYPE, "region": REGION})
                    .to_string(),
            ),
            _ => {
                let role = path.strip_prefix("meta-data/iam/security-credentials/")?;
                (role == self.role).then(|| self.credentials.clone())
            }
        }
    }
}

/// The end of the instance, and when it is told.
struct SpotEnd {
    notice_at: Instant,
    notice: String,
}

impl SpotEnd {
    fn new(notice_after: Duration) -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the notice names an hour of the day; no output of fruits has it"
        )]
        let end = Timestamp::from(SystemTime::now() + notice_after + SPOT_NOTICE);
        let mut time = Vec::new();
        end.format(TimestampFormat::DateTime, &mut time).ok()?;
        let notice =
            json!({"action": "terminate", "time": String::from_utf8_lossy(&time)}).to_string();
        Some(Self {
            notice_at: Instant::now() + notice_after,
            notice,
        })
    }
}

fn text(body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
