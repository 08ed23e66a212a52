//! Tests of the whole: one crate, because each test target links everything once more.
//!
//! `run::Report` starts the real binary; `images` makes small folders of real images. Tests that need something a
//! machine may lack (the reference data, Chromium, the right to mount) say so through `run::skipped`.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and says what it skips"
)]

mod bombs;
mod browser;
mod bucket;
mod cache;
mod classes;
mod colour;
mod columns;
mod command_line;
mod compare;
mod corpus;
mod decode;
mod faults;
mod gates;
mod golden;
mod images;
mod imports;
mod interruption;
mod layers;
mod limits;
mod measures;
mod mending;
mod own_descriptor;
mod points;
mod projection;
mod properties;
mod reference;
mod run;
mod s3;
mod s3_bounds;
mod s3_faults;
mod s3_hostile;
mod s3_interruption;
mod sample;
mod shapes;
mod steps;
mod surroundings;
mod tiffs;
mod upkeep;
mod upkeep_bucket;
mod verify;
mod verify_alone;
mod verify_baseline;
mod verify_bombs;
mod verify_bucket;
mod verify_foreign;
mod verify_mutants;
mod verify_rerun;
mod verify_signals;
mod webps;
