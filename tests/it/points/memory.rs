//! Each large allocation of a run: of the program, and of ONNX Runtime in it.

use super::{Bench, all_points, preloaded};
use crate::run::{project, tell};

/// What the preloaded library says before it refuses.
const REFUSED: &str = "this allocation fails\n";

/// Every `step`-th allocation fails, or each of them; `codes` are those that a run may end with. Gives how many failed.
fn meet_all(bench: &Bench, step: usize, codes: &[i32]) -> usize {
    let library = preloaded("no_memory", bench.folder.path());
    let step = if all_points() { 1 } else { step };
    let mut n_points = 0;
    for k in (1..).step_by(step) {
        let what = format!("allocation {k}");
        let (out, cache) = bench.set(true);
        let run = bench.run(&out, &cache).env("LD_PRELOAD", &library);
        let said = run.env("FAIL_AT", k.to_string()).finish();
        let Some((_, after)) = said.stderr.split_once(REFUSED) else {
            assert_eq!(said.code, Some(0), "{what}: {}", said.stderr);
            break;
        };
        n_points += 1;
        // 0 where the program asked whether there is memory, and did without.
        let is_complete = said.code == Some(0);
        if !is_complete {
            let is_one = said.code.is_some_and(|code| codes.contains(&code));
            assert!(is_one, "{what}: {:?}: {}", said.code, said.stderr);
            let is_said = after.contains("memory") || after.contains("bad_alloc");
            assert!(is_said, "{what}: {}", said.stderr);
        }
        bench.recovers(&out, &cache, is_complete, &what);
    }
    n_points
}

#[test]
fn an_allocation_that_fails_has_an_exit_code_and_loses_nothing() {
    let n = meet_all(&Bench::new(&["--descriptor", "colour"]), 7, &[8]);
    tell(&format!("{n} allocations"));
    assert!(n > 5, "{n} points only");
}

/// An error of ONNX Runtime is one of the library; where it gives up the process, that has the code of memory.
#[test]
fn an_allocation_of_onnx_runtime_that_fails_has_an_exit_code_too() {
    let model = project().join("tests/fixtures/pool.onnx");
    let model = model.to_str().expect("UTF-8");
    let bench = Bench::new(&["--model", model, "--precision", "f32"]);
    let n = meet_all(&bench, 7, &[1, 8]);
    tell(&format!("{n} allocations with a network"));
    assert!(n > 5, "{n} points only");
}
