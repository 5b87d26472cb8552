//! Whether a host is still as it was when its plan was saved.

use super::file::HostRecord;
use super::shown::{compared, fingerprints, is_quiet};
use crate::change::{Action, Attributed, Before, CheckState, Outcome, ResourceChange};
use crate::plan::{HostPlan, PlannedOperation};
use crate::secret::DigestKey;

/// What a host is, compared with its saved plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// As it was: the plan made now is the saved one.
    Same,
    /// All of the plan is done already, and nothing else is due.
    Applied,
    /// Something that the plan is about is not as it was.
    Moved(Vec<Move>),
}

/// An operation of which something moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// What the operation is called.
    pub slug: String,
    /// What is known of what moved, in a few words.
    pub why: &'static str,
    /// Each resource that moved, as a change from what it was to what it is.
    pub changes: Vec<ResourceChange>,
}

/// Compares the plan `now` of a host with the one that was saved. `shown` and `now_shown` are both without what must not be seen.
pub fn standing(
    (record, shown): (&HostRecord, &HostPlan),
    (now, now_shown): (&HostPlan, &HostPlan),
    key: &DigestKey,
) -> Standing {
    let found = fingerprints(now, key);
    let planned_as = |plan: &HostPlan, other: &PlannedOperation| -> Option<PlannedOperation> {
        plan.operations.iter().find(|one| one.id == other.id).cloned()
    };
    let mut moves = Vec::new();
    let mut are_done = true;
    for old in &shown.operations {
        let new = planned_as(now_shown, old);
        let is_same = record.operations.get(&old.id) == found.get(&old.id);
        // The same digest, and another review: the file does not show what it would do.
        if is_same && new.as_ref().is_some_and(|new| compared(new) != compared(old)) {
            are_done = false;
            let mut forged = Move::of(Some(old), new.as_ref());
            forged.why = "is not shown by the file as it would be done";
            moves.push(forged);
            continue;
        }
        let is_quiet_now = new.as_ref().is_none_or(is_quiet);
        if is_same || (is_quiet(old) && is_quiet_now && !is_refreshed_anew(old, new.as_ref())) {
            continue;
        }
        are_done &= (is_quiet_now && !is_quiet(old)) || holds_now(old, new.as_ref());
        moves.push(Move::of(Some(old), new.as_ref()));
    }
    for new in &now_shown.operations {
        if planned_as(shown, new).is_none() && !is_silent(new) {
            are_done = false;
            moves.push(Move::of(None, Some(new)));
        }
    }
    match moves.is_empty() {
        true => Standing::Same,
        false if are_done && !now.is_pending() => Standing::Applied,
        false => Standing::Moved(moves),
    }
}

/// Whether something would be fetched now that was not old enough when the plan was saved.
fn is_refreshed_anew(old: &PlannedOperation, new: Option<&PlannedOperation>) -> bool {
    old.outcome == Outcome::Unchanged && new.is_some_and(|new| new.outcome != Outcome::Unchanged)
}

/// Whether a check that waited for the changes of the plan, or failed before them, holds now.
fn holds_now(old: &PlannedOperation, new: Option<&PlannedOperation>) -> bool {
    let state = |operation: &PlannedOperation| match &operation.outcome {
        Outcome::Check { state, .. } => Some(state.clone()),
        _ => None,
    };
    state(old).is_some() && new.and_then(state) == Some(CheckState::Holds)
}

/// Whether applying does nothing for it.
fn is_silent(operation: &PlannedOperation) -> bool {
    operation.outcome == Outcome::Unchanged || operation.is_covered()
}

fn is_failing(operation: &PlannedOperation) -> bool {
    matches!(
        &operation.outcome,
        Outcome::Check {
            state: CheckState::Fails(_),
            ..
        }
    )
}

impl Move {
    fn of(old: Option<&PlannedOperation>, new: Option<&PlannedOperation>) -> Self {
        let slug = old.or(new).map(|one| one.id.slug().to_owned()).unwrap_or_default();
        let changes_of = |operation: Option<&PlannedOperation>| -> Vec<ResourceChange> {
            operation.map(|one| one.changes().to_vec()).unwrap_or_default()
        };
        let (planned, due) = (changes_of(old), changes_of(new));
        let mut changes: Vec<ResourceChange> = Vec::new();
        for change in &planned {
            let is = match due.iter().find(|other| other.id == change.id) {
                Some(other) => other.before.clone(),
                // Nothing is left to do for it.
                None if new.is_none() => continue,
                None => state(change.after.as_ref()),
            };
            changes.extend(between(change, change.before.clone(), is));
        }
        for change in &due {
            if planned.iter().all(|other| other.id != change.id) && old.is_some() {
                changes.extend(between(change, state(change.after.as_ref()), change.before.clone()));
            }
        }
        let why = match (old, new) {
            (Some(_), None) => "is not part of the plan any more",
            (None, Some(_)) => "was not part of the plan",
            (Some(old), Some(_)) if is_silent(old) => "had nothing to do, and has now",
            (Some(_), Some(new)) if is_silent(new) => "has nothing to do any more",
            (Some(_), Some(new)) if is_failing(new) => "is a check that fails now",
            _ if changes.is_empty() => "would be done in another way now",
            _ => "is planned for another state",
        };
        Self { slug, why, changes }
    }
}

fn state(attributes: Option<&Attributed>) -> Before {
    attributes.map_or(Before::Absent, |attributes| Before::Present(attributes.clone()))
}

/// The change of a resource from `was` to `is`; `None` if they show no difference.
fn between(of: &ResourceChange, was: Before, is: Before) -> Option<ResourceChange> {
    let (action, after) = match (&was, is) {
        (Before::Absent, Before::Absent) | (Before::Unknown(_), _) | (_, Before::Unknown(_)) => return None,
        (Before::Absent, Before::Present(is)) => (Action::Create, Some(is)),
        (Before::Present(_), Before::Absent) => (Action::Remove, None),
        // One side may know fewer attributes, as of what nothing is done to.
        (Before::Present(before), Before::Present(is)) => {
            let mut common = is;
            common.retain(|name, _| before.contains_key(name));
            let is_same = common.iter().all(|(name, value)| before.get(name) == Some(value));
            if is_same {
                return None;
            }
            (Action::Update, Some(common))
        }
    };
    let was = match (was, &after) {
        (Before::Present(mut before), Some(after)) => {
            before.retain(|name, _| after.contains_key(name));
            Before::Present(before)
        }
        (other, _) => other,
    };
    Some(ResourceChange::new(of.id.clone(), action, was, after))
}
