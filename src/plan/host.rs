//! The plan of one host, operation by operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bind::{Bound, BoundOperation, bind, bracketed, twice};
use super::build::Peers;
use super::expand::{Answer, Instance, condition, expand};
use super::reach::limited;
use super::room::shortages;
use super::visible::{Asked, NOT_READ, VisibleFacts};
use super::{Build, Mistake, PeerKeys, PlannedOperation, Snapshot};
use crate::change::{NotKnown, Outcome, ResourceChange, Stop};
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::{Effect, FactScope, OperationId, Overlay};
use crate::facts::{FactKey, Facts};
use crate::operations::{Operation, PlanContext};
use crate::project::{
    Named, SelectedHost, Selection, Task, TaskEntry, TaskUse, Wanted, check_names, described, is_name, missing_stacks,
};
use crate::secret::DigestKey;
use crate::template::{self, TemplateData};
use crate::value::{Entry, Kind, Table, Value};

/// Tasks that include one another go no deeper than this; a ring is a mistake of its own.
const DEEPEST: usize = 32;

pub(super) struct HostBuilder<'a> {
    run: &'a Selection,
    host: &'a SelectedHost,
    facts: &'a Facts,
    known: &'a Snapshot,
    digests: &'a DigestKey,
    asked: Asked,
    catalogue: Arc<Table>,
    peers: Peers,
    overlay: Overlay<'a>,
    operations: Vec<PlannedOperation>,
    seen: BTreeMap<OperationId, Origin>,
    entered: BTreeSet<String>,
    looks_ahead: bool,
}

/// Where in the run an operation is: what led to it.
#[derive(Clone, Default)]
struct Position {
    stage: usize,
    /// `stage / task[item] / …`
    path: String,
    within: Vec<Origin>,
    tags: Vec<String>,
    vars: Arc<Table>,
    /// What of other hosts led here.
    peers: PeerKeys,
    /// As whom operations act that do not say so themselves.
    acting: Table,
}

impl Position {
    /// What is nearer to the operations wins, as a whole.
    fn act_as(&mut self, acting: Table) {
        if !acting.is_empty() {
            self.acting = acting;
        }
    }
}

impl<'a> HostBuilder<'a> {
    pub(super) fn new(
        run: &'a Selection,
        host: &'a SelectedHost,
        facts: &'a Facts,
        known: &'a Snapshot,
        digests: &'a DigestKey,
        asked: &Asked,
    ) -> Self {
        Self {
            run,
            host,
            facts,
            known,
            digests,
            asked: asked.clone(),
            catalogue: Arc::new(catalogue(run, host)),
            peers: Peers::default(),
            overlay: Overlay::new(facts),
            operations: Vec::new(),
            seen: BTreeMap::new(),
            entered: BTreeSet::new(),
            looks_ahead: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.host.name
    }

    /// The facts as the operations so far leave them.
    pub(super) fn overlay(&self) -> &Overlay<'a> {
        &self.overlay
    }

    /// What concerns the whole host.
    pub(super) fn begin(&mut self, build: &mut Build) {
        self.want(FactKey::System, build);
        for mistake in check_names(&self.run.catalogue, &self.host.data) {
            self.mistake(mistake, build);
        }
    }

    /// What the plan came to.
    pub(super) fn end(mut self, build: &mut Build) -> Vec<PlannedOperation> {
        if build.missing.contains_key(self.name()) {
            if !self.known.is_offline {
                self.look_ahead(build);
            }
        } else if !self.known.done.contains_key(self.name()) {
            // Before anything is done: what was read of disks is not read again.
            for shortage in shortages(&self.operations, self.facts) {
                self.mistake(shortage, build);
            }
        }
        self.operations
    }

    /// Asks for what the operations behind one that lacks a fact will want, as if that one changed nothing, and as if all were
    /// wanted of which that is not known yet: each would cost a round of its own otherwise. What this finds to be wrong is no
    /// mistake.
    fn look_ahead(&mut self, build: &mut Build) {
        let mut ahead = HostBuilder::new(self.run, self.host, self.facts, self.known, self.digests, &self.asked);
        ahead.peers = Arc::clone(&self.peers);
        ahead.looks_ahead = true;
        let mut aside = Build::default();
        for stage in 0..self.run.stages.len() {
            ahead.plan_stage(stage, &Arc::clone(&self.peers), &mut aside);
        }
        for (host, keys) in aside.missing {
            build.missing.entry(host).or_default().extend(keys);
        }
    }

