//! `homelab deploy`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use homelab::error::Diagnostics;
use homelab::plan::{Snapshot, build, unmatched};
use homelab::project::select;
use homelab::report;
use homelab::secret::DigestKey;

use super::deploying::Deploying;
use super::filter::FilterArguments;
use super::format::Format;
use super::output::tell;
use super::ways::WayArguments;
use super::{completion, prompt, targets};

/// Default number of hosts at a time: more than most home labs have.
pub(super) const PARALLEL: u16 = 20;

/// Arguments of `homelab deploy`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct DeployArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a deploy, such as `site` for `deploys/site.toml`
    #[arg(add = completion::deploys())]
    deploy: String,
    /// Show the diff and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Apply without asking for confirmation
    #[arg(long, short, conflicts_with = "dry_run")]
    pub(super) yes: bool,
    #[command(flatten)]
    filter: FilterArguments,
    /// With `--dry-run`: exit with 2 if changes are pending
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,
    /// Wait this long if another run holds the lock of a host, such as `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub(super) lock_wait: Duration,
    #[command(flatten)]
    ways: WayArguments,
    /// Read and change this many hosts at a time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Output format; docs/format.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Also show unchanged operations, all packages, the output of commands, durations and round trips
    #[arg(long, short)]
    pub(super) verbose: bool,
}

impl DeployArguments {
    /// How many hosts to deal with at once.
    pub(super) fn parallel(&self) -> usize {
        usize::from(self.parallel)
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    parsed
        .try_into()
        .map_err(|_| "a duration cannot be negative".to_owned())
}

pub(super) fn run(arguments: &DeployArguments) -> anyhow::Result<ExitCode> {
    let project = super::project()?;
    let filter = arguments.filter.read()?;
    let run = select(&project, &arguments.inventory, &arguments.deploy, &filter)?;
    let digests = Arc::new(DigestKey::random());
    // Without any facts: what is wrong with the project comes out before any connection is made.
    let offline = build(&run, &Snapshot::default(), &digests);
    if !offline.mistakes.is_empty() {
        tell(&report::mistakes(&offline.mistakes));
        return Ok(ExitCode::from(super::INVALID));
    }
    let unmatched = unmatched(&run, &offline);
    if !unmatched.is_empty() {
        return Err(Diagnostics(unmatched).into());
    }
    if !arguments.dry_run && !arguments.yes {
        prompt::check_terminal()?;
    }
    let targets = arguments.ways.complete(targets::targets(&project, &run)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let deploying = Deploying {
        arguments,
        run: &run,
        digests,
    };
    runtime.block_on(deploying.deploy(targets))
}
