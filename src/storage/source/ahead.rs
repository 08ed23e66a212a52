//! Objects of a bucket, read ahead of whoever works on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::fetched::{Fetched, Unread, Wanted};
use crate::error::{Error, Result};
use crate::storage::digest;
use crate::storage::rejection::Reason;
use crate::storage::s3::{Failure, Kind, MAX_ATTEMPTS, MAX_REQUESTS, Prefix, Size};

/// Bytes that are read ahead: 5 s of a 100 Mbit/s line, and a small part of what a run takes.
const AHEAD_BYTES: u64 = 64 << 20;
/// Unit of the memory's permits, so that their number fits 32 bits.
const ROOM_BYTES: u64 = 1 << 10;
/// Most memory that one object takes a permit for, so that two larger ones may be on the way at once. Whoever reads holds
/// less than [`super::BATCH_BYTES`] when it asks for the next file: that always finds room, and nobody waits for ever.
const MAX_OBJECT_ROOM: u64 = AHEAD_BYTES / 2;

/// Files in a row that may come too late, each after all its tries: as many as are asked for at once. Then it is not
/// theirs, and hours would go by with the rest.
const MAX_LATE: usize = MAX_REQUESTS;

type Outcome = Result<Fetched, Failure>;

/// Files of a bucket in the order they were asked for.
pub(super) struct Ahead<'a> {
    prefix: &'a Prefix,
    stop: &'a AtomicBool,
    files: mpsc::UnboundedReceiver<(String, oneshot::Receiver<Outcome>)>,
    reader: AbortHandle,
    /// Files in a row that did not come in time.
    n_late: usize,
}

impl<'a> Ahead<'a> {
    pub fn start(prefix: &'a Prefix, wanted: Vec<Wanted>, stop: &'a AtomicBool) -> Result<Self> {
        let (to_caller, files) = mpsc::unbounded_channel();
        let task = read_all(prefix.clone(), wanted, to_caller);
        Ok(Self {
            prefix,
            stop,
            files,
            reader: prefix.connection().spawn(task)?,
            n_late: 0,
        })
    }

    fn judge(&mut self, key: &str, failure: Failure) -> Unread {
        let is_late = failure.kind == Kind::Timeout;
        self.n_late = if is_late { self.n_late + 1 } else { 0 };
        if self.n_late >= MAX_LATE {
            return Unread::Run(self.prefix.explain_read(key, failure));
        }
        unread(self.prefix, key, failure)
    }
}

impl Iterator for Ahead<'_> {
    type Item = Result<Fetched, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        let (stop, files) = (self.stop, &mut self.files);
        let next = async {
            let (key, file) = files.recv().await?;
            Some((key, file.await))
        };
        let mut keep_going = || !stop.load(Ordering::Relaxed);
        match self.prefix.connection().wait_while(next, &mut keep_going) {
            Ok(None) => None,
            Ok(Some((_, Ok(Ok(file))))) => {
                self.n_late = 0;
                Some(Ok(file))
            }
            Ok(Some((key, Ok(Err(failure))))) => Some(Err(self.judge(&key, failure))),
            Ok(Some((_, Err(_)))) => {
                let died = Error::Internal("a reader died".to_owned());
                Some(Err(Unread::Run(died)))
            }
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
    to_caller: mpsc::UnboundedSender<(String, oneshot::Receiver<Outcome>)>,
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
        if to_caller.send((file.key.clone(), receive)).is_err() {
            return;
        }
        let prefix = prefix.clone();
        reading.spawn(async move {
            let outcome = prefix
                .get(&file.key, Some(&file.etag), Size::Exactly(file.size_bytes))
                .await;
            drop(request);
            let _ = send.send(outcome.map(|content| Fetched {
                sha256: digest::of(&content.bytes),
                bytes: content.bytes,
                version_id: content.version_id,
                room: Some(room),
            }));
        });
        while reading.try_join_next().is_some() {}
    }
    while reading.join_next().await.is_some() {}
}

/// Whether only this object is lost, or everything.
fn unread(prefix: &Prefix, key: &str, failure: Failure) -> Unread {
    let (reason, message) = match failure.kind {
        Kind::Denied => (Reason::AccessDenied, prefix.missing_to_read(&failure)),
        Kind::NoSuchKey => (
            Reason::NotFound,
            "the object is gone since it was listed".to_owned(),
        ),
        Kind::Changed => (
            Reason::Changed,
            "the object changed after it was listed; run the same command again".to_owned(),
        ),
        Kind::Archived => (
            Reason::Unreadable,
            "the object is archived; restore it in S3, then run the same command again".to_owned(),
        ),
        Kind::Timeout => (
            Reason::Timeout,
            format!(
                "{failure}, tried {MAX_ATTEMPTS} times with {} s each (--s3-timeout)",
                prefix.connection().params().timeout_s
            ),
        ),
        Kind::Damaged => (
            Reason::Unreadable,
            format!("it came incomplete or damaged each time: {failure}"),
        ),
        Kind::TooLarge | Kind::Other => (Reason::Unreadable, failure.to_string()),
        Kind::Moved => (
            Reason::Unreadable,
            format!("the server sends to another address, which is not followed: {failure}"),
        ),
        _ => return Unread::Run(prefix.explain_read(key, failure)),
    };
    Unread::File(reason, message)
}
