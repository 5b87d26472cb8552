//! What holds whatever people write: nothing panics, every mistake points into its file, and data merge by their rules.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod loading;
mod merging;
