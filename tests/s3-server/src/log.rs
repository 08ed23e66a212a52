//! The log: one JSON line for each request, written before the client can have seen the end of the answer.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::{HeaderMap, Method, Response};
use s3s::{Body, StdError};
use serde::Serialize;

use crate::Error;
use crate::target::Target;

/// The request headers that a test may ask about. None of them is a secret.
const HEADERS: [&str; 8] = [
    "if-match",
    "content-type",
    "range",
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-checksum-mode",
    "content-length",
];

/// Parts of a presigned query that are as good as a key.
const SECRETS: [&str; 3] = [
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
];

/// The file, if one is wanted.
pub struct Log(Option<Mutex<File>>);

impl Log {
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let open = |path: &Path| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map(Mutex::new)
        };
        let file =
            path.map(|path| open(path).map_err(|error| format!("{}: {error}", path.display())));
        Ok(Self(file.transpose()?))
    }

    fn write(&self, line: &Line) {
        let (Some(file), Ok(mut text)) = (&self.0, serde_json::to_vec(line)) else {
            return;
        };
        text.push(b'\n');
        // One call for the whole line, so that a reader never sees half of it.
        let _ = file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&text);
    }
}

#[derive(Serialize)]
struct Line {
    method: String,
    path: String,
    query: String,
    /// None if there was no answer
    status: Option<u16>,
    bytes_sent: u64,
    fault: Option<&'static str>,
    signed: bool,
    headers: BTreeMap<&'static str, String>,
}

/// A line that is not written yet. It is when it is dropped, at the latest.
pub struct Record {
    log: Arc<Log>,
    line: Option<Line>,
}

impl Record {
    pub fn new(log: &Arc<Log>, target: &Target, headers: &HeaderMap) -> Self {
        let value = |name: &&'static str| {
            Some((
                *name,
                String::from_utf8_lossy(headers.get(*name)?.as_bytes()).into(),
            ))
        };
        let line = Line {
            method: target.method.to_string(),
            path: target.path.clone(),
            query: redacted(&target.query),
            status: None,
            bytes_sent: 0,
            fault: None,
            signed: headers.contains_key("authorization")
                || ["X-Amz-Signature", "Signature"]
                    .iter()
                    .any(|name| target.query_value(name).is_some()),
            headers: HEADERS.iter().filter_map(value).collect(),
        };
        Self {
            log: Arc::clone(log),
            line: Some(line),
        }
    }

    pub fn set_fault(&mut self, fault: &'static str) {
        if let Some(line) = &mut self.line {
            line.fault = Some(fault);
        }
    }

    fn count(&mut self, n_bytes: u64) -> u64 {
        self.line.as_mut().map_or(0, |line| {
            line.bytes_sent += n_bytes;
            line.bytes_sent
        })
    }

    fn write(&mut self) {
        if let Some(line) = self.line.take() {
            self.log.write(&line);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write();
    }
}

fn redacted(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _))
            if SECRETS
                .iter()
                .any(|secret| secret.eq_ignore_ascii_case(name)) =>
        {
            format!("{name}=-")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A body that counts its bytes into a record.
pub struct Logged {
    body: Body,
    /// None for what is not logged
    record: Option<Record>,
    length_bytes: Option<u64>,
}

/// The answer with its record, which is complete when the body is.
pub fn logged(answer: Response<Body>, mut record: Record, method: &Method) -> Response<Logged> {
    if let Some(line) = &mut record.line {
        line.status = Some(answer.status().as_u16());
    }
    let length = answer
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let length_bytes = length.or(answer.body().size_hint().exact());
    // hyper does not even look at these bodies.
    if *method == Method::HEAD || answer.body().is_end_stream() {
        record.write();
    }
    answer.map(|body| Logged {
        body,
        record: Some(record),
        length_bytes,
    })
}

/// An answer of which the log says nothing.
pub fn unlogged(answer: Response<Body>) -> Response<Logged> {
    answer.map(|body| Logged {
        body,
        record: None,
        length_bytes: None,
    })
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let Some(record) = &mut this.record {
            let data = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref());
            let n_sent = record.count(data.map_or(0, |data| data.len() as u64));
            if data.is_none() || this.length_bytes.is_some_and(|length| n_sent >= length) {
                record.write();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_of_a_presigned_query_are_not_kept() {
        assert_eq!(
            redacted("a=1&X-Amz-Security-Token=s&X-Amz-Signature=f"),
            "a=1&X-Amz-Security-Token=-&X-Amz-Signature=-"
        );
        assert_eq!(redacted(""), "");
    }
}
