//! Objects of a bucket, read ahead of whoever works on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::local::hex;
use super::{Fetched, Unread, Wanted};
use crate::error::Error;
use crate::rejection::Reason;
use crate::s3::{Failure, Kind, MAX_REQUESTS, Prefix};

/// Bytes that are read ahead: 5 s of a 100 Mbit/s line, and a small part of what a run takes.
const AHEAD_BYTES: u64 = 64 << 20;
/// Unit of the memory's permits, so that their number fits 32 bits.
const ROOM_BYTES: u64 = 1 << 10;
/// Most memory that one object takes a permit for. Whoever reads holds less than [`super::BATCH_BYTES`] when it asks for
/// the next file, so that always finds room, and nobody waits for ever.
const MAX_OBJECT_ROOM: u64 = AHEAD_BYTES / 2;

type Outcome = Result<Fetched, Failure>;

/// Files of a bucket in the order they were asked for.
pub(super) struct Ahead<'a> {
    prefix: &'a Prefix,
    stop: &'a AtomicBool,
    files: mpsc::UnboundedReceiver<oneshot::Receiver<Outcome>>,
    reader: AbortHandle,
}

impl<'a> Ahead<'a> {
    pub fn start(prefix: &'a Prefix, wanted: Vec<Wanted>, stop: &'a AtomicBool) -> Self {
        let (to_caller, files) = mpsc::unbounded_channel();
        let task = read_all(prefix.clone(), wanted, to_caller);
        let reader = prefix.connection().runtime().spawn(task).abort_handle();
        Self {
            prefix,
            stop,
            files,
            reader,
        }
    }
}

impl Iterator for Ahead<'_> {
    type Item = Result<Fetched, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        let (prefix, stop, files) = (self.prefix, self.stop, &mut self.files);
        let next = async {
            let file = files.recv().await?;
            Some(file.await)
        };
        let mut keep_going = || !stop.load(Ordering::Relaxed);
        match prefix.connection().wait(next, &mut keep_going) {
            Ok(None) => None,
            Ok(Some(Ok(outcome))) => Some(outcome.map_err(|failure| unread(prefix, failure))),
            Ok(Some(Err(_))) => Some(Err(Unread::Run(Error::Internal(
                "a reader died".to_owned(),
            )))),
            Err(stopped) => Some(Err(Unread::Run(stopped))),
        }
    }
}

impl Drop for Ahead<'_> {
    /// Ends the requests that are under way: nobody waits for them any more.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Starts the requests in order, as far ahead as room and number allow.
async fn read_all(
    prefix: Prefix,
    wanted: Vec<Wanted>,
    to_caller: mpsc::UnboundedSender<oneshot::Receiver<Outcome>>,
) {
    let memory = Arc::new(Semaphore::new((AHEAD_BYTES / ROOM_BYTES) as usize));
    let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
    // Aborts what is left in it when this task ends.
    let mut reading = JoinSet::new();
    for file in wanted {
        let n_rooms = file.size_bytes.min(MAX_OBJECT_ROOM).div_ceil(ROOM_BYTES);
        let room = Arc::clone(&memory).acquire_many_owned(n_rooms as u32).await;
        let request = Arc::clone(&requests).acquire_owned().await;
        let (Ok(room), Ok(request)) = (room, request) else {
            return;
        };
        let (send, receive) = oneshot::channel();
        if to_caller.send(receive).is_err() {
            return;
        }
        let prefix = prefix.clone();
        reading.spawn(async move {
            let outcome = prefix.get(&file.key, Some(&file.etag)).await;
            drop(request);
            let _ = send.send(outcome.map(|content| Fetched {
                sha256: hex(&Sha256::digest(&content.bytes)),
                bytes: content.bytes,
                version_id: content.version_id,
                _room: Some(room),
            }));
        });
        while reading.try_join_next().is_some() {}
    }
    while reading.join_next().await.is_some() {}
}

/// Whether only this object is lost, or everything.
fn unread(prefix: &Prefix, failure: Failure) -> Unread {
    let (reason, message) = match failure.kind {
        Kind::Denied => (
            Reason::AccessDenied,
            format!("permission is missing: the credentials need s3:GetObject on it ({failure})"),
        ),
        Kind::NoSuchKey => (
            Reason::NotFound,
            "the object is gone since it was listed".to_owned(),
        ),
        Kind::Changed => (
            Reason::Changed,
            "the object changed after it was listed; run the same command again".to_owned(),
        ),
        Kind::Timeout => (
            Reason::Timeout,
            format!("it did not come in time: {failure}"),
        ),
        Kind::Damaged => (
            Reason::Unreadable,
            format!("it came incomplete or damaged each time: {failure}"),
        ),
        _ => return Unread::Run(prefix.explain_read(failure)),
    };
    Unread::File(reason, message)
}
