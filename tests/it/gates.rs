//! Limits: the exit code, and a report that is complete all the same.

use crate::run::{Report, json, project};
use crate::sample::rendered;

#[test]
fn a_limit_that_is_not_kept_is_shown_in_a_complete_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let cache = rendered().with_file_name("cache");
    let run = || Report::on(&project().join("data-sample"), &out, &cache);
    let kept = [
        "--max-rejected",
        "0",
        "--min-variance",
        "0.5",
        "--min-knn-accuracy",
        "0.2",
    ];
    run().args(kept).expect(0);

    let said = run().args(kept).args(["--min-trust", "1"]).expect(4);
    assert!(
        said.stdout
            .contains("but not within --min-trust 1.000000: 0."),
        "{}",
        said.stdout
    );
    let record = json(out.join("run.json"));
    assert_eq!(record["status"]["state"], "complete");
    let passed: Vec<_> = record["gates"]
        .as_array()
        .expect("gates")
        .iter()
        .map(|g| &g["passed"])
        .collect();
    assert_eq!(passed, [true, true, false, true]);
    let trust = &record["gates"][2]["value"];
    assert!(trust.is_f64(), "{trust}");
    assert_eq!(*trust, record["quality"]["trustworthiness"]);
    let html = std::fs::read_to_string(out.join("index.html")).expect("a report");
    assert!(html.contains("1 of 4 limits not kept") && html.contains("complete, limit not kept"));

    run().args(["--max-rejected", "1.5"]).expect(2);
}
