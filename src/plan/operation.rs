//! Plans one bound operation over the facts that earlier operations leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::as_now::{AsNow, Open, as_things_are, waits_for_others};
use super::bind::{Bound, BoundOperation, Ready};
use super::expand::Assume;
use super::given::Given;
use super::guarded::Entrance;
use super::owed::unit_of;
use super::position::merge;
use super::reach::limited;
use super::trigger::{Due, Trigger};
use super::visible::NOT_READ;
use super::{Build, Holds, PlannedHandler, PlannedOperation, Rendered, Survey};
use crate::change::{Conduct, NotKnown, Outcome, ResourceChange, Step, Stop};
use crate::content::Assets;
use crate::error::{Diagnostic, Origin};
use crate::facts::docker::Engine;
use crate::facts::kubernetes::Objects;
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::facts::owed::Owed;
use crate::facts::{DependsOn, Fact, FactKey};
use crate::operations::{ClusterObjects, CronEntry, Demand, OwedRecord, PlanContext, Role, Served, Tree, WrittenText};
use crate::value::{Entry, Kind, Why, Withheld};

/// A planned operation, and the facts that later ones may count on.
pub(super) struct Planned {
    pub(super) operation: PlannedOperation,
    pub(super) effects: Vec<Effect>,
    /// What its parameters say, if it runs in its turn.
    pub(super) demands: Vec<Demand>,
    pub(super) trees: Vec<Tree>,
    /// Its web sites and services, before anything is read.
    pub(super) served: Option<Served>,
    pub(super) cluster_objects: Option<ClusterObjects>,
    /// Everything that it may change.
    pub(super) touches: Vec<FactScope>,
    /// What the review says beside its changes.
    pub(super) notices: Vec<String>,
    /// Why it is refused as things are now, for what is there already.
    pub(super) refused_now: Option<Diagnostic>,
}

/// An operation that does not fit the host.
pub(super) struct Unfit {
    pub(super) mistake: Diagnostic,
    /// What it would have changed: a mistake of what looks at that would only follow from this one.
    pub(super) touches: Vec<FactScope>,
}

/// Plans an operation over `overlay`; missing facts are noted in `build`. `None` if nothing makes it run.
///
/// Errors: the operation does not fit this host.
pub(super) fn plan_operation(
    mut bound: BoundOperation,
    due: Due,
    role: Role,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> Result<Option<Planned>, Box<Unfit>> {
    if due == Due::No {
        return Ok(None);
    }
    let mut asked = std::mem::take(&mut bound.asked);
    let mut peers = std::mem::take(&mut bound.peers);
    survey_unknown(&bound, given, overlay, build);
    let (outcome, found) = planned(&bound, role, given, overlay, build);
    let Found {
        touches,
        conduct,
        is_unread,
        as_now,
        is_as_now,
        refused_now,
        demands,
        trees,
        served,
        cluster_objects,
        notices,
        lacks_secret,
        asked: own,
    } = found;
    let may_touch = touches.clone();
    asked.extend(own);
    let by_templates = given.take_asked(build);
    asked.extend(by_templates.own);
    merge(&mut peers, &by_templates.peers);
    for key in &asked {
        given.want(key.clone(), build);
    }
    let holds = Holds {
        trees: trees.iter().map(|tree| tree.path.clone()).collect(),
        cron_entry: cron_entry(&bound.bound),
        texts: BTreeMap::new(),
        validate: None,
    };
    if given.is_survey() {
        build.survey.add(&asked, &holds);
    }
    let mut outcome = match outcome.and_then(|outcome| checked(outcome, &bound, &touches, given)) {
        Ok(outcome) => outcome,
        Err(mistake) => return Err(Box::new(Unfit { mistake, touches })),
    };
    outcome = match due {
        Due::IfChanged(notifiers) => conditional(outcome, notifiers, &touches),
        Due::Unless(since) => likely(outcome, since),
        Due::Yes | Due::No => outcome,
    };
    let effects = if !as_now.is_no() || (is_unread && given.assume != Assume::Nothing) {
        Vec::new()
    } else {
        effects(&bound.id, &outcome, is_as_now, overlay)
    };
    let mut outcome = limited(outcome, touches, overlay);
    let guards = Entrance::new(overlay, given.host.is_local).guard(&mut outcome, bound.guard);
    let workloads = bound.restarted_workloads();
    let handler = bound.handler.map(|record| planned_handler(record, workloads, given));
    let takes_touches = takes_touches(&bound.bound);
    let holds = Holds {
        texts: texts(&bound.bound, &outcome, &given.selection.assets),
        validate: validator(&bound.bound),
        ..holds
    };
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
        lacks_secret,
        takes_touches,
        asked,
        holds,
    };
    Ok(Some(Planned {
        operation,
        effects,
        demands,
        trees,
        served,
        cluster_objects,
        touches: may_touch,
        notices,
        refused_now,
    }))
}

