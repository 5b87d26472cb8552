//! The arguments of whatever shows a review and applies it.

use std::time::Duration;

use clap::Args;

use super::connection_arguments::{ConnectionArguments, PARALLEL};
use super::document_path::DocumentPath;
use super::duration::duration;
use super::format::ReviewFormat;

/// How hosts are read, reviewed and changed.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct RunArguments {
    /// Show the diff and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With `--dry-run`: run no `unless`, `only_if`, `validate` or `verify.*`; operations that depend on them are marked `?`
    #[arg(long, requires = "dry_run")]
    pub(super) no_conditions: bool,
    /// Apply without asking for confirmation; a dry run stays one
    #[arg(long, short)]
    pub(super) yes: bool,
    /// With `--dry-run`: exit with 2 if changes are pending or a check fails
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,
    /// Wait this long if another run holds the lock of a host, such as `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub(super) lock_wait: Duration,
    /// A host takes back a change that could lock you out unless a new connection works within this time
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(super) guard_within: Duration,
    #[command(flatten)]
    pub(super) connection: ConnectionArguments,
    /// Read and change this many hosts at a time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) parallel: u16,
    /// Output format; see docs/format.md
    #[arg(long, value_enum, default_value_t = ReviewFormat::Text)]
    pub(super) format: ReviewFormat,
    /// Also write the result to FILE, in the format of its ending (.md, .html or .json); can be repeated
    #[arg(long, value_name = "FILE", value_parser = DocumentPath::parse)]
    pub(super) format_into: Vec<DocumentPath>,
    /// Also show unchanged operations, all packages, the output of commands, durations and round trips
    #[arg(long, short)]
    pub(super) verbose: bool,
}

impl RunArguments {
    /// How many hosts to work on at once.
    pub(super) fn parallel(&self) -> usize {
        usize::from(self.parallel)
    }
}
