//! How the process ends when something goes wrong that nobody expected: one sentence and an exit code of the README.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fruits::plot::shortened;
use fruits::storage::guard;
use fruits::{Error, Result};
use serde_json::json;
use signal_hook::consts::SIGABRT;
use signal_hook::flag;

use crate::options::LogFormat;
use crate::progress::say;
use crate::{code, progress, signals};

/// Where the last panic was.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);
/// Whether a panic of another thread than that of the work has been told.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Does `work`; a panic in it is an error that says where. A panic in another thread, which may end nothing, is told at once; of
/// several the first.
///
/// # Errors
/// What `work` returns, and [`Error::Internal`].
pub fn guarded(log: LogFormat, work: impl FnOnce() -> Result<u8>) -> Result<u8> {
    let own = std::thread::current().id();
    // What a decoder throws is caught where it decodes, and is no line of a log.
    std::panic::set_hook(Box::new(move |panic| {
        if guard::is_guarded() {
            return;
        }
        let place = panic.location().map(ToString::to_string);
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place.clone();
        if std::thread::current().id() != own && !IS_TOLD.swap(true, Ordering::Relaxed) {
            let text = internal(panic.payload(), place).to_string();
            let line = match log {
                LogFormat::Text => format!("report: {text}"),
                LogFormat::Json => json!({"event": "note", "message": text}).to_string(),
            };
            say(&mut std::io::stderr(), &line);
        }
    }));
    // An allocation that fails aborts, after a line that says how much was asked for.
    let always = Arc::new(AtomicBool::new(true));
    let listening = flag::register_conditional_shutdown(SIGABRT, i32::from(code::MEMORY), always);
    listening.map_err(|e| Error::Internal(format!("signals cannot be handled: {e}")))?;
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let place = LAST_PANIC.lock();
        let place = place.unwrap_or_else(PoisonError::into_inner).take();
        Err(internal(&*panic, place))
    })
}

/// Whether this is what came of a panic that has been told.
pub fn is_told(error: &Error) -> bool {
    matches!(error, Error::Internal(_)) && IS_TOLD.load(Ordering::Relaxed)
}

fn internal(panic: &(dyn Any + Send), place: Option<String>) -> Error {
    let place = place.unwrap_or_else(|| "an unknown place".to_owned());
    Error::Internal(format!("{} at {place}", message(panic)))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words")
}

/// Characters of a line that says what went wrong at most.
const MAX_LINE: usize = 4000;

/// Says what went wrong; the exit code tells which kind of fault it was.
pub fn failed(error: &Error, log: LogFormat) -> ExitCode {
    let code = exit_code(error);
    // Names in it come from files and records; a line break may be the parser's of a configuration.
    let text = match error {
        Error::Cancelled => {
            "stopped by a signal; the same command continues from the last committed shard"
                .to_owned()
        }
        error => error.to_string(),
    };
    let lines = text.lines().map(|line| shortened(line, MAX_LINE));
    let text = lines.collect::<Vec<_>>().join("\n");
    let line = match log {
        // Another thread has told what broke.
        LogFormat::Text if is_told(error) => return ExitCode::from(code),
        LogFormat::Text => format!("report: {text}"),
        LogFormat::Json => progress::last_line(log, code, &text),
    };
    say(&mut std::io::stderr(), &line);
    ExitCode::from(code)
}

/// The kind of a fault.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        error if error.is_of_input() => code::USAGE,
        Error::NoImage(_) => code::NO_IMAGE,
        Error::Storage { .. } | Error::Bucket { .. } | Error::Damaged { .. } => code::STORAGE,
        Error::Engine { .. } => code::ENGINE,
        Error::Cancelled => signals::exit_code(),
        Error::Unplaced { source, .. } => exit_code(source),
        _ => code::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn input_that_cannot_be_taken_is_a_matter_of_usage() {
        let column = Error::Column {
            name: "key".into(),
            expected: "strings".into(),
            found: "numbers".into(),
        };
        let rule = "must be at least 1, not 0".to_owned();
        for error in [
            column,
            Error::Parameter { name: "k", rule },
            Error::Invalid(String::new()),
        ] {
            assert_eq!(exit_code(&error), code::USAGE, "{error}");
        }
    }

    /// What goes wrong in the process that a test starts.
    const WRONG: &str = "FRUITS_TEST_WRONG";

    fn broken() {
        panic!("broken");
    }

    /// Not a test by itself: the process of the one below, which ends as `main` does.
    #[test]
    fn what_goes_wrong() {
        let Ok(wrong) = std::env::var(WRONG) else {
            return;
        };
        let (log, wrong) = match wrong.strip_prefix("json ") {
            Some(wrong) => (LogFormat::Json, wrong),
            None => (LogFormat::Text, wrong.as_str()),
        };
        let done = guarded(log, || match wrong {
            "here" => {
                broken();
                Ok(code::COMPLETE)
            }
            // A thread whose end nobody waits for, or minds.
            "elsewhere" => {
                for _ in 0..2 {
                    assert!(std::thread::spawn(broken).join().is_err());
                }
                Ok(code::COMPLETE)
            }
            "below" => {
                std::thread::scope(|scope| drop(scope.spawn(broken)));
                Ok(code::COMPLETE)
            }
            _ => std::process::abort(),
        });
        let ended = match done {
            Ok(code) => code,
            Err(error) => {
                failed(&error, log);
                exit_code(&error)
            }
        };
        std::process::exit(ended.into());
    }

    #[test]
    fn a_panic_is_one_sentence_and_a_documented_code() {
        for (wrong, code, words) in [
            ("here", code::INTERNAL, "broken at crates/"),
            ("elsewhere", code::COMPLETE, "broken at crates/"),
            ("below", code::INTERNAL, "broken at crates/"),
            ("json elsewhere", code::COMPLETE, "broken at crates/"),
            ("an allocation", code::MEMORY, ""),
        ] {
            let process = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "ending::tests::what_goes_wrong", "--nocapture"])
                .env(WRONG, wrong)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&process.stderr);
            assert_eq!(process.status.code(), Some(code.into()), "{wrong}: {said}");
            let n = usize::from(!words.is_empty());
            assert_eq!(said.lines().count(), n, "{wrong}: {said}");
            let are_there = said.contains(words) && said.contains("please report it");
            assert!(are_there || n == 0, "{wrong}: {said}");
            assert_eq!(said.starts_with('{'), wrong.starts_with("json"), "{said}");
        }
    }
}
