//! The plan of one host: the walk finds the operations, and each is planned over the facts that earlier ones leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::as_now::{AsNow, waits_for_others};
use super::bind::BoundOperation;
use super::captured::Captures;
use super::demands::{Demanded, contradictions, kept_directories};
use super::expand::Assume;
use super::given::Given;
use super::operation::plan_operation;
use super::owed::unit_of;
use super::room::shortages;
use super::sites::wrong_sites;
use super::skipped::Skipped;
use super::trees::{Occupied, shared_trees};
use super::trigger::Due;
use super::undone::{NextRun, undone};
use super::walk::{Peers, Place, Walk};
use super::{Build, PlannedOperation, Trigger};
use crate::change::{Action, Outcome, ResourceChange, ResourceKind, Step};
use crate::error::Diagnostic;
use crate::facts::kubernetes::{ObjectName, Objects};
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::facts::owed::Owed;
use crate::facts::unit::UnitFact;
use crate::facts::{Fact, FactKey};
use crate::operations::{ClusterObjects, Role, Served, wrong_objects};
use crate::project::check_names;

pub(super) struct HostPlanner<'a> {
    given: Given<'a>,
    walk: Walk<'a>,
    overlay: Overlay,
    operations: Vec<PlannedOperation>,
    demanded: Vec<Demanded>,
    occupied: Vec<Occupied>,
    served: Vec<Served>,
    cluster_objects: Vec<ClusterObjects>,
    notices: Vec<String>,
    /// Operations that were refused, and why, if this is the next run.
    refused: Vec<(OperationId, Diagnostic)>,
}

