//! Tests that need no host.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod hostile;
mod mutations;
mod properties;
#[path = "../src/report/schemas.rs"]
mod schemas;
mod secrets;
