//! Who answers a request: the control plane, the metadata service, a fault, or S3.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3ErrorCode};

use crate::access::{Access, Keys};
use crate::backend::Backend;
use crate::broken::{Second, claimed, corrupted, cut, dripping, endless, flooding, halved};
use crate::conditions::Unconditional;
use crate::control;
use crate::faults::{Faults, Kind};
use crate::index::Index;
use crate::log::{Log, Logged, Record, logged, unlogged};
use crate::metadata::Metadata;
use crate::options::Options;
use crate::target::Target;
use crate::{Error, seed};

/// The connection ends here, without an answer.
#[derive(Debug)]
pub struct HangUp;

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed on purpose")
    }
}

impl std::error::Error for HangUp {}

/// Everything the server is, besides its connections.
pub struct Front {
    s3: S3Service,
    index: Arc<Index>,
    faults: Faults,
    metadata: Option<Metadata>,
    log: Arc<Log>,
    n_requests: AtomicU64,
}

impl Front {
    pub fn new(options: &Options) -> Result<Self, Error> {
        let index = Arc::new(Index::new(options.versioned));
        for bucket in &options.buckets {
            seed::add_bucket(&index, bucket)?;
        }
        for folder in &options.seeds {
            seed::add_folder(&index, folder)?;
        }
        for list in &options.objects {
            seed::add_lines(&index, list)?;
        }
        let mut builder =
            S3ServiceBuilder::new(Backend::new(Arc::clone(&index), options.data.clone())?);
        builder.set_auth(Keys::new(options));
        builder.set_access(Access::new(options));
        Ok(Self {
            s3: builder.build(),
            index,
            faults: Faults::parse(&options.faults)?,
            metadata: Metadata::new(options),
            log: Arc::new(Log::open(options.log.as_deref())?),
            n_requests: AtomicU64::new(0),
        })
    }

    /// The answer. `reset` is set where the connection shall end with a TCP reset.
    ///
    /// # Errors
    /// [`HangUp`] where there shall be none.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        reset: Arc<AtomicBool>,
    ) -> Result<Response<Logged>, HangUp> {
        let target = Target::of(&request);
        if target.path == "/_control/heal" {
            self.faults.heal();
            return Ok(unlogged(Response::new(Body::empty())));
        }
        if let Some(answer) = control::answer(&self.index, &target) {
            return Ok(unlogged(answer));
        }
        let mut record = Record::new(&self.log, &target, request.headers());
        if let Some(answer) = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.answer(&target, request.headers()))
        {
            return Ok(logged(answer, record, &target.method));
        }
        let fault = self.faults.pick(&target);
        if let Some(kind) = fault {
            record.set_fault(kind.name());
        }
        if matches!(fault, Some(Kind::Reset {} | Kind::Refuse {})) {
            reset.store(true, Ordering::Relaxed);
        }
        let answer = self.faulty(request, &target, fault).await?;
        Ok(logged(self.numbered(answer), record, &target.method))
    }

    async fn faulty(
        &self,
        request: Request<Incoming>,
        target: &Target,
        fault: Option<&Kind>,
    ) -> Result<Response<Body>, HangUp> {
        if matches!(fault, Some(Kind::Refuse {})) {
            return Err(HangUp);
        }
        let mut request = received(request).await?;
        match fault {
            Some(Kind::Error {
                status,
                code,
                message,
                headers,
            }) => return error(*status, code, message, headers).ok_or(HangUp),
            Some(Kind::Checksums { status, code }) if has_checksum(&request) => {
                let message = "The header x-amz-checksum-crc32 is not known";
                return error(*status, code, message, &BTreeMap::new()).ok_or(HangUp);
            }
            Some(Kind::Delay { wait }) => tokio::time::sleep(*wait).await,
            // About a bucket there is no object to change.
            Some(Kind::Delete {} | Kind::Replace { .. }) if target.key.is_empty() => {}
            Some(Kind::Delete {}) => self.index.remove(&target.bucket, &target.key),
            Some(Kind::Replace { file }) => self.replace(target, file)?,
            Some(Kind::Unconditional { file }) => {
                request.extensions_mut().insert(Unconditional);
                if let Some(file) = file {
                    self.replace(target, file)?;
                }
            }
            _ => {}
        }
        let answer = self.s3.call(request).await.map_err(|_| HangUp)?;
        match fault {
            Some(Kind::Reset {} | Kind::Short {}) => halved(answer, Second::Never).await,
            Some(Kind::Stall { pause }) => halved(answer, Second::After(*pause)).await,
            Some(Kind::Corrupt {}) => corrupted(answer).await,
            Some(Kind::Claim { bytes }) => claimed(answer, *bytes).await,
            Some(Kind::Endless {}) => endless(answer).await,
            Some(Kind::Cut {}) => cut(answer).await,
            Some(Kind::Drip { pause }) => dripping(answer, *pause).await,
            Some(Kind::Flood { status }) => Ok(flooding(answer, *status)),
            _ => Ok(answer),
        }
    }

    /// The object has the content of this file from now on.
    fn replace(&self, target: &Target, file: &Path) -> Result<(), HangUp> {
        let entry = seed::entry(file).map_err(|_| HangUp)?;
        self.index.put(&target.bucket, &target.key, entry);
        Ok(())
    }

    /// S3 numbers its answers, and clients show the number in their errors.
    fn numbered(&self, mut answer: Response<Body>) -> Response<Body> {
        let number = self.n_requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(id) = HeaderValue::from_str(&format!("{number:016X}")) {
            answer.headers_mut().insert("x-amz-request-id", id);
        }
        answer
    }
}

/// The request with its body in memory where it has one: a client that is still sending would see a broken pipe instead
/// of an error that comes early.
async fn received(request: Request<Incoming>) -> Result<Request<Body>, HangUp> {
    if request.method() != Method::PUT && request.method() != Method::POST {
        return Ok(request.map(Body::from));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Whether a checksum comes with the request, or is announced.
fn has_checksum<B>(request: &Request<B>) -> bool {
    let mut names = request.headers().keys().map(HeaderName::as_str);
    names.any(|name| {
        name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode"
            || name == "x-amz-sdk-checksum-algorithm"
    })
}

/// The error of a rule, as S3 writes it.
fn error(
    status: u16,
    code: &str,
    message: &str,
    headers: &BTreeMap<String, String>,
) -> Option<Response<Body>> {
    let code = S3ErrorCode::from_bytes(code.as_bytes())?;
    let mut answer = S3Error::with_message(code, message.to_owned())
        .to_http_response()
        .ok()?;
    *answer.status_mut() = status.try_into().ok()?;
    for (name, value) in headers {
        let name: HeaderName = name.parse().ok()?;
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(answer)
}
