//! A folder in a bucket that one run writes to: an object that its holder renews, taken over when it no longer does.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::explain::Verb;
use super::failure::{Failure, Kind};
use super::object::{Condition, Size};
use super::prefix::Prefix;
use crate::error::{Error, Result};
use crate::storage::digest::hex;
use crate::storage::lock::{LOCK, holder};

/// How often the holder writes the object anew.
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// An object that does not change for so long has no holder: told by watching it, since clocks differ.
const PATIENCE: Duration = Duration::from_secs(30);

const MAX_LOCK_BYTES: u64 = 1 << 10;

/// The right to write to a folder, renewed until this goes away.
#[derive(Debug)]
pub(crate) struct Lease {
    held: Arc<Held>,
    /// Ends the renewals when it goes.
    ends: Option<Sender<()>>,
    renews: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Held {
    prefix: Prefix,
    mark: Mark,
    /// The ETag of the object, and when it was last known to be this.
    etag: Mutex<(String, Instant)>,
    is_lost: AtomicBool,
    n_renewed: AtomicU64,
}

/// What tells a lease from every other one, of this process or of another that looks the same.
#[derive(Debug)]
struct Mark(String);

impl Mark {
    fn new() -> Result<Self> {
        let path = "/dev/urandom";
        let mut bytes = [0; 8];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
        read.map_err(Error::storage("read", path))?;
        Ok(Self(hex(&bytes)))
    }

    /// Text of the object; another one each time, or it would have the same ETag.
    fn text(&self, n_renewed: u64) -> String {
        format!(
            "{}\nlease {}, renewed {n_renewed} times\n",
            holder(),
            self.0
        )
    }
}

/// The object that says who has a folder.
#[derive(Debug)]
struct There {
    etag: String,
    text: String,
}

impl There {
    fn is_of(&self, mark: &Mark) -> bool {
        self.text.contains(&format!("\nlease {},", mark.0))
    }

    fn holder(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl Prefix {
    /// Takes the lease of this folder; where another run may have it, after watching for as long as that one may take to
    /// renew it. A server that knows no conditions gives a lease to everyone.
    ///
    /// # Errors
    /// [`Error::Bucket`] if another run renews it, [`Error::Cancelled`].
    pub(crate) fn lease(&self) -> Result<Lease> {
        let mark = Mark::new()?;
        let first = self.put_if(&Condition::Absent, &mark, 0)?;
        let etag = match first {
            Some(etag) => etag,
            None => self.take_over(&mark)?,
        };
        let held = Arc::new(Held {
            prefix: self.clone(),
            mark,
            etag: Mutex::new((etag, Instant::now())),
            is_lost: AtomicBool::new(false),
            n_renewed: AtomicU64::new(0),
        });
        let (ends, ended) = channel();
        let renewed = Arc::clone(&held);
        let renews = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || {
                while ended.recv_timeout(RENEWED_EVERY) == Err(RecvTimeoutError::Timeout) {
                    // A fault of the network is tried again; what counts is looked at when something is to be written.
                    let _ = renewed.renew();
                }
            });
        let renews = renews.map_err(|e| Error::Internal(format!("no thread for a lease: {e}")))?;
        Ok(Lease {
            held,
            ends: Some(ends),
            renews: Some(renews),
        })
    }

    fn take_over(&self, mark: &Mark) -> Result<String> {
        let Some(there) = self.read_lock()? else {
            let gone = self.put_if(&Condition::Absent, mark, 0)?;
            return gone.ok_or_else(|| self.is_busy("another run"));
        };
        self.connection
            .wait(async { tokio::time::sleep(PATIENCE).await })?;
        let holder = there.holder().to_owned();
        let taken = self.put_if(&Condition::Matches(there.etag), mark, 0)?;
        taken.ok_or_else(|| self.is_busy(&holder))
    }

    fn read_lock(&self) -> Result<Option<There>> {
        let size = Size::AtMost(MAX_LOCK_BYTES);
        match self.connection.wait(self.get(LOCK, None, size))? {
            Ok(content) => Ok(Some(There {
                text: String::from_utf8_lossy(&content.bytes).into_owned(),
                etag: content.etag,
            })),
            Err(Failure {
                kind: Kind::NoSuchKey,
                ..
            }) => Ok(None),
            Err(failure) => Err(self.explain(Verb::Get, LOCK, failure)),
        }
    }

    /// Writes the object on a condition; `None` where that is not met.
    fn put_if(&self, condition: &Condition, mark: &Mark, n_renewed: u64) -> Result<Option<String>> {
        let put = self.put_on(
            LOCK,
            mark.text(n_renewed).into_bytes(),
            "text/plain; charset=utf-8",
            condition,
        );
        match self.connection.wait_with_grace(put)? {
            Ok(etag) => Ok(Some(etag)),
            // A request whose answer was lost is sent again, and then it is its own first try that is in the way.
            Err(Failure {
                kind: Kind::Changed | Kind::NoSuchKey,
                ..
            }) => {
                let there = self.read_lock()?.filter(|there| there.is_of(mark));
                Ok(there.map(|there| there.etag))
            }
            Err(failure) => match condition {
                // Who may not read may not write on a condition: the lease stands and is not renewed.
                Condition::Matches(etag) if failure.kind == Kind::Denied => Ok(Some(etag.clone())),
                _ if failure.text.contains("NotImplemented") => Ok(Some(String::new())),
                _ => Err(self.explain(Verb::Put, LOCK, failure)),
            },
        }
    }

    fn is_busy(&self, holder: &str) -> Error {
        Error::Bucket {
            message: format!(
                "another run is writing to `{self}`; wait until it has ended, or name another folder"
            ),
            source: holder.to_owned().into(),
        }
    }
}

impl Held {
    fn renew(&self) -> Result<()> {
        let n = 1 + self.n_renewed.fetch_add(1, Ordering::Relaxed);
        let mut etag = self.etag.lock().unwrap_or_else(PoisonError::into_inner);
        let condition = Condition::Matches(etag.0.clone());
        let began = Instant::now();
        match self.prefix.put_if(&condition, &self.mark, n)? {
            Some(renewed) => *etag = (renewed, began),
            None => self.is_lost.store(true, Ordering::Relaxed),
        }
        Ok(())
    }
}

impl Lease {
    /// Asks the bucket whether the lease still stands, before something is written that another run must not meet.
    ///
    /// # Errors
    /// [`Error::Bucket`] if another run took it over, as after a suspension of this process.
    pub fn check(&self) -> Result<()> {
        self.held.renew()?;
        match self.held.is_lost.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(self.held.prefix.is_busy("it took over what this run held")),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(renews) = self.renews.take() {
            let _ = renews.join();
        }
        let is_lost = || self.held.is_lost.load(Ordering::Relaxed);
        let etag = self.held.etag.lock();
        let seen = etag.unwrap_or_else(PoisonError::into_inner).1;
        // Nobody takes over what was renewed so lately. A process that was suspended asks first; what nobody renews lapses.
        let is_ours = seen.elapsed() < PATIENCE / 2 || self.held.renew().is_ok();
        if is_ours && !is_lost() {
            let _ = self.held.prefix.remove(LOCK);
        }
    }
}
