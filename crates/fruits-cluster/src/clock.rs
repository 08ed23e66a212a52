//! The time of day.

/// Milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "machines have no other clock in common; it names runs and dates tries, and is in no output"
)]
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
