//! What makes a planned operation run, and whether it runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PlannedOperation;
use crate::change::{Outcome, ResourceChange, Step};
use crate::facts::overlay::{OperationId, Overlay};
use crate::facts::path::PathFact;
use crate::facts::{Fact, FactKey};

/// What makes an operation run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It always runs in its turn.
    #[default]
    Always,
    /// A change by one of these earlier operations.
    NotifiedBy(Vec<OperationId>),
    /// A change by an earlier deploy that ended before it ran this operation.
    Owed,
}

/// Whether an operation runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Yes,
    No,
    /// It runs if one of these operations turns out to change something.
    IfChanged(Vec<OperationId>),
    /// It runs unless these operations already write the same files as those that notify it.
    Unless(Vec<OperationId>),
}

/// Whether a change writes a file that the host does not have: that something else writes just the same before is unlikely.
fn writes_anew(change: &ResourceChange, overlay: &Overlay) -> bool {
    let is_absent = |path: &str| {
        let gathered = overlay.gathered(&FactKey::Path(path.to_owned()));
        matches!(gathered, Some(Fact::Path(PathFact::Absent)))
    };
    change
        .steps
        .iter()
        .any(|step| matches!(step, Step::WriteFile(_)) && step.path().is_some_and(is_absent))
}

impl Trigger {
    /// Whether the operation runs, given the operations `planned` before it and those that already `changed` something.
    pub(super) fn due(
        &self,
        planned: &[PlannedOperation],
        changed: Option<&BTreeSet<OperationId>>,
        overlay: &Overlay,
    ) -> Due {
        let Self::NotifiedBy(notifiers) = self else {
            return Due::Yes;
        };
        if notifiers
            .iter()
            .any(|id| changed.is_some_and(|changed| changed.contains(id)))
        {
            return Due::Yes;
        }
        let mut uncertain = Vec::new();
        let mut writes_since = BTreeSet::new();
        for operation in planned.iter().filter(|operation| notifiers.contains(&operation.id)) {
            match &operation.outcome {
                Outcome::Change(changes) if !changes.is_empty() => return Due::Yes,
                Outcome::Ensure { changes, since } if changes.iter().any(|change| writes_anew(change, overlay)) => {
                    writes_since.extend(since.iter().cloned());
                }
                Outcome::Ensure { .. } | Outcome::Deferred { .. } => uncertain.push(operation.id.clone()),
                Outcome::Change(_) | Outcome::Unchanged | Outcome::Check { .. } => {}
            }
        }
        if !writes_since.is_empty() {
            Due::Unless(writes_since.into_iter().collect())
        } else if uncertain.is_empty() {
            Due::No
        } else {
            Due::IfChanged(uncertain)
        }
    }

    /// Whether the operation has to wait for the end of `before`, because one of them notifies it.
    pub(crate) fn waits_for(&self, before: &[PlannedOperation]) -> bool {
        match self {
            Self::Always | Self::Owed => false,
            Self::NotifiedBy(notifiers) => before.iter().any(|operation| notifiers.contains(&operation.id)),
        }
    }
}
