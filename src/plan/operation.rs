//! Plans one bound operation over the facts that earlier operations leave.

use std::collections::BTreeMap;

use super::as_now::{AsNow, waits_for_others};
use super::bind::{Bound, BoundOperation, Ready};
use super::given::Given;
use super::guarded::Entrance;
use super::owed::unit_of;
use super::position::merge;
use super::reach::limited;
use super::trigger::{Due, Trigger};
use super::visible::NOT_READ;
use super::{Build, PlannedHandler, PlannedOperation};
use crate::change::{Conduct, NotKnown, Outcome, ResourceChange, Step, Stop};
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::facts::owed::Owed;
use crate::operations::{Demand, PlanContext, Role};
use crate::value::to_json;

/// A planned operation, and the facts that later ones may count on.
pub(super) struct Planned {
    pub(super) operation: PlannedOperation,
    pub(super) effects: Vec<Effect>,
    /// What its parameters say, if it runs in its turn.
    pub(super) demands: Vec<Demand>,
    /// What the review says beside its changes.
    pub(super) notices: Vec<String>,
}

/// Plans an operation over `overlay`; missing facts are noted in `build`. `None` if nothing makes it run.
///
/// Errors: the operation does not fit this host.
pub(super) fn plan_operation(
    bound: BoundOperation,
    due: Due,
    role: Role,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> Result<Option<Planned>, Diagnostic> {
    if due == Due::No {
        return Ok(None);
    }
    let (mut asked, mut peers) = (bound.asked, bound.peers);
    let (mut touches, mut conduct) = (Vec::new(), Conduct::default());
    let mut is_unread = false;
    let mut as_now = AsNow::No;
    let (mut demands, mut notices) = (Vec::new(), Vec::new());
    let outcome = match &bound.bound {
        Bound::Unknown(why) => Ok(deferred(Vec::new(), why.clone(), vec![FactScope::Everything])),
        Bound::Ready(ready) => {
            for key in ready.operation.needs() {
                given.want(key, build);
            }
            let owes_start = owes_start(bound.handler.as_deref(), ready.operation.restarts().as_deref(), given);
            let over = |overlay| {
                context(overlay, ready, &bound.origin, given)
                    .with_role(role)
                    .owing_start(owes_start)
            };
            let context = over(overlay.clone());
            conduct = ready.operation.conduct();
            let planned = ready.operation.plan(&context);
            touches = context.with_links_followed(ready.operation.touches(&context));
            let planned = context.with_resolved_paths(planned);
            is_unread = is_not_gathered(&planned);
            if bound.trigger == Trigger::Always {
                demands = ready.operation.demands();
            }
            asked.extend(context.asked());
            notices = context.notices();
            let mut outcome = outcome(planned, &touches);
            if let Ok(planned) = &outcome
                && !waits_for_others(planned).is_empty()
                && let Some(overlay) = overlay.as_now(&asked)
            {
                let context = over(overlay);
                let now = ready.operation.plan(&context);
                asked.extend(context.asked());
                if now == Ok(Outcome::Unchanged) {
                    touches = context.with_links_followed(ready.operation.touches(&context));
                    outcome = Ok(stays(waits_for_others(planned), &touches));
                    as_now = AsNow::UnlessDue;
                }
            }
            outcome
        }
    };
    let by_templates = given.take_asked(build);
    asked.extend(by_templates.own);
    merge(&mut peers, &by_templates.peers);
    for key in &asked {
        given.want(key.clone(), build);
    }
    let mut outcome = outcome?;
    check_reboot(&bound.origin, &mut outcome, given.host.is_local)?;
    check_effects(&bound.id, &bound.origin, &outcome, &touches)?;
    outcome = match due {
        Due::IfChanged(notifiers) => conditional(outcome, notifiers, &touches),
        Due::Unless(since) => likely(outcome, since),
        Due::Yes | Due::No => outcome,
    };
    let effects = if !as_now.is_no() || (is_unread && given.assumes_true) {
        Vec::new()
    } else {
        effects(&bound.id, &outcome)
    };
    let mut outcome = limited(outcome, touches, overlay);
    let guards = Entrance::new(overlay, given.host.is_local).guard(&mut outcome, bound.guard);
    let handler = bound.handler.map(|handler| planned_handler(handler, &bound.bound));
    let operation = PlannedOperation {
        id: bound.id,
        stage: bound.position.stage,
        task: bound.task,
        origin: bound.origin,
        parameters: places(&bound.bound),
        within: bound.position.within.clone(),
        peers,
        trigger: bound.trigger,
        as_now,
        conduct,
        handler,
        guards,
        outcome,
        asked,
    };
    Ok(Some(Planned {
        operation,
        effects,
        demands,
        notices,
    }))
}

fn context<'a>(overlay: Overlay, ready: &'a Ready, origin: &'a Origin, given: &'a Given<'_>) -> PlanContext<'a> {
    PlanContext::new(
        overlay,
        &ready.arguments,
        origin,
        &given.selection.assets,
        given.digests,
        &ready.bindings,
        &ready.run_as,
    )
    .amid_changes(given.is_amid_changes())
}

/// Where the parameters are written.
fn places(bound: &Bound) -> BTreeMap<String, String> {
    let Bound::Ready(ready) = bound else {
        return BTreeMap::new();
    };
    let written = ready.arguments.iter().filter_map(|(name, entry)| {
        let origin = entry.value.origin.as_ref().or(entry.key.as_ref())?;
        Some((name.clone(), origin.to_string()))
    });
    written.collect()
}

/// Whether an earlier run's restart of a handler's unit may have stopped it, also for another handler.
fn owes_start(handler: Option<&str>, unit: Option<&str>, given: &Given<'_>) -> bool {
    let Some(handler) = handler else { return false };
    let is_of_unit = |owed: &Owed| owed.handler == handler || unit.is_some() && unit_of(owed).as_deref() == unit;
    given.owed().iter().any(|owed| owed.starts && is_of_unit(owed))
}

fn planned_handler(handler: String, bound: &Bound) -> PlannedHandler {
    let (op, parameters, unit) = match bound {
        Bound::Ready(ready) => {
            let run_as = ready.run_as.written().clone();
            let all = run_as.into_iter().chain(ready.arguments.clone()).collect();
            (ready.definition.name, to_json(&all), ready.operation.restarts())
        }
        Bound::Unknown(_) => ("", None, None),
    };
    PlannedHandler {
        record: Owed {
            handler,
            op: op.to_owned(),
            parameters,
            starts: false,
        },
        unit,
        covered_by: None,
    }
}

fn is_not_gathered(planned: &Result<Outcome, Stop>) -> bool {
    let cause = match planned {
        Err(Stop::NotKnown { cause, .. }) => Some(cause),
        _ => None,
    };
    matches!(cause, Some(NotKnown::NotGathered))
}

fn outcome(planned: Result<Outcome, Stop>, touches: &[FactScope]) -> Result<Outcome, Diagnostic> {
    match planned {
        Ok(mut outcome) => {
            // Including where symbolic links lead.
            if let Outcome::Deferred { touches: named, .. } = &mut outcome {
                *named = touches.to_vec();
            }
            Ok(outcome)
        }
        Err(Stop::Refused(diagnostic)) => Err(*diagnostic),
        Err(Stop::NotKnown { key, cause }) => Ok(match cause {
            NotKnown::NotGathered => deferred(Vec::new(), NOT_READ.to_owned(), touches.to_vec()),
            NotKnown::Denied(why) => deferred(Vec::new(), format!("{key}: {why}"), touches.to_vec()),
            NotKnown::Since(since, why) => deferred(vec![since], format!("{key}: {why}"), touches.to_vec()),
        }),
    }
}

/// The outcome of an operation with nothing to do unless `since` change that.
fn stays(since: Vec<OperationId>, touches: &[FactScope]) -> Outcome {
    let names: Vec<String> = since.iter().map(|id| format!("`{}`", id.slug())).collect();
    let verb = if names.len() == 1 { "changes" } else { "change" };
    Outcome::Deferred {
        why: format!("as now, unless {} {verb} it", names.join(" or ")),
        waits_for: since,
        touches: touches.to_vec(),
        preview: Vec::new(),
    }
}

/// The outcome of an operation that runs only if one of `notifiers` changes something, which is known after they ran.
fn conditional(outcome: Outcome, notifiers: Vec<OperationId>, touches: &[FactScope]) -> Outcome {
    match outcome {
        Outcome::Change(preview) | Outcome::Ensure { changes: preview, .. } => {
            // They are named beside it, as what it waits for.
            let who = if notifiers.len() == 1 { "this" } else { "one of these" };
            Outcome::Deferred {
                why: format!("runs only if {who} changes something"),
                waits_for: notifiers,
                touches: touches.to_vec(),
                preview,
            }
        }
        other => other,
    }
}

/// The outcome of a handler that runs unless `since` leave nothing to do for what notifies it.
fn likely(outcome: Outcome, since: Vec<OperationId>) -> Outcome {
    match outcome {
        Outcome::Change(changes) => Outcome::Ensure { changes, since },
        other => other,
    }
}

/// Errors: the operation restarts the machine that homelab runs on, which would end homelab.
fn check_reboot(origin: &Origin, outcome: &mut Outcome, is_local: bool) -> Result<(), Diagnostic> {
    let changes = outcome.changes_mut();
    let mut steps = changes.iter().flat_map(|change| &change.steps);
    if !is_local || !steps.any(|step| matches!(step, Step::Reboot(_))) {
        return Ok(());
    }
    let title = "homelab cannot restart the machine that it runs on";
    Err(Diagnostic::new(title)
        .at(origin, "would end this run")
        .hint("restart it by hand, or leave it out with `when = \"not …\"`"))
}

/// Apply enforces what a deferred operation may change, so that must be complete.
///
/// Errors: an operation changes something that it does not declare.
fn check_effects(
    id: &OperationId,
    origin: &Origin,
    outcome: &Outcome,
    touches: &[FactScope],
) -> Result<(), Diagnostic> {
    let changes = match outcome {
        Outcome::Unchanged | Outcome::Check { .. } => return Ok(()),
        Outcome::Change(changes) | Outcome::Ensure { changes, .. } => changes,
        Outcome::Deferred { preview, .. } => preview,
    };
    let mut effects = changes.iter().flat_map(|change| &change.effects);
    let Some(beyond) = effects.find(|effect| !effect.is_within(touches)) else {
        return Ok(());
    };
    let what = match beyond {
        Effect::Set(key, _) => key.to_string(),
        Effect::Forget(scope, _) => format!("{scope:?}"),
    };
    let title = format!("`{}` would change more than it says it may", id.slug());
    Err(Diagnostic::new(title)
        .at(origin, "this operation")
        .because(what)
        .hint("this is a bug in homelab: please report it with this message"))
}

fn deferred(waits_for: Vec<OperationId>, why: String, touches: Vec<FactScope>) -> Outcome {
    Outcome::Deferred {
        waits_for,
        why,
        touches,
        preview: Vec::new(),
    }
}

/// The facts that later operations may count on after this one.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Before, ResourceId, ResourceKind, Risk};
    use crate::error::SourceFile;
    use crate::facts::FactKey;

    #[test]
    fn an_operation_that_changes_more_than_it_says_is_a_mistake() {
        let origin = Origin::new(&SourceFile::new("tasks/t.toml", "op = 'x'"), 0..2);
        let id = OperationId("web / t / files.put /etc/x".to_owned());
        let forgets = |scope: FactScope| {
            Outcome::Change(vec![ResourceChange {
                id: ResourceId::new(ResourceKind::File, "/etc/x"),
                action: Action::Update,
                before: Before::Absent,
                after: None,
                expect: Vec::new(),
                effects: vec![Effect::Forget(scope, "why".to_owned())],
                steps: Vec::new(),
                risk: Risk::None,
            }])
        };
        let scope = |path: &str| FactScope::Key(FactKey::Path(path.to_owned()));
        let checked = |scopes: &[FactScope]| check_effects(&id, &origin, &forgets(scope("/etc/x")), scopes);
        assert_eq!(checked(&[scope("/etc/x")]), Ok(()));
        let mistake = checked(&[scope("/etc/y")]).expect_err("a mistake");
        assert_eq!(
            mistake.to_string(),
            "tasks/t.toml:1:1: `files.put /etc/x` would change more than it says it may"
        );
    }
}