impl<'a> HostPlanner<'a> {
    pub(super) fn new(given: Given<'a>) -> Self {
        Self {
            walk: Walk::new(given.selection, given.host),
            overlay: Overlay::new(given.facts),
            operations: Vec::new(),
            demanded: Vec::new(),
            occupied: Vec::new(),
            served: Vec::new(),
            cluster_objects: Vec::new(),
            notices: Vec::new(),
            refused: Vec::new(),
            given,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.given.host_name()
    }

    /// The facts as the operations so far leave them.
    pub(super) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The captures of the host, as far as the plan has come.
    pub(super) fn captures(&self) -> &Captures {
        self.walk.captures()
    }

    /// Asks for the system facts, refuses a system that is not supported, and checks the names of stacks in the host's data.
    pub(super) fn begin(&self, build: &mut Build) {
        self.given.want(FactKey::System, build);
        if let Some(name) = self.given.facts.unsupported_system() {
            let title = format!("hosts with {name} are not supported yet");
            let hint = format!("leave it out with `--limit '!{}'`", self.name());
            self.given.note_mistake(Diagnostic::new(title).hint(hint), build);
        }
        for mistake in check_names(&self.given.selection.catalogue, &self.given.host.data) {
            self.given.note_mistake(mistake, build);
        }
    }

    pub(super) fn plan_stage(&mut self, number: usize, peers: &Peers, build: &mut Build) {
        let selection = self.given.selection;
        if !selection.stages[number].hosts.contains(&self.given.host.name) {
            return;
        }
        self.walk.begin_stage(selection, number, peers);
        while let Some(bound) = self.next(build) {
            let role = role(&bound);
            self.plan(bound, role, build);
        }
    }

    fn next(&mut self, build: &mut Build) -> Option<BoundOperation> {
        let place = Place {
            overlay: &self.overlay,
            planned: &self.operations,
        };
        self.walk.next(&self.given, place, build)
    }

    /// Plans the operation `id` of a stage over the facts as they were read, as if no other operation came before it.
    /// `None` if the stage has no such operation.
    pub(super) fn plan_alone(
        &mut self,
        number: usize,
        id: &OperationId,
        peers: &Peers,
        build: &mut Build,
    ) -> Option<PlannedOperation> {
        self.walk.begin_stage(self.given.selection, number, peers);
        while let Some(bound) = self.next(build) {
            if bound.id == *id {
                // Mistakes of others are found in their turn.
                build.mistakes.clear();
                let role = match role(&bound) {
                    Role::Handler => Role::HandlerThatRan,
                    own => own,
                };
                self.plan(bound, role, build);
                return self.operations.pop();
            }
        }
        build.mistakes.clear();
        None
    }

    fn plan(&mut self, bound: BoundOperation, role: Role, build: &mut Build) {
        let id = bound.id.clone();
        let asks_services = bound.asks_services();
        let capture = bound.captures().map(str::to_owned);
        let owed = bound.handler.clone().filter(|_| bound.trigger == Trigger::Owed);
        self.given.named = Arc::clone(self.walk.named());
        let due = self.due(&bound);
        let notifiers = match &due {
            Due::IfChanged(notifiers) => notifiers.clone(),
            Due::Yes | Due::No | Due::Unless(_) => Vec::new(),
        };
        match plan_operation(bound, due, role, &self.given, &self.overlay, build) {
            Ok(Some(mut planned)) => {
                self.cover(&mut planned.operation);
                planned.operation.as_now = AsNow::of(&planned.operation, &notifiers, &self.operations);
                // A handler that finds nothing to do is not shown, so nothing waits for it.
                if !planned.operation.is_covered() {
                    self.overlay.commit(&id, planned.effects);
                }
                if let Some(mistake) = planned.refused_now.take()
                    && !self.given.is_next_run
                    && self.waits_for_new_packages(&planned.operation)
                {
                    self.given.note_mistake(mistake, build);
                }
                let position = self.operations.len();
                self.occupied.push(Occupied {
                    position,
                    trees: planned.trees,
                    touches: planned.touches,
                });
                self.served.extend(planned.served);
                self.cluster_objects.extend(planned.cluster_objects);
                let demanded = planned.demands.into_iter().map(|demand| (position, demand));
                self.demanded.extend(demanded);
                for notice in planned.notices {
                    if !self.notices.contains(&notice) {
                        self.notices.push(notice);
                    }
                }
                self.operations.push(planned.operation);
            }
            Ok(None) => {}
            Err(unfit) => match owed {
                // It need not hold up a deploy that changes nothing of it.
                Some(owed) => self.walk.refuse_owed(&owed),
                None if self.given.is_next_run => self.refused.push((id, unfit.mistake)),
                None => {
                    if let Some(capture) = capture {
                        self.walk.fail_capture(&capture);
                    }
                    let mistake = if asks_services {
                        self.with_handlers(unfit.mistake)
                    } else {
                        unfit.mistake
                    };
                    self.given.note_mistake(mistake, build);
                    let lost = never_made(unfit.touches, &self.overlay);
                    self.overlay.commit(&id, lost);
                }
            },
        }
    }

    /// The mistake of an operation that asks services, with the handlers that may have to run first.
    fn with_handlers(&self, mistake: Diagnostic) -> Diagnostic {
        let place = Place {
            overlay: &self.overlay,
            planned: &self.operations,
        };
        let first = self.walk.handlers_to_run_first(&self.given, place);
        let hint = match (&mistake.hint, first) {
            (Some(hint), Some(first)) => Some(format!("{first}; or {hint}")),
            (_, first) => first,
        };
        mistake.hint_maybe(hint)
    }

    /// Whether an operation waits only for packages that the host does not have: those leave the files that are there as they are.
    fn waits_for_new_packages(&self, operation: &PlannedOperation) -> bool {
        let brings_new = |id: &OperationId| {
            let packages = self.operations.iter().find(|operation| operation.id == *id);
            let asked = packages.iter().flat_map(|packages| &packages.asked);
            let mut packages = asked.filter(|key| matches!(key, FactKey::Package(_))).peekable();
            let is_new = |key: &FactKey| self.overlay.gathered(key).is_some_and(|fact| key.is_absent(fact));
            packages.peek().is_some() && packages.all(is_new)
        };
        let waits_for = waits_for_others(&operation.outcome);
        !waits_for.is_empty() && waits_for.iter().all(brings_new)
    }

    /// Notes for a handler that restarts or reloads a unit whether an earlier operation starts that unit, or restarts it, after all that
    /// notify it; and for one that restarts pods, whether an earlier operation creates their workloads then.
    fn cover(&self, handler: &mut PlannedOperation) {
        let PlannedOperation {
            handler: Some(handler),
            trigger: Trigger::NotifiedBy(notifiers),
            outcome: Outcome::Change(changes) | Outcome::Ensure { changes, .. },
            ..
        } = handler
        else {
            return;
        };
        let last = self.last_change_of(notifiers);
        if let Some(workloads) = &handler.workloads {
            let created = self.creation_of(workloads).filter(|created| Some(*created) >= last);
            handler.covered_by = created.map(|created| self.operations[created].id.clone());
            if created.is_some() {
                has_nothing_to_do(changes);
            }
            return;
        }
        let Some(unit) = &handler.unit else { return };
        let start = self.start_of(unit).filter(|start| Some(*start) > last);
        let id = |start: usize| self.operations[start].id.clone();
        handler.covered_by = match start.filter(|start| !self.may_run_before(*start, unit, notifiers)) {
            Some(start) => Some(id(start)),
            None => self.restarted_after(unit, last),
        };
        handler.unless_started_by = start.filter(|_| handler.covered_by.is_none()).map(id);
    }

    /// What makes an operation run. Of those that notify a handler, only what comes after the start of its unit counts.
    fn due(&self, bound: &BoundOperation) -> Due {
        let changed = self.given.changed();
        let due = bound.trigger.due(&self.operations, changed, &self.overlay);
        let unit = bound.handler.as_ref().and_then(|handler| handler.unit.as_deref());
        let (Trigger::NotifiedBy(notifiers), Some(unit), None) = (&bound.trigger, unit, changed) else {
            return due;
        };
        let start = self.start_of(unit);
        let Some(start) = start.filter(|start| !self.may_run_before(*start, unit, notifiers)) else {
            return due;
        };
        let later = self.operations[start..].iter().map(|operation| &operation.id);
        let later: Vec<OperationId> = later.filter(|id| notifiers.contains(id)).cloned().collect();
        match Trigger::NotifiedBy(later).due(&self.operations, None, &self.overlay) {
            // It is planned all the same, and found to have nothing to do.
            Due::No => due,
            of_later => of_later,
        }
    }

    /// The position of the last of these operations that may change anything.
    fn last_change_of(&self, ids: &[OperationId]) -> Option<usize> {
        last_change(&self.operations, ids)
    }

    /// The position of the operation that starts a unit, or restarts it.
    fn start_of(&self, unit: &str) -> Option<usize> {
        let starts = |effect: &Effect| {
            matches!(effect, Effect::Set(FactKey::Unit(name), Fact::Unit(UnitFact::Present(state)))
                if name == unit && state.is_started())
        };
        self.operations.iter().rposition(|operation| {
            let mut effects = operation.changes().iter().flat_map(|change| &change.effects);
            matches!(operation.outcome, Outcome::Change(_)) && effects.any(starts)
        })
    }

    /// The position of the first operation that surely creates one of these workloads, if each of them is created.
    fn creation_of(&self, workloads: &Objects) -> Option<usize> {
        let created = workloads.names.iter().map(|name| {
            self.operations.iter().rposition(|operation| {
                let Outcome::Change(changes) = &operation.outcome else {
                    return false;
                };
                let mut new = changes.iter().filter(|change| change.action == Action::Create);
                new.any(|change| change.effects.iter().any(|effect| is_about(effect, workloads, name)))
            })
        });
        created.collect::<Option<Vec<usize>>>()?.into_iter().min()
    }

    /// Whether a unit may run already when those of `notifiers` change something that come before the operation `start`.
    fn may_run_before(&self, start: usize, unit: &str, notifiers: &[OperationId]) -> bool {
        let last = last_change(&self.operations[..start], notifiers);
        self.may_be_started_before(unit, last.unwrap_or_default())
    }

    /// The handler that restarts a unit after the operation `last`, unless the unit was started since then.
    fn restarted_after(&self, unit: &str, last: Option<usize>) -> Option<OperationId> {
        let restarts = self.operations.iter().filter(|operation| {
            let handler = operation.handler.as_ref();
            let is_certain = matches!(operation.outcome, Outcome::Change(_)) && !operation.is_covered();
            is_certain && handler.is_some_and(|own| own.unit.as_deref() == Some(unit) && own.record.is_restart())
        });
        let mut after = restarts.filter(|restart| match &restart.trigger {
            Trigger::NotifiedBy(notifiers) => self.last_change_of(notifiers) >= last,
            Trigger::Always | Trigger::Owed => false,
        });
        after.next().map(|restart| restart.id.clone())
    }

    /// Whether a package may start a unit before the operation `position`: packages start units that the host has of other packages,
    /// such as those of common files. They leave units of the project alone.
    fn may_be_started_before(&self, unit: &str, position: usize) -> bool {
        let gathered = self.overlay.gathered(&FactKey::Unit(unit.to_owned()));
        let is_of_package = matches!(gathered, Some(Fact::Unit(UnitFact::Present(state)))
            if !state.file.is_empty() && !state.file.starts_with("/etc/"));
        let mut changes = self.operations[..position].iter().flat_map(PlannedOperation::changes);
        let is_installation = |change: &ResourceChange| {
            matches!(change.id.kind, ResourceKind::Package | ResourceKind::PackagesAlong)
                && change.action != Action::Remove
        };
        is_of_package && changes.any(is_installation)
    }

    /// What is said in the review beside the changes.
    pub(super) fn notices(&self) -> Vec<String> {
        let changes = self.operations.iter().flat_map(PlannedOperation::changes);
        let objects = changes.filter(|change| change.id.kind == ResourceKind::KubernetesObject);
        let changed = objects.map(|change| change.id.name.as_str()).collect();
        let of_objects = wrong_objects(&self.cluster_objects, &changed).1;
        self.notices.iter().cloned().chain(of_objects).collect()
    }

    /// What is said of owed handlers that this plan does not run. A restart of their unit by another handler does for them.
    pub(super) fn owed_elsewhere(&self) -> Vec<String> {
        let certain = self
            .operations
            .iter()
            .filter(|operation| matches!(operation.outcome, Outcome::Change(_)) && !operation.is_covered());
        let handlers = certain.filter_map(|operation| operation.handler.as_ref());
        let restarts: Vec<&str> = handlers
            .filter(|handler| handler.record.is_restart())
            .filter_map(|handler| handler.unit.as_deref())
            .collect();
        let is_restarted = |owed: &Owed| unit_of(owed).is_some_and(|unit| restarts.contains(&unit.as_str()));
        self.walk.owed_elsewhere(&self.given, is_restarted)
    }

    /// Items that `--only` leaves out, by the entry of the deploy.
    pub(super) fn items_left_out(&self) -> &BTreeMap<String, Vec<String>> {
        &self.walk.items_left_out
    }

    /// What `when` skips.
    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.walk.skipped
    }

