//! Servers that do not keep to what S3 promises: objects of another state, answers without an end, other addresses. Each is a
//! row or a sentence, within a time and a memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bucket::{Server, server};
use crate::images;
use crate::run::{Report, Said, said};
use crate::s3_faults::{assert_says, photos, rejected};

/// What a run may take beside the program, in KiB: four times what it takes here.
const MEMORY_KIB: u64 = 3 << 20;
/// Longest time of a run that cannot go on.
const BOUND: Duration = Duration::from_secs(120);

/// A run by colour within [`MEMORY_KIB`] and [`BOUND`].
fn bounded(server: &Server, arguments: &[&str]) -> Said {
    let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
    let report = Report::through(&["sh", "-c", &limited, env!("CARGO_BIN_EXE_report")]);
    let report = arguments
        .iter()
        .fold(server.coloured(report), |report, word| report.arg(word));
    let mut child = report.start();
    let began = Instant::now();
    while child.try_wait().expect("a state").is_none() {
        if began.elapsed() > BOUND {
            child.kill().expect("SIGKILL");
            child.wait().expect("it ends");
            panic!("the run still waits after {BOUND:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    said(child)
}

/// A run against a server with `rule` ends with exit code 6 and these words.
fn ends(rule: Value, words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 3);
    let told = rule.to_string();
    let server = server().photos("", folder.path()).fault(rule).start();
    let said = bounded(&server, &["--s3-timeout", "1"]);
    assert_eq!(said.code, Some(6), "{told}: {}{}", said.stdout, said.stderr);
    assert_says(&said.stderr, words);
    assert!(server.content("report/run.json").is_none(), "{told}");
}

fn n_requests(server: &Server, key: &str) -> usize {
    let is_of_key = |r: &&Value| r["path"].as_str().is_some_and(|p| p.ends_with(key));
    server.log().iter().filter(is_of_key).count()
}

#[test]
fn an_object_of_another_state_or_size_is_a_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    let keys = photos(&input, 5);
    let other = images::of_class("Plum Blue").swap_remove(0);
    let server = server()
        .photos("", &input)
        .fault(json!({"kind": "unconditional", "file": other, "key": keys[0]}))
        .fault(json!({"kind": "cut", "key": keys[2]}))
        // Who does not know the condition and has the right object is as good as any other.
        .fault(json!({"kind": "unconditional", "key": keys[4]}))
        .start();
    server.colour().expect(0);
    let row = |i: usize, reason: &str| (keys[i].clone(), reason.to_owned());
    assert_eq!(rejected(&server), [row(0, "changed"), row(2, "unreadable")]);
    assert_eq!(server.json("report/run.json")["images"]["accepted"], 8);
    assert_eq!(n_requests(&server, &keys[0]), 1);
}

#[test]
fn an_answer_that_does_not_end_ends_the_run() {
    let stalls = json!({"kind": "stall", "seconds": 600.0, "list": true});
    ends(stalls, &["list", "no answer within 1 s", "tried 5 times"]);
    let floods = json!({"kind": "flood", "list": true});
    ends(
        floods,
        &["list", "more comes than can be right", "16777216"],
    );
    let denies = json!({"kind": "flood", "status": 403, "list": true});
    ends(
        denies,
        &["list", "more comes than can be right", "16777216"],
    );
    let written = json!({"kind": "flood", "method": "PUT", "key": "report/.fruits-probe"});
    ends(written, &["write", "more comes than can be right"]);
    let removed =
        json!({"kind": "flood", "status": 200, "method": "DELETE", "key": "report/.fruits-probe"});
    ends(removed, &["remove", "more comes than can be right"]);
}

#[test]
fn an_object_that_does_not_end_is_a_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = photos(folder.path(), 5);
    let server = server()
        .photos("", folder.path())
        .fault(json!({"kind": "drip", "seconds": 0.3, "key": keys[1]}))
        .fault(json!({"kind": "flood", "key": keys[3]}))
        .fault(json!({"kind": "flood", "status": 403, "key": keys[5]}))
        .start();
    let said = bounded(&server, &["--s3-timeout", "1"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let row = |i: usize, reason: &str| (keys[i].clone(), reason.to_owned());
    assert_eq!(
        rejected(&server),
        [
            row(1, "timeout"),
            row(3, "unreadable"),
            row(5, "unreadable")
        ]
    );
    // What is too large once would be so again.
    assert_eq!([3, 5].map(|i| n_requests(&server, &keys[i])), [1, 1]);
}

#[test]
fn another_address_is_named_and_not_followed() {
    let moved = |status: u16, place: Value| {
        let mut rule = json!({
            "kind": "error", "status": status, "code": "Moved",
            "headers": {"location": format!("http://elsewhere.example/{status}")},
        });
        let more = place.as_object().expect("a place").clone();
        rule.as_object_mut().expect("a rule").extend(more);
        rule
    };
    let statuses = [301, 302, 303, 307, 308];
    for status in statuses {
        let to = format!("http://elsewhere.example/{status}");
        ends(
            moved(status, json!({"list": true})),
            &["list", "not followed", "--endpoint-url", "--region", &to],
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let keys = photos(folder.path(), 6);
    let mut server = server().photos("", folder.path());
    for (status, key) in statuses.iter().zip(&keys) {
        server = server.fault(moved(*status, json!({"key": key})));
    }
    let server = server.start();
    server.colour().expect(0);
    let expected = keys[..5]
        .iter()
        .map(|key| (key.clone(), "unreadable".to_owned()));
    assert_eq!(rejected(&server), expected.collect::<Vec<_>>());
    let rows = server.content("report/rejected.csv").expect("rows");
    let rows = String::from_utf8(rows).expect("text");
    assert_says(&rows, &["not followed", "http://elsewhere.example/302"]);
}

#[test]
fn a_server_that_knows_no_checksums_is_told_from_wrong_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 4);
    for (status, code) in [
        (501, "NotImplemented"),
        (400, "InvalidRequest"),
        (403, "SignatureDoesNotMatch"),
    ] {
        let server = server()
            .photos("", folder.path())
            .fault(json!({"kind": "checksums", "status": status, "code": code, "method": "PUT"}))
            .start();
        let remedy = ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
        let said = server.colour().expect(6);
        assert_says(&said.stderr, &[code, "write", remedy.0, remedy.1]);
        server.colour().env(remedy.0, remedy.1).expect(0);
        assert!(server.content("report/run.json").is_some());
    }
}

#[test]
fn a_lease_whose_answer_was_lost_is_still_held() {
    let folder = tempfile::tempdir().expect("a folder");
    images::sample(folder.path(), 2, 4);
    // The first write takes the lease, the second one renews it.
    for skip in [0, 1] {
        let server = server()
            .photos("", folder.path())
            .fault(json!({
                "kind": "reset", "method": "PUT", "key": "report/.fruits-lock", "skip": skip, "times": 1,
            }))
            .start();
        server.colour().expect(0);
        let log = server.log();
        let n_lost = log.iter().filter(|r| r["fault"] == "reset").count();
        assert_eq!(n_lost, 1, "no answer was lost");
        assert!(server.content("report/run.json").is_some());
        assert!(server.content("report/.fruits-lock").is_none());
    }
}
