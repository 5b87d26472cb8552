//! The contract between review and apply: nothing runs that was not shown.

use super::PlannedOperation;
use crate::change::{Outcome, ResourceChange};

/// A change that goes beyond the review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Departure {
    /// The change that was not shown.
    pub what: String,
}

/// Checks that `now` does nothing that `reviewed` did not announce.
///
/// Change by change for what was known at review; by the declared scopes for what was deferred.
/// Errors: the first change that goes beyond.
pub fn compare(reviewed: &PlannedOperation, now: &PlannedOperation) -> Result<(), Departure> {
    let new = match &now.outcome {
        Outcome::Unchanged | Outcome::Deferred { .. } | Outcome::Check { .. } => return Ok(()),
        Outcome::Change(changes) | Outcome::Ensure { changes, .. } => changes,
    };
    let beyond = match &reviewed.outcome {
        Outcome::Unchanged | Outcome::Check { .. } => new.first(),
        Outcome::Change(old) | Outcome::Ensure { changes: old, .. } => new
            .iter()
            .find(|change| !old.iter().any(|promised| change.is_within(promised))),
        Outcome::Deferred { touches, .. } => new
            .iter()
            .find(|change| !change.effects.iter().all(|effect| effect.is_within(touches))),
    };
    match beyond {
        None => Ok(()),
        Some(change) => Err(Departure { what: describe(change) }),
    }
}

fn describe(change: &ResourceChange) -> String {
    format!(
        "{} `{}` would change in a way that was not reviewed",
        change.id.kind, change.id.name
    )
}
