//! One host while its plan is applied: what was reviewed, what is known now, and what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::events::{ApplyEvent, OperationResult};
use super::journal::Journal;
use super::keeping::Keeping;
use super::owed::Records;
use super::stop_all::StopAll;
use crate::change::ResourceChange;
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::facts::session::Session;
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::{HostPlan, PlannedOperation, Snapshot};
use crate::project::Selection;
use crate::remote::LockRequest;
use crate::secret::DigestKey;

/// A host while its plan is applied.
pub(super) struct HostApply<'a> {
    pub(super) selection: &'a Selection,
    pub(super) reviewed: &'a HostPlan,
    pub(super) snapshot: Snapshot,
    pub(super) digests: &'a DigestKey,
    pub(super) events: &'a UnboundedSender<ApplyEvent>,
    /// Room for live output that waits to be shown; `None` if it is not wanted.
    pub(super) live_output: Option<Arc<Semaphore>>,
    pub(super) stage: usize,
    pub(super) results: Vec<OperationResult>,
    /// What was sent to the host and has no end yet.
    pub(super) under_way: Vec<OperationResult>,
    /// The plan that was made again because this run waited for the lock; it is within the review.
    pub(super) planned_since: Option<Vec<PlannedOperation>>,
    /// Deferred operations that became several operations, or one with another name.
    pub(super) replaced: BTreeSet<OperationId>,
    /// What was reported about operations that the review did not know.
    pub(super) told: BTreeMap<OperationId, Vec<Vec<ResourceChange>>>,
    pub(super) notices: Vec<String>,
    pub(super) keeping: Keeping,
    pub(super) stop: &'a StopAll,
    /// Whether other hosts may stop this one before any of its operations.
    pub(super) one_by_one: bool,
    /// How often operations were tried again after a failure.
    pub(super) retried: BTreeMap<OperationId, u8>,
    /// Whether the last failure was a refusal before anything was done, which trying again does not change.
    pub(super) is_refusal: bool,
    /// How the host's lock was asked for: after a restart it is asked for again.
    pub(super) lock: Option<LockRequest>,
    /// The handlers that changes of operations notify.
    pub(super) records: Records,
    pub(super) journal: Journal,
    /// Whether the stage under way is the host's last one.
    pub(super) is_last_stage: bool,
}

impl HostApply<'_> {
    /// Reports that the host's turn has come.
    pub(super) fn begin(&self) {
        self.send(ApplyEvent::HostStarted {
            host: self.reviewed.host.clone(),
        });
    }

    pub(super) fn tell_last(&self) {
        if let Some(result) = self.results.last() {
            self.send(ApplyEvent::Finished {
                host: self.reviewed.host.clone(),
                result: result.clone(),
            });
        }
    }

    /// Whether an operation has run, and is not planned again.
    pub(super) fn is_done(&self, id: &OperationId) -> bool {
        let done = self.snapshot.done.get(&self.reviewed.host);
        done.is_some_and(|done| done.contains(id))
    }

    /// Whether an operation has changed something in this run.
    pub(super) fn has_changed(&self, id: &OperationId) -> bool {
        let changed = self.snapshot.changed.get(&self.reviewed.host);
        changed.is_some_and(|changed| changed.contains(id))
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match self.snapshot.facts.get(&self.reviewed.host)?.get(&FactKey::System)? {
            Fact::System(system) => Some(&system.session),
            _ => None,
        }
    }

    /// The handlers that earlier runs owed the host when it was read first.
    pub(super) fn owed(&self) -> &[Owed] {
        let facts = self.snapshot.facts.get(&self.reviewed.host);
        match facts.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => &system.owed,
            _ => &[],
        }
    }

    /// Whether another run was changing the host when it was read.
    pub(super) fn was_changed_by_another_run(&self) -> bool {
        let facts = self.snapshot.facts.get(&self.reviewed.host);
        facts.is_some_and(Facts::is_changed_by_another_run)
    }

    /// The path of the lock, if not the usual one: without root it is in a folder of the login user.
    pub(super) fn lock_path(&self) -> Option<String> {
        Some(self.session()?.unprivileged.as_ref()?.lock_path())
    }

    pub(super) fn send(&self, event: ApplyEvent) {
        // Events without a receiver do not stop the work.
        let _ = self.events.send(event);
    }
}