/// Errors: the outcome is one that the operation must not have.
fn checked(
    mut outcome: Outcome,
    bound: &BoundOperation,
    touches: &[FactScope],
    given: &Given<'_>,
) -> Result<Outcome, Diagnostic> {
    outcome.validate_once();
    check_reboot(&bound.origin, &mut outcome, given.host.is_local)?;
    check_effects(&bound.id, &bound.origin, &outcome, touches)?;
    Ok(outcome)
}

/// Why an operation is refused as things are now, unless something that it looked at is missing, or is asked again after any change:
/// that may be there in its turn.
fn refused(now: &Result<Outcome, Stop>, context: &PlanContext<'_>) -> Option<Diagnostic> {
    let Err(Stop::Refused(why)) = now else { return None };
    let is_there = |key: &FactKey| {
        matches!(key.depends_on(), DependsOn::Itself | DependsOn::Packages)
            && context.known_fact(key).is_some_and(|fact| !is_missing(key, &fact))
    };
    context.asked().iter().all(is_there).then(|| (**why).clone())
}

/// Whether there is nothing where `fact` is about, or no engine that answers.
fn is_missing(key: &FactKey, fact: &Fact) -> bool {
    key.is_absent(fact) || matches!(fact, Fact::DockerEngine(engine) if *engine != Engine::Running)
}

fn with_reason(mut outcome: Outcome, refused_now: Option<&Diagnostic>) -> Outcome {
    if let (Outcome::Deferred { why, .. }, Some(refused)) = (&mut outcome, refused_now) {
        *why = format!("{why}; as things are now it fails: {}", refused.title);
    }
    outcome
}

/// What was found while an operation was planned.
#[derive(Default)]
struct Found {
    touches: Vec<FactScope>,
    conduct: Conduct,
    /// Whether a fact is missing that has not been read yet.
    is_unread: bool,
    as_now: AsNow,
    /// Whether the outcome is the one as things are now.
    is_as_now: bool,
    refused_now: Option<Diagnostic>,
    demands: Vec<Demand>,
    trees: Vec<Tree>,
    served: Option<Served>,
    cluster_objects: Option<ClusterObjects>,
    notices: Vec<String>,
    /// Whether it is not compared because a secret is not there.
    lacks_secret: bool,
    asked: BTreeSet<FactKey>,
}

