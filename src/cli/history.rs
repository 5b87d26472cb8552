//! `homelab history`

use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::error::Diagnostic;
use homelab::facts::journal::Wanted;
use homelab::gather::HostJournal;
use homelab::report;

use super::connection_arguments::ConnectionArguments;
use super::format::Format;
use super::output::print;
use super::{completion, journals};

/// Arguments of `homelab history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a host of the inventory; all of them if omitted
    #[arg(add = completion::hosts())]
    host: Option<String>,
    /// Show the changes of one run: its name or the beginning of it, or `last`
    run: Option<String>,
    /// Show at most this many runs of each host
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Output format; docs/journal.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &HistoryArguments) -> anyhow::Result<ExitCode> {
    let wanted = match arguments.run.as_deref() {
        None => Wanted::Last(arguments.runs),
        Some(run) => journals::wanted(run)?,
    };
    let (inventory, host) = (&arguments.inventory, arguments.host.as_deref());
    let (mut hosts, mut ends) = match journals::read(inventory, host, &arguments.connection, wanted)? {
        Ok(read) => read,
        Err(code) => return Ok(code),
    };
    if let (Some(run), [host]) = (arguments.run.as_deref(), hosts.as_mut_slice()) {
        one_of(host, run).inspect_err(|_| journals::tell_odd(host))?;
    }
    match (arguments.format, arguments.run.as_ref(), hosts.as_slice()) {
        (Format::Json, run, hosts) => print(&report::history_json(hosts, run.is_some()))?,
        (Format::Text, Some(_), [of @ HostJournal { host, runs, .. }]) => {
            for (run, _) in runs {
                print(&report::run(host, run))?;
            }
            journals::tell_odd(of);
        }
        (Format::Text, _, hosts) => print(&report::history(hosts))?,
    }
    ends.push(HostEnd::Converged);
    Ok(ExitCode::from(exit_code(ends)))
}

/// Errors: no run or several have that name.
pub(super) fn one_of(host: &HostJournal, run: &str) -> Result<(), Diagnostic> {
    match host.runs.as_slice() {
        [_] => Ok(()),
        [] => Err(Diagnostic::new(format!("{}: no run `{run}` in the journal", host.host))
            .hint("see the runs with `homelab history INVENTORY HOST`; runs that changed nothing have no journal")),
        runs => {
            let names: Vec<&str> = runs.iter().map(|(run, _)| run.record.run.as_str()).collect();
            Err(
                Diagnostic::new(format!("{}: several runs begin with `{run}`", host.host))
                    .hint(format!("write one of {}", names.join(", "))),
            )
        }
    }
}
