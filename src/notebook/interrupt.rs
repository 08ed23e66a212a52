//! An interrupt ends the step that works; a second one, where no step heeds it, ends the process behind the cells.
//!
//! The kernel of `make notebook` sends SIGINT. Without that kernel's settings evcxr kills the process at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

/// A step looks whether to stop at least every two seconds (a batch of eight images on a slow machine), so more
/// interrupts within this time are impatience and not despair.
const PATIENCE: Duration = Duration::from_secs(5);

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
            for _ in signals.forever() {
                heed();
            }
        });
    });
}

fn heed() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    if waits_for_a_cell() {
        return;
    }
    let works = N_WORKING.load(Ordering::Relaxed) > 0;
    let asked_before = works && STOP.swap(true, Ordering::Relaxed);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let soon = last.is_some_and(|at| at.elapsed() < PATIENCE);
    match (works, soon) {
        (true, _) if !asked_before => *last = Some(Instant::now()),
        (true, true) => {}
        (false, false) => {
            *last = Some(Instant::now());
            eprintln!(
                "no step of the library works that could be stopped; interrupt again within 5 s to end the process behind \
                 this notebook: its variables will be lost"
            );
        }
        (true, false) | (false, true) => {
            eprintln!(
                "interrupted: the process behind this notebook was ended, and its variables are lost; run the cells again \
                 from the top (descriptors in the cache are not computed again)"
            );
            exit(128 + SIGINT);
        }
    }
}

/// Whether no cell runs: then the main thread reads the next one from standard input (system call 0, descriptor 0).
///
/// Looks more than once: the signal itself wakes that thread, and one that came at the end of a cell finds it on its way.
fn waits_for_a_cell() -> bool {
    let main = format!("/proc/self/task/{}/syscall", std::process::id());
    (0..20).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        std::fs::read_to_string(&main).is_ok_and(|call| call.starts_with("0 0x0 "))
    })
}
