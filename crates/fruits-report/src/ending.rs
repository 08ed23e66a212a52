//! How the process ends when something goes wrong that nobody expected: one sentence and an exit code of the README.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use fruits::storage::guard;
use fruits::{Error, Result};
use signal_hook::consts::SIGABRT;
use signal_hook::flag;

use crate::code;

/// Where the last panic was.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Does `work`; a panic in it is an error that says where.
///
/// # Errors
/// What `work` returns, and [`Error::Internal`].
pub fn guarded(work: impl FnOnce() -> Result<u8>) -> Result<u8> {
    // What a decoder throws is caught where it decodes, and is no line of a log.
    std::panic::set_hook(Box::new(|panic| {
        if guard::is_guarded() {
            return;
        }
        let place = panic.location().map(ToString::to_string);
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
    // An allocation that fails aborts, after a line that says how much was asked for.
    let always = Arc::new(AtomicBool::new(true));
    let listening = flag::register_conditional_shutdown(SIGABRT, i32::from(code::MEMORY), always);
    listening.map_err(|e| Error::Internal(format!("signals cannot be handled: {e}")))?;
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let place = LAST_PANIC
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        Err(Error::Internal(format!("{} at {place}", message(&*panic))))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words")
}
