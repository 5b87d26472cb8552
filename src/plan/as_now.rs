//! Operations that depend on what earlier ones may change, as the host is now.
//!
//! What those leave is known only after they ran, so each operation is planned again in its turn. Until then the review says
//! what it would do as things are now, or that it stays as it is unless the earlier ones change that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PlannedOperation;
use crate::change::{Action, Before, NotKnown, Outcome, ResourceChange, Stop};
use crate::facts::DependsOn;
use crate::facts::overlay::{OperationId, Overlay};

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

/// What keeps an operation from being planned now.
pub(super) enum Open {
    /// A condition, which any change may affect.
    Condition,
    /// Something absent, which packages may bring.
    MayComeWithPackages(OperationId, String),
    /// Something else that an earlier operation may change.
    Other,
    /// The operation has reasons of its own.
    Own,
}

impl Open {
    pub(super) fn of(planned: &Result<Outcome, Stop>, overlay: &Overlay) -> Self {
        match planned {
            Err(Stop::NotKnown { key, .. }) if key.depends_on() == DependsOn::Anything => Self::Condition,
            Err(Stop::NotKnown {
                key,
                cause: NotKnown::Since(operation, why),
            }) if overlay.is_absent_but_for_packages(key) => Self::MayComeWithPackages(operation.clone(), why.clone()),
            Ok(Outcome::Deferred { waits_for, .. }) if !waits_for.iter().any(|id| overlay.is_unbounded(id)) => {
                Self::Own
            }
            _ => Self::Other,
        }
    }
}

/// The outcome of an operation that waits for others, given the one `now`, as if those changed nothing of what it depends on.
pub(super) fn as_things_are(planned: Outcome, open: Open, now: Result<Outcome, Stop>) -> (Outcome, AsNow) {
    match (planned, now) {
        (planned @ Outcome::Deferred { .. }, Ok(Outcome::Unchanged)) if matches!(open, Open::Own) => {
            (planned, AsNow::No)
        }
        (planned @ (Outcome::Deferred { .. } | Outcome::Ensure { .. }), Ok(Outcome::Unchanged)) => {
            (stays(waits_for_others(&planned), &open), AsNow::UnlessDue)
        }
        (
            Outcome::Deferred {
                waits_for,
                why,
                touches,
                ..
            },
            Ok(Outcome::Change(changes) | Outcome::Ensure { changes, .. }),
        ) => {
            let outcome = match open {
                Open::MayComeWithPackages(since, why) if changes.iter().all(is_created) => {
                    created(changes, since, &why)
                }
                _ => Outcome::Deferred {
                    waits_for,
                    why,
                    touches,
                    preview: changes,
                },
            };
            (outcome, AsNow::No)
        }
        (Outcome::Ensure { changes, since }, Ok(Outcome::Change(now) | Outcome::Ensure { changes: now, .. })) => {
            (ensured(changes, since, now), AsNow::No)
        }
        (planned, _) => (planned, AsNow::No),
    }
}

/// What is planned for things that are not known, beside what is to be done `now`. A thing that is there is not shown as created,
/// and one with nothing to do is not shown: what the operation does then waits for `since`.
fn ensured(mut changes: Vec<ResourceChange>, since: Vec<OperationId>, now: Vec<ResourceChange>) -> Outcome {
    let is_created_now = |change: &ResourceChange| now.iter().any(|now| now.id == change.id && is_created(now));
    let is_due_now = |change: &ResourceChange| now.iter().any(|now| now.id == change.id);
    let is_as_shown =
        |change: &ResourceChange| is_created_now(change) || (is_due_now(change) && change.action != Action::Create);
    if let Some(open) = changes.iter().find(|change| !is_as_shown(change)) {
        let why = match &open.before {
            Before::Unknown(why) => format!("{} `{}`: {why}", open.id.kind, open.id.name),
            Before::Absent | Before::Present(_) => format!("{} `{}`", open.id.kind, open.id.name),
        };
        return Outcome::Deferred {
            waits_for: since,
            why,
            touches: Vec::new(),
            preview: now,
        };
    }
    for change in changes.iter_mut().filter(|change| is_created_now(change)) {
        change.action = Action::Create;
    }
    Outcome::Ensure { changes, since }
}

/// Changes that create something, unless `since` does.
fn created(changes: Vec<ResourceChange>, since: OperationId, why: &str) -> Outcome {
    let changes = changes.into_iter().map(|change| ResourceChange {
        before: Before::Unknown(why.to_owned()),
        ..change
    });
    Outcome::Ensure {
        changes: changes.collect(),
        since: vec![since],
    }
}

fn is_created(change: &ResourceChange) -> bool {
    change.action == Action::Create && change.before == Before::Absent
}

/// The outcome of an operation with nothing to do unless `since` change that. What it may change is added later.
fn stays(since: Vec<OperationId>, open: &Open) -> Outcome {
    let names: Vec<String> = since.iter().map(|id| format!("`{}`", id.slug())).collect();
    let names = names.join(" or ");
    let why = match open {
        Open::Condition => "as now, unless an earlier change affects its condition".to_owned(),
        Open::MayComeWithPackages(..) => format!("nothing to do, unless {names} creates what it removes or changes"),
        Open::Other | Open::Own if since.len() == 1 => format!("as now, unless {names} changes it"),
        Open::Other | Open::Own => format!("as now, unless {names} change it"),
    };
    Outcome::Deferred {
        why,
        waits_for: since,
        touches: Vec::new(),
        preview: Vec::new(),
    }
}
