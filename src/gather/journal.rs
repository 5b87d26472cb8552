//! Reads the journals of hosts.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::{FactProbes, GatherError, Reader, gather, in_turn};
use crate::facts::journal::{CONNECTED, Run, RunEnd, Wanted, odd, parse, probe};
use crate::facts::{Fact, FactKey, Facts};
use crate::remote::{Connection, Target};

/// How often what was read may say what else to read.
const MOST_ROUNDS: usize = 3;

/// What a host tells of its earlier runs.
#[derive(Debug)]
pub struct HostJournal {
    pub host: String,
    /// What the system says, such as what is owed and which jobs run.
    pub facts: Facts,
    /// The runs, the latest first, each with the key of its digests if it was asked for.
    pub runs: Vec<(Run, Option<String>)>,
    /// What it has that left the configuration, if that was looked for.
    pub orphans: Vec<String>,
    /// The paths of files beside its journals that are none.
    pub odd: Vec<String>,
}

/// Reads the journal of each target, at most `parallel` at once, in the order of `targets`.
pub async fn read_journals(
    targets: &[Target],
    wanted: Wanted<'_>,
    parallel: usize,
) -> Vec<(String, Result<HostJournal, GatherError>)> {
    let turns = Semaphore::new(parallel);
    let reading = targets.iter().map(|target| async {
        let read = Box::pin(in_turn(&turns, || {}, read_journal(target, wanted))).await;
        (target.name.clone(), read)
    });
    join_all(reading).await
}

/// Reads one run of a host's journal, and the facts that `keys` names for it and for what is known so far.
pub async fn read_run(
    target: &Target,
    wanted: Wanted<'_>,
    keys: impl Fn(&Run, &Facts) -> BTreeSet<FactKey>,
) -> Result<HostJournal, GatherError> {
    let mut connection = Connection::open(target).await?;
    let read = Box::pin(read_with(&mut connection, &target.name, wanted, keys)).await;
    connection.close().await;
    read
}

async fn read_with(
    connection: &mut Connection,
    host: &str,
    wanted: Wanted<'_>,
    keys: impl Fn(&Run, &Facts) -> BTreeSet<FactKey>,
) -> Result<HostJournal, GatherError> {
    let mut journal = read(connection, host, wanted).await?;
    if let [(run, _)] = journal.runs.as_slice() {
        // What was read says what else there is to read.
        for _ in 0..MOST_ROUNDS {
            let mut keys = keys(run, &journal.facts);
            keys.retain(|key| journal.facts.get(key).is_none());
            if keys.is_empty() {
                break;
            }
            gather(connection, host, &keys, &mut journal.facts).await?;
        }
    }
    Ok(journal)
}

/// Reads the journal of one host in one script.
pub async fn read_journal(target: &Target, wanted: Wanted<'_>) -> Result<HostJournal, GatherError> {
    let mut connection = Connection::open(target).await?;
    let read = read(&mut connection, &target.name, wanted).await;
    connection.close().await;
    read
}

/// The same through a connection that is there.
pub async fn read_journal_of(
    reader: &mut impl Reader,
    host: &str,
    wanted: Wanted<'_>,
) -> Result<HostJournal, GatherError> {
    read(reader, host, wanted).await
}

async fn read(reader: &mut impl Reader, host: &str, wanted: Wanted<'_>) -> Result<HostJournal, GatherError> {
    // What concerns the whole host is reported with its own units.
    let own = matches!(wanted, Wanted::LastOfEach).then_some(FactKey::OwnUnits);
    let system = FactProbes::of(&own.into_iter().chain([FactKey::System]).collect());
    let mut probes = system.probes.clone();
    probes.push(probe(wanted));
    let mut answers = reader.ask(&probes).await?;
    let journal = answers.pop().map(|answer| answer.stdout).unwrap_or_default();
    let mut facts = Facts::default();
    system.keep(host, answers, &mut facts)?;
    let journal = String::from_utf8_lossy(&journal);
    let mut runs = parse(&journal);
    if journal.lines().next() == Some(CONNECTED) {
        mark_running(&mut runs, &facts);
    }
    Ok(HostJournal {
        host: host.to_owned(),
        facts,
        runs,
        orphans: Vec::new(),
        odd: odd(&journal),
    })
}

/// The latest run has no end yet if the process that began it holds the lock of the host, and is connected.
fn mark_running(runs: &mut [(Run, Option<String>)], facts: &Facts) {
    let (Some((run, _)), Some(Fact::System(system))) = (runs.first_mut(), facts.get(&FactKey::System)) else {
        return;
    };
    let holder = system
        .locked_by
        .as_ref()
        .and_then(|holder| holder.strip_prefix(&run.record.who));
    if run.end == RunEnd::Interrupted && holder.is_some_and(|rest| rest.starts_with(" since ")) {
        run.end = RunEnd::Running;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::system::SystemFacts;

    #[test]
    fn a_run_that_holds_the_lock_is_not_interrupted() {
        let journal = |end: &str| {
            parse(&format!(
                "journal \n{{\"run\":\"1\",\"at\":\"\",\"who\":\"anna@desk\",\"inventory\":\"dev\",\"deploy\":\"all\",\"plan\":\"\",\"version\":\"\"}}\n{end}\n"
            ))
        };
        let good = RunEnd::Ended("converged".to_owned());
        for (end, locked_by, expected) in [
            ("", Some("anna@desk since 2026-01-01T00:00:00Z"), RunEnd::Running),
            ("", Some("anna@desk2 since 2026-01-01T00:00:00Z"), RunEnd::Interrupted),
            ("", None, RunEnd::Interrupted),
            (
                "{\"ended\":\"converged\"}",
                Some("anna@desk since 2026-01-01T00:00:00Z"),
                good,
            ),
        ] {
            let mut runs = journal(end);
            let mut facts = Facts::default();
            let system = SystemFacts {
                locked_by: locked_by.map(str::to_owned),
                ..SystemFacts::default()
            };
            facts.insert(FactKey::System, Fact::System(Box::new(system)));
            mark_running(&mut runs, &facts);
            assert_eq!(runs[0].0.end, expected, "{end} {locked_by:?}");
        }
    }
}