    pub(super) fn plan_stage(&mut self, number: usize, peers: &Peers, build: &mut Build) {
        let run = self.run;
        let stage = &run.stages[number];
        if !stage.hosts.contains(&self.host.name) {
            return;
        }
        self.peers = Arc::clone(peers);
        let place = Position {
            stage: number,
            path: stage.name.clone().unwrap_or_default(),
            ..Position::default()
        };
        for task_use in &stage.tasks {
            self.plan_use(task_use, &place, build);
        }
    }

    /// What templates see at this place of the plan.
    fn scope(&self, vars: &Arc<Table>) -> template::Bindings {
        let bindings = TemplateData {
            data: Arc::clone(&self.host.data),
            facts: Arc::new(VisibleFacts::new(&self.host.name, &self.overlay, &self.asked)),
            peers: Arc::clone(&self.peers),
            catalogue: Arc::clone(&self.catalogue),
        };
        template::Bindings::new(bindings).with_vars(Arc::clone(vars))
    }

    fn plan_use(&mut self, task_use: &TaskUse, place: &Position, build: &mut Build) {
        let run = self.run;
        let Some(task) = run.tasks.get(&task_use.task.name) else {
            return;
        };
        let is_entry = place.within.is_empty();
        let instances = expand(&task_use.settings, &self.scope(&place.vars), self.looks_ahead);
        let (_, peers) = self.note_asked(build);
        let instances = match instances {
            Ok(instances) => instances,
            Err(mistake) => return self.mistake(mistake, build),
        };
        for instance in instances {
            if is_entry && !self.is_selected(task_use, &instance, build) {
                continue;
            }
            if place.within.len() < DEEPEST {
                let mut place = place.clone();
                add(&mut place.peers, peers.clone());
                self.plan_instance(task, task_use, instance, &place, build);
            }
        }
    }

    /// Whether `--only` wants it; what is not known yet is looked at.
    fn is_selected(&self, task_use: &TaskUse, instance: &Instance, build: &mut Build) -> bool {
        build.items.extend(instance.item.clone());
        if self.run.only.is_empty() {
            return true;
        }
        let mut is_wanted = false;
        for only in &self.run.only {
            let wants = match (only.wants(task_use), &instance.item) {
                (Wanted::Whole, _) => true,
                (Wanted::Item, Some(item)) => only.wants_item(item),
                (Wanted::Item, None) => instance.unknown.is_some() && task_use.settings.for_each.is_some(),
                (Wanted::Not, _) => false,
            };
            if wants {
                build.selected.insert(only.text.clone());
                is_wanted = true;
            }
        }
        is_wanted
    }

    fn plan_instance(
        &mut self,
        task: &Task,
        task_use: &TaskUse,
        instance: Instance,
        above: &Position,
        build: &mut Build,
    ) {
        let name = task_use.own_name().unwrap_or(&task_use.task.name);
        let name = format!("{name}{}", bracketed(instance.item.as_deref()));
        let separator = if above.path.is_empty() { "" } else { " / " };
        let mut place = above.clone();
        place.path = format!("{}{separator}{name}", above.path);
        // A task that is listed twice is told of without a host, and is no reason to call all it holds twice.
        if !self.entered.insert(place.path.clone()) {
            return;
        }
        place.within.push(task_use.origin.clone());
        let tags = task_use.settings.tags.iter().chain(&task.tags);
        place.tags.extend(tags.map(|tag| tag.name.clone()));
        if let Some(why) = instance.unknown {
            return self.defer_task(task, &name, above, place, why);
        }
        let vars = vars(task, task_use, &instance.scope, &self.scope(&Arc::default()));
        let acting = instance.scope.render_table(&task_use.acting);
        add(&mut place.peers, self.note_asked(build).1);
        match (vars, acting) {
            (Ok(vars), Ok(acting)) => {
                place.vars = Arc::new(vars);
                place.act_as(acting);
            }
            (Err(mistake), _) | (_, Err(mistake)) => return self.mistake(mistake, build),
        }
        let scope = self.scope(&place.vars);
        match scope.render_table(&task.acting) {
            Ok(acting) => place.act_as(acting),
            Err(mistake) => return self.mistake(mistake, build),
        }
        let answer = condition(task.when.as_ref(), &scope);
        add(&mut place.peers, self.note_asked(build).1);
        match answer {
            Ok(Answer::Yes) => {}
            Ok(Answer::No) => return,
            Ok(Answer::Unknown(_)) if self.looks_ahead => {}
            Ok(Answer::Unknown(why)) => return self.defer_task(task, &name, above, place, why),
            Err(mistake) => return self.mistake(mistake, build),
        }
        if lacks_vars(task, &place.vars) {
            return;
        }
        let lacking = lacking(task, task_use, &scope);
        if !lacking.is_empty() {
            for mistake in lacking {
                self.mistake(mistake, build);
            }
            return;
        }
        for entry in &task.entries {
            match entry {
                TaskEntry::Operation(raw) => self.plan_operation(raw, &place, build),
                TaskEntry::Include(include) => self.plan_use(include, &place, build),
            }
        }
    }

