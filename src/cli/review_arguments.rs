//! The arguments of whatever only shows a review.

use std::time::Duration;

use clap::Args;

use super::connection_arguments::{ConnectionArguments, PARALLEL};
use super::document_path::DocumentPath;
use super::format::ReviewFormat;
use super::run_arguments::RunArguments;

/// How hosts are read and reviewed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReviewArguments {
    /// Run no `unless`, `only_if`, `validate` or `verify.*`; operations that depend on them are marked `?`
    #[arg(long)]
    no_conditions: bool,
    /// Exit with 2 if changes are pending or a check fails
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Read this many hosts at a time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Output format; see docs/format.md
    #[arg(long, value_enum, default_value_t = ReviewFormat::Text)]
    format: ReviewFormat,
    /// Also write the result to FILE, in the format of its ending (.md, .html or .json); can be repeated
    #[arg(long, value_name = "FILE", value_parser = DocumentPath::parse)]
    format_into: Vec<DocumentPath>,
    /// Also show unchanged operations, all packages, durations and round trips
    #[arg(long, short)]
    verbose: bool,
}

impl ReviewArguments {
    /// Whether no condition and no check of the project runs.
    pub(super) fn skips_conditions(&self) -> bool {
        self.no_conditions
    }

    /// The same as the arguments of a dry run.
    pub(super) fn as_dry_run(&self) -> RunArguments {
        RunArguments {
            dry_run: true,
            no_conditions: self.no_conditions,
            yes: false,
            detailed_exitcode: self.detailed_exitcode,
            lock_wait: Duration::ZERO,
            guard_within: Duration::ZERO,
            connection: self.connection.clone(),
            parallel: self.parallel,
            format: self.format,
            format_into: self.format_into.clone(),
            verbose: self.verbose,
        }
    }
}
