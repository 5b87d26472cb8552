//! Operations of one deploy that demand different things of the same resource, from their parameters alone. Over facts,
//! [`super::undone`] finds these and more.

use super::PlannedOperation;
use super::undone::mistake;
use crate::change::{Outcome, ResourceKind};
use crate::error::Diagnostic;
use crate::facts::overlay::Effect;
use crate::facts::path::{InodeKind, PathFact, is_below};
use crate::facts::{Fact, FactKey, Facts};
use crate::operations::Demand;

/// Whether a unit runs: a command in between may need it stopped.
const ACTIVE: &str = "active";

/// Whether a resource exists.
const PRESENT: &str = "present";

/// How the name of a property begins that is a setting of a program.
const SETTING: &str = "setting ";

/// A demand, and the position of its operation in the plan.
pub(super) type Demanded = (usize, Demand);

/// A mistake for each operation of `planned` whose demand a later one contradicts, for the last of these.
pub(super) fn contradictions(planned: &[PlannedOperation], demanded: &[Demanded]) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut reported = Vec::new();
    for (first, demand) in demanded {
        let later = demanded.iter().rev().find(|(later, other)| {
            later > first
                && other.resource == demand.resource
                && other.property == demand.property
                && other.value != demand.value
                && !(demand.property == ACTIVE && are_apart(&planned[first + 1..*later], demand))
        });
        if let Some((later, _)) = later
            && !reported.contains(first)
        {
            reported.push(*first);
            let (first, later) = (&planned[*first], &planned[*later]);
            if matches!(
                demand.resource.kind,
                ResourceKind::ComposeProject | ResourceKind::ContainerName | ResourceKind::Port
            ) {
                mistakes.push(both_need(first, later, demand));
                continue;
            }
            // A setting is in several files.
            let resource = Some(&demand.resource).filter(|_| !demand.property.starts_with(SETTING));
            let mistake = mistake(first, later, resource);
            mistakes.push(match demand.hint {
                Some(hint) => mistake.hint(hint),
                None => mistake,
            });
        }
    }
    mistakes
}

/// Two operations that need what only one can have.
fn both_need(first: &PlannedOperation, later: &PlannedOperation, demand: &Demand) -> Diagnostic {
    let (first_name, later_name) = (first.id.slug(), later.id.slug());
    let resource = &demand.resource;
    let title = format!(
        "`{first_name}` and `{later_name}` both need {} `{}`",
        resource.kind, resource.name
    );
    Diagnostic::new(title)
        .at(&first.origin, format!("`{}` needs it", demand.value))
        .at(&later.origin, "and this one too")
        .hint("give one of them another, or let `when` decide which one applies")
}

/// A mistake for each operation that removes a file where a directory is: it would do nothing, on every run. If another operation
/// makes that directory, or something in it, the file was only to make room for it.
pub(super) fn kept_directories(planned: &[PlannedOperation], demanded: &[Demanded], facts: &Facts) -> Vec<Diagnostic> {
    let is_removal = |demand: &Demand| {
        demand.resource.kind == ResourceKind::File && demand.property == PRESENT && demand.value == "false"
    };
    let is_directory = |path: &str| match facts.get(&FactKey::Path(path.to_owned())) {
        Some(Fact::Path(PathFact::Present(inode))) => inode.kind == InodeKind::Directory,
        _ => false,
    };
    let kept = demanded.iter().filter(|(position, demand)| {
        let path = demand.resource.name.as_str();
        let makes_room = || {
            demanded
                .iter()
                .any(|(other, later)| other != position && is_made_at(later, path))
        };
        is_removal(demand) && planned[*position].outcome == Outcome::Unchanged && is_directory(path) && !makes_room()
    });
    let mistakes = kept.map(|(position, demand)| {
        let title = format!("`{}` is a directory, and stays", demand.resource.name);
        Diagnostic::new(title)
            .at(&planned[*position].origin, "this removes only files")
            .hint("remove it with `op = \"files.directory\"` and `present = false`, or remove this operation")
    });
    mistakes.collect()
}

/// Whether a demand makes something at `top` or below.
fn is_made_at(demand: &Demand, top: &str) -> bool {
    let is_path = matches!(
        demand.resource.kind,
        ResourceKind::Directory | ResourceKind::File | ResourceKind::Link
    );
    is_path && demand.property == PRESENT && demand.value == "true" && is_below(&demand.resource.name, top)
}

/// Whether one of these operations is a command that may change the unit, or need it as it was demanded.
fn are_apart(between: &[PlannedOperation], demand: &Demand) -> bool {
    let unit = FactKey::Unit(demand.resource.name.clone());
    let touches = |operation: &PlannedOperation| match &operation.outcome {
        Outcome::Deferred { touches, .. } => touches.iter().any(|scope| scope.covers(&unit)),
        _ => operation
            .changes()
            .iter()
            .flat_map(|change| &change.effects)
            .any(|effect| match effect {
                Effect::Forget(scope, _) => scope.covers(&unit),
                Effect::Set(..) => false,
            }),
    };
    between
        .iter()
        .any(|operation| touches(operation) && !operation.asked.contains(&unit))
}
