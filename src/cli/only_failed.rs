//! `--only-failed`: the hosts whose last run of a deploy did not come to its end.

use homelab::facts::journal::{Run, Wanted};
use homelab::gather::read_journals;
use homelab::project::Selection;
use homelab::remote::Target;

use super::connection_arguments::PARALLEL;
use super::interruption::Interruption;
use super::output::eprint_line;
use super::{errors, runtime};

/// How many runs of a host are looked at.
const RUNS: u32 = 50;

/// The part of `run` for those hosts; `None` if there are none, which is told, or if the user stopped it. A host that cannot be read
/// is one of them.
pub(super) fn only_failed(run: &Selection, targets: &[Target]) -> anyhow::Result<Option<Selection>> {
    let runtime = runtime::all_threads()?;
    let read = runtime.block_on(async {
        let mut interruption = Interruption::listen()?;
        let reading = read_journals(targets, Wanted::Last(RUNS), usize::from(PARALLEL));
        anyhow::Ok(interruption.or(reading).await)
    })?;
    let Some(read) = read else {
        eprint_line("interrupted: nothing was changed");
        return Ok(None);
    };
    let mut names = Vec::new();
    for (name, read) in read {
        match read {
            Ok(journal) => {
                let runs = journal.runs.iter().map(|(run, _)| run);
                if let Some(end) = unfinished(runs, run) {
                    eprint_line(format_args!("{name}: the last run of `{}` ended so: {end}", run.deploy));
                    names.push(name);
                }
            }
            Err(error) => {
                errors::show_reading(&error);
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        eprint_line(format_args!(
            "nothing to do: no host has a run of deploy `{}` that failed or was interrupted",
            run.deploy
        ));
        return Ok(None);
    }
    let mut some = run.only_hosts(|host| names.iter().any(|name| name == host));
    some.filters.push("--only-failed".to_owned());
    Ok(Some(some))
}

/// How the last run of this deploy ended, if it did not come to its end.
fn unfinished<'r>(mut runs: impl Iterator<Item = &'r Run>, of: &Selection) -> Option<&'r str> {
    let is_of = |run: &&Run| run.record.inventory == of.inventory && run.record.deploy == of.deploy;
    let last = runs.find(is_of)?;
    (!last.end.is_good()).then(|| last.end.word())
}
