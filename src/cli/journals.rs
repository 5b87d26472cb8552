//! Reads the journals of an inventory's hosts.

use std::process::ExitCode;
use std::sync::Arc;

use homelab::apply::{HostEnd, not_read};
use homelab::error::{Diagnostic, suggestion};
use homelab::facts::journal::{Wanted, is_run};
use homelab::gather::{HostJournal, read_journals};
use homelab::project::{Memory, Project};
use homelab::report;
use homelab::rounds::orphans;
use homelab::secrets::Access;

use super::connection_arguments::{ConnectionArguments, PARALLEL};
use super::interruption::waited;
use super::output::eprint_line;
use super::{errors, project, targets};

/// The hosts that were read, and how the others ended; otherwise the exit code if the user stopped it.
type ReadHosts = Result<(Vec<HostJournal>, Vec<HostEnd>), ExitCode>;

/// The run that a command line names.
///
/// Errors: it cannot be the name of a run.
pub(super) fn wanted(run: &str) -> Result<Wanted<'_>, Diagnostic> {
    if run == "last" {
        return Ok(Wanted::Last(1));
    }
    if is_run(run) {
        return Ok(Wanted::Run(run));
    }
    Err(Diagnostic::new(format!("`{run}` is not the name of a run"))
        .hint("names are like `20260102T030405Z-0a1b2c3d`; the beginning is enough, and `last` is the latest run"))
}

/// Reads the journals of a host, or of all hosts of the inventory.
pub(super) fn read(
    inventory: &str,
    host: Option<&str>,
    connection: &ConnectionArguments,
    wanted: Wanted<'_>,
) -> anyhow::Result<ReadHosts> {
    let project = project::with_inventory(Some(inventory))?;
    let names = match host {
        Some(host) => vec![known(&project, inventory, host)?],
        None => project.inventory(inventory)?.hosts.keys().map(String::as_str).collect(),
    };
    let targets = targets::of_hosts(&project, inventory, names.into_iter())?;
    let targets = connection.complete(targets)?;
    let reading = read_journals(&targets, wanted, usize::from(PARALLEL));
    let read = match waited(reading, "interrupted")? {
        Ok(read) => read,
        Err(code) => return Ok(Err(code)),
    };
    let (mut hosts, mut ends) = (Vec::new(), Vec::new());
    for (name, read) in read {
        match read {
            Ok(host) => hosts.push(host),
            Err(error) => {
                errors::show_reading(&error);
                ends.push(not_read(&name, &error).end);
            }
        }
    }
    Ok(Ok((hosts, ends)))
}

/// The last run of each deploy on the hosts, and what they have that left the configuration; otherwise as [`read`].
pub(super) fn read_with_orphans(
    inventory: &str,
    host: Option<&str>,
    connection: &ConnectionArguments,
) -> anyhow::Result<ReadHosts> {
    let (mut hosts, ends) = match read(inventory, host, connection, Wanted::LastOfEach)? {
        Ok(read) => read,
        Err(code) => return Ok(Err(code)),
    };
    // What a broken file would say is not known.
    let Ok(project) = project::project(Access::Withheld) else {
        return Ok(Ok((hosts, ends)));
    };
    let project = Arc::new(project);
    let memory = Memory::new(Arc::clone(&project), inventory, None);
    let targets = targets::of_hosts(&project, inventory, hosts.iter().map(|host| host.host.as_str()))?;
    let targets = connection.complete(targets)?;
    for (host, target) in hosts.iter_mut().zip(&targets) {
        match waited(orphans(target, &host.facts, &memory), "interrupted")? {
            Ok(Ok(orphans)) => host.orphans = orphans,
            Ok(Err(error)) => errors::show_reading(&error),
            Err(code) => return Ok(Err(code)),
        }
    }
    Ok(Ok((hosts, ends)))
}

/// Says which files beside the journals of a host are none.
pub(super) fn tell_odd(host: &HostJournal) {
    for odd in report::odd(host) {
        eprint_line(format_args!("{}: {odd}", host.host));
    }
}

/// The name of a host of the inventory.
pub(super) fn known<'a>(project: &Project, inventory: &str, host: &'a str) -> anyhow::Result<&'a str> {
    let hosts = &project.inventory(inventory)?.hosts;
    if hosts.contains_key(host) {
        return Ok(host);
    }
    let mistake = Diagnostic::new(format!("unknown host `{host}` in inventory `{inventory}`"));
    let names = hosts.keys().map(String::as_str);
    Err(mistake.hint_maybe(suggestion(host, names)).into())
}
