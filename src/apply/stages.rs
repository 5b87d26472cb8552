//! The order of hosts: stage by stage, and in a stage batch by batch. Failures stop later hosts.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::events::HostResult;
use super::stop_all::StopAll;
use super::worker::Worker;
use crate::facts::Facts;
use crate::plan::{PeerKeys, PlannedOperation};
use crate::project::{SelectedStage, Selection};

/// Has the workers apply the stages of `selection`; results are in the order of `workers`.
pub(super) async fn carry_out(
    selection: &Selection,
    workers: Vec<Worker>,
    unread: &[HostResult],
    stop: &StopAll,
) -> Vec<HostResult> {
    let mut course = Course {
        selection,
        workers: &workers,
        stop,
        unread: unread.iter().map(|result| result.host.as_str()).collect(),
        failed: BTreeSet::new(),
        through: BTreeSet::new(),
    };
    for number in 0..selection.stages.len() {
        if let Some(why) = course.stage(number).await {
            course.hold_back(number, &why).await;
            break;
        }
    }
    join_all(workers.into_iter().map(Worker::end)).await
}

/// The progress of the deploy.
struct Course<'a> {
    selection: &'a Selection,
    workers: &'a [Worker],
    stop: &'a StopAll,
    unread: BTreeSet<&'a str>,
    failed: BTreeSet<&'a str>,
    through: BTreeSet<(usize, &'a str)>,
}

impl<'a> Course<'a> {
    /// Applies a stage; returns the reason if no further batch and stage may start.
    async fn stage(&mut self, number: usize) -> Option<String> {
        let stage = &self.selection.stages[number];
        let size = stage.serial.unwrap_or(stage.hosts.len()).max(1);
        let mut failed: Vec<&str> = Vec::new();
        for batch in stage.hosts.chunks(size) {
            failed.extend(self.batch(number, batch).await);
            self.failed.extend(&failed);
            if let Some(why) = self.stop.why() {
                return Some(why);
            }
            // Without stages no later host could be harmed.
            if let Some(name) = &stage.name
                && failed.len() > stage.max_fail
            {
                return Some(format!("stage `{name}` stopped because {} failed", failed.join(", ")));
            }
        }
        None
    }

    /// Works on some hosts at once; returns those that failed.
    async fn batch(&mut self, number: usize, batch: &'a [String]) -> Vec<&'a str> {
        let is_meant = |worker: &&Worker| batch.contains(&worker.plan.host) && !self.failed.contains(worker.name());
        let meant: Vec<&'a Worker> = self.workers.iter().filter(is_meant).collect();
        let ends = join_all(meant.iter().map(|worker| async {
            let peers = self.read_peers(worker, number).await;
            worker.apply(number, peers, self.is_last(worker, number)).await
        }));
        let mut failed = Vec::new();
        for (worker, is_well) in meant.iter().zip(ends.await) {
            if is_well {
                self.through.insert((number, worker.name()));
            } else {
                failed.push(worker.name());
            }
        }
        let unread = batch.iter().map(String::as_str);
        failed.extend(unread.filter(|name| self.unread.contains(name)));
        failed
    }

    /// Whether a host is finished after a stage: it has no later stage, and no other host uses its facts.
    fn is_last(&self, worker: &Worker, number: usize) -> bool {
        let later = &self.selection.stages[number + 1..];
        let is_later = |stage: &SelectedStage| stage.hosts.contains(&worker.plan.host);
        let is_asked =
            |operation: &PlannedOperation| operation.stage > number && operation.peers.contains_key(&worker.plan.host);
        !later.iter().any(is_later)
            && !self
                .workers
                .iter()
                .any(|other| other.plan.operations.iter().any(is_asked))
    }

    /// The facts of other hosts that a stage's operations use, read again if an earlier stage may have changed them.
    async fn read_peers(&self, worker: &Worker, number: usize) -> BTreeMap<String, Facts> {
        let of_stage = worker.plan.operations.iter().filter(|one| one.stage == number);
        let mut wanted: PeerKeys = PeerKeys::new();
        for (host, keys) in of_stage.flat_map(|operation| &operation.peers) {
            wanted.entry(host.clone()).or_default().extend(keys.iter().cloned());
        }
        let may_have_changed = |operation: &PlannedOperation| {
            operation.stage < number && (operation.is_pending() || !operation.changes().is_empty())
        };
        let mut peers = BTreeMap::new();
        for peer in self.workers {
            if let Some(keys) = wanted.remove(&peer.plan.host)
                && peer.plan.operations.iter().any(may_have_changed)
                && let Some(facts) = peer.read(keys).await
            {
                peers.insert(peer.plan.host.clone(), facts);
            }
        }
        peers
    }

    /// Stops the hosts that still have something to do, in this stage or a later one.
    async fn hold_back(&self, number: usize, why: &str) {
        for worker in self
            .workers
            .iter()
            .filter(|worker| !self.failed.contains(worker.name()))
        {
            let waits = (number..self.selection.stages.len()).any(|stage| {
                self.selection.stages[stage].hosts.contains(&worker.plan.host)
                    && !self.through.contains(&(stage, worker.name()))
            });
            if waits {
                worker.hold_back(why).await;
            }
        }
    }
}
