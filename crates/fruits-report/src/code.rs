//! Exit codes, as the README lists them.

pub const COMPLETE: u8 = 0;
pub const INTERNAL: u8 = 1;
pub const USAGE: u8 = 2;
pub const NO_IMAGE: u8 = 3;
pub const GATE: u8 = 4;
pub const PARTIAL: u8 = 5;
pub const STORAGE: u8 = 6;
pub const ENGINE: u8 = 7;
pub const MEMORY: u8 = 8;
