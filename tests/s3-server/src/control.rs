//! What a test asks the server afterwards, below `/_control/`: unsigned, unlogged, and in nobody's way, since no bucket's
//! name begins with an underscore.

use std::collections::BTreeMap;

use hyper::{Method, Response, StatusCode};
use s3s::Body;
use serde::Serialize;

use crate::index::{Entry, Index};
use crate::target::Target;

#[derive(Serialize)]
struct Object<'a> {
    key: &'a str,
    size_bytes: u64,
    etag: &'a str,
    version_id: Option<&'a str>,
    content_type: &'a str,
    server_side_encryption: Option<&'a str>,
    sse_kms_key_id: Option<&'a str>,
}

impl<'a> Object<'a> {
    fn new(key: &'a str, entry: &'a Entry) -> Self {
        Self {
            key,
            size_bytes: entry.size_bytes,
            etag: &entry.etag,
            version_id: entry.version_id.as_deref(),
            content_type: &entry.content_type,
            server_side_encryption: entry.server_side_encryption.as_deref(),
            sse_kms_key_id: entry.sse_kms_key_id.as_deref(),
        }
    }
}

/// The answer, if the request is one of these.
pub fn answer(index: &Index, target: &Target) -> Option<Response<Body>> {
    let question = target.path.strip_prefix("/_control/")?;
    let found = (target.method == Method::GET)
        .then(|| body(index, target, question))
        .flatten();
    let mut answer = Response::new(Body::empty());
    match found {
        Some(body) => *answer.body_mut() = Body::from(body),
        None => *answer.status_mut() = StatusCode::NOT_FOUND,
    }
    Some(answer)
}

fn body(index: &Index, target: &Target, question: &str) -> Option<Vec<u8>> {
    let bucket = target.query_value("bucket")?;
    match question {
        "objects" => {
            let objects: BTreeMap<_, _> = index.all(&bucket)?;
            let objects: Vec<_> = objects
                .iter()
                .map(|(key, entry)| Object::new(key, entry))
                .collect();
            serde_json::to_vec(&objects).ok()
        }
        "content" => {
            let entry = index.get(&bucket, &target.query_value("key")?, None).ok()?;
            std::fs::read(&entry.file).ok()
        }
        _ => None,
    }
}
