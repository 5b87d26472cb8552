//! Operations with nothing to do as the host is now, after commands that may change anything.
//!
//! What such commands leave is known only after they ran. Until then the review says that these operations stay as they
//! are unless the commands change that, and each is planned again in its turn.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PlannedOperation;
use crate::change::Outcome;
use crate::facts::overlay::OperationId;

/// Whether there is nothing to do as the host is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsNow {
    /// There is, or nothing else could change it.
    #[default]
    No,
    /// Nothing, unless commands that run each time change it. This does not count as a pending change.
    UnlessEachTime,
    /// Nothing, unless commands that are due change it.
    UnlessDue,
}

impl AsNow {
    /// Whether there is something to do anyway.
    pub fn is_no(&self) -> bool {
        *self == Self::No
    }

    /// Whether it counts as a pending change that the operation may have something to do in its turn.
    pub(super) fn is_pending(self) -> bool {
        self != Self::UnlessEachTime
    }

    /// That of an operation, among those planned before it. One that `notifiers` may notify stays as it is as long as
    /// they do.
    pub(super) fn of(operation: &PlannedOperation, notifiers: &[OperationId], planned: &[PlannedOperation]) -> Self {
        let find = |id: &OperationId| planned.iter().find(|one| one.id == *id);
        if !notifiers.is_empty() && operation.as_now.is_no() {
            let of_each = notifiers.iter().map(|id| find(id).map_or(Self::No, |one| one.as_now));
            let of_each: Vec<Self> = of_each.collect();
            let is_any = of_each.contains(&Self::No);
            return of_each.into_iter().max().filter(|_| !is_any).unwrap_or_default();
        }
        if operation.as_now.is_no() {
            return Self::No;
        }
        let since = waits_for_others(&operation.outcome);
        if since.iter().any(|id| find(id).is_none_or(PlannedOperation::is_pending)) {
            Self::UnlessDue
        } else {
            Self::UnlessEachTime
        }
    }
}

/// The operations that an outcome waits for.
pub(super) fn waits_for_others(outcome: &Outcome) -> Vec<OperationId> {
    let since: BTreeSet<&OperationId> = match outcome {
        Outcome::Ensure { since, .. } => since.iter().collect(),
        Outcome::Deferred { waits_for, .. } => waits_for.iter().collect(),
        Outcome::Unchanged | Outcome::Change(_) | Outcome::Check { .. } => BTreeSet::new(),
    };
    since.into_iter().cloned().collect()
}