/// An operation as it is known here, with what it is about.
fn planned(
    bound: &BoundOperation,
    role: Role,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> (Result<Outcome, Diagnostic>, Found) {
    match &bound.bound {
        Bound::Unknown(why) => {
            let outcome = deferred(after(why), reason(why), vec![FactScope::Everything]);
            let found = Found {
                lacks_secret: matches!(why, Why::Withheld(_)),
                // Which services these are is not known.
                served: bound.has_services.then(Served::default),
                cluster_objects: Some(ClusterObjects::default()),
                ..Found::default()
            };
            (Ok(outcome), found)
        }
        Bound::Partly(ready, why) => plan_partly(ready, why, &bound.origin, given, overlay, build),
        Bound::Ready(ready) => plan_ready(ready, bound, role, given, overlay, build),
    }
}

fn plan_ready(
    ready: &Ready,
    bound: &BoundOperation,
    role: Role,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> (Result<Outcome, Diagnostic>, Found) {
    let operation = &ready.operation;
    for key in operation.needs() {
        given.want(key, build);
    }
    let owes_start = owes_start(bound.handler.as_ref(), given);
    let owed = bound.handler.as_ref().filter(|_| bound.is_only_owed);
    let owed = owed.map(|handler| OwedRecord {
        handler: handler.handler.clone(),
        path: given.record_of(handler),
    });
    let over = |overlay| {
        context(overlay, ready, &bound.origin, given)
            .with_role(role)
            .owing_start(owes_start)
            .owed(owed.clone())
    };
    let context = over(overlay.clone());
    let planned = operation.plan(&context);
    keep_rendered(ready, &bound.origin, &context, given, build);
    let mut found = Found {
        touches: context.with_links_followed(operation.touches(&context)),
        conduct: operation.conduct(),
        ..Found::default()
    };
    // Before the context takes the effects for granted.
    if given.is_survey() {
        build.survey.add_images(operation.images(&context));
    }
    let trees = operation.trees(&context);
    let mut planned = context.with_resolved_paths(planned);
    if let Ok(Outcome::Deferred { waits_for, .. }) = &mut planned
        && waits_for.is_empty()
    {
        *waits_for = context.awaited();
    }
    found.is_unread = is_not_gathered(&planned);
    found.lacks_secret = matches!(planned, Err(Stop::Withheld(_)));
    if bound.trigger == Trigger::Always {
        found.demands = operation.demands(&context);
        found.trees = trees;
        if given.snapshot.is_offline || given.is_unread() {
            found.served = operation.served(&context);
        }
        if !given.is_next_run {
            found.cluster_objects = operation.cluster_objects(&context);
        }
    }
    found.asked = context.asked();
    if found.lacks_secret {
        let past = over(overlay.clone()).past_secrets();
        found.asked.extend(operation.needs());
        drop(operation.plan(&past));
        found.asked.extend(past.asked());
    }
    found.notices = context.notices();
    let open = Open::of(&planned, overlay);
    let outcome = match outcome(planned, &found.touches) {
        Ok(planned) if !waits_for_others(&planned).is_empty() => planned,
        other => return (other, found),
    };
    let context = over(overlay.as_now());
    let now = operation.plan(&context);
    // Before the context takes the effects for granted, after which what they leave behind is not seen any more.
    let touches_now = context.with_links_followed(operation.touches(&context));
    let now = context.with_resolved_paths(now);
    // While a plan is applied, nothing is read for what is shown only in the review.
    if given.changed().is_none() {
        found.asked.extend(context.asked());
        found.is_unread |= is_not_gathered(&now);
    }
    found.refused_now = refused(&now, &context);
    found.is_as_now = true;
    for scope in touches_now {
        if !found.touches.contains(&scope) {
            found.touches.push(scope);
        }
    }
    let (outcome, as_now) = as_things_are(outcome, open, now);
    found.as_now = as_now;
    let outcome = with_reason(with_touches(outcome, &found.touches), found.refused_now.as_ref());
    (Ok(outcome), found)
}

/// Keeps an operation for lints, if they are asked for.
fn keep_rendered(ready: &Ready, origin: &Origin, context: &PlanContext<'_>, given: &Given<'_>, build: &mut Build) {
    if given.snapshot.keeps_rendered && given.assume == Assume::Nothing && !given.is_next_run {
        let operation = (ready.definition, &*ready.operation);
        let written = (&ready.arguments, origin);
        let rendered = Rendered::of(given.host_name(), operation, written, context);
        build.rendered.push(rendered);
    }
}

/// Notes an operation of which it is not known what it is about.
fn survey_unknown(bound: &BoundOperation, given: &Given<'_>, overlay: &Overlay, build: &mut Build) {
    let (Bound::Unknown(why) | Bound::Partly(_, why)) = &bound.bound else {
        return;
    };
    if !given.is_survey() {
        return;
    }
    if !is_surveyed(bound, given, overlay, build) {
        let unknown = &mut build.survey.unknown;
        unknown.get_or_insert_with(|| format!("`{}`: {why}", bound.id.slug()));
    }
}

/// Whether it is known what an operation is about, whatever the parameters are that are known only later. A survey gets to know it.
fn is_surveyed(bound: &BoundOperation, given: &Given<'_>, overlay: &Overlay, build: &mut Build) -> bool {
    let Some(stand_ins) = &bound.stand_ins else {
        return false;
    };
    let overlay = overlay.as_now();
    let found = stand_ins.each_ref().map(|ready| {
        let context = context(overlay.clone(), ready, &bound.origin, given).with_stand_ins();
        let planned = ready.operation.plan(&context);
        // What it would look at next is not known.
        if let Err(Stop::Refused(_)) = context.with_resolved_paths(planned) {
            return None;
        }
        let mut asked = context.asked();
        asked.extend(ready.operation.needs());
        let trees = ready.operation.trees(&context).into_iter().map(|tree| tree.path);
        let holds = Holds {
            trees: trees.collect(),
            cron_entry: ready.operation.cron_entry(),
            texts: BTreeMap::new(),
            validate: None,
        };
        let mut survey = Survey::default();
        survey.add(&asked, &holds);
        Some((survey, asked, holds))
    });
    let [Some((one, asked, holds)), Some((other, ..))] = found else {
        return false;
    };
    if !one.is_about_the_same(&other) {
        return false;
    }
    for key in &asked {
        given.want(key.clone(), build);
    }
    build.survey.add(&asked, &holds);
    true
}

/// Whether a fact is of the host alone: no program or service is given what stands in for a parameter.
fn is_of_host(key: &FactKey) -> bool {
    !matches!(key, FactKey::Inquiry(_)) && matches!(key.depends_on(), DependsOn::Itself | DependsOn::Packages)
}

/// Plans an operation whose parameters are not all known: what it may change, and what is known of its changes.
fn plan_partly(
    ready: &Ready,
    why: &Why,
    origin: &Origin,
    given: &Given<'_>,
    overlay: &Overlay,
    build: &mut Build,
) -> (Result<Outcome, Diagnostic>, Found) {
    let lacks_secret = matches!(why, Why::Withheld(_));
    let in_turn = context(overlay.clone(), ready, origin, given).with_stand_ins();
    let as_now = context(overlay.as_now(), ready, origin, given).with_stand_ins();
    keep_rendered(ready, origin, &in_turn, given, build);
    let mut preview = Vec::new();
    if !lacks_secret && !why.is_later(NOT_READ) {
        for key in ready.operation.needs().into_iter().filter(is_of_host) {
            given.want(key, build);
        }
        // What the operation that it waits for may change, too, is shown as it is now.
        let planned = [&as_now, &in_turn].map(|context| context.with_resolved_paths(ready.operation.plan(context)));
        preview = planned
            .into_iter()
            .find_map(Result::ok)
            .map(Outcome::into_preview)
            .unwrap_or_default();
    }
    if given.is_survey() {
        build.survey.add_images(ready.operation.images(&in_turn));
    }
    let mut touches = in_turn.with_links_followed(ready.operation.touches(&in_turn));
    for scope in as_now.with_links_followed(ready.operation.touches(&as_now)) {
        if !touches.contains(&scope) {
            touches.push(scope);
        }
    }
    let mut asked = in_turn.asked();
    // While a plan is applied, nothing is read for what is shown only in the review.
    if given.changed().is_none() {
        asked.extend(as_now.asked());
    }
    asked.retain(is_of_host);
    let outcome = Outcome::Deferred {
        waits_for: after(why),
        why: reason(why),
        touches: touches.clone(),
        preview,
    };
    let found = Found {
        touches,
        conduct: ready.operation.conduct(),
        lacks_secret,
        asked,
        served: ready.operation.served(&in_turn).map(|_| Served::default()),
        cluster_objects: ready
            .operation
            .cluster_objects(&in_turn)
            .map(|_| ClusterObjects::default()),
        ..Found::default()
    };
    (Ok(outcome), found)
}

fn reason(why: &Why) -> String {
    match why {
        Why::Later(_) | Why::After(_) => why.to_string(),
        Why::Withheld(withheld) => not_compared(withheld),
    }
}

/// Why an operation is not planned that needs a secret which is not there.
fn not_compared(withheld: &Withheld) -> String {
    format!("not compared: {withheld}")
}

/// The operation that makes what is not known.
fn after(why: &Why) -> Vec<OperationId> {
    match why {
        Why::After(after) => vec![OperationId(after.operation.clone())],
        Why::Later(_) | Why::Withheld(_) => Vec::new(),
    }
}

fn takes_touches(bound: &Bound) -> bool {
    match bound {
        Bound::Ready(ready) | Bound::Partly(ready, _) => {
            let below = ready.definition.keys_below("create").unwrap_or_default();
            ready.definition.keys().contains(&"touches") || below.iter().any(|key| key == "touches")
        }
        Bound::Unknown(_) => false,
    }
}

fn cron_entry(bound: &Bound) -> Option<CronEntry> {
    match bound {
        Bound::Ready(ready) => ready.operation.cron_entry(),
        Bound::Unknown(_) | Bound::Partly(..) => None,
    }
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
    .on_lab(given.host.is_lab)
    .naming(Arc::clone(&given.named))
    .holding(Arc::clone(&given.selection.pins))
    .of_project(
        &given.selection.project,
        given.selection.memory.as_ref().is_some_and(|memory| memory.prunes),
    )
}

/// Where the parameters are written.
fn places(bound: &Bound) -> BTreeMap<String, String> {
    let (Bound::Ready(ready) | Bound::Partly(ready, _)) = bound else {
        return BTreeMap::new();
    };
    let place = |name: String, entry: &Entry| {
        let origin = entry.value.origin.as_ref().or(entry.key.as_ref())?;
        Some((name, origin.to_string()))
    };
    let mut written = BTreeMap::new();
    for (name, entry) in &ready.arguments {
        written.extend(place(name.clone(), entry));
        // Data may be tables too; what runs commands is in tables with keys of their own.
        let inner = entry.value.as_table().filter(|_| name == "create");
        let inner = inner.into_iter().flatten();
        written.extend(inner.filter_map(|(key, entry)| place(format!("{name}.{key}"), entry)));
    }
    written
}

/// Where the texts of the new files that are validated are written.
fn texts(bound: &Bound, outcome: &Outcome, assets: &Assets) -> BTreeMap<String, WrittenText> {
    let (Bound::Ready(ready), Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = (bound, outcome) else {
        return BTreeMap::new();
    };
    let steps = changes.iter().flat_map(|change| &change.steps);
    let files = steps.filter_map(|step| match step {
        Step::WriteFile(file) if file.validate.is_some() => Some(&file.path),
        _ => None,
    });
    files
        .filter_map(|path| Some((path.clone(), WrittenText::of(&ready.arguments, assets, path)?)))
        .collect()
}

/// Where the program of `validate` is written.
fn validator(bound: &Bound) -> Option<Origin> {
    let (Bound::Ready(ready) | Bound::Partly(ready, _)) = bound else {
        return None;
    };
    let written = &ready.arguments.get("validate")?.value;
    let program = match &written.kind {
        Kind::List(words) => words.first(),
        _ => None,
    };
    program.unwrap_or(written).origin.clone()
}

/// Whether an earlier run's restart of a handler's unit may have stopped it, also for another handler.
fn owes_start(handler: Option<&Owed>, given: &Given<'_>) -> bool {
    let Some(handler) = handler else { return false };
    let is_of_unit = |owed: &Owed| owed.file == handler.file || handler.unit.is_some() && unit_of(owed) == handler.unit;
    given.owed().iter().any(|owed| owed.starts && is_of_unit(owed))
}

fn planned_handler(record: Owed, workloads: Option<Objects>, given: &Given<'_>) -> PlannedHandler {
    PlannedHandler {
        unit: record.unit.clone(),
        workloads,
        record: Owed {
            starts: false,
            ..record
        },
        covered_by: None,
        unless_started_by: None,
        is_beside_another_run: given.is_beside_another_run(),
    }
}

fn is_not_gathered(planned: &Result<Outcome, Stop>) -> bool {
    let cause = match planned {
        Err(Stop::NotKnown { cause, .. }) => Some(cause),
        _ => None,
    };
    matches!(cause, Some(NotKnown::NotGathered))
}

/// With all that it may change, including where symbolic links lead.
fn with_touches(mut outcome: Outcome, touches: &[FactScope]) -> Outcome {
    if let Outcome::Deferred { touches: named, .. } = &mut outcome {
        *named = touches.to_vec();
    }
    outcome
}

fn outcome(planned: Result<Outcome, Stop>, touches: &[FactScope]) -> Result<Outcome, Diagnostic> {
    match planned {
        Ok(outcome) => Ok(with_touches(outcome, touches)),
        Err(Stop::Refused(diagnostic)) => Err(*diagnostic),
        Err(Stop::Withheld(withheld)) => Ok(deferred(Vec::new(), not_compared(&withheld), touches.to_vec())),
        Err(Stop::NotKnown { key, cause }) => Ok(match cause {
            NotKnown::NotGathered => deferred(Vec::new(), NOT_READ.to_owned(), touches.to_vec()),
            NotKnown::Denied(why) => deferred(Vec::new(), format!("{key}: {why}"), touches.to_vec()),
            NotKnown::Since(since, why) => deferred(vec![since], format!("{key}: {why}"), touches.to_vec()),
        }),
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

/// The facts that later operations may count on after this one. With `is_as_now`, its preview is what it does as things are
/// now, which later operations see in the same way.
fn effects(id: &OperationId, outcome: &Outcome, is_as_now: bool, overlay: &Overlay) -> Vec<Effect> {
    let of = |changes: &[ResourceChange]| changes.iter().flat_map(|change| change.effects.clone()).collect();
    let may_change = |scope: FactScope| Effect::Forget(scope, format!("`{}` may change it", id.slug()));
    match outcome {
        Outcome::Unchanged | Outcome::Check { .. } => Vec::new(),
        Outcome::Change(changes) => of(changes),
        Outcome::Ensure { changes, .. } => {
            let mut effects: Vec<Effect> = of(changes);
            for change in changes.iter().filter(|change| change.is_open()) {
                let keys = change.effects.iter().filter_map(|effect| match effect {
                    Effect::Set(key @ FactKey::Path(_), _) => Some(FactScope::Key(key.clone())),
                    _ => None,
                });
                effects.extend(keys.map(may_change));
            }
            effects
        }
        Outcome::Deferred { touches, preview, .. } => {
            let mut effects: Vec<Effect> = if is_as_now { of(preview) } else { Vec::new() };
            effects.retain(|effect| matches!(effect, Effect::Set(key, _) if key.path().is_some()));
            // What a command before it may change anyway waits for that.
            let is_open = |scope: &&FactScope| matches!(scope, FactScope::Key(key) if overlay.is_open(key));
            effects.extend(touches.iter().filter(|scope| !is_open(scope)).cloned().map(may_change));
            effects
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Before, ResourceId, ResourceKind, Risk};
    use crate::error::SourceFile;

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
                is_asked_as_before: false,
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
