//! `--only-failed`: the hosts on which a run of a deploy did not come to its end, and no later one did the same.

use std::process::ExitCode;

use homelab::apply::{exit_code, not_read};
use homelab::facts::journal::{Run, Wanted, standing};
use homelab::gather::read_journals;
use homelab::project::Selection;
use homelab::remote::Target;

use super::connection_arguments::PARALLEL;
use super::errors;
use super::interruption::waited;
use super::output::eprint_line;

/// The part of `run` for those hosts; otherwise the exit code if there are none, if one cannot be read, so that its last run is
/// not known, or if the user stopped it. The reason is told.
pub(super) fn only_failed(run: &Selection, targets: &[Target]) -> anyhow::Result<Result<Selection, ExitCode>> {
    let reading = read_journals(targets, Wanted::LastOfEach, usize::from(PARALLEL));
    let read = match waited(reading, "interrupted: nothing was changed")? {
        Ok(read) => read,
        Err(code) => return Ok(Err(code)),
    };
    let mut names = Vec::new();
    let mut unread = Vec::new();
    for (name, read) in read {
        match read {
            Ok(journal) => {
                let runs = journal.runs.iter().map(|(run, _)| run);
                if let Some(last) = unfinished(runs, run) {
                    let (record, end) = (&last.record, last.end.word());
                    eprint_line(format_args!("{name}: run {} ({}): {end}", record.run, record.called()));
                    names.push(name);
                }
            }
            Err(error) => {
                errors::show_reading(&error);
                unread.push(not_read(&name, &error).end);
            }
        }
    }
    if !unread.is_empty() {
        eprint_line("nothing was changed: how the last run ended is not known of all hosts; `--limit` leaves some out");
        return Ok(Err(ExitCode::from(exit_code(unread))));
    }
    if names.is_empty() {
        eprint_line(format_args!(
            "nothing to do: no host has a run of deploy `{}` that failed or was interrupted",
            run.deploy
        ));
        return Ok(Err(ExitCode::SUCCESS));
    }
    let mut some = run.only_hosts(|host| names.iter().any(|name| name == host));
    let is_left_out = |name: &String| !names.contains(name);
    let all = run.hosts.iter().map(|host| host.name.clone());
    some.hosts_not_failed = all.filter(is_left_out).collect();
    some.filters.push("--only-failed".to_owned());
    Ok(Ok(some))
}

/// The last run of this deploy that did not come to its end and whose end still counts.
fn unfinished<'r>(runs: impl Iterator<Item = &'r Run>, of: &Selection) -> Option<&'r Run> {
    let is_of = |run: &&Run| run.record.inventory == of.inventory && run.record.deploy == of.deploy;
    standing(runs.filter(is_of)).into_iter().find(|run| run.is_unfinished())
}
