//! Reads the journals of hosts.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::{FactProbes, GatherError, Reader, gather, in_turn};
use crate::facts::journal::{Run, Wanted, parse, probe};
use crate::facts::{FactKey, Facts};
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
async fn read(reader: &mut impl Reader, host: &str, wanted: Wanted<'_>) -> Result<HostJournal, GatherError> {
    let system = FactProbes::of(&BTreeSet::from([FactKey::System]));
    let mut probes = system.probes.clone();
    probes.push(probe(wanted));
    let mut answers = reader.ask(&probes).await?;
    let journal = answers.pop().map(|answer| answer.stdout).unwrap_or_default();
    let mut facts = Facts::default();
    system.keep(host, answers, &mut facts)?;
    Ok(HostJournal {
        host: host.to_owned(),
        facts,
        runs: parse(&String::from_utf8_lossy(&journal)),
        orphans: Vec::new(),
    })
}
