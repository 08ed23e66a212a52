//! An interrupt ends the step that works, however long its way out is; where no step works, a second one ends the process
//! behind the cells.
//!
//! The kernel of `make notebook` sends SIGINT. Without that kernel's settings evcxr kills the process at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

/// A second interrupt within this time is an answer to what was said at the first one.
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
    /// When the last interrupt came that met no step: the only one that a second one may follow to an end.
    static ASKED: Mutex<Option<Instant>> = Mutex::new(None);
    if waits_for_a_cell() {
        return;
    }
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    if N_WORKING.load(Ordering::Relaxed) > 0 {
        *asked = None;
        if STOP.swap(true, Ordering::Relaxed) {
            eprintln!(
                "the step is ending: what is being computed or written comes to its end first, in a bucket within a minute; \
                 to lose the variables and not to wait, restart the kernel"
            );
        }
        return;
    }
    if asked.is_some_and(|at| at.elapsed() < PATIENCE) {
        eprintln!(
            "interrupted: the process behind this notebook was ended, and its variables are lost; run the cells again \
             from the top (descriptors in the cache are not computed again)"
        );
        exit(128 + SIGINT);
    }
    *asked = Some(Instant::now());
    eprintln!(
        "no step of the library works that could be stopped; interrupt again within 5 s to end the process behind this \
         notebook: its variables will be lost"
    );
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;

    /// Set for the process that [`only_where_no_step_works_does_a_second_interrupt_end_the_process`] starts.
    const CHILD: &str = "FRUITS_TEST_INTERRUPTS";

    /// A step that takes its time to end, and then a cell that goes on without one, each until a line comes. Not on the main
    /// thread, which would look as if it waited for a cell.
    fn child() {
        let mut lines = std::io::stdin().lines();
        let working = Working::begin();
        println!("step");
        lines.next();
        println!("stopped {}", !working.keeps_going());
        drop(working);
        lines.next();
    }

    #[test]
    fn only_where_no_step_works_does_a_second_interrupt_end_the_process() {
        if std::env::var_os(CHILD).is_some() {
            return child();
        }
        let name = "notebook::interrupt::tests::only_where_no_step_works_does_a_second_interrupt_end_the_process";
        let mut cell = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads", "2"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = cell.id().to_string();
        let interrupt = || {
            let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
            assert!(sent.success());
        };
        let mut said = BufReader::new(cell.stderr.take().unwrap()).lines();
        let mut shown = BufReader::new(cell.stdout.take().unwrap()).lines();
        let mut wait_for = |what: &str| {
            assert!(shown.any(|line| line.unwrap().contains(what)), "{what}");
        };
        let mut input = cell.stdin.take().unwrap();
        wait_for("step");
        interrupt();
        // Despair, not impatience.
        std::thread::sleep(PATIENCE + Duration::from_millis(500));
        interrupt();
        assert!(said.any(|line| line.unwrap().contains("the step is ending")));
        input.write_all(b"\n").unwrap();
        wait_for("stopped true");
        // No step works any more; those two were not for what comes now.
        interrupt();
        assert!(said.any(|line| line.unwrap().contains("interrupt again within 5 s")));
        interrupt();
        assert!(said.any(|line| {
            line.unwrap()
                .contains("the process behind this notebook was ended")
        }));
        assert_eq!(cell.wait().unwrap().code(), Some(128 + SIGINT));
    }
}
