//! Walks through a host's stages: finds the operations to run, in order, bound to the host.
//!
//! Conditions and templates use facts as earlier operations leave them. So the walk continues only when it is asked for
//! the next operation, with the facts at that point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bind::{Bound, BoundOperation, bind, bracketed, duplicate, id, rendered};
use super::captured::Captures;
use super::expand::{Answer, Assume, Expanded, Instance, condition, expand};
use super::given::Given;
use super::handlers::{Handlers, Turn, checks_at_end, is_notified_by_others, with_includes};
use super::owed::{OwedHandlers, first, may_be_owed, record};
use super::position::{DEEPEST, Position, merge};
use super::skipped::{self, Skipped};
use super::trigger::Due;
use super::visible::VisibleFacts;
use super::{Build, PlannedOperation, Trigger};
use crate::error::{Diagnostic, Origin};
use crate::facts::FactKey;
use crate::facts::overlay::{OperationId, Overlay};
use crate::facts::owed::Owed;
use crate::operations::RunAs;
use crate::project::{
    Named, RawOperation, SelectedHost, Selection, Task, TaskEntry, TaskUse, Wanted, described, is_name, missing_stacks,
};
use crate::template::{Bindings, Peer, TemplateData};
use crate::value::{Entry, Kind, Table, Value, Why};

/// Other hosts, as templates see them.
pub(super) type Peers = Arc<BTreeMap<String, Peer>>;

pub(super) struct Walk<'a> {
    host: String,
    catalogue: Arc<Table>,
    pub(super) peers: Peers,
    /// The rest of the stage, the next entry last.
    ahead: Vec<Ahead<'a>>,
    seen: BTreeMap<OperationId, Origin>,
    entered: BTreeSet<String>,
    handlers: Handlers<'a>,
    owed: OwedHandlers,
    /// The handlers that had a turn before their time.
    early: BTreeSet<String>,
    captures: Captures,
    /// What the operations so far name of what the Docker engine has.
    named: Arc<BTreeSet<FactKey>>,
    /// What `when` skipped so far.
    pub(super) skipped: Vec<Skipped>,
    /// Items that `--only` leaves out so far, by the entry of the deploy.
    pub(super) items_left_out: BTreeMap<String, Vec<String>>,
    /// The stage, and whether it is the last one of the host.
    stage: (usize, bool),
}

/// A point of the plan.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// The host's facts there.
    pub(super) overlay: &'p Overlay,
    /// The operations before it.
    pub(super) planned: &'p [PlannedOperation],
}

