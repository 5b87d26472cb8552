//! Hosts whose plans use each other's facts: each is read by itself first, then all are planned together.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::complete::complete_each;
use super::conditions::{noted, to_read};
use super::events::OnEvent;
use super::reading::{HostReading, ReadHost, ReadOptions, Rounds};
use crate::facts::{FactKey, Facts};
use crate::gather::{GatherError, gather};
use crate::plan::{Build, Plan, Snapshot, build};
use crate::project::Selection;
use crate::secret::DigestKey;

/// Whether the plan of a host needs facts of another.
pub(super) fn asks_others(reading: &HostReading) -> bool {
    let host = reading.result.as_ref().ok();
    host.is_some_and(|host| host.build.missing.keys().any(|name| *name != reading.host))
}

/// Plans all hosts that were read as one selection, if any of them needs facts of another.
pub(super) async fn settle(
    selection: &Selection,
    mut readings: Vec<HostReading>,
    digests: &DigestKey,
    options: ReadOptions,
    on_event: &OnEvent,
) -> Vec<HostReading> {
    if !readings.iter().any(asks_others) {
        return readings;
    }
    let mut together = selection.clone();
    together
        .hosts
        .retain(|host| readings.iter().any(|one| one.host == host.name && one.result.is_ok()));
    let mut snapshot = Snapshot {
        skips_conditions: options.skips_conditions,
        ..Snapshot::default()
    };
    for reading in &mut readings {
        if let Ok(host) = &mut reading.result {
            snapshot.facts.append(&mut std::mem::take(&mut host.snapshot.facts));
        }
    }
    let mut rounds = Rounds::default();
    loop {
        let whole = build(&together, &snapshot, digests);
        let is_open = |reading: &HostReading| reading.result.is_ok() && whole.missing.contains_key(&reading.host);
        if !readings.iter().any(is_open) || !rounds.begin() {
            return complete_each(apart(readings, &whole, &snapshot), digests, on_event).await;
        }
        let lost = read(&mut readings, &whole.missing, &mut snapshot, on_event).await;
        together.hosts.retain(|host| !lost.contains(&host.name));
    }
}

/// Reads what is missing of each host; returns the hosts whose connection was lost.
async fn read(
    readings: &mut [HostReading],
    missing: &BTreeMap<String, BTreeSet<FactKey>>,
    snapshot: &mut Snapshot,
    on_event: &OnEvent,
) -> BTreeSet<String> {
    let asked = readings.iter_mut().filter_map(|reading| {
        let keys = missing.get(&reading.host)?;
        let host = reading.result.as_mut().ok()?;
        let keys = to_read(&reading.host, keys, snapshot, &noted(&reading.host, on_event));
        let mut facts = snapshot.facts.remove(&reading.host).unwrap_or_default();
        let name = reading.host.clone();
        Some(async move {
            let result = gather(&mut host.connection, &name, &keys, &mut facts).await;
            (name, facts, result)
        })
    });
    let answers: Vec<(String, Facts, Result<(), GatherError>)> = join_all(asked).await;
    let mut lost = BTreeSet::new();
    for (name, facts, result) in answers {
        snapshot.facts.insert(name.clone(), facts);
        if let Err(error) = result {
            if let Some(reading) = readings.iter_mut().find(|reading| reading.host == name) {
                let host = std::mem::replace(&mut reading.result, Err(error));
                if let Ok(host) = host {
                    host.connection.close().await;
                }
            }
            lost.insert(name);
        }
    }
    lost
}

/// Gives each host its part of the plan, and the facts of all hosts.
fn apart(readings: Vec<HostReading>, whole: &Build, snapshot: &Snapshot) -> Vec<HostReading> {
    readings
        .into_iter()
        .map(|reading| {
            let HostReading {
                host: name,
                took,
                result,
            } = reading;
            let result = result.map(|host| ReadHost {
                snapshot: snapshot.clone(),
                build: Build {
                    plan: Plan {
                        hosts: whole.plan.host(&name).cloned().into_iter().collect(),
                    },
                    mistakes: whole
                        .mistakes
                        .iter()
                        .filter(|mistake| mistake.host == name)
                        .cloned()
                        .collect(),
                    ..Build::default()
                },
                ..host
            });
            HostReading {
                host: name,
                took,
                result,
            }
        })
        .collect()
}
