//! A review as data: what a deploy would do to each host and, after it ran, how that ended. Text, JSON, Markdown and
//! HTML are renderers of it.
//!
//! It has no times and no random words, and lists are in the order of the files: the same inputs give the same review.

mod change;
mod diff;
mod line;
mod mask;
mod packages;
mod sign;
mod totals;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::apply::{Failure, HostEnd, HostResult, OperationResult};
use crate::change::{Action, CheckState, Outcome, ResourceChange, ResourceKind};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::plan::{self, HostPlan, Plan, PlannedOperation};
use crate::project::Selection;
use mask::masked;

pub(super) use change::stands_alone;
pub use change::{Attributes, Before, Block, Change, Kept, Note, StepNote, Value};
pub use line::{DiffLine, LeftOut, LineSign, Span, SpanText};
pub(super) use packages::come_along;
pub use packages::{Along, AlongNames};
pub use sign::Sign;
pub use totals::Tally;
pub use values::{ChangedValue, ChangedValues};

/// What a deploy would do and, after it ran, how that ended.
#[derive(Clone, Debug)]
pub struct Review<'a> {
    pub inventory: &'a str,
    pub deploy: &'a str,
    /// Whether this is a dry run.
    pub is_dry_run: bool,
    /// If it is that of a saved plan: what names the file.
    pub saved: Option<SavedAs>,
    /// Whether there are pending changes.
    pub is_pending: bool,
    /// Including hosts that could not be read.
    pub hosts: Vec<HostReview<'a>>,
    pub totals: Tally,
    pub skipped: Skipped<'a>,
    /// The names of commands that may change anything, each with the number of operations that stay as they are unless
    /// it changes them, on the host with the most.
    pub unbounded: Vec<(&'a str, usize)>,
}

/// What names the file of a saved plan, and says whether it can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAs {
    /// The SHA-256 of all that it says.
    pub digest: String,
    /// Why it can only be shown; `None` if it can be applied.
    pub not_applicable: Option<String>,
}

/// What filters skipped.
#[derive(Clone, Debug)]
pub struct Skipped<'a> {
    /// Hosts, by `--limit`.
    pub hosts: &'a [String],
    /// Hosts, by `--only-failed`.
    pub not_failed: &'a [String],
    /// Tasks, by `--only`.
    pub tasks: &'a [String],
    /// Tasks of which `--only` selects some items only.
    pub items_of: &'a [String],
    /// These other items, by task, as far as they are known.
    pub items: BTreeMap<&'a str, Vec<&'a str>>,
    /// The tags of `--tags`, if operations without any of them are skipped.
    pub not_tagged: &'a [String],
}

/// The review of a host.
#[derive(Clone, Debug)]
pub struct HostReview<'a> {
    pub host: &'a str,
    /// Whether the host was read: there is nothing to review otherwise.
    pub was_read: bool,
    /// Operations by task, including those with nothing to do.
    pub tasks: Vec<TaskReview<'a>>,
    /// What `when` skips.
    pub skipped: Vec<SkippedEntry<'a>>,
    /// What else the user should know.
    pub notices: Vec<Cow<'a, str>>,
    pub totals: Tally,
    /// How the host ended.
    pub end: HostEnd,
    /// What stopped the host, other than a failed operation.
    pub failure: Option<&'a Failure>,
    /// How its operations ended, if the deploy applied them.
    pub results: Option<&'a [OperationResult]>,
}

/// A task or an operation that `when` skips on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedEntry<'a> {
    pub name: Cow<'a, str>,
    /// File, line and column.
    pub written_at: String,
}

/// Consecutive operations of the same task.
#[derive(Clone, Debug)]
pub struct TaskReview<'a> {
    /// The task, with the stage and the tasks that include it.
    pub task: &'a str,
    pub entries: Vec<Entry<'a>>,
}

/// The review of an operation.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub id: &'a OperationId,
    /// File, line and column.
    pub written_at: String,
    pub trigger: Trigger<'a>,
    /// Of a handler: the operation that may start its unit first, so that it finds nothing to do.
    pub unless_started_by: Option<&'a OperationId>,
    /// Whether the host takes it back unless a new connection works.
    pub is_guarded: bool,
    /// Whether there is nothing to do as the host is now; then the state is `Deferred` with that reason.
    pub stays: bool,
    /// Whether it is not compared because a secret is not there; then the state is `Deferred`.
    pub lacks_secret: bool,
    pub state: EntryState<'a>,
}

