//! Ctrl-C and termination: the run stops at the next batch; a second signal ends the process at once.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fruits::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

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
