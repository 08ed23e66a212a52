//! Ctrl-C and termination: the run stops at the next batch; a second signal ends the process at once.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fruits::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::options::LogFormat;
use crate::progress::{self, say};

struct Signals {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicUsize>,
}

static SIGNALS: OnceLock<Signals> = OnceLock::new();

/// Starts to listen; the flag becomes true with the first signal.
pub fn listen() -> Result<&'static AtomicBool> {
    let signals = SIGNALS.get_or_init(|| Signals {
        stop: Arc::default(),
        received: Arc::default(),
    });
    for signal in [SIGINT, SIGTERM] {
        // Order matters: with the flag still down the first signal passes, the second finds it up and ends.
        let code = 128 + signal;
        flag::register_conditional_shutdown(signal, code, Arc::clone(&signals.stop))
            .map_err(refused)?;
        flag::register_usize(signal, Arc::clone(&signals.received), signal as usize)
            .map_err(refused)?;
        flag::register(signal, Arc::clone(&signals.stop)).map_err(refused)?;
    }
    Ok(&signals.stop)
}

/// While it is there, a signal ends the process within a second, whatever it does: what reads files that anybody may have
/// made does not look at the flag in the middle of one, and a file system may not answer. Nothing is written meanwhile, and
/// locks go with the process.
pub struct Impatient(Arc<AtomicBool>);

/// Between two looks at the flag, and from the signal to the end.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(600);

impl Impatient {
    /// Begins to watch the signals that [`listen`] listens to.
    pub fn start(log: LogFormat) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_over);
        std::thread::spawn(move || {
            let mut since = None;
            while !watched.load(Ordering::Relaxed) {
                let is_stopped = SIGNALS
                    .get()
                    .is_some_and(|s| s.stop.load(Ordering::Relaxed));
                let began = is_stopped.then(|| *since.get_or_insert_with(Instant::now));
                if began.is_some_and(|began: Instant| began.elapsed() >= PATIENCE) {
                    let code = exit_code();
                    let line = match log {
                        LogFormat::Text => "report: stopped by a signal".to_owned(),
                        LogFormat::Json => progress::last_line(log, code, "stopped by a signal"),
                    };
                    // Nobody may be reading, or the terminal may be stopped.
                    std::thread::spawn(move || say(&mut std::io::stderr(), &line));
                    std::thread::sleep(2 * LOOK);
                    std::process::exit(code.into());
                }
                std::thread::sleep(LOOK);
            }
        });
        Self(is_over)
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// 130 after SIGINT, 143 after SIGTERM.
pub fn exit_code() -> u8 {
    let received = SIGNALS
        .get()
        .map_or(0, |s| s.received.load(Ordering::Relaxed));
    128 + received as u8
}

fn refused(source: std::io::Error) -> Error {
    Error::Internal(format!("signals cannot be handled: {source}"))
}