/// What makes an operation run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger<'a> {
    /// Its turn.
    Always,
    /// A handler, because of changes by these operations.
    NotifiedBy(Vec<&'a OperationId>),
    /// A handler that an earlier run should have run.
    Owed,
    /// The same of a run that was changing the host when it was read, and may still come to it.
    OwedByRunBeside,
}

/// What an operation would do.
#[derive(Clone, Debug)]
pub enum EntryState<'a> {
    Unchanged,
    Change(Vec<Change<'a>>),
    /// These changes, unless other operations already make them.
    Ensure {
        changes: Vec<Change<'a>>,
        since: &'a [OperationId],
        /// Whether an earlier operation of the host names them for what it creates.
        is_said: bool,
    },
    /// Known later.
    Deferred {
        /// The operations that must run first; none if waiting does not help.
        waits_for: &'a [OperationId],
        /// Why it is not known.
        why: Cow<'a, str>,
        /// Everything that it may change.
        touches: &'a [FactScope],
        /// What it would do as the host is now.
        preview: Vec<Change<'a>>,
    },
    /// A check, which changes nothing.
    Check {
        what: Cow<'a, str>,
        state: CheckState,
    },
}

impl<'a> Review<'a> {
    /// The review of `plan`; `unread` are the hosts that could not be read. `whole` shows all content, however long.
    pub fn planned(
        selection: &'a Selection,
        plan: &'a Plan,
        unread: &'a [HostResult],
        is_dry_run: bool,
        whole: bool,
    ) -> Self {
        let planned = plan.hosts.iter().map(|host| HostReview::planned(host, whole));
        let hosts = planned.chain(unread.iter().map(HostReview::unread)).collect();
        Self::new(selection, plan, is_dry_run, hosts)
    }

    /// The review of `plan` and how applying it ended.
    pub fn applied(selection: &'a Selection, plan: &'a Plan, results: &'a [HostResult], whole: bool) -> Self {
        let hosts = results.iter().map(|result| match plan.host(&result.host) {
            Some(host) => HostReview::applied(host, result, whole),
            None => HostReview::unread(result),
        });
        Self::new(selection, plan, false, hosts.collect())
    }

    fn new(selection: &'a Selection, plan: &'a Plan, is_dry_run: bool, hosts: Vec<HostReview<'a>>) -> Self {
        let mut totals = Tally::default();
        plan.hosts.iter().for_each(|host| totals.merge(&Tally::of(host)));
        let mut items: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (task, left_out) in plan.hosts.iter().flat_map(|host| &host.items_left_out) {
            let known = items.entry(task).or_default();
            for item in left_out
                .iter()
                .filter(|item| !known.contains(&item.as_str()))
                .collect::<Vec<_>>()
            {
                known.push(item);
            }
        }
        Self {
            inventory: &selection.inventory,
            deploy: &selection.deploy,
            is_dry_run,
            saved: None,
            is_pending: plan.is_pending(),
            hosts,
            totals,
            unbounded: unbounded(plan),
            skipped: Skipped {
                hosts: &selection.hosts_left_out,
                not_failed: &selection.hosts_not_failed,
                tasks: &selection.tasks_left_out,
                items_of: &selection.items_left_out_of,
                items,
                not_tagged: &selection.tags,
            },
        }
    }

    /// How each host ended, and what it did.
    pub fn ends(&self) -> impl Iterator<Item = (HostEnd, &'a [OperationResult])> {
        self.hosts
            .iter()
            .map(|host| (host.end, host.results.unwrap_or_default()))
    }

    /// The hosts that were read.
    pub fn read_hosts(&self) -> impl Iterator<Item = &HostReview<'a>> {
        self.hosts.iter().filter(|host| host.was_read)
    }

    /// The hosts that could not be read.
    pub fn unread_hosts(&self) -> impl Iterator<Item = &HostReview<'a>> {
        self.hosts.iter().filter(|host| !host.was_read)
    }

    /// Groups hosts for which `render` returns the same; if there is something to do, whatever their notices are.
    pub fn folded<R: PartialEq>(&self, mut render: impl FnMut(&HostReview<'a>) -> R) -> Vec<Fold<'a, R>> {
        let mut folds: Vec<Fold<'a, R>> = Vec::new();
        for host in self.read_hosts() {
            let body = render(host);
            let is_same = |one: &&mut Fold<'a, R>| {
                one.totals == host.totals && one.body == body && (!host.totals.is_idle() || one.has_notices_of(host))
            };
            if let Some(fold) = folds.iter_mut().find(is_same) {
                fold.add(host);
                continue;
            }
            let mut fold = Fold {
                hosts: Vec::new(),
                body,
                totals: host.totals,
                notices: Vec::new(),
            };
            fold.add(host);
            folds.push(fold);
        }
        folds
    }
}

