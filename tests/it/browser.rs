//! The report in headless Chromium, driven by playwright-core (`tests/browser/report.mjs` holds the checks).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::run::{project, read_frame, skipped};
use crate::sample::rendered;

#[test]
fn a_reviewer_can_read_the_report() {
    let out = rendered();
    let points = out.join("points.json");
    fs::write(&points, expected_points(&out)).expect("a file");
    let images = project().join("data-sample");
    node("report.mjs", &[out.join("index.html"), points, images]);
}

/// Runs a script of `tests/browser`, where Chromium and what drives it are installed.
pub fn node(script: &str, arguments: &[PathBuf]) {
    let folder = project().join("tests/browser");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let version = Command::new("node").arg("--version").output();
    let packages = ["playwright-core", "axe-core", "vnu-jar"];
    let has = |package: &&str| folder.join("node_modules").join(package).exists();
    let missing = [
        (
            Path::new(&chromium).exists(),
            "chromium",
            "Chromium is not installed",
        ),
        (
            version.is_ok_and(|o| o.status.success()),
            "node",
            "Node.js is not installed",
        ),
        (
            packages.iter().all(has),
            "node-modules",
            "`npm ci --prefix tests/browser` has not been run",
        ),
    ];
    if let Some((_, name, reason)) = missing.iter().find(|(is_there, ..)| !is_there) {
        skipped(name, reason);
        return;
    }
    let checked = Command::new("node")
        .arg(folder.join(script))
        .args(arguments)
        .env("CHROMIUM", &chromium)
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    for line in said.lines() {
        let skip = line.strip_prefix("skipped: ");
        if let Some((missing, reason)) = skip.and_then(|skip| skip.split_once(": ")) {
            skipped(missing, reason);
        }
    }
}

/// What the cards must say, from the embeddings beside the report.
fn expected_points(out: &Path) -> String {
    let frame = read_frame(&out.join("embeddings.parquet"));
    let text = |name: &str| {
        frame
            .column(name)
            .expect(name)
            .str()
            .expect("strings")
            .clone()
    };
    let number = |name: &str| {
        frame
            .column(name)
            .expect(name)
            .f32()
            .expect("floats")
            .clone()
    };
    let (key, label) = (text("key"), text("label"));
    let (pc1, pc2, x, y) = (
        number("pc1"),
        number("pc2"),
        number("tsne_x"),
        number("tsne_y"),
    );
    let row = |i: usize| json!({ "key": key.get(i), "label": label.get(i), "pc": [pc1.get(i), pc2.get(i)], "tsne": [x.get(i), y.get(i)] });
    serde_json::Value::Array((0..frame.height()).map(row).collect()).to_string()
}