    /// One line for a task of which it is not known whether it is wanted.
    fn defer_task(&mut self, task: &Task, name: &str, above: &Position, place: Position, why: String) {
        if !self.has_tag(
            &place.tags,
            task.operations().flat_map(|operation| &operation.settings.tags),
        ) {
            return;
        }
        let id = OperationId(format!("{} / {}", self.host.name, place.path));
        if self.is_done(&id) {
            return;
        }
        let outcome = deferred(Vec::new(), why, vec![FactScope::Everything]);
        self.overlay.commit(&id, effects(&id, &outcome));
        let origin = place.within.last().cloned().unwrap_or_else(|| task.origin.clone());
        let label = if above.path.is_empty() { name } else { &above.path };
        self.operations.push(PlannedOperation {
            id,
            stage: place.stage,
            task: label.to_owned(),
            origin,
            within: place.within,
            peers: place.peers,
            outcome,
            asked: BTreeSet::new(),
        });
    }

    fn has_tag<'t>(&self, above: &[String], own: impl IntoIterator<Item = &'t Named>) -> bool {
        let wanted = &self.run.tags;
        wanted.is_empty()
            || above.iter().any(|tag| wanted.contains(tag))
            || own.into_iter().any(|tag| wanted.contains(&tag.name))
    }

    fn plan_operation(&mut self, raw: &crate::project::RawOperation, place: &Position, build: &mut Build) {
        if !self.has_tag(&place.tags, &raw.settings.tags) {
            return;
        }
        let path = format!("{} / {}", self.host.name, place.path);
        let instances = expand(&raw.settings, &self.scope(&place.vars), self.looks_ahead);
        let bound = instances.and_then(|instances| {
            let bound = instances
                .into_iter()
                .map(|instance| bind(raw, instance, &path, &place.acting));
            bound.collect::<Result<Vec<_>, _>>()
        });
        let (keys, peers) = self.note_asked(build);
        match bound {
            Ok(bound) => {
                for operation in bound {
                    self.plan_bound(operation, raw, place, (&keys, &peers), build);
                }
            }
            Err(mistake) => self.mistake(mistake, build),
        }
    }

    fn plan_bound(
        &mut self,
        operation: BoundOperation,
        raw: &crate::project::RawOperation,
        place: &Position,
        (keys, peers): (&BTreeSet<FactKey>, &PeerKeys),
        build: &mut Build,
    ) {
        if let Some(first) = self.seen.insert(operation.id.clone(), raw.origin.clone()) {
            return self.mistake(twice(&operation.id, &raw.origin, &first), build);
        }
        if self.is_done(&operation.id) {
            return;
        }
        let context = PlanContext::new(
            self.overlay.clone(),
            &operation.arguments,
            &raw.origin,
            &self.run.assets,
            self.digests,
            &operation.scope,
        );
        let mut is_unread = false;
        let mut touches = Vec::new();
        let outcome = match &operation.bound {
            Bound::Unknown(why) => Ok(deferred(Vec::new(), why.clone(), vec![FactScope::Everything])),
            Bound::Ready(ready) => {
                touches = ready.touches();
                ready.needs().into_iter().for_each(|key| self.want(key, build));
                let planned = ready.plan(&context);
                is_unread = matches!(
                    planned,
                    Err(Stop::NotKnown {
                        cause: NotKnown::NotGathered,
                        ..
                    })
                );
                outcome(planned, ready.as_ref())
            }
        };
        let mut asked = context.asked();
        drop(context);
        let (later_keys, later_peers) = self.note_asked(build);
        let mut all_peers = place.peers.clone();
        add(&mut all_peers, peers.clone());
        add(&mut all_peers, later_peers);
        asked.extend(keys.iter().cloned().chain(later_keys));
        asked.iter().cloned().for_each(|key| self.want(key, build));
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(mistake) => return self.mistake(mistake, build),
        };
        let effects = effects(&operation.id, &outcome);
        let outcome = limited(outcome, touches, &self.overlay);
        if !(is_unread && self.looks_ahead) {
            self.overlay.commit(&operation.id, effects);
        }
        self.operations.push(PlannedOperation {
            id: operation.id,
            stage: place.stage,
            task: place.path.clone(),
            origin: raw.origin.clone(),
            within: place.within.clone(),
            peers: all_peers,
            outcome,
            asked,
        });
    }

    /// Asks for the facts that templates looked at and that were not read; gives the host's own keys and the other hosts.
    fn note_asked(&self, build: &mut Build) -> (BTreeSet<FactKey>, PeerKeys) {
        let (mut own, mut peers) = (BTreeSet::new(), PeerKeys::new());
        for (host, key) in self.asked.take() {
            if host == self.host.name {
                self.want(key.clone(), build);
                own.insert(key);
                continue;
            }
            let is_read = self
                .known
                .facts
                .get(&host)
                .is_some_and(|facts| facts.get(&key).is_some());
            if !is_read {
                build.missing.entry(host.clone()).or_default().insert(key.clone());
            }
            peers.entry(host).or_default().insert(key);
        }
        (own, peers)
    }

    fn is_done(&self, id: &OperationId) -> bool {
        self.known
            .done
            .get(&self.host.name)
            .is_some_and(|done| done.contains(id))
    }

    fn want(&self, key: FactKey, build: &mut Build) {
        if self.facts.get(&key).is_none() {
            build.missing.entry(self.host.name.clone()).or_default().insert(key);
        }
    }

    fn mistake(&self, diagnostic: Diagnostic, build: &mut Build) {
        build.mistakes.push(Mistake {
            host: self.host.name.clone(),
            diagnostic,
        });
    }
}