    /// The plan's operations, in order.
    pub(super) fn end(self, build: &mut Build) -> Vec<PlannedOperation> {
        let snapshot = self.given.snapshot;
        for mistake in shared_trees(&self.operations, &self.occupied, &self.demanded) {
            self.given.note_mistake(mistake, build);
        }
        if build.missing.contains_key(self.name()) {
            for mistake in contradictions(&self.operations, &self.demanded) {
                self.given.note_mistake(mistake, build);
            }
            self.check_sites(build);
            self.check_cluster_objects(build);
            if !snapshot.is_offline {
                self.look_ahead(build);
            }
        } else if !snapshot.done.contains_key(self.name()) {
            // Only before anything ran: facts about disks are not read again.
            let shortages = shortages(&self.operations, self.given.facts);
            let undone = undone(&self.operations, &self.overlay, || self.again());
            let kept = kept_directories(&self.operations, &self.demanded, self.given.facts);
            for mistake in shortages.into_iter().chain(undone).chain(kept) {
                self.given.note_mistake(mistake, build);
            }
            self.check_cluster_objects(build);
        }
        self.operations
    }

    /// Finds objects of clusters that cannot work, unless only a part of the deploy is planned.
    fn check_cluster_objects(&self, build: &mut Build) {
        let selection = self.given.selection;
        let is_part = !selection.only.is_empty() || !selection.tags.is_empty() || selection.runs_owed;
        let is_wrong = build.mistakes.iter().any(|mistake| mistake.host == self.name());
        if is_part || is_wrong || selection.has_unread_tasks {
            return;
        }
        for mistake in wrong_objects(&self.cluster_objects, &BTreeSet::new()).0 {
            self.given.note_mistake(mistake, build);
        }
    }

