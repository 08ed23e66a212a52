//! An interrupt ends the step that works; where none does, it ends the process behind the cell.
//!
//! The kernel of `make notebook` sends SIGINT. Without that kernel's settings evcxr kills the process in both cases.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

static STOP: AtomicBool = AtomicBool::new(false);
static N_WORKING: AtomicUsize = AtomicUsize::new(0);

/// A step at work: while it lives, an interrupt raises its flag.
pub(super) struct Working;

impl Working {
    pub fn begin() -> Self {
        listen();
        STOP.store(false, Ordering::Relaxed);
        N_WORKING.fetch_add(1, Ordering::Relaxed);
        Self
    }

    /// Up once the step is to end.
    pub fn stop(&self) -> &'static AtomicBool {
        &STOP
    }

    pub fn keeps_going(&self) -> bool {
        !STOP.load(Ordering::Relaxed)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        N_WORKING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts to listen, once for the process.
pub(super) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        // Where signals cannot be handled, the kernel's own way of interrupting stays.
        let Ok(mut signals) = Signals::new([SIGINT]) else {
            return;
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let works = N_WORKING.load(Ordering::Relaxed) > 0;
                if works && !STOP.swap(true, Ordering::Relaxed) {
                    continue;
                }
                eprintln!(
                    "interrupted: the process behind this notebook was ended, and its variables are lost; run the cells \
                     again from the top (descriptors in the cache are not computed again)"
                );
                exit(128 + signal);
            }
        });
    });
}
