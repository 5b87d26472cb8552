//! Reads hosts and plans them in turns until the plan lacks nothing, or no rounds are left.

mod clusters;
mod complete;
mod conditions;
mod events;
mod late;
mod orphans;
mod reading;
mod settle;
mod staged;
#[cfg(test)]
mod tests;
mod together;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::facts::{Fact, FactKey, Facts};
use crate::gather::{GatherError, Reader, gather, in_turn};
use crate::plan::{Build, Snapshot};
use crate::project::Selection;
use crate::remote::{Connection, Target};
use crate::secret::DigestKey;

use complete::complete;
use conditions::noted;

pub use conditions::{News, OnNews};
pub use events::{OnEvent, Purpose, ReadingEvent};
pub use late::{LateHosts, Readings};
pub use orphans::orphans;
pub use reading::{HostReading, ReadHost, ReadOptions, Rounds};
pub use settle::settle;

/// How long to wait before checking a running job again.
const WORK_PAUSE: Duration = Duration::from_secs(1);

/// Connects to all `targets`, at most `options.parallel` at once of those that answer, and plans each host of `selection` from
/// its facts. Readings are in the order of `targets`. Dropping the future stops all work.
///
/// Unless it waits for all, hosts that take much longer than the others are returned as late ones: they are still being read.
pub async fn read_hosts(
    selection: &Selection,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
    options: ReadOptions,
    on_event: &OnEvent,
) -> Readings {
    let turns = Arc::new(Semaphore::new(options.parallel));
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    let mut tasks = late::Tasks::new();
    for (index, target) in targets.into_iter().enumerate() {
        let selection = selection.host_alone(&target.name);
        let (digests, on_event) = (Arc::clone(digests), Arc::clone(on_event));
        let turns = Arc::clone(&turns);
        tasks.spawn(async move {
            (
                index,
                read_in_turn(&turns, selection, &target, &digests, options, &on_event).await,
            )
        });
    }
    let may_go_on = |hosts: &[(usize, HostReading)]| {
        let are_read = hosts.iter().any(|(_, reading)| reading.result.is_ok());
        !options.waits_for_all && are_read && !hosts.iter().any(|(_, reading)| together::asks_others(reading))
    };
    let hosts = late::collect(&mut tasks, may_go_on).await;
    let late = (!tasks.is_empty()).then(|| LateHosts {
        names: names
            .into_iter()
            .filter(|name| !hosts.iter().any(|reading| reading.host == *name))
            .collect(),
        tasks,
    });
    let mut hosts = Box::pin(together::settle(selection, hosts, digests, options, on_event)).await;
    clusters::refuse_two_speakers(&mut hosts);
    Readings { hosts, late }
}

async fn read_in_turn(
    turns: &Semaphore,
    selection: Selection,
    target: &Target,
    digests: &DigestKey,
    options: ReadOptions,
    on_event: &OnEvent,
) -> HostReading {
    let host = target.name.clone();
    let mut since = Instant::now();
    let begin = || {
        since = Instant::now();
        on_event(ReadingEvent::Started { host: host.clone() });
    };
    let reading = Box::pin(read_host(selection, target, digests, options, on_event));
    let result = in_turn(turns, begin, reading).await;
    on_event(ReadingEvent::Finished { host: host.clone() });
    HostReading {
        host,
        took: since.elapsed(),
        result,
    }
}

/// As [`settle`], after jobs of earlier runs have finished on the host, since they may change anything.
///
/// If there is nothing to do while another run changes the host, that run is waited for too, at most for `lock_wait`: what it
/// leaves, such as a handler that it owes, is not known before.
async fn settle_at_rest(
    connection: &mut impl Reader,
    target: &str,
    selection: &Selection,
    snapshot: &mut Snapshot,
    digests: &DigestKey,
    (lock_wait, on_event): (Duration, &OnEvent),
) -> Result<Build, GatherError> {
    let noted = noted(target, on_event);
    let mut build = settle(connection, selection, snapshot, digests, &noted).await?;
    let Some(host) = selection.hosts.first().map(|host| host.name.clone()) else {
        return Ok(build);
    };
    let since = Instant::now();
    let mut is_told = false;
    loop {
        if let Some(words) = running_job(snapshot, &host) {
            if !std::mem::replace(&mut is_told, true) {
                on_event(ReadingEvent::Waiting {
                    host: host.clone(),
                    words,
                });
            }
            await_jobs(connection, &host, snapshot).await?;
        } else if build.plan.is_idle_beside_another_run() && since.elapsed() < lock_wait && is_changed(snapshot, &host)
        {
            let deadline = since + lock_wait;
            await_release(connection, &host, snapshot, deadline).await?;
        } else {
            return Ok(build);
        }
        build = settle(connection, selection, snapshot, digests, &noted).await?;
    }
}

/// Whether another run was changing the host when it was read.
fn is_changed(snapshot: &Snapshot, host: &str) -> bool {
    snapshot.facts.get(host).is_some_and(Facts::is_changed_by_another_run)
}

/// What has to end before the host is at rest, in words.
pub fn running_job(snapshot: &Snapshot, host: &str) -> Option<String> {
    match snapshot.facts.get(host)?.get(&FactKey::System)? {
        Fact::System(system) => system.awaited(),
        _ => None,
    }
}

/// Waits until no job of an earlier run runs on the host, and forgets what was read of it before.
///
/// Errors: the connection.
pub async fn await_jobs(reader: &mut impl Reader, host: &str, snapshot: &mut Snapshot) -> Result<(), GatherError> {
    while running_job(snapshot, host).is_some() {
        look_again(reader, host, snapshot, WORK_PAUSE).await?;
    }
    snapshot.facts.remove(host);
    Ok(())
}

/// Waits until no other run changes the host, or until `deadline`, and forgets what was read of it before.
async fn await_release(
    reader: &mut impl Reader,
    host: &str,
    snapshot: &mut Snapshot,
    deadline: Instant,
) -> Result<(), GatherError> {
    while is_changed(snapshot, host) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        look_again(reader, host, snapshot, WORK_PAUSE.min(left)).await?;
    }
    snapshot.facts.remove(host);
    Ok(())
}

/// Reads after a pause what jobs, the lock and other runs do on the host, and nothing else.
async fn look_again(
    reader: &mut impl Reader,
    host: &str,
    snapshot: &mut Snapshot,
    pause: Duration,
) -> Result<(), GatherError> {
    tokio::time::sleep(pause).await;
    let facts = snapshot.facts.entry(host.to_owned()).or_default();
    gather(reader, host, &BTreeSet::from([FactKey::System]), facts).await
}

async fn read_host(
    selection: Selection,
    target: &Target,
    digests: &DigestKey,
    options: ReadOptions,
    on_event: &OnEvent,
) -> Result<ReadHost, GatherError> {
    let mut connection = Connection::open(target).await?;
    on_event(ReadingEvent::Connected {
        host: target.name.clone(),
    });
    let mut snapshot = Snapshot {
        skips_conditions: options.skips_conditions,
        ..Snapshot::default()
    };
    let settled = settle_at_rest(
        &mut connection,
        &target.name,
        &selection,
        &mut snapshot,
        digests,
        (options.lock_wait, on_event),
    );
    let build = match settled.await {
        Ok(build) => build,
        Err(error) => {
            connection.close().await;
            return Err(error);
        }
    };
    let mut host = ReadHost {
        selection,
        connection,
        snapshot,
        build,
    };
    if let Err(error) = complete(&mut host, &target.name, digests, on_event).await {
        host.connection.close().await;
        return Err(error);
    }
    Ok(host)
}
