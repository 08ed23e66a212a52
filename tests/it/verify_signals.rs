//! A signal ends `verify`, and what reads a baseline, at once, whatever they are at.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::json;

use crate::run::{Report, Said, said, write_frame};
use crate::verify::{change, copy, small, verify};

/// From the signal to the end: what is promised is a second, and a machine may be busy. The work would take hours, or not end.
const SOON: Duration = Duration::from_secs(8);

/// Sends SIGTERM after a while, and waits for the end.
fn terminated(child: Child, after: Duration) -> Said {
    std::thread::sleep(after);
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.expect("kill").success());
    let began = Instant::now();
    let said = said(child);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(said.code, Some(143), "{}{}", said.stdout, said.stderr);
    said
}

/// Embeddings of as many images, which lie nowhere together.
fn many_images(report: &Path, n: usize) {
    let values = |factor: f32| {
        (0..n)
            .map(|i| (i as f32 * factor).sin())
            .collect::<Vec<_>>()
    };
    let keys: Vec<String> = (0..n).map(|i| format!("a/{i}.jpg")).collect();
    let mut columns = vec![
        Column::new("key".into(), keys),
        Column::new("label".into(), vec!["a"; n]),
    ];
    let names = (1..=6).map(|i| format!("pc{i}"));
    let names = names.chain(["tsne_x", "tsne_y"].map(str::to_owned));
    columns.extend(
        names
            .zip(1..)
            .map(|(name, i)| Column::new(name.into(), values(0.37 * i as f32))),
    );
    let mut frame = DataFrame::new(n, columns).expect("a frame");
    write_frame(&report.join("embeddings.parquet"), &mut frame);
    change(report, |_| {});
}

/// Embeddings of many images take the searches hours.
#[test]
fn a_signal_ends_the_searches() {
    let out = copy(&small().out());
    many_images(out.path(), 95_000);
    let child = verify(out.path()).args(["--threads", "1"]).start();
    let said = terminated(child, Duration::from_millis(1500));
    assert!(!said.stdout.contains("quality"), "{}", said.stdout);
}

/// Who does not read what it says stops it in the middle of a line, where nothing looks at the flag.
#[test]
fn a_signal_ends_what_does_not_look_for_one() {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    // As much as a pipe holds.
    writer.write_all(&[b'x'; 65536]).expect("a full pipe");
    let report = small().out();
    for (log, words) in [
        ("text", "report: stopped by a signal\n"),
        (
            "json",
            r#"{"event":"ended","exit_code":143,"message":"stopped by a signal"}"#,
        ),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_report"))
            .arg("verify")
            .arg(&report)
            .args(["--log", log])
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("the pipe"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(Duration::from_millis(1000));
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it did not wait"
        );
        let said = terminated(child, Duration::ZERO);
        assert!(said.stderr.contains(words), "{}", said.stderr);
        if log == "json" {
            assert!(
                said.stderr.lines().all(|line| line.starts_with('{')),
                "{}",
                said.stderr
            );
        }
    }
    drop(writer);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("the pipe");
    assert_eq!(read.len(), 65536);
}

/// A baseline that holds as much as it may, read before a run: nothing is written then.
#[test]
fn a_signal_ends_the_reading_of_a_baseline() {
    let baseline = copy(&small().out());
    many_images(baseline.path(), 99_000);
    change(baseline.path(), |run| {
        run["source"]["name"] = json!("a".repeat(100_000))
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (out, cache) = (folder.path().join("out"), folder.path().join("cache"));
    for after in [200, 500, 900] {
        let run = Report::on(&small().input(), &out, &cache)
            .arg("--baseline")
            .arg(baseline.path());
        let said = terminated(run.start(), Duration::from_millis(after));
        assert!(!said.stdout.contains("complete"), "{}", said.stdout);
        assert!(!out.join("run.json").exists());
    }
}