fn unbounded(plan: &Plan) -> Vec<(&str, usize)> {
    let mut most: Vec<(&str, usize)> = Vec::new();
    for host in &plan.hosts {
        let mut of_host: Vec<(&str, usize)> = Vec::new();
        for operation in host.operations.iter().filter(|one| !one.as_now.is_no()) {
            let Outcome::Deferred { waits_for, .. } = &operation.outcome else {
                continue;
            };
            let commands = waits_for.iter().filter(|id| {
                let mut all = host.operations.iter();
                all.any(|one| one.id == **id && one.takes_touches && may_change_anything(one))
            });
            for slug in commands.map(OperationId::slug) {
                match of_host.iter_mut().find(|(name, _)| *name == slug) {
                    Some((_, count)) => *count += 1,
                    None => of_host.push((slug, 1)),
                }
            }
        }
        for (slug, count) in of_host {
            match most.iter_mut().find(|(name, _)| *name == slug) {
                Some((_, known)) => *known = count.max(*known),
                None => most.push((slug, count)),
            }
        }
    }
    most
}

fn may_change_anything(operation: &PlannedOperation) -> bool {
    let mut effects = operation.changes().iter().flat_map(|change| &change.effects);
    match &operation.outcome {
        Outcome::Deferred { touches, .. } => touches.contains(&FactScope::Everything),
        _ => effects.any(|effect| matches!(effect, Effect::Forget(FactScope::Everything, _))),
    }
}

/// Hosts with the same review.
#[derive(Clone, Debug)]
pub struct Fold<'a, R> {
    pub hosts: Vec<&'a str>,
    /// The rendered text of each of them.
    pub body: R,
    /// The totals of each of them.
    pub totals: Tally,
    /// Their notices, each once, with the hosts that it is about.
    notices: Vec<(String, Vec<&'a str>)>,
}

impl<'a, R> Fold<'a, R> {
    fn add(&mut self, host: &HostReview<'a>) {
        self.hosts.push(host.host);
        for notice in &host.notices {
            match self.notices.iter_mut().find(|(known, _)| known == notice.as_ref()) {
                Some((_, hosts)) => hosts.push(host.host),
                None => self.notices.push((notice.to_string(), vec![host.host])),
            }
        }
    }

    fn has_notices_of(&self, host: &HostReview<'a>) -> bool {
        let is_known = |notice: &Cow<'a, str>| self.notices.iter().any(|(known, _)| known == notice.as_ref());
        self.notices.len() == host.notices.len() && host.notices.iter().all(is_known)
    }

    /// Its notices, each with the hosts that it is about, unless it is about all.
    pub fn notices(&self) -> impl Iterator<Item = (&str, &[&'a str])> {
        self.notices.iter().map(|(notice, hosts)| {
            let some = if hosts.len() < self.hosts.len() { hosts } else { &[][..] };
            (notice.as_str(), some)
        })
    }

    /// Whether there is something to know.
    pub fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }
}

impl<'a> HostReview<'a> {
    fn planned(plan: &'a HostPlan, whole: bool) -> Self {
        let mut tasks: Vec<TaskReview<'a>> = Vec::new();
        let mut said: Vec<&[OperationId]> = Vec::new();
        for operation in &plan.operations {
            let mut entry = Entry::new(operation, whole);
            entry.say_once(&mut said);
            entry.trigger.keep_causes(&plan.operations);
            match tasks.last_mut() {
                Some(last) if last.task == operation.task => last.entries.push(entry),
                _ => tasks.push(TaskReview {
                    task: &operation.task,
                    entries: vec![entry],
                }),
            }
        }
        if !whole {
            shorten_new_files(&mut tasks);
        }
        Self {
            host: &plan.host,
            was_read: true,
            tasks,
            skipped: plan.skipped.iter().map(SkippedEntry::new).collect(),
            notices: all_masked(&plan.notices),
            totals: Tally::of(plan),
            end: if plan.is_pending() {
                HostEnd::Pending
            } else {
                HostEnd::Converged
            },
            failure: None,
            results: None,
        }
    }

