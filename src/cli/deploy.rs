//! `homelab deploy`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::plan::{Known, Mistake, Plan, build};
use homelab::project::{Filter, Run, select};
use homelab::remote::Target;
use homelab::report::{self, TextOptions};
use homelab::secret::DigestKey;

use super::applying::apply_and_tell;
use super::ways::WayArguments;
use super::{hosts, print, prompt, targets};

/// What to deploy, where, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct DeployArguments {
    /// Inventory: the name of a file in `inventories/`
    inventory: String,
    /// Deploy: the name of a file in `deploys/`
    deploy: String,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Apply without asking
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// Only hosts that match: a name, a group or a glob
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    limit: Vec<String>,
    /// Only tasks that match: a name or a glob
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    only: Vec<String>,
    /// With --dry-run, exit with 2 if changes are pending
    #[arg(long, requires = "dry_run")]
    detailed_exitcode: bool,
    /// How long to wait for another run that holds a host's lock, as in `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    lock_wait: Duration,
    #[command(flatten)]
    ways: WayArguments,
    /// List unchanged operations and all packages too, and count round trips
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    parsed
        .try_into()
        .map_err(|_| "a duration cannot be negative".to_owned())
}

pub(super) fn run(arguments: &DeployArguments) -> anyhow::Result<ExitCode> {
    let project = super::project()?;
    let filter = Filter {
        limit: arguments.limit.clone(),
        only: arguments.only.clone(),
    };
    let run = select(&project, &arguments.inventory, &arguments.deploy, &filter)?;
    let digests = Arc::new(DigestKey::random());
    // Without any facts: what is wrong with the project comes out before any connection is made.
    let offline = build(&run, &Known::default(), &digests);
    if !offline.mistakes.is_empty() {
        anstream::eprint!("{}", report::mistakes(&offline.mistakes));
        return Ok(ExitCode::from(super::INVALID));
    }
    if !arguments.dry_run && !arguments.yes {
        prompt::check_terminal()?;
    }
    let targets = arguments.ways.complete(targets::targets(&project, &run)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(deploy(arguments, &run, targets, &digests))
}

async fn deploy(
    arguments: &DeployArguments,
    run: &Run,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> anyhow::Result<ExitCode> {
    let (hosts, mut ends) = hosts::read(arguments.verbose, run, targets, digests).await;
    let mistakes: Vec<Mistake> = hosts.iter().flat_map(|host| host.build.mistakes.clone()).collect();
    if !mistakes.is_empty() {
        anstream::eprint!("{}", report::mistakes(&mistakes));
        hosts::close(hosts).await;
        return Ok(ExitCode::from(super::INVALID));
    }
    if hosts.is_empty() {
        return Ok(ExitCode::from(exit_code(ends)));
    }
    let plan = Plan {
        hosts: hosts.iter().flat_map(|host| host.build.plan.hosts.clone()).collect(),
    };
    let options = text_options(arguments);
    print(&report::plan(run, &plan, &options))?;
    if arguments.dry_run || (plan.is_idle() && !plan.has_leftovers()) {
        hosts::close(hosts).await;
        if arguments.detailed_exitcode && plan.is_pending() {
            ends.push(HostEnd::Pending);
        }
        return Ok(ExitCode::from(exit_code(ends)));
    }
    if !arguments.yes && !plan.is_idle() && !prompt::confirm(&question(&plan))? {
        hosts::close(hosts).await;
        anstream::eprintln!("nothing was changed");
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    }
    let results = apply_and_tell(arguments.lock_wait, hosts, digests, &options).await?;
    print(&report::summary(&results))?;
    ends.extend(results.iter().map(|result| result.end));
    Ok(ExitCode::from(exit_code(ends)))
}

fn text_options(arguments: &DeployArguments) -> TextOptions {
    TextOptions {
        verbose: arguments.verbose,
        full_diff: arguments.verbose,
        width: 100,
    }
}

fn question(plan: &Plan) -> String {
    let pending = plan.hosts.iter().filter(|host| !host.is_idle());
    let names: Vec<&str> = pending.map(|host| host.host.as_str()).collect();
    format!("Apply this to {}?", names.join(", "))
}
