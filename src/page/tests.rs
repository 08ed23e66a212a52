//! What must hold for every report.

use fruits_maths::neighbors::Space;
use polars::prelude::*;
use serde_json::json;

use super::{ReportInput, render};
use crate::error::{Error, Result};
use crate::record::{Run, Stage, Timings};
use crate::steps::projection::{self, Project, Projected};

const HOSTILE: &str = "</script><script>alert(1)</script>\u{0}\u{202E}'\"&";

fn record(n: u64, label: &str) -> Run {
    let digest = "0".repeat(64);
    let run = json!({
        "schema": "fruits-run/2",
        "status": { "state": "complete" },
        "source": {
            "kind": "folder", "name": label, "n_objects": n + 1, "size_bytes": 1000,
            "label_rule": "the folder",
        },
        "images": { "listed": n + 1, "accepted": n, "rejected": 1, "skipped": 0 },
        "classes": [{ "label": label, "n": n }],
        "dataset": {
            "sizes": [{ "width": 100, "height": 100, "n": n }], "n_sizes": 1,
            "modes": [{ "mode": "rgb8", "n": n }], "n_rotated": 0,
            "duplicates": [["k0", "k1"]], "n_duplicate_groups": 1,
        },
        "features": null,
        "pca": {
            "solver": "krylov", "seed": 1, "n_components": 2, "rule": label, "rank_limit": 2,
            "explained_variance": [3.0, 1.0], "explained_variance_ratio": [0.6, 0.2],
            "explained_variance_ratio_sum": 0.8, "further_ratios": [0.1], "total_variance": 5.0,
            "residual": null, "n_passes": 2, "converged": true,
            "needed": [{ "variance": 0.9, "n_components": 3, "exact": true }],
            "worst_reconstructed": [{ "key": "k1", "lost": 0.5 }],
        },
        "tsne": {
            "perplexity": 2.0, "perplexity_requested": 30.0, "seed": 1, "n_iter": 10,
            "kl_divergence": 0.1, "init": "pca",
        },
        "quality": null,
        "warnings": [label],
        "parameters": [{ "name": "input", "value": label, "origin": "flag" }],
        "provenance": {
            "command": label, "version": "0.1.0", "git_commit": "unknown", "rustc": "1.94",
            "lock_sha256": digest, "libraries": [{ "name": "image", "version": "0.25" }],
            "cpu": "", "cpu_features": [], "manifest_sha256": digest,
            "outputs": [{ "name": "rejected.csv", "sha256": digest, "size_bytes": 10 }],
        },
    });
    let mut run: Run = serde_json::from_value(run).unwrap();
    run.enter_tsne();
    run
}

fn frames(n: usize, label: &str) -> (DataFrame, DataFrame) {
    let images = df!(
        "key" => (0..n).map(|i| format!("k{i}")).collect::<Vec<_>>(),
        "label" => vec![label; n],
        "width" => vec![100u32; n],
        "height" => vec![100u32; n],
        "thumbnail" => vec![b"no jpeg".as_slice(); n],
        "pc1" => (0..n).map(|i| i as f32).collect::<Vec<_>>(),
        "pc2" => (0..n).map(|i| if i == 0 { f32::NAN } else { 1.0 }).collect::<Vec<_>>(),
        "tsne_x" => vec![0.0f32; n],
        "tsne_y" => vec![0.0f32; n],
    );
    let rejected = df!(
        "key" => [label], "size_bytes" => [0u64], "reason" => ["zero_bytes"], "message" => [label],
    );
    (images.unwrap(), rejected.unwrap())
}

fn html(run: &Run, timings: &Timings, label: &str) -> Result<String, Error> {
    let (images, rejected) = frames(3, label);
    render(&ReportInput {
        run,
        timings,
        images: &images,
        rejected: &rejected,
        examples: &[],
        moves: None,
    })
}

#[test]
fn hostile_names_are_text_everywhere() {
    let html = html(&record(3, HOSTILE), &Timings::default(), HOSTILE).unwrap();
    assert!(!html.contains("<script>alert"));
    assert!(!html.contains(['\u{0}', '\u{202E}']));
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
    for svg in html.split("<svg ").skip(1) {
        let (body, _) = svg.split_once("</svg>").unwrap();
        roxmltree::Document::parse(&format!("<svg {body}</svg>")).unwrap();
    }
}

#[test]
fn only_the_timing_section_depends_on_timings() {
    let run = record(3, "Plum");
    let slow = Timings {
        stages: vec![Stage {
            name: "pca".into(),
            wall_s: 99.0,
            items: 3,
            cache_hits: 0,
            parts: Vec::new(),
        }],
        total_s: 12_345.6,
        ..Timings::default()
    };
    let without = |timings: &Timings| {
        let html = html(&run, timings, "Plum").unwrap();
        let (before, rest) = html
            .split_once("<section id=\"timing\" data-volatile>")
            .unwrap();
        let (_, after) = rest.split_once("</section>").unwrap();
        (before.to_owned(), after.to_owned())
    };
    assert_eq!(without(&slow), without(&Timings::default()));
}

#[test]
fn dropped_points_are_said() {
    let html = html(&record(3, "Plum"), &Timings::default(), "Plum").unwrap();
    assert!(html.contains("2 of 3 images shown; 1 without a finite position"));
}

#[test]
fn counts_that_contradict_each_other_are_refused() {
    let mut run = record(3, "Plum");
    run.images.skipped = 5;
    assert!(matches!(
        html(&run, &Timings::default(), "Plum"),
        Err(Error::Internal(_))
    ));
    let run = record(4, "Plum");
    assert!(matches!(
        html(&run, &Timings::default(), "Plum"),
        Err(Error::Internal(_))
    ));
}

/// A projection of this name, and nothing more.
#[derive(Debug)]
struct Named(&'static str);

impl Project for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn recipe(&self) -> String {
        String::new()
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn project(&self, _: &Space, _: &mut dyn FnMut(usize, usize) -> bool) -> Result<Projected> {
        Err(Error::Cancelled)
    }
}

#[test]
fn no_projection_takes_an_id_of_the_page() {
    let page = include_str!("../../templates/report.html");
    let ids = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let fixed: Vec<_> = ids
        .filter(|id| id.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    assert!(fixed.len() > 12, "{fixed:?}");
    for id in fixed {
        assert!(projection::check(&[&Named(id)]).is_err(), "{id}");
    }
    assert!(projection::check(&[&Named("tsne")]).is_ok());
}