    fn applied(plan: &'a HostPlan, result: &'a HostResult, whole: bool) -> Self {
        Self {
            notices: all_masked(&result.notices),
            end: result.end,
            failure: result.failure.as_ref(),
            results: Some(&result.operations),
            ..Self::planned(plan, whole)
        }
    }

    fn unread(result: &'a HostResult) -> Self {
        Self {
            host: &result.host,
            was_read: false,
            tasks: Vec::new(),
            skipped: Vec::new(),
            notices: all_masked(&result.notices),
            totals: Tally::default(),
            end: result.end,
            failure: result.failure.as_ref(),
            results: None,
        }
    }

    /// Whether there is nothing to do, check or report.
    pub fn is_idle(&self) -> bool {
        self.totals.is_idle() && self.notices.is_empty() && self.failure.is_none()
    }
}

impl<'a> SkippedEntry<'a> {
    fn new(skipped: &'a plan::Skipped) -> Self {
        Self {
            name: masked(&skipped.name),
            written_at: skipped.origin.to_string(),
        }
    }
}

fn all_masked(texts: &[String]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| masked(text)).collect()
}

/// Whether what holds for all changes is said once, below them.
fn is_said_once(changes: &[Change<'_>]) -> bool {
    let mut shown = changes.iter().filter(|change| change.along.is_none());
    shown.nth(1).is_some() && changes.iter().all(|change| !change.is_for_running)
}

/// Leaves out reasons that an earlier change of the operation has.
fn say_once(changes: &mut [Change<'_>]) {
    let mut said: Vec<String> = Vec::new();
    for change in changes {
        let mut own = Vec::new();
        for why in change.reasons() {
            if said.iter().any(|known| known == why) {
                *why = Cow::Borrowed("");
            } else {
                own.push(why.to_string());
            }
        }
        said.extend(own);
    }
}

/// How many lines of new files a host may have before only the first ones of each are shown, and how many those are.
const MOST_LINES: usize = 240;
const FIRST_LINES: usize = 8;

/// Shows less of each new file where there are many: on an empty host the changes would be hard to find among their lines.
fn shorten_new_files(tasks: &mut [TaskReview<'_>]) {
    let entries = tasks.iter_mut().flat_map(|task| &mut task.entries);
    let changes = entries.flat_map(|entry| match &mut entry.state {
        EntryState::Change(changes) | EntryState::Ensure { changes, .. } => changes.as_mut_slice(),
        EntryState::Deferred { preview, .. } => preview,
        EntryState::Unchanged | EntryState::Check { .. } => &mut [],
    });
    let new = changes.filter(|change| !matches!(change.before, Before::Present(_)));
    let blocks: Vec<&mut Block> = new.flat_map(|change| &mut change.blocks).collect();
    if blocks.iter().map(|block| block.lines.len()).sum::<usize>() > MOST_LINES {
        for block in blocks {
            block.keep_first(FIRST_LINES);
        }
    }
}

fn changes_nothing(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unchanged | Outcome::Check { .. } => true,
        Outcome::Change(changes) => changes.is_empty(),
        Outcome::Ensure { .. } | Outcome::Deferred { .. } => false,
    }
}

impl<'a> Trigger<'a> {
    fn of(operation: &'a PlannedOperation) -> Self {
        let handler = operation.handler.as_ref();
        match &operation.trigger {
            plan::Trigger::Always => Self::Always,
            plan::Trigger::NotifiedBy(notifiers) => Self::NotifiedBy(notifiers.iter().collect()),
            plan::Trigger::Owed if handler.is_some_and(|own| own.is_beside_another_run) => Self::OwedByRunBeside,
            plan::Trigger::Owed => Self::Owed,
        }
    }

    /// Leaves out operations that change nothing according to `planned`.
    fn keep_causes(&mut self, planned: &[PlannedOperation]) {
        if let Self::NotifiedBy(notifiers) = self {
            let is_idle = |id: &OperationId| planned.iter().any(|one| one.id == *id && changes_nothing(&one.outcome));
            notifiers.retain(|id| !is_idle(id));
        }
    }
}

impl<'a> Entry<'a> {
    /// The review of one operation; `whole` shows all content, however long.
    pub fn new(operation: &'a PlannedOperation, whole: bool) -> Self {
        let all = |changes: &'a [ResourceChange]| {
            let mut all = Change::all(changes, whole);
            say_once(&mut all);
            all
        };
        let state = match &operation.outcome {
            _ if operation.is_covered() => EntryState::Unchanged,
            Outcome::Unchanged => EntryState::Unchanged,
            Outcome::Change(changes) => EntryState::Change(all(changes)),
            Outcome::Ensure { changes, since } => EntryState::Ensure {
                changes: all(changes),
                since,
                is_said: false,
            },
            Outcome::Deferred {
                waits_for,
                why,
                touches,
                preview,
            } => EntryState::Deferred {
                waits_for,
                why: masked(why),
                touches,
                preview: all(preview),
            },
            Outcome::Check { what, state, .. } => EntryState::Check {
                what: masked(what),
                state: match state {
                    CheckState::Fails(why) => CheckState::Fails(masked(why).into_owned()),
                    other => other.clone(),
                },
            },
        };
        Self {
            id: &operation.id,
            written_at: operation.origin.to_string(),
            trigger: Trigger::of(operation),
            unless_started_by: operation
                .handler
                .as_ref()
                .and_then(|own| own.unless_started_by.as_ref()),
            // What stays as it is cannot lock anybody out.
            is_guarded: !operation.guards.is_empty()
                && operation.as_now.is_no()
                && !changes_nothing(&operation.outcome),
            stays: !operation.as_now.is_no(),
            lacks_secret: operation.lacks_secret,
            state,
        }
    }

    /// Leaves out which operations may already create its files if an earlier one of the host says it: `said` has those.
    fn say_once(&mut self, said: &mut Vec<&'a [OperationId]>) {
        let EntryState::Ensure {
            changes,
            since,
            is_said,
        } = &mut self.state
        else {
            return;
        };
        let is_new_file = |change: &Change<'_>| {
            let is_file = [ResourceKind::File, ResourceKind::Directory, ResourceKind::Unit].contains(&change.kind);
            is_file && change.action == Action::Create && !change.may_be_there
        };
        if !changes.iter().all(is_new_file) {
            return;
        }
        *is_said = said.contains(since);
        if !*is_said {
            said.push(since);
        }
    }

    /// The operation's name, without the host and the task.
    pub fn slug(&self) -> &'a str {
        self.id.slug()
    }

    /// The changes that are shown for it.
    pub fn changes(&self) -> &[Change<'a>] {
        match &self.state {
            EntryState::Unchanged | EntryState::Check { .. } => &[],
            EntryState::Change(changes) | EntryState::Ensure { changes, .. } => changes,
            EntryState::Deferred { preview, .. } => preview,
        }
    }

    /// The operations that may already make each of its changes.
    pub fn unless_each(&self) -> &'a [OperationId] {
        match &self.state {
            EntryState::Ensure {
                changes,
                since,
                is_said: false,
            } if !is_said_once(changes) => since,
            _ => &[],
        }
    }

    /// The operations that may already make all of its changes, if that is said once for all of them.
    pub fn unless_all(&self) -> &'a [OperationId] {
        match &self.state {
            EntryState::Ensure {
                changes,
                since,
                is_said: false,
            } if is_said_once(changes) => since,
            _ => &[],
        }
    }

    /// Whether there is nothing to do and nothing to report.
    pub fn is_idle(&self) -> bool {
        match &self.state {
            EntryState::Unchanged
            | EntryState::Check {
                state: CheckState::Holds,
                ..
            } => true,
            EntryState::Change(changes) => changes.is_empty(),
            _ => false,
        }
    }

    /// The sign before the operation if it is shown by its name.
    pub fn sign(&self) -> Sign {
        match &self.state {
            EntryState::Unchanged => Sign::Unchanged,
            EntryState::Change(_) | EntryState::Ensure { .. } => Sign::Changed,
            EntryState::Deferred { .. } => Sign::Later,
            EntryState::Check { state, .. } => match state {
                CheckState::Holds => Sign::Passes,
                CheckState::Later => Sign::CheckLater,
                CheckState::Fails(_) => Sign::Fails,
            },
        }
    }
}
