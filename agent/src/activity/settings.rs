//! The configuration of `activity`.

use std::path::PathBuf;

use serde::Deserialize;

use super::wake;
use crate::server;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// How `/health` and `/metrics` are reached.
    #[serde(default)]
    pub(super) server: server::Settings,
    /// The access log of nginx.
    pub(super) log: PathBuf,
    /// The rules, which `nginx-sync` writes.
    pub(super) rules: PathBuf,
    pub(super) models: Models,
    /// How a host that is off is woken.
    pub(super) wake: Option<wake::Settings>,
}

/// The services that get reports of activity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Models {
    /// Where the mode `models` answers. Rules lead nowhere else.
    pub(super) url: String,
    /// A file with its token for operating.
    pub(super) token_file: Option<PathBuf>,
    /// A file with the authority of its certificate, for `https`.
    pub(super) authority_file: Option<PathBuf>,
    /// Seconds in which the same is not told again.
    #[serde(default = "sixty")]
    pub(super) debounce: u64,
    /// How many calls run at once. Further ones are left out.
    #[serde(default = "four")]
    pub(super) concurrency: usize,
    /// Seconds to wait for an answer.
    #[serde(default = "thirty")]
    pub(super) timeout: u64,
    /// How often a call that failed is tried again.
    #[serde(default = "retries")]
    pub(super) retries: u32,
    /// Seconds before the first of these; twice as long before each further one.
    #[serde(default = "one")]
    pub(super) retry_delay: u64,
}

fn one() -> u64 {
    1
}

fn retries() -> u32 {
    3
}

fn four() -> usize {
    4
}

fn thirty() -> u64 {
    30
}

fn sixty() -> u64 {
    60
}
