//! Tests of the whole: one crate, because each test target links everything once more.
//!
//! `run::Report` starts the real binary; `images` makes small folders of real images. Tests that need something a
//! machine may lack (the reference data, Chromium, the right to mount) say `skipped:` with the reason.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and says what it skips"
)]

mod browser;
mod bucket;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod cluster_faults;
mod command_line;
mod compare;
mod decode;
mod faults;
mod gates;
mod images;
mod interruption;
mod layers;
mod measures;
mod reference;
mod run;
mod s3;
mod s3_faults;
mod s3_hostile;
mod s3_interruption;
mod sample;
mod shapes;
mod steps;
mod verify;
mod verify_bucket;
mod verify_rerun;