/// A remaining part of a stage.
enum Ahead<'a> {
    Use(&'a TaskUse, Arc<Position>),
    Task(Box<TaskInstance<'a>>),
    Operation(&'a RawOperation, Arc<Position>),
    /// The point of a task's instance from which only checks are left, if anything.
    Flush(&'a Task, Arc<Position>),
    Handler(Box<Turn<'a>>),
    /// A handler that an earlier run owes, before something that asks services.
    Owed(Box<Turn<'a>>),
    /// An operation, or a whole task that is decided later.
    Found(Box<BoundOperation>),
}

/// What a part of a stage enters.
enum Entered<'a> {
    Task(&'a Task),
    Operation(&'a RawOperation),
    Other,
}

impl<'a> Entered<'a> {
    fn of(ahead: &Ahead<'a>, selection: &'a Selection) -> Self {
        match ahead {
            Ahead::Use(task_use, _) => match selection.tasks.get(&task_use.task.name) {
                Some(task) => Self::Task(task.as_ref()),
                None => Self::Other,
            },
            Ahead::Task(instance) => Self::Task(instance.task),
            Ahead::Operation(raw, _) => Self::Operation(raw),
            Ahead::Flush(..) | Ahead::Handler(_) | Ahead::Owed(_) | Ahead::Found(_) => Self::Other,
        }
    }
}

/// One instance of a task.
struct TaskInstance<'a> {
    task: &'a Task,
    task_use: &'a TaskUse,
    instance: Instance,
    above: Arc<Position>,
    /// Whether `--only` skips it.
    is_skipped: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(selection: &Selection, host: &SelectedHost) -> Self {
        Self {
            host: host.name.clone(),
            catalogue: Arc::new(catalogue(selection, host)),
            peers: Peers::default(),
            ahead: Vec::new(),
            seen: BTreeMap::new(),
            entered: BTreeSet::new(),
            handlers: Handlers::default(),
            owed: OwedHandlers::default(),
            early: BTreeSet::new(),
            captures: Captures::of(selection, Some(host)),
            named: Arc::default(),
            skipped: Vec::new(),
            items_left_out: BTreeMap::new(),
            stage: (0, false),
        }
    }

    /// Goes to the start of a stage; `peers` are the facts of other hosts at that point.
    pub(super) fn begin_stage(&mut self, selection: &'a Selection, number: usize, peers: &Peers) {
        let stage = &selection.stages[number];
        self.peers = Arc::clone(peers);
        let position = Arc::new(Position::of_stage(number, stage.name.as_deref()));
        self.stage = (number, selection.is_last_stage(number, &self.host));
        let uses = stage.tasks.iter().rev();
        self.ahead = uses
            .map(|task_use| Ahead::Use(task_use, Arc::clone(&position)))
            .collect();
    }

    /// The next operation of the stage, at the point of the plan that `place` is.
    pub(super) fn next(&mut self, given: &Given<'a>, place: Place<'_>, build: &mut Build) -> Option<BoundOperation> {
        let overlay = place.overlay;
        while let Some(ahead) = self.ahead.pop().or_else(|| self.at_end_of_stage(given, overlay, build)) {
            let entry = Entered::of(&ahead, given.selection);
            let reached = match ahead {
                Ahead::Use(task_use, position) => self.expand_use(task_use, &position, given, overlay, build),
                Ahead::Task(task) => self.enter(*task, given, overlay, build),
                Ahead::Operation(raw, position) => match self.owed_before(raw, &position, given) {
                    turns if turns.is_empty() => self.bind_all(raw, &position, given, overlay, build),
                    turns => Ok(turns.into_iter().chain([Ahead::Operation(raw, position)]).collect()),
                },
                Ahead::Flush(task, position) => Ok(self.flush(task, &position, given.selection)),
                Ahead::Owed(turn) => self.bind_owed(&turn, given, place, build),
                Ahead::Handler(turn) => self.bind_handler(&turn, given, place, build),
                Ahead::Found(found) => {
                    self.note_named(&found);
                    match self.check_name(&found) {
                        Ok(()) if given.is_done(&found.id) => Ok(Vec::new()),
                        Ok(()) => return Some(*found),
                        Err(mistake) => Err(mistake),
                    }
                }
            };
            match reached {
                Ok(reached) => self.ahead.extend(reached.into_iter().rev()),
                Err(mistake) => {
                    if !given.is_survey() {
                        build.survey.unknown.get_or_insert_with(|| mistake.title.clone());
                    }
                    given.note_mistake(mistake, build);
                    match entry {
                        Entered::Task(task) => self.pass(task, true, given.selection),
                        Entered::Operation(raw) => raw.captures().into_iter().for_each(|name| self.captures.fail(name)),
                        Entered::Other => {}
                    }
                }
            }
        }
        None
    }

    /// What the operations so far name of what the Docker engine has, whether they have run already or not.
    pub(super) fn named(&self) -> &Arc<BTreeSet<FactKey>> {
        &self.named
    }

    fn note_named(&mut self, found: &BoundOperation) {
        let Bound::Ready(ready) = &found.bound else { return };
        let mut named = ready
            .operation
            .needs()
            .into_iter()
            .filter(FactKey::is_about_containers)
            .peekable();
        if named.peek().is_some() {
            Arc::make_mut(&mut self.named).extend(named);
        }
    }

    /// Notes that nothing in `task` is looked at. `is_open` if it is not known what becomes of it.
    fn pass(&mut self, task: &Task, is_open: bool, selection: &Selection) {
        self.captures.pass(&with_includes(selection, task), is_open);
    }

    /// What is left to do when all entries of the stage are finished.
    fn at_end_of_stage(&mut self, given: &Given<'a>, overlay: &Overlay, build: &mut Build) -> Option<Ahead<'a>> {
        if let Some(turn) = self.handlers.next_of_stage() {
            return Some(Ahead::Handler(Box::new(turn)));
        }
        let (stage, is_last) = self.stage;
        if !is_last {
            return None;
        }
        for mistake in self.handlers.end() {
            given.note_mistake(mistake, build);
        }
        let bindings = || self.bindings(&Arc::default(), given, overlay);
        let bound = self.owed.next_of_others(stage, given, bindings)?;
        Some(Ahead::Found(Box::new(bound)))
    }

    /// What is said of handlers that are owed, and that nothing here runs.
    pub(super) fn owed_elsewhere(&self, given: &Given<'_>, is_settled: impl Fn(&Owed) -> bool) -> Vec<String> {
        self.owed.elsewhere(given, is_settled)
    }

    /// What to do about an operation that asks services and is refused: handlers that come after it, or do not come at all, may be why.
    pub(super) fn handlers_to_run_first(&self, given: &Given<'_>, place: Place<'_>) -> Option<String> {
        let owed = self.owed.waiting(given).map(Owed::name);
        let owed: Vec<&str> = owed.collect();
        let changes = |id: &OperationId| {
            let is_due = Trigger::NotifiedBy(vec![id.clone()]).due(place.planned, given.changed(), place.overlay);
            is_due == Due::Yes
        };
        first(&owed, &self.handlers.notified_by(changes))
    }

    /// Notes that an owed handler does not fit the host: it is listed with those that nothing here runs.
    pub(super) fn refuse_owed(&self, owed: &Owed) {
        self.owed.refuse(owed);
    }

    /// Notes that a capture has a mistake: its value is not known.
    pub(super) fn fail_capture(&mut self, name: &str) {
        self.captures.fail(name);
    }

    /// The captures of the host, as far as the plan has come.
    pub(super) fn captures(&self) -> &Captures {
        &self.captures
    }

    /// What templates see at this point of the plan.
    fn bindings(&self, vars: &Arc<Table>, given: &Given<'_>, overlay: &Overlay) -> Bindings {
        let data = TemplateData {
            data: Arc::clone(&given.host.data),
            facts: Arc::new(VisibleFacts::new(given.host_name(), overlay, &given.asked)),
            peers: Arc::clone(&self.peers),
            catalogue: Arc::clone(&self.catalogue),
            captured: {
                let is_offline = given.snapshot.is_offline;
                self.captures
                    .visible(given.host_name(), overlay, &given.asked, is_offline)
            },
            variables: Arc::clone(&given.selection.variables),
        };
        Bindings::new(data).with_vars(Arc::clone(vars))
    }

    fn expand_use(
        &mut self,
        task_use: &'a TaskUse,
        position: &Position,
        given: &Given<'a>,
        overlay: &Overlay,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        let Some(task) = given.selection.tasks.get(&task_use.task.name) else {
            return Ok(Vec::new());
        };
        let bindings = self.bindings(&position.vars, given, overlay);
        let expanded = expand(&task_use.settings, &bindings, given.assume);
        let mut above = position.clone();
        above.add_peers(&given.take_asked(build).peers);
        let above = Arc::new(above);
        let depth = position.within.len();
        let is_entry = depth == 0;
        let mut wanted = Vec::new();
        let Expanded {
            wanted: instances,
            skipped,
        } = expanded?;
        if !position.is_skipped && has_tag(task, task_use, &position.tags, given) {
            let name = task_use.own_name().unwrap_or(&task_use.task.name);
            let skipped = skipped.iter().map(Option::as_deref);
            let counted = skipped.filter(|item| !is_entry || skipped::is_selected(given.selection, task_use, *item));
            let found = counted.map(|item| Skipped::task(position, name, item, &task_use.origin));
            self.skipped.extend(found);
        }
        if instances.is_empty() {
            self.pass(task, false, given.selection);
        }
        for instance in instances {
            let runs_owed = given.selection.runs_owed;
            let is_skipped = is_entry && (!is_selected(given.selection, task_use, &instance, build) || runs_owed);
            if let Some(item) = instance.item.as_ref().filter(|_| is_skipped && !runs_owed) {
                let name = task_use.own_name().unwrap_or(&task_use.task.name);
                if given.selection.items_left_out_of.iter().any(|one| one == name) {
                    self.items_left_out
                        .entry(name.to_owned())
                        .or_default()
                        .push(item.clone());
                }
            }
            if is_skipped && !runs_owed && !is_notified_by_others(given.selection, &task_use.task.name) {
                continue;
            }
            if depth < DEEPEST {
                wanted.push(Ahead::Task(Box::new(TaskInstance {
                    task,
                    task_use,
                    instance,
                    above: Arc::clone(&above),
                    is_skipped,
                })));
            }
        }
        Ok(wanted)
    }

    fn enter(
        &mut self,
        instance: TaskInstance<'a>,
        given: &Given<'a>,
        overlay: &Overlay,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        let TaskInstance {
            task,
            task_use,
            instance,
            above,
            is_skipped,
        } = instance;
        let name = task_use.own_name().unwrap_or(&task_use.task.name);
        let name = format!("{name}{}", bracketed(instance.item.as_deref()));
        let mut position = above.inside(&name);
        position.task.clone_from(&task.name);
        position.is_skipped |= is_skipped;
        if above.within.is_empty() {
            position.item.clone_from(&instance.item);
        }
        // A task that is listed twice is reported without a host, so its operations are not reported as well.
        if !self.entered.insert(position.path.clone()) {
            return Ok(Vec::new());
        }
        position.within.push(task_use.origin.clone());
        let tags = task_use.settings.tags.iter().chain(&task.tags);
        position.tags.extend(tags.map(|tag| tag.name.clone()));
        let label = if above.path.is_empty() {
            name
        } else {
            above.path.clone()
        };
        if let Some(why) = instance.unknown {
            return self.defer(task, label, position, why, given);
        }
        let defaults = self.bindings(&Arc::default(), given, overlay);
        let vars = vars((task, task_use), &instance.bindings, &defaults, given.assume);
        let become_keys = instance.bindings.render_table(&task_use.become_keys);
        position.add_peers(&given.take_asked(build).peers);
        position.vars = Arc::new(vars?);
        position.set_run_as(RunAs::new(become_keys?));
        let bindings = self.bindings(&position.vars, given, overlay);
        position.set_run_as(RunAs::new(bindings.render_table(&task.become_keys)?));
        let answer = condition(task.when.as_ref(), &bindings);
        position.add_peers(&given.take_asked(build).peers);
        match given.assume.answer(answer)? {
            Answer::Yes => {}
            Answer::No => {
                if !position.is_skipped && has_tag(task, task_use, &position.tags, given) {
                    self.skipped
                        .push(Skipped::operation(position.path.clone(), &task_use.origin));
                }
                self.pass(task, false, given.selection);
                return Ok(Vec::new());
            }
            Answer::Unknown(why) => return self.defer(task, label, position, why, given),
        }
        if lacks_vars(task, &position.vars) {
            self.pass(task, true, given.selection);
            return Ok(Vec::new());
        }
        let lacking = lacking(task, task_use, &bindings);
        if !lacking.is_empty() {
            for mistake in lacking {
                given.note_mistake(mistake, build);
            }
            self.pass(task, true, given.selection);
            return Ok(Vec::new());
        }
        let position = Arc::new(position);
        self.handlers.enter(task, &position);
        let entries = task.entries.iter().map(|entry| match entry {
            TaskEntry::Operation(raw) => Ahead::Operation(raw, Arc::clone(&position)),
            TaskEntry::Include(include) => Ahead::Use(include, Arc::clone(&position)),
        });
        let runs = |ahead: &Ahead<'_>| !(position.is_skipped && matches!(ahead, Ahead::Operation(..)));
        let checks = task.entries.len() - checks_at_end(given.selection, task);
        let (before, checks) = (entries.clone().take(checks), entries.skip(checks));
        let flush = Ahead::Flush(task, Arc::clone(&position));
        Ok(before.filter(runs).chain([flush]).chain(checks.filter(runs)).collect())
    }

    /// One line for a task whose condition is not known yet; nothing if `--tags` or `--only` skips it.
    fn defer(
        &mut self,
        task: &'a Task,
        label: String,
        position: Position,
        why: Why,
        given: &Given<'a>,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        self.pass(task, true, given.selection);
        if position.is_skipped {
            return Ok(Vec::new());
        }
        let found = deferred(task, label, position, why, given);
        if let Some(bound) = &found {
            self.handlers
                .notify_by_task(&bound.id, task, &bound.position, given.selection, given.host_name())?;
        }
        Ok(found.map(|bound| Ahead::Found(Box::new(bound))).into_iter().collect())
    }

    /// The handlers that have their turn now that only checks are left of a task's instance.
    ///
    /// Those of an included task wait for the end of the deploy's entry, unless checks of the task itself wait for them.
    fn flush(&mut self, task: &'a Task, position: &Arc<Position>, selection: &Selection) -> Vec<Ahead<'a>> {
        self.handlers.leave(task, position);
        let turns = if position.within.len() <= 1 {
            self.handlers.end_entry(position)
        } else if checks_at_end(selection, task) > 0 {
            self.handlers.end_include(position)
        } else {
            Vec::new()
        };
        let turns = turns.into_iter();
        turns.map(|turn| Ahead::Handler(Box::new(turn))).collect()
    }

    /// The owed handlers that have their turn only after an operation that asks services and acts on that: what it asks may need them,
    /// and then no run would ever come to their turn. A check says so by itself.
    fn owed_before(&mut self, raw: &RawOperation, position: &Position, given: &Given<'_>) -> Vec<Ahead<'a>> {
        let acts = raw.definition.asks_services() && !raw.definition.is_check();
        let is_asking = acts && given.has_tag(&position.tags, &raw.settings.tags);
        if !is_asking || given.owed().is_empty() {
            return Vec::new();
        }
        let mut turns = self.handlers.after(position);
        turns.retain(|turn| may_be_owed(&turn.name(), given) && self.early.insert(turn.name()));
        turns.into_iter().map(|turn| Ahead::Owed(Box::new(turn))).collect()
    }

    fn bind_owed(
        &mut self,
        turn: &Turn<'a>,
        given: &Given<'a>,
        place: Place<'_>,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        let notified = self.handlers.take_notices(turn);
        self.bind_turn(turn, notified, given, place, build)
    }

    /// A handler in its turn, if anything makes it run.
    fn bind_handler(
        &mut self,
        turn: &Turn<'a>,
        given: &Given<'a>,
        place: Place<'_>,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        // Before a host is read, everything seems to change, and all facts for its handlers would be asked for.
        if given.is_unread() {
            return Ok(Vec::new());
        }
        let notified = self.handlers.take(turn);
        if self.early.contains(&turn.name()) {
            return self.bind_turn(&turn.again(), notified, given, place, build);
        }
        self.bind_turn(turn, notified, given, place, build)
    }

    fn bind_turn(
        &mut self,
        turn: &Turn<'a>,
        notified: Vec<OperationId>,
        given: &Given<'a>,
        place: Place<'_>,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        let raw = &turn.handler.operation;
        let name = turn.name();
        let notified = Trigger::NotifiedBy(notified);
        let due = notified.due(place.planned, given.changed(), place.overlay);
        // Without a host every handler is tried, to find its mistakes.
        if given.is_survey() {
            let found = self.bind_each(raw, &turn.position, given, place.overlay, build)?;
            return Ok(found.into_iter().map(|found| Ahead::Found(Box::new(found))).collect());
        }
        if due == Due::No && !may_be_owed(&name, given) && !given.snapshot.is_offline {
            return Ok(Vec::new());
        }
        let mut found = self.bind_each(raw, &turn.position, given, place.overlay, build)?;
        for bound in &mut found {
            let name = record_name(bound, given.host_name());
            let record = record(name, bound.position.stage, &bound.bound, given);
            let is_owed = self.owed.take(&record, given);
            bound.trigger = match due {
                Due::No | Due::IfChanged(_) | Due::Unless(_) if is_owed => Trigger::Owed,
                _ => notified.clone(),
            };
            bound.is_only_owed = due == Due::No && is_owed;
            bound.handler = Some(record);
        }
        found.retain(|bound| due != Due::No || bound.trigger == Trigger::Owed || given.snapshot.is_offline);
        Ok(found.into_iter().map(|found| Ahead::Found(Box::new(found))).collect())
    }

    fn bind_all(
        &mut self,
        raw: &'a RawOperation,
        position: &Arc<Position>,
        given: &Given<'a>,
        overlay: &Overlay,
        build: &mut Build,
    ) -> Result<Vec<Ahead<'a>>, Diagnostic> {
        if !given.has_tag(&position.tags, &raw.settings.tags) {
            return Ok(Vec::new());
        }
        let bound = self.bind_each(raw, position, given, overlay, build)?;
        self.captures.reach(raw, &bound);
        for found in &bound {
            self.handlers
                .notify(&found.id, raw, position, given.selection, given.host_name())?;
        }
        Ok(bound.into_iter().map(|found| Ahead::Found(Box::new(found))).collect())
    }

    /// An operation or a handler, once for each of its items.
    fn bind_each(
        &mut self,
        raw: &RawOperation,
        position: &Arc<Position>,
        given: &Given<'_>,
        overlay: &Overlay,
        build: &mut Build,
    ) -> Result<Vec<BoundOperation>, Diagnostic> {
        let bindings = self.bindings(&position.vars, given, overlay);
        let expanded = expand(&raw.settings, &bindings, given.assume);
        let bound = expanded.and_then(|Expanded { wanted, skipped }| {
            self.skipped.extend(skipped.iter().map(|item| {
                let settings = &raw.settings;
                let id = id(
                    raw,
                    &position.path,
                    settings.name.as_ref(),
                    &raw.arguments,
                    item.as_deref(),
                );
                Skipped::operation(id.0, &raw.origin)
            }));
            let bound = wanted
                .into_iter()
                .map(|instance| bind(raw, instance, (given.host_name(), given.assume), position, &given.asked));
            bound.collect::<Result<Vec<_>, _>>()
        });
        let asked = given.take_asked(build);
        let mut bound = bound?;
        for operation in &mut bound {
            operation.asked.clone_from(&asked.own);
            merge(&mut operation.peers, &asked.peers);
        }
        Ok(bound)
    }

    /// Refuses a second operation with the same name. A task that is decided later has no operation names yet.
    fn check_name(&mut self, found: &BoundOperation) -> Result<(), Diagnostic> {
        if found.is_whole_task {
            return Ok(());
        }
        match self.seen.insert(found.id.clone(), found.origin.clone()) {
            Some(first) => Err(duplicate(found, &first)),
            None => Ok(()),
        }
    }
}

/// Whether `--only` selects an instance of an entry; unknown ones are kept.
fn is_selected(selection: &Selection, task_use: &TaskUse, instance: &Instance, build: &mut Build) -> bool {
    build.items.extend(instance.item.clone());
    if selection.only.is_empty() {
        return true;
    }
    let mut is_wanted = false;
    for only in &selection.only {
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

/// Whether `--tags` selects anything of a task, where those above it have the tags `above`.
fn has_tag(task: &Task, task_use: &TaskUse, above: &[String], given: &Given<'_>) -> bool {
    let own = task_use.settings.tags.iter().chain(&task.tags);
    let of_operations = task.operations().flat_map(|operation| &operation.settings.tags);
    given.has_tag(above, own.chain(of_operations))
}

fn deferred(task: &Task, label: String, position: Position, why: Why, given: &Given<'_>) -> Option<BoundOperation> {
    let own_tags = task.operations().flat_map(|operation| &operation.settings.tags);
    if !given.has_tag(&position.tags, own_tags) {
        return None;
    }
    let origin = position.within.last().cloned().unwrap_or_else(|| task.origin.clone());
    Some(BoundOperation {
        id: OperationId(format!("{} / {}", given.host_name(), position.path)),
        is_whole_task: true,
        has_services: task.includes().next().is_some() || task.operations().any(|one| one.definition.has_services()),
        task: label,
        origin,
        peers: position.peers.clone(),
        position: Arc::new(position),
        asked: BTreeSet::new(),
        trigger: Trigger::Always,
        handler: None,
        is_only_owed: false,
        guard: None,
        stand_ins: None,
        bound: Bound::Unknown(why),
    })
}

/// A handler's id without the host and the stage.
fn record_name(bound: &BoundOperation, host: &str) -> String {
    let above = format!("{host} / {} / ", bound.position.path);
    let own = bound.id.0.strip_prefix(&above).unwrap_or(bound.id.slug());
    format!("{} / {own}", bound.position.in_stage)
}

/// What templates of a host see as `catalogue`.
fn catalogue(selection: &Selection, host: &SelectedHost) -> Table {
    let entry = |kind| Entry {
        key: None,
        value: Value::new(kind),
    };
    // Unknown stacks in the list are reported elsewhere, once.
    let missing = missing_stacks(&selection.catalogue, &host.data)
        .map(|name| (name.to_owned(), entry(Kind::Unknown("no such stack".into()))));
    selection
        .catalogue
        .iter()
        .map(|(name, stack)| {
            let kind = if stack.is_unread {
                Kind::Unknown(format!("the `stack.toml` of `{name}` has a mistake").into())
            } else {
                Kind::Table(described(name, stack, &host.data))
            };
            (name.clone(), entry(kind))
        })
        .chain(missing)
        .collect()
}

/// The task's `vars`: the given values, rendered where the task is used, and defaults for the rest.
fn vars(
    (task, task_use): (&Task, &TaskUse),
    bindings: &Bindings,
    defaults: &Bindings,
    assume: Assume,
) -> Result<Table, Diagnostic> {
    let mut defaulted = task.vars.clone();
    defaulted.retain(|name, _| !task_use.vars.contains_key(name));
    let mut vars = rendered(&defaulted, defaults, assume)?;
    vars.extend(rendered(&task_use.vars, bindings, assume)?);
    Ok(vars)
}

/// Whether it lacks required vars. `project::lint` reports these, so nothing else is checked.
fn lacks_vars(task: &Task, vars: &Table) -> bool {
    let required = task.required.iter().filter_map(|name| name.name.strip_prefix("vars."));
    required.into_iter().any(|name| !vars.contains_key(name))
}

/// Required names that a task does not get.
fn lacking(task: &Task, task_use: &TaskUse, bindings: &Bindings) -> Vec<Diagnostic> {
    let lacks = |name: &&Named| bindings.evaluate(&name.name, name.origin.as_ref()).is_err();
    // Missing vars are reported by `project::lint`.
    let of_data = task
        .required
        .iter()
        .filter(|name| !name.name.starts_with("vars.") && is_name(&name.name));
    of_data
        .filter(lacks)
        .map(|name| {
            Diagnostic::new(format!("task `{}` requires `{}`", task.name, name.name))
                .at_maybe(name.origin.as_ref(), "this host has no data of this name")
                .at(&task_use.origin, "used here")
                .lacking(&name.name)
                .hint(format!("set `{}` in `group_data/` or for the host", name.name))
        })
        .collect()
}
