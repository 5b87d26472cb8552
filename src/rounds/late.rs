//! Hosts that take much longer than the others to be read, so that the others may go on without them.

use std::time::Duration;

use tokio::task::JoinSet;

use super::events::{OnEvent, ReadingEvent};
use super::reading::HostReading;

/// How long to wait for another host to be read before those that were go on. A host without an answer to the first packet is
/// given up sooner.
const PATIENCE: Duration = Duration::from_secs(15);

/// The readings of hosts, each with the position of its target.
pub(super) type Tasks = JoinSet<(usize, HostReading)>;

/// Hosts that are still being read. Dropping them stops that.
pub struct LateHosts {
    pub(super) names: Vec<String>,
    pub(super) tasks: Tasks,
}

/// Hosts that were read or could not be, in the order of their targets, and those that are late.
pub struct Readings {
    pub hosts: Vec<HostReading>,
    pub late: Option<LateHosts>,
}

impl LateHosts {
    /// The names of the hosts, in the order of their targets.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Waits until all of them were read or given up.
    pub async fn read(self, on_event: &OnEvent) -> Readings {
        let Self { names, mut tasks } = self;
        for host in names {
            on_event(ReadingEvent::Started { host });
        }
        let mut hosts = Vec::new();
        while let Some(reading) = next(&mut tasks).await {
            let host = reading.1.host.clone();
            on_event(ReadingEvent::Finished { host });
            hosts.push(reading);
        }
        Readings {
            hosts: in_order(hosts),
            late: None,
        }
    }
}

/// Waits for all readings; or, if `may_go_on`, until no further host was read for a while. Returns what was read by then.
pub(super) async fn collect(
    tasks: &mut Tasks,
    may_go_on: impl Fn(&[(usize, HostReading)]) -> bool,
) -> Vec<HostReading> {
    let mut hosts = Vec::new();
    loop {
        let next = next(tasks);
        let reading = if may_go_on(&hosts) {
            tokio::time::timeout(PATIENCE, next).await.ok().flatten()
        } else {
            next.await
        };
        let Some(reading) = reading else { break };
        hosts.push(reading);
    }
    in_order(hosts)
}

async fn next(tasks: &mut Tasks) -> Option<(usize, HostReading)> {
    match tasks.join_next().await? {
        Ok(reading) => Some(reading),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn in_order(mut hosts: Vec<(usize, HostReading)>) -> Vec<HostReading> {
    hosts.sort_by_key(|(index, _)| *index);
    hosts.into_iter().map(|(_, reading)| reading).collect()
}
