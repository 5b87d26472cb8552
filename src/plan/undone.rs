//! Operations of one deploy that undo each other, so that every run would change the host again.
//!
//! They are found by planning the next run over the facts that the plan predicts: an operation with something left to do
//! there was undone. If what undid it is then due again too, the two never end. What only prepares for another operation
//! has nothing left to do: a link that was removed is gone, whatever takes its place.
//!
//! An edit that the next run would refuse, for what a later operation makes of the file, is found in the same way.

use std::collections::BTreeSet;

use super::PlannedOperation;
use crate::change::{Outcome, ResourceChange, ResourceId, ResourceKind};
use crate::error::Diagnostic;
use crate::facts::overlay::{Effect, Lookup, OperationId, Overlay};
use crate::facts::path::ContentFact;
use crate::facts::{DependsOn, Fact, FactKey};

/// The operations as the next run would plan them.
pub(super) struct NextRun {
    pub(super) operations: Vec<PlannedOperation>,
    /// Those that it would refuse, and why.
    pub(super) refused: Vec<(OperationId, Diagnostic)>,
}

/// A mistake for each operation of `planned` that a later one undoes, or makes the next run refuse. `end` has the facts that the plan leaves; `again`
/// plans the next run over them.
pub(super) fn undone(planned: &[PlannedOperation], end: &Overlay, again: impl FnOnce() -> NextRun) -> Vec<Diagnostic> {
    let changes =
        |operation: &&PlannedOperation| matches!(operation.outcome, Outcome::Change(_) | Outcome::Ensure { .. });
    // One alone undoes nothing.
    if planned.len() < 2 || !planned.iter().any(|operation| changes(&operation)) {
        return Vec::new();
    }
    let NextRun {
        operations: again,
        refused,
    } = again();
    let position = |id: &OperationId| planned.iter().position(|operation| operation.id == *id);
    let mistakes = again.iter().filter_map(|next| {
        let first = position(&next.id)?;
        let undoing = undone_by(next, end).filter_map(|id| position(&id));
        let later = undoing.filter(|later| *later > first).max()?;
        let other = again.iter().find(|other| other.id == planned[later].id)?;
        let resource = next.changes().first().map(|change| &change.id);
        is_due(other).then(|| mistake(&planned[first], &planned[later], resource))
    });
    let spoiled = refused.iter().filter_map(|(id, why)| {
        let first = position(id)?;
        let later = spoiled_by(&planned[first], end).and_then(|id| position(&id))?;
        (later > first).then(|| spoiling(&planned[first], &planned[later], why))
    });
    mistakes.chain(spoiled).collect()
}

/// The operation that sets the last content of the file that `operation` edits.
fn spoiled_by(operation: &PlannedOperation, end: &Overlay) -> Option<OperationId> {
    let mut edited = operation.asked.iter().filter(|key| matches!(key, FactKey::Content(_)));
    edited.find_map(|key| match end.predicted(key)? {
        (id, Fact::Content(ContentFact::Bytes(_))) => Some(id),
        _ => None,
    })
}

/// `later` writes what `first` refuses to edit in the next run, for the reason `why`.
fn spoiling(first: &PlannedOperation, later: &PlannedOperation, why: &Diagnostic) -> Diagnostic {
    let (first_name, later_name) = (first.id.slug(), later.id.slug());
    Diagnostic::new(format!("the next run would refuse `{first_name}` after `{later_name}`"))
        .at(&first.origin, why.title.clone())
        .at(&later.origin, "once this has changed the file")
        .hint("keep what one of them writes out of what the other one does, such as the lines around a block")
}

/// The operations that set what `next` would change, as far as that is known.
fn undone_by(next: &PlannedOperation, end: &Overlay) -> impl Iterator<Item = OperationId> {
    let keys: Vec<FactKey> = match &next.outcome {
        Outcome::Change(changes) | Outcome::Ensure { changes, .. } => changes
            .iter()
            .filter(|change| change.action.is_pending())
            .flat_map(|change| contradicted(change, &next.asked, end))
            .collect(),
        // What apt would do to the packages was not asked, and is asked only if there is something to do.
        Outcome::Deferred { waits_for, .. } if waits_for.is_empty() && asks_apt(next, end) => {
            let packages = next.asked.iter().filter(|key| matches!(key, FactKey::Package(_)));
            packages.cloned().collect()
        }
        _ => Vec::new(),
    };
    keys.into_iter().filter_map(|key| Some(end.predicted(&key)?.0))
}

/// The facts that a change sets to something else than the plan does; of a command, which sets none, those that decide
/// whether it runs.
fn contradicted(change: &ResourceChange, asked: &BTreeSet<FactKey>, end: &Overlay) -> Vec<FactKey> {
    if change.id.kind == ResourceKind::Command {
        return asked.iter().cloned().collect();
    }
    let keys = change.effects.iter().filter_map(|effect| match effect {
        Effect::Set(key, wanted) => match end.get(key) {
            Lookup::Known(left) if left != *wanted => Some(key.clone()),
            _ => None,
        },
        Effect::Forget(..) => None,
    });
    keys.collect()
}

fn asks_apt(next: &PlannedOperation, end: &Overlay) -> bool {
    let asks = |key: &&FactKey| key.depends_on() == DependsOn::Packages && end.gathered(key).is_none();
    next.asked.iter().any(|key| asks(&key))
}

fn is_due(operation: &PlannedOperation) -> bool {
    match &operation.outcome {
        Outcome::Unchanged | Outcome::Check { .. } => false,
        Outcome::Change(changes) => changes.iter().any(|change| change.action.is_pending()),
        Outcome::Ensure { .. } | Outcome::Deferred { .. } => true,
    }
}

/// Two operations that undo each other, at `resource`.
pub(super) fn mistake(first: &PlannedOperation, later: &PlannedOperation, resource: Option<&ResourceId>) -> Diagnostic {
    let (first_name, later_name) = (first.id.slug(), later.id.slug());
    let what = resource.map_or_else(
        || "every run would apply this again".to_owned(),
        |id| format!("every run would change {} `{}` here", id.kind, id.name),
    );
    Diagnostic::new(format!("`{first_name}` and `{later_name}` undo each other"))
        .at(&first.origin, what)
        .at(&later.origin, "and change it back here")
        .hint("keep one of them, or let `when` decide which one applies")
}
