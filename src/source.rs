//! Where images come from.

pub mod local;
