//! Each large allocation of the program, and each of ONNX Runtime in it.

use super::{Bench, all_points, preloaded};
use crate::run::{Report, Said, project, tell};

const SIGSEGV: i32 = 11;
/// What the preloaded library says before it refuses.
const REFUSED: &str = "this allocation fails\n";

/// Every `step`-th allocation of `n_bytes` or more fails. `is_an_end` judges how a run may end that is not complete, also by
/// what it says after that. Gives how many failed.
fn meet_all(
    bench: &Bench,
    n_bytes: usize,
    step: usize,
    which: impl Fn(Report) -> Report,
    mut is_an_end: impl FnMut(&Said, &str) -> bool,
) -> usize {
    let library = preloaded("no_memory", bench.folder.path());
    let mut n_points = 0;
    for k in (1..).step_by(step) {
        let what = format!("allocation {k} of {n_bytes} bytes or more");
        let (out, cache) = bench.set(true);
        let run = bench.run(&out, &cache).env("LD_PRELOAD", &library);
        let run = run.env("FAIL_AT", k.to_string());
        let said = which(run.env("FAIL_BYTES", n_bytes.to_string())).finish();
        let Some((_, after)) = said.stderr.split_once(REFUSED) else {
            assert_eq!(said.code, Some(0), "{what}: {}", said.stderr);
            break;
        };
        n_points += 1;
        // 0 where it was asked whether there is memory, and there is a way without.
        let is_complete = said.code == Some(0);
        assert!(
            is_complete || is_an_end(&said, after),
            "{what}: {:?} {:?}: {}",
            said.code,
            said.signal,
            said.stderr
        );
        bench.recovers(&out, &cache, is_complete, &what);
    }
    n_points
}

#[test]
fn an_allocation_that_fails_has_an_exit_code_and_loses_nothing() {
    let bench = Bench::new(&["--descriptor", "colour"]);
    let step = if all_points() { 1 } else { 4 };
    let n = meet_all(
        &bench,
        1 << 20,
        step,
        |run| run,
        |said, after| said.code == Some(8) && after.contains("memory allocation of"),
    );
    tell(&format!("{n} allocations"));
    assert!(n > 5, "{n} points only");
}

/// What ONNX Runtime notices is an error of the library, or ends the process with the code of memory. There is an allocation
/// that it does not look at (41,728 bytes for a session, version 1.24.1): then the system ends the process, which the README says.
#[test]
fn an_allocation_of_onnx_runtime_that_fails_loses_nothing_either() {
    let model = project().join("tests/fixtures/pool.onnx");
    let model = model.to_str().expect("UTF-8");
    let bench = Bench::new(&["--model", model, "--precision", "f32"]);
    let n_bytes = if all_points() { 1 << 10 } else { 1 << 14 };
    let mut n_not_looked_at = 0;
    let n = meet_all(
        &bench,
        n_bytes,
        1,
        |run| run.env("FAIL_IN_RUNTIME", "1"),
        |said, after| match said.code {
            Some(1) => after.contains("report: ") && after.contains("bad_alloc"),
            Some(8) => after.contains("memory") || after.contains("foreign exceptions"),
            Some(_) => false,
            None => {
                n_not_looked_at += 1;
                said.signal == Some(SIGSEGV) && after.is_empty()
            }
        },
    );
    // A model of the user's own is loaded twice, for the number of its values and for them; and among the small ones there is
    // another, of 1,360 bytes.
    let most = if all_points() { 3 } else { 2 };
    assert!(
        n_not_looked_at <= most,
        "{n_not_looked_at} ends by a signal"
    );
    tell(&format!("{n} allocations of ONNX Runtime"));
    assert!(n > 5, "{n} points only");
}