    /// Finds sites that nothing answers, unless only a part of the deploy is planned, or a part of it has a mistake.
    fn check_sites(&self, build: &mut Build) {
        let selection = self.given.selection;
        let is_part = !selection.only.is_empty() || !selection.tags.is_empty() || selection.runs_owed;
        let is_wrong = build.mistakes.iter().any(|mistake| mistake.host == self.name());
        if is_part || is_wrong || selection.has_unread_tasks {
            return;
        }
        let machines = selection.hosts.iter().map(|host| host.name.as_str());
        let machines = machines.chain(selection.hosts_left_out.iter().map(String::as_str));
        for mistake in wrong_sites(&self.served, &self.demanded, machines) {
            self.given.note_mistake(mistake, build);
        }
    }

    /// The operations as the next run would plan them if the host became as this plan says.
    pub(super) fn again(&self) -> NextRun {
        let mut again = HostPlanner::new(Given {
            is_next_run: true,
            ..self.given.clone()
        });
        again.overlay = self.overlay.clone();
        let mut aside = Build::default();
        for stage in 0..self.given.selection.stages.len() {
            again.plan_stage(stage, &Arc::clone(&self.walk.peers), &mut aside);
        }
        NextRun {
            operations: again.operations,
            refused: again.refused,
        }
    }

