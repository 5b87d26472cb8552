//! What a deploy did before it looked at some hosts again, because they had changed while it waited for their lock.

use homelab::apply::{HostEnd, HostResult};
use homelab::plan::Plan;

/// The plan that was applied so far, and how its hosts ended.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) plan: Plan,
    pub(super) results: Vec<HostResult>,
}

impl Earlier {
    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    /// The hosts that changed while their lock was held by another run, and those that were held back because of them.
    pub(super) fn to_do_again(&self) -> Vec<String> {
        let is_outdated = |result: &&HostResult| result.end == HostEnd::Outdated;
        if !self.results.iter().any(|result| is_outdated(&result)) {
            return Vec::new();
        }
        let again = self
            .results
            .iter()
            .filter(|result| is_outdated(result) || result.end == HostEnd::HeldBack);
        again.map(|result| result.host.clone()).collect()
    }

    /// Replaces what was planned and done for the hosts of `plan` and `results`.
    pub(super) fn update(&mut self, plan: &Plan, results: Vec<HostResult>) {
        for host in &plan.hosts {
            match self.plan.hosts.iter_mut().find(|old| old.host == host.host) {
                Some(old) => old.clone_from(host),
                None => self.plan.hosts.push(host.clone()),
            }
        }
        for result in results {
            match self.results.iter_mut().find(|old| old.host == result.host) {
                Some(old) => *old = result,
                None => self.results.push(result),
            }
        }
    }
}
