//! What one bound operation comes to, over the facts as the operations before it leave them.

use super::bind::{Bound, BoundOperation};
use super::given::Given;
use super::position::merge;
use super::reach::limited;
use super::trigger::Due;
use super::visible::NOT_READ;
use super::{Build, PlannedOperation};
use crate::change::{NotKnown, Outcome, ResourceChange, Stop};
use crate::error::Diagnostic;
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::operations::{Operation, PlanContext};

/// An operation as planned, and what later ones may count on.
pub(super) struct Planned {
    pub(super) operation: PlannedOperation,
    pub(super) effects: Vec<Effect>,
}

/// Plans an operation over `overlay`; the facts that it lacks are noted in `build`. `None` where nothing makes it run.
///
/// Errors: it cannot be done to this host.
pub(super) fn plan_operation(
    bound: BoundOperation,
    due: Due,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> Result<Option<Planned>, Diagnostic> {
    let waits_for = match due {
        Due::No => return Ok(None),
        Due::Yes => Vec::new(),
        Due::IfChanged(notifiers) => notifiers,
    };
    let mut asked = bound.asked;
    let mut peers = bound.peers;
    let mut touches = Vec::new();
    let mut is_unread = false;
    let outcome = match &bound.bound {
        Bound::Unknown(why) => Ok(deferred(Vec::new(), why.clone(), vec![FactScope::Everything])),
        Bound::Ready(ready) => {
            touches = ready.operation.touches();
            for key in ready.operation.needs() {
                given.want(key, build);
            }
            let context = PlanContext::new(
                overlay.clone(),
                &ready.arguments,
                &bound.origin,
                &given.selection.assets,
                given.digests,
                &ready.bindings,
                &ready.run_as,
            );
            let planned = ready.operation.plan(&context);
            is_unread = is_not_gathered(&planned);
            asked.extend(context.asked());
            outcome(planned, ready.operation.as_ref())
        }
    };
    let by_templates = given.take_asked(build);
    asked.extend(by_templates.own);
    merge(&mut peers, &by_templates.peers);
    for key in &asked {
        given.want(key.clone(), build);
    }
    let mut outcome = outcome?;
    if !waits_for.is_empty() {
        outcome = conditional(outcome, waits_for, &touches);
    }
    let effects = if is_unread && given.assumes_true {
        Vec::new()
    } else {
        effects(&bound.id, &outcome)
    };
    let outcome = limited(outcome, touches, overlay);
    let operation = PlannedOperation {
        id: bound.id,
        stage: bound.position.stage,
        task: bound.task,
        origin: bound.origin,
        within: bound.position.within.clone(),
        peers,
        trigger: bound.trigger,
        outcome,
        asked,
    };
    Ok(Some(Planned { operation, effects }))
}

fn is_not_gathered(planned: &Result<Outcome, Stop>) -> bool {
    let cause = match planned {
        Err(Stop::NotKnown { cause, .. }) => Some(cause),
        _ => None,
    };
    matches!(cause, Some(NotKnown::NotGathered))
}

fn outcome(planned: Result<Outcome, Stop>, operation: &dyn Operation) -> Result<Outcome, Diagnostic> {
    match planned {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Refused(diagnostic)) => Err(*diagnostic),
        Err(Stop::NotKnown { key, cause }) => Ok(match cause {
            NotKnown::NotGathered => deferred(Vec::new(), NOT_READ.to_owned(), operation.touches()),
            NotKnown::Denied(why) => deferred(Vec::new(), format!("{key}: {why}"), operation.touches()),
            NotKnown::Since(since, why) => {
                let why = format!("{key}: {why} (`{}`)", since.slug());
                deferred(vec![since], why, operation.touches())
            }
        }),
    }
}

/// What happens only if one of `notifiers` changes something, which shows when they ran.
fn conditional(outcome: Outcome, notifiers: Vec<OperationId>, touches: &[FactScope]) -> Outcome {
    match outcome {
        Outcome::Change(preview) | Outcome::Ensure { changes: preview, .. } => {
            let names: Vec<String> = notifiers.iter().map(|id| format!("`{}`", id.slug())).collect();
            Outcome::Deferred {
                why: format!("runs only if {} changes something", names.join(" or ")),
                waits_for: notifiers,
                touches: touches.to_vec(),
                preview,
            }
        }
        other => other,
    }
}

fn deferred(waits_for: Vec<OperationId>, why: String, touches: Vec<FactScope>) -> Outcome {
    Outcome::Deferred {
        waits_for,
        why,
        touches,
        preview: Vec::new(),
    }
}

/// What later operations may count on after this one.
fn effects(id: &OperationId, outcome: &Outcome) -> Vec<Effect> {
    let of = |changes: &[ResourceChange]| changes.iter().flat_map(|change| change.effects.clone()).collect();
    match outcome {
        Outcome::Unchanged | Outcome::Check { .. } => Vec::new(),
        Outcome::Change(changes) | Outcome::Ensure { changes, .. } => of(changes),
        Outcome::Deferred { touches, .. } => touches
            .iter()
            .map(|scope| Effect::Forget(scope.clone(), format!("`{}` may change it", id.slug())))
            .collect(),
    }
}
