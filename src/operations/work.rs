//! The changes of an operation that does more than one thing, as they are planned one after the other.

use super::context::PlanContext;
use crate::change::{NotKnown, Outcome, ResourceChange, Stop};
use crate::facts::overlay::OperationId;

/// What an operation does, as it is planned.
#[derive(Default)]
pub(in crate::operations) struct Work {
    pub(in crate::operations) changes: Vec<ResourceChange>,
    /// The operations after which the state before is known.
    pub(in crate::operations) since: Vec<OperationId>,
}

impl Work {
    /// Adds what a part of the operation does. `context` is that of the operation's own later lookups.
    ///
    /// Errors: the part is deferred, with the reason.
    pub(in crate::operations) fn add(&mut self, context: &PlanContext<'_>, outcome: Outcome) {
        let changes = match outcome {
            Outcome::Change(changes) => changes,
            Outcome::Ensure { changes, since } => {
                self.since.extend(since);
                changes
            }
            Outcome::Unchanged | Outcome::Deferred { .. } | Outcome::Check { .. } => Vec::new(),
        };
        context.assume(changes.iter().flat_map(|change| change.effects.clone()));
        self.changes.extend(changes);
    }

    pub(in crate::operations) fn outcome(self) -> Outcome {
        if self.changes.is_empty() {
            Outcome::Unchanged
        } else if self.since.is_empty() {
            Outcome::Change(self.changes)
        } else {
            Outcome::Ensure {
                changes: self.changes,
                since: self.since,
            }
        }
    }
}

/// Keeps the first reason why something is not known: the rest is planned too, so that all facts that it needs are read at once.
///
/// Errors: a refusal, which ends the planning.
pub(in crate::operations) fn later(stop: Stop, first: &mut Option<Stop>) -> Result<(), Stop> {
    if matches!(stop, Stop::Refused(_)) {
        return Err(stop);
    }
    let is_unread = |stop: &Stop| {
        matches!(
            stop,
            Stop::NotKnown {
                cause: NotKnown::NotGathered,
                ..
            }
        )
    };
    if first.as_ref().is_none_or(|first| is_unread(&stop) && !is_unread(first)) {
        *first = Some(stop);
    }
    Ok(())
}
