//! What a baseline may bring into a report.

use std::fs;
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::{Value, json};

use crate::run::{json as json_of, read_frame, write_frame};
use crate::verify::{change, copy, small};
use crate::verify_foreign::refused;

/// Its names and values would stand in the report of whoever names it, and each was looked for among all others.
#[test]
fn a_baseline_brings_no_more_than_a_run_holds() {
    type Edit = fn(&mut Value);
    let edits: [(Edit, &str); 6] = [
        (
            |run| {
                let one = run["projections"][0].clone();
                let named = |i: usize| {
                    let mut one = one.clone();
                    one["name"] = json!(format!("p{i}"));
                    one
                };
                run["projections"] = (0..65).map(named).collect();
            },
            "65 projections",
        ),
        (
            |run| {
                let one = run["projections"][0]["figures"][0].clone();
                run["projections"][0]["figures"] = json!(vec![one; 65]);
            },
            "65 figures",
        ),
        (
            |run| {
                let one = json!({"name": "x", "value": "y", "origin": "flag"});
                run["parameters"] = json!(vec![one; 201]);
            },
            "201 parameters",
        ),
        (
            |run| {
                let one = |i: usize| json!({"name": format!("{i}"), "version": ""});
                run["provenance"]["libraries"] = (0..250_000).map(one).collect();
            },
            "250000 libraries",
        ),
        (
            |run| {
                let one = json!({"name": "x", "value": "y"});
                run["features"]["facts"] = json!(vec![one; 201]);
            },
            "201 facts",
        ),
        (
            |run| run["provenance"]["rustc"] = json!("r".repeat(300_000)),
            "bytes, and at most",
        ),
    ];
    for (edit, words) in edits {
        let out = copy(&small().out());
        let mut run = json_of(out.path().join("run.json"));
        edit(&mut run);
        fs::write(out.path().join("run.json"), run.to_string()).expect("a record");
        let began = Instant::now();
        refused(out.path(), &["run.json", words]);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{words}: {:?}",
            began.elapsed()
        );
    }

    let out = copy(&small().out());
    let path = out.path().join("manifest.parquet");
    let mut frame = read_frame(&path);
    let long = vec!["a".repeat(5000); frame.height()];
    frame
        .with_column(Column::new("label".into(), long))
        .expect("a column");
    write_frame(&path, &mut frame);
    change(out.path(), |_| {});
    refused(out.path(), &["manifest.parquet", "longer than any path"]);
}
