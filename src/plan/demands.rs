//! Operations of one deploy that demand different things of the same resource, from their parameters alone. Over facts,
//! [`super::undone`] finds these and more.

use super::PlannedOperation;
use super::undone::mistake;
use crate::change::Outcome;
use crate::error::Diagnostic;
use crate::facts::FactKey;
use crate::facts::overlay::Effect;
use crate::operations::Demand;

/// Whether a unit runs: a command in between may need it stopped.
const ACTIVE: &str = "active";

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
            mistakes.push(mistake(first, later, Some(&demand.resource)));
        }
    }
    mistakes
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
