//! Tests that need neither a host nor the tool's binary.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod hostile;
mod mutations;
mod properties;
