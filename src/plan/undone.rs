//! Operations of one deploy that undo each other, so that every run would change the host again.
//!
//! They are found by planning the next run over the facts that the plan predicts: an operation with something left to do
//! there was undone. If what undid it is then due again too, the two never end. What only prepares for another operation
//! has nothing left to do: a link that was removed is gone, whatever takes its place.
//!
//! What the next run would refuse, for what a later operation makes of a file or leaves at a path, is found in the same
//! way. So is what would be done again, since a later operation changes what was read for it.

use std::collections::BTreeSet;

use super::PlannedOperation;
use crate::change::{Outcome, ResourceChange, ResourceId, ResourceKind};
use crate::error::Diagnostic;
use crate::facts::overlay::{Effect, Lookup, OperationId, Overlay};
use crate::facts::path::{ContentFact, is_below};
use crate::facts::{DependsOn, Fact, FactKey};

/// The operations as the next run would plan them.
pub(super) struct NextRun {
    pub(super) operations: Vec<PlannedOperation>,
    /// Those that it would refuse, and why.
    pub(super) refused: Vec<(OperationId, Diagnostic)>,
}

/// A mistake for each operation of `planned` that a later one undoes, or makes the next run refuse or do again. `end` has the facts that the plan leaves; `again`
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
        is_due(other).then(|| (first, mistake(&planned[first], &planned[later], resource)))
    });
    let spoiled = refused.iter().filter_map(|(id, why)| {
        let first = position(id)?;
        let spoiling_it = spoiled_by(&planned[first], end).filter_map(|(id, key)| Some((position(&id)?, key)));
        let (later, key) = spoiling_it.filter(|(later, _)| *later > first).max()?;
        Some(spoiling(&planned[first], &planned[later], &key, why))
    });
    let outdated = again.iter().filter_map(|next| {
        let first = position(&next.id)?;
        // What is not known may be as it is wanted.
        let Outcome::Change(changes) = &next.outcome else {
            return None;
        };
        let change = changes.iter().find(|change| is_pending_file(change))?;
        let reads = left_otherwise(next, end).filter(|(_, key)| key.path() != Some(change.id.name.as_str()));
        let changed = reads.filter_map(|(id, key)| Some((position(&id)?, key)));
        let (later, key) = changed.filter(|(later, _)| *later > first).max()?;
        let mistake = outdating(&planned[first], &planned[later], &key, &change.id);
        Some((first, mistake))
    });
    let mut found: Vec<(usize, Diagnostic)> = mistakes.collect();
    for (first, mistake) in outdated {
        if found.iter().all(|(other, _)| *other != first) {
            found.push((first, mistake));
        }
    }
    found.into_iter().map(|(_, mistake)| mistake).chain(spoiled).collect()
}

fn is_pending_file(change: &ResourceChange) -> bool {
    change.id.kind == ResourceKind::File && change.action.is_pending()
}

/// What operations leave at paths that `operation` looked at, apart from directories on the way to them.
fn left_otherwise(operation: &PlannedOperation, end: &Overlay) -> impl Iterator<Item = (OperationId, FactKey)> {
    let paths: Vec<&str> = operation.asked.iter().filter_map(FactKey::path).collect();
    let is_end = |path: &str| !paths.iter().any(|other| *other != path && is_below(other, path));
    let ends = operation
        .asked
        .iter()
        .filter(|key| matches!(key, FactKey::Path(path) if is_end(path)));
    let left: Vec<(OperationId, FactKey)> = ends
        .filter_map(|key| Some((end.predicted(key)?.0, key.clone())))
        .collect();
    left.into_iter()
}

/// The operations that set the last content of the file that `operation` edits, or what is at a path that it needs.
fn spoiled_by(operation: &PlannedOperation, end: &Overlay) -> impl Iterator<Item = (OperationId, FactKey)> {
    let edited = operation.asked.iter().filter(|key| matches!(key, FactKey::Content(_)));
    let edited = edited.filter_map(|key| match end.predicted(key)? {
        (id, Fact::Content(ContentFact::Bytes(_))) => Some((id, key.clone())),
        _ => None,
    });
    edited.chain(left_otherwise(operation, end))
}

/// `later` changes what `first` reads, so that `first` has something to do again.
fn outdating(first: &PlannedOperation, later: &PlannedOperation, key: &FactKey, resource: &ResourceId) -> Diagnostic {
    let (first_name, later_name) = (first.id.slug(), later.id.slug());
    let path = key.path().unwrap_or_default();
    Diagnostic::new(format!("`{first_name}` would have to run again after `{later_name}`"))
        .at(
            &first.origin,
            format!("the next run would change {} `{}` here", resource.kind, resource.name),
        )
        .at(&later.origin, format!("since this changes `{path}` later"))
        .hint("let the second of them come first")
}

/// After `later`, the next run refuses `first` for the reason `why`.
fn spoiling(first: &PlannedOperation, later: &PlannedOperation, key: &FactKey, why: &Diagnostic) -> Diagnostic {
    let (first_name, later_name) = (first.id.slug(), later.id.slug());
    let (once, hint) = match key {
        FactKey::Path(path) => (
            format!("once this has changed what is at `{path}`"),
            "a deploy has to fit the host as it leaves it: keep one of them, or let `when` decide which one applies",
        ),
        _ => (
            "once this has changed the file".to_owned(),
            "keep what one of them writes out of what the other one does, such as the lines around a block",
        ),
    };
    Diagnostic::new(format!("the next run would refuse `{first_name}` after `{later_name}`"))
        .at(&first.origin, why.title.clone())
        .at(&later.origin, once)
        .hint(hint)
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
