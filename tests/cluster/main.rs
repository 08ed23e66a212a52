//! Tests of a run on several machines: scheduler and workers as processes on loopback.
//!
//! A crate of its own beside `tests/it`, whose helpers it takes, so that the tests of one machine need nothing of the engine.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and says what it skips"
)]

#[path = "../it/bucket.rs"]
#[allow(dead_code, reason = "other tests take the rest")]
mod bucket;
mod bytes;
mod drivers;
mod faults;
#[path = "../it/images.rs"]
mod images;
mod members;
mod network;
mod photos;
#[path = "../it/run.rs"]
#[allow(dead_code, reason = "other tests take the rest")]
mod run;
mod workers;
