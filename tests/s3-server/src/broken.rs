//! Answers whose body goes wrong on the way. Status and headers, checksum and length among them, are those of the whole.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::{Response, StatusCode};
use s3s::Body;

use crate::front::HangUp;

/// hyper throws away what it has not written when a body fails. It writes whenever a body has nothing to give, so a short
/// wait before the failure lets the first half out.
const FLUSH: Duration = Duration::from_millis(20);

/// What comes after the first half of the body.
#[derive(Debug, Clone, Copy)]
pub enum Second {
    /// The connection ends
    Never,
    /// The rest, after a pause
    After(Duration),
}

/// The first half of the body, then `second`.
///
/// # Errors
/// [`HangUp`] where there is no body to break off and none shall follow: then the whole answer is lost.
pub async fn halved(answer: Response<Body>, second: Second) -> Result<Response<Body>, HangUp> {
    let (answer, mut head) = collected(answer).await?;
    if head.is_empty() && matches!(second, Second::Never) {
        return Err(HangUp);
    }
    let tail = head.split_off(head.len() / 2);
    let rest = async move {
        match second {
            Second::Never => {
                tokio::time::sleep(FLUSH).await;
                Err(io::Error::other("broken off on purpose"))
            }
            Second::After(pause) => {
                tokio::time::sleep(pause).await;
                Ok(Frame::data(tail))
            }
        }
    };
    let pieces = futures::stream::iter([Ok(Frame::data(head))]).chain(futures::stream::once(rest));
    Ok(answer.map(|()| Body::http_body_unsync(StreamBody::new(pieces))))
}

/// The bit of lowest value changed in the byte in the middle.
pub async fn corrupted(answer: Response<Body>) -> Result<Response<Body>, HangUp> {
    let (answer, body) = collected(answer).await?;
    let mut body = Vec::from(body);
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 1;
    }
    Ok(answer.map(|()| Body::from(body)))
}

/// The body, announced as one of another length; the connection ends after it.
pub async fn claimed(answer: Response<Body>, bytes: u64) -> Result<Response<Body>, HangUp> {
    let (mut answer, body) = collected(answer).await?;
    answer.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    let ends = async {
        tokio::time::sleep(FLUSH).await;
        Err(io::Error::other("there is no more"))
    };
    let pieces = futures::stream::iter([Ok(Frame::data(body))]).chain(futures::stream::once(ends));
    Ok(answer.map(|()| Body::http_body_unsync(StreamBody::new(pieces))))
}

/// A page of a listing that names the same next one each time.
pub async fn endless(answer: Response<Body>) -> Result<Response<Body>, HangUp> {
    let (mut answer, body) = collected(answer).await?;
    let page = String::from_utf8_lossy(&body)
        .replace("<IsTruncated>false</IsTruncated>", "")
        .replace(
            "</ListBucketResult>",
            "<IsTruncated>true</IsTruncated><NextContinuationToken>21</NextContinuationToken></ListBucketResult>",
        );
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, page.len().into());
    Ok(answer.map(|()| Body::from(page)))
}

/// The first half of the body as if it were the whole.
pub async fn cut(answer: Response<Body>) -> Result<Response<Body>, HangUp> {
    let (mut answer, mut head) = collected(answer).await?;
    head.truncate(head.len() / 2);
    without_checksums(answer.headers_mut());
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, head.len().into());
    Ok(answer.map(|()| Body::from(head)))
}

/// The body, of which each byte comes after a pause.
pub async fn dripping(answer: Response<Body>, pause: Duration) -> Result<Response<Body>, HangUp> {
    let (answer, body) = collected(answer).await?;
    let bytes = futures::stream::iter(body).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(&[byte])))
    });
    Ok(answer.map(|()| Body::http_body_unsync(StreamBody::new(bytes))))
}

/// White space without an end.
pub fn flooding(answer: Response<Body>, status: Option<u16>) -> Response<Body> {
    static SPACES: [u8; 64 << 10] = [b' '; 64 << 10];
    let (mut answer, _) = answer.into_parts();
    answer.headers.remove(CONTENT_LENGTH);
    without_checksums(&mut answer.headers);
    if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
        answer.status = status;
    }
    let pieces = futures::stream::repeat_with(|| {
        Ok::<_, io::Error>(Frame::data(Bytes::from_static(&SPACES)))
    });
    Response::from_parts(answer, Body::http_body_unsync(StreamBody::new(pieces)))
}

fn without_checksums(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().cloned().collect();
    for name in names {
        if name.as_str().starts_with("x-amz-checksum-") {
            headers.remove(name);
        }
    }
}

/// The body apart, with its length written in the headers, where it is not yet: the new body will not know it.
async fn collected(answer: Response<Body>) -> Result<(Response<()>, Bytes), HangUp> {
    let (mut parts, body) = answer.into_parts();
    let body = BodyExt::collect(body).await.map_err(|_| HangUp)?.to_bytes();
    parts
        .headers
        .entry(CONTENT_LENGTH)
        .or_insert(body.len().into());
    Ok((Response::from_parts(parts, ()), body))
}
