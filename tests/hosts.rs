//! Tests that need more than this process: a real sshd, a real Docker engine, real lab hosts.
//!
//! `cargo test --test hosts ssh::`, `lab::` and `deploy::` run each of them alone.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod deploy;
mod lab;
#[path = "../src/report/schemas.rs"]
mod schemas;
mod ssh;
mod support;