fn add(all: &mut PeerKeys, more: PeerKeys) {
    for (host, keys) in more {
        all.entry(host).or_default().extend(keys);
    }
}

/// What templates of a host see as `catalogue`.
fn catalogue(run: &Selection, host: &SelectedHost) -> Table {
    let entry = |kind| Entry {
        key: None,
        value: Value::new(kind),
    };
    // Of stacks that are listed and not there it is said once that they are not.
    let missing = missing_stacks(&run.catalogue, &host.data).map(|name| {
        (
            name.to_owned(),
            entry(Kind::Unknown("there is no such stack".to_owned())),
        )
    });
    run.catalogue
        .iter()
        .map(|(name, stack)| {
            let kind = Kind::Table(described(name, stack, &host.data));
            (name.clone(), entry(kind))
        })
        .chain(missing)
        .collect()
}

/// The task's `vars`: what is given, seen from where the task is used, and the defaults of the rest.
fn vars(
    task: &Task,
    task_use: &TaskUse,
    scope: &template::Bindings,
    defaults: &template::Bindings,
) -> Result<Table, Diagnostic> {
    let mut vars = Table::new();
    for (name, entry) in &task.vars {
        if !task_use.vars.contains_key(name) {
            let entry = Entry {
                key: entry.key.clone(),
                value: defaults.render(&entry.value)?,
            };
            vars.insert(name.clone(), entry);
        }
    }
    vars.extend(scope.render_table(&task_use.vars)?);
    Ok(vars)
}

/// Whether it lacks vars that it requires: that is seen to without a host, and nothing else can be said of it.
fn lacks_vars(task: &Task, vars: &Table) -> bool {
    let required = task.required.iter().filter_map(|name| name.name.strip_prefix("vars."));
    required.into_iter().any(|name| !vars.contains_key(name))
}

/// What a task requires and does not get.
fn lacking(task: &Task, task_use: &TaskUse, scope: &template::Bindings) -> Vec<Diagnostic> {
    let lacks = |name: &&Named| scope.evaluate(&name.name, name.origin.as_ref()).is_err();
    // That vars are given is seen to without a host.
    let of_data = task
        .required
        .iter()
        .filter(|name| !name.name.starts_with("vars.") && is_name(&name.name));
    of_data
        .filter(lacks)
        .map(|name| {
            Diagnostic::new(format!("task `{}` requires `{}`", task.name, name.name))
                .at_maybe(name.origin.as_ref(), "no data of this host has that name")
                .at(&task_use.origin, "used here")
                .hint(format!("write `{}` in `group_data/`, or for the host", name.name))
        })
        .collect()
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