    /// Asks for the facts that operations after one with a missing fact will need, as if that one changed nothing and
    /// all unknown conditions were true. Otherwise each of them would need another round. Errors found this way are not
    /// reported.
    fn look_ahead(&self, build: &mut Build) {
        let mut ahead = HostPlanner::new(Given {
            assume: Assume::Unknown,
            ..self.given.clone()
        });
        let mut aside = Build::default();
        for stage in 0..self.given.selection.stages.len() {
            ahead.plan_stage(stage, &Arc::clone(&self.walk.peers), &mut aside);
        }
        for (host, keys) in aside.missing {
            build.missing.entry(host).or_default().extend(keys);
        }
    }
}

/// What is not known because an operation has a mistake: what is at its paths, its units, and the users and groups that are not there
/// yet. What else it may change stays as it is, so that mistakes which do not follow from this one are reported too.
fn never_made(touches: Vec<FactScope>, overlay: &Overlay) -> Vec<Effect> {
    let is_absent = |key: &FactKey| overlay.gathered(key).is_some_and(|fact| key.is_absent(fact));
    let is_named = |scope: &FactScope| match scope {
        FactScope::Key(FactKey::Path(_) | FactKey::Unit(_)) => true,
        FactScope::Key(key @ (FactKey::User(_) | FactKey::Group(_))) => is_absent(key),
        _ => false,
    };
    let named = touches.into_iter().filter(is_named);
    named
        .map(|scope| Effect::Forget(scope, "what makes it has a mistake".to_owned()))
        .collect()
}

/// Whether it is what is known of a workload after a change.
fn is_about(effect: &Effect, workloads: &Objects, name: &ObjectName) -> bool {
    matches!(effect, Effect::Set(FactKey::KubernetesObject(question), _)
        if question.0.api == workloads.api
            && question.0.id.kind == name.short_kind()
            && question.0.id.group == "apps"
            && question.0.id.namespace == workloads.namespace
            && question.0.id.name == name.name)
}

/// A handler that has nothing to do in this run only takes its record from the host.
fn has_nothing_to_do(changes: &mut [ResourceChange]) {
    for step in changes.iter_mut().flat_map(|change| &mut change.steps) {
        if let Step::Run(command) = step {
            command.already = Some("true".to_owned());
        }
    }
}

/// The position of the last of the operations `ids` that may change anything.
fn last_change(operations: &[PlannedOperation], ids: &[OperationId]) -> Option<usize> {
    operations.iter().rposition(|operation| {
        let is_idle = match &operation.outcome {
            Outcome::Change(changes) => changes.is_empty(),
            Outcome::Unchanged | Outcome::Check { .. } => true,
            Outcome::Ensure { .. } | Outcome::Deferred { .. } => false,
        };
        !is_idle && ids.contains(&operation.id)
    })
}

fn role(bound: &BoundOperation) -> Role {
    if bound.handler.is_some() {
        Role::Handler
    } else {
        Role::Operation
    }
}

#[cfg(test)]
mod tests;
