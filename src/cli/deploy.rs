//! `homelab deploy`

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use homelab::apply::{ApplyOptions, HostEnd, HostResult, apply, exit_code};
use homelab::gather::{GatherError, ReadHost, read_hosts};
use homelab::plan::{Known, Mistake, Plan, build};
use homelab::project::{Filter, Run, select};
use homelab::remote::Target;
use homelab::report::{self, TextOptions};
use homelab::secret::DigestKey;
use tokio::sync::{mpsc, watch};

use super::{errors, prompt, targets};

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
    /// List unchanged operations and all packages too, and count round trips
    #[arg(long, short)]
    verbose: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
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
        errors::show_mistakes(&offline.mistakes);
        return Ok(ExitCode::from(super::INVALID));
    }
    if !arguments.dry_run && !arguments.yes {
        prompt::check_terminal()?;
    }
    let targets = targets::targets(&project, &run)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(deploy(arguments, &run, targets, &digests))
}

async fn deploy(
    arguments: &DeployArguments,
    run: &Run,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> anyhow::Result<ExitCode> {
    let (hosts, mut ends) = read(arguments, run, targets, digests).await;
    let mistakes: Vec<Mistake> = hosts.iter().flat_map(|host| host.build.mistakes.clone()).collect();
    if !mistakes.is_empty() {
        errors::show_mistakes(&mistakes);
        close(hosts).await;
        return Ok(ExitCode::from(super::INVALID));
    }
    let plan = Plan {
        hosts: hosts.iter().flat_map(|host| host.build.plan.hosts.clone()).collect(),
    };
    let options = text_options(arguments);
    print(&report::plan(run, &plan, &options))?;
    let is_idle = plan.hosts.iter().all(|host| {
        host.operations
            .iter()
            .all(|operation| operation.changes().is_empty() && !operation.is_pending())
    });
    if arguments.dry_run || is_idle {
        close(hosts).await;
        if arguments.detailed_exitcode && plan.is_pending() {
            ends.push(HostEnd::Pending);
        }
        return Ok(ExitCode::from(exit_code(ends)));
    }
    if !arguments.yes && !prompt::confirm(&question(&plan))? {
        close(hosts).await;
        anstream::eprintln!("nothing was changed");
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    }
    let results = apply_and_tell(arguments, hosts, digests, &options).await?;
    print(&report::summary(&results))?;
    ends.extend(results.iter().map(|result| result.end));
    Ok(ExitCode::from(exit_code(ends)))
}

/// Reads all hosts at once; those that cannot be read are told and leave their end.
async fn read(
    arguments: &DeployArguments,
    run: &Run,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> (Vec<ReadHost>, Vec<HostEnd>) {
    let mut hosts = Vec::new();
    let mut ends = Vec::new();
    for reading in read_hosts(run, targets, digests).await {
        match reading.result {
            Ok(host) => {
                if arguments.verbose {
                    anstream::eprintln!("{}: round trips: {}", reading.host, host.connection.round_trips());
                }
                hosts.push(host);
            }
            Err(GatherError::Remote(error)) => {
                errors::show_plain(&error);
                ends.push(HostEnd::Unreachable);
            }
            Err(error) => {
                errors::show_plain(&error);
                ends.push(HostEnd::Failed);
            }
        }
    }
    (hosts, ends)
}

async fn apply_and_tell(
    arguments: &DeployArguments,
    hosts: Vec<ReadHost>,
    digests: &Arc<DigestKey>,
    options: &TextOptions,
) -> anyhow::Result<Vec<HostResult>> {
    let (events, mut told) = mpsc::unbounded_channel();
    let (cancel, cancelled) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            anstream::eprintln!("interrupted: ending after the step under way");
            let _ = cancel.send(true);
        }
        // Kept, so that applying does not take its end for a cancellation.
        std::future::pending::<()>().await;
    });
    let apply_options = ApplyOptions {
        who: who(),
        lock_wait: arguments.lock_wait,
    };
    let telling = async {
        while let Some(event) = told.recv().await {
            if let Some(text) = report::event(&event, options) {
                print(&text)?;
            }
        }
        Ok::<(), anyhow::Error>(())
    };
    let applying = async move { apply(hosts, digests, &apply_options, &events, &cancelled).await };
    let (results, telling) = tokio::join!(applying, telling);
    telling?;
    Ok(results)
}

async fn close(hosts: Vec<ReadHost>) {
    for host in hosts {
        host.connection.close().await;
    }
}

fn text_options(arguments: &DeployArguments) -> TextOptions {
    TextOptions {
        verbose: arguments.verbose,
        full_diff: arguments.verbose,
        width: 100,
    }
}

fn question(plan: &Plan) -> String {
    let pending = plan.hosts.iter().filter(|host| host.is_pending());
    let names: Vec<&str> = pending.map(|host| host.host.as_str()).collect();
    format!("Apply this to {}?", names.join(", "))
}

/// Who holds a host's lock, for whoever finds it held.
fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "somebody".to_owned());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", machine.trim(), std::process::id())
}

/// Writes to standard output; a reader that went away, as `head` does, is no error.
fn print(text: &str) -> std::io::Result<()> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
