//! Handlers on the way through a host's stages: which operations notify them, and when it is their turn.
//!
//! The handlers of all tasks of a deploy's entry have their turn when the entry ends: first those of included tasks, in the
//! order of the file. A handler that is notified after its turn, from another entry, has a further turn when that one ends.
//! What asks services at the end of a task, such as its checks, looks at what its handlers leave: it comes after them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::position::{DEEPEST, Position};
use crate::error::Diagnostic;
use crate::facts::overlay::OperationId;
use crate::project::{Flush, Handler, Named, Notified, RawOperation, Selection, Task, TaskEntry, TaskUse};

/// The handlers of a host, and what notified them so far.
#[derive(Default)]
pub(super) struct Handlers<'a> {
    notices: Vec<Notice<'a>>,
    /// The instances of tasks whose handlers had no turn yet, the outermost first.
    open: Vec<(&'a Task, Arc<Position>)>,
    /// Handlers of the current entry, in the order of their turns.
    of_entry: Vec<Turn<'a>>,
    of_stage: VecDeque<Turn<'a>>,
    /// Handlers that had their turn.
    past: Vec<Turn<'a>>,
}

/// A handler of a task's instance.
#[derive(Clone)]
pub(super) struct Turn<'a> {
    pub(super) task: &'a str,
    pub(super) handler: &'a Handler,
    pub(super) position: Arc<Position>,
}

struct Notice<'a> {
    by: OperationId,
    to: Recipient<'a>,
    handler: &'a str,
    written: &'a Named,
}

/// The instance of a task whose handler is notified.
enum Recipient<'a> {
    /// The one at this path.
    At(String),
    /// The only one of this task.
    Only(&'a str),
    /// The one of this task for the same item of a deploy's entry.
    ForItem(&'a str, String),
}

impl<'a> Handlers<'a> {
    /// Notes what `by`, an operation that is written as `raw` in the task of `position`, notifies if it changes something.
    ///
    /// Errors: the handler's task is not there on this host, or there are several instances of it.
    pub(super) fn notify(
        &mut self,
        by: &OperationId,
        raw: &'a RawOperation,
        position: &Position,
        selection: &'a Selection,
        host: &str,
    ) -> Result<(), Diagnostic> {
        let Some(task) = selection.tasks.get(&position.task) else {
            return Ok(());
        };
        for name in &raw.notify {
            let (to, handler) = match task.notified(&name.name) {
                Notified::Own(handler) => (Recipient::At(position.path.clone()), handler),
                Notified::Other { task, handler } => (
                    recipient(task, name, position.item.as_deref(), selection, host)?,
                    handler,
                ),
            };
            self.note(by, to, handler, name);
        }
        Ok(())
    }

    /// Notes what a whole task notifies in other tasks, if its operations are not known yet.
    pub(super) fn notify_by_task(
        &mut self,
        by: &OperationId,
        task: &'a Task,
        position: &Position,
        selection: &'a Selection,
        host: &str,
    ) -> Result<(), Diagnostic> {
        for task in with_includes(selection, task) {
            for name in task.operations().flat_map(|operation| &operation.notify) {
                if let Notified::Other { task, handler } = task.notified(&name.name) {
                    let to = recipient(task, name, position.item.as_deref(), selection, host)?;
                    self.note(by, to, handler, name);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, by: &OperationId, to: Recipient<'a>, handler: &'a str, written: &'a Named) {
        self.notices.push(Notice {
            by: by.clone(),
            to,
            handler,
            written,
        });
    }

    /// The start of a task's instance.
    pub(super) fn enter(&mut self, task: &'a Task, position: &Arc<Position>) {
        self.open.push((task, Arc::clone(position)));
    }

    /// The handlers that have their turn only after an operation at `position`: those of the tasks around it, and of tasks before it.
    pub(super) fn after(&self, position: &Position) -> Vec<Turn<'a>> {
        let is_around =
            |open: &Position| position.path == open.path || position.path.starts_with(&format!("{} / ", open.path));
        let around = self.open.iter().filter(|(_, open)| is_around(open)).rev();
        let around = around.flat_map(|(task, open)| {
            task.handlers.iter().map(|handler| Turn {
                task: &task.name,
                handler,
                position: Arc::clone(open),
            })
        });
        let left = self.of_stage.iter().chain(&self.of_entry).cloned();
        left.chain(around).collect()
    }

    /// The handlers that these operations notify and that have no turn yet.
    pub(super) fn notified_by(&self, is_meant: impl Fn(&OperationId) -> bool) -> BTreeSet<&'a str> {
        let notices = self.notices.iter().filter(|notice| is_meant(&notice.by));
        notices.map(|notice| notice.handler).collect()
    }

    /// The end of a task's instance, but for its last checks: its handlers have their turn with those of the entry, or of the stage.
    pub(super) fn leave(&mut self, task: &'a Task, position: &Arc<Position>) {
        self.open.retain(|(_, open)| open.path != position.path);
        for handler in &task.handlers {
            self.add(Turn {
                task: &task.name,
                handler,
                position: Arc::clone(position),
            });
        }
    }

    fn add(&mut self, turn: Turn<'a>) {
        match turn.handler.flush {
            Flush::Task => self.of_entry.push(turn),
            Flush::Stage => self.of_stage.push_back(turn),
        }
    }

    /// The handlers whose turn it is at the end of an entry of the deploy.
    pub(super) fn end_entry(&mut self, entry: &Position) -> Vec<Turn<'a>> {
        let late: Vec<Turn<'a>> = self
            .past
            .iter()
            .filter(|turn| self.notices.iter().any(|notice| notice.is_for(turn)))
            .map(|turn| Turn {
                position: Arc::new(turn.position.moved_to(entry)),
                ..turn.clone()
            })
            .collect();
        for turn in late {
            // What notified it is meant for this further turn.
            for notice in &mut self.notices {
                if notice.is_for_name(turn.task, turn.handler)
                    && matches!(notice.to, Recipient::Only(_) | Recipient::ForItem(..))
                {
                    notice.to = Recipient::At(turn.position.path.clone());
                }
            }
            self.add(turn);
        }
        std::mem::take(&mut self.of_entry)
    }

    /// The handlers of an included task, and of those that it includes, if they do not wait for the end of the entry.
    pub(super) fn end_include(&mut self, include: &Position) -> Vec<Turn<'a>> {
        let below = format!("{} / ", include.path);
        let is_own = |turn: &Turn<'a>| turn.position.path == include.path || turn.position.path.starts_with(&below);
        let (own, rest) = std::mem::take(&mut self.of_entry).into_iter().partition(is_own);
        self.of_entry = rest;
        own
    }

    /// The next handler whose turn it is at the end of a stage.
    pub(super) fn next_of_stage(&mut self) -> Option<Turn<'a>> {
        self.of_stage.pop_front()
    }

    /// What has notified a handler so far.
    pub(super) fn take_notices(&mut self, turn: &Turn<'a>) -> Vec<OperationId> {
        let (own, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.notices)
            .into_iter()
            .partition(|notice| notice.is_for(turn));
        self.notices = rest;
        own.into_iter().map(|notice| notice.by).collect()
    }

    /// What notified a handler whose turn it is.
    pub(super) fn take(&mut self, turn: &Turn<'a>) -> Vec<OperationId> {
        let is_first = !self.past.iter().any(|past| {
            past.task == turn.task
                && past.handler.name.name == turn.handler.name.name
                && past.position.item == turn.position.item
        });
        if is_first {
            self.past.push(turn.clone());
        }
        self.take_notices(turn)
    }

    /// Mistakes at the end of the last stage: a handler for an item that its task does not have.
    pub(super) fn end(&mut self) -> Vec<Diagnostic> {
        let notices = std::mem::take(&mut self.notices);
        let mistakes = notices.iter().filter_map(|notice| {
            let Recipient::ForItem(task, item) = &notice.to else {
                return None;
            };
            let is_there = self.past.iter().any(|turn| turn.task == *task);
            is_there.then(|| {
                Diagnostic::new(format!("task `{task}` has no item `{item}`"))
                    .at_maybe(
                        notice.written.origin.as_ref(),
                        "the handler of the same item is notified",
                    )
                    .hint("use the same `for_each` for both tasks in the deploy")
            })
        });
        let mut found: Vec<Diagnostic> = Vec::new();
        for mistake in mistakes {
            if !found.contains(&mistake) {
                found.push(mistake);
            }
        }
        found
    }
}

impl Notice<'_> {
    fn is_for(&self, turn: &Turn<'_>) -> bool {
        match &self.to {
            Recipient::At(path) => turn.position.path == *path && turn.handler.name.name == self.handler,
            Recipient::Only(_) => self.is_for_name(turn.task, turn.handler),
            Recipient::ForItem(_, item) => {
                self.is_for_name(turn.task, turn.handler) && turn.position.item.as_ref() == Some(item)
            }
        }
    }

    fn is_for_name(&self, task: &str, handler: &Handler) -> bool {
        let is_task = match &self.to {
            Recipient::At(_) => false,
            Recipient::Only(name) | Recipient::ForItem(name, _) => *name == task,
        };
        is_task && handler.name.name == self.handler
    }
}

/// A way to a task from a deploy's entry.
#[derive(Clone, Copy)]
struct Way {
    entry_has_items: bool,
    include_has_items: bool,
}

/// The instance of another `task` whose handler an operation notifies.
///
/// Errors: there is none on this host, or it is not the only one.
fn recipient<'a>(
    task: &'a str,
    written: &Named,
    item: Option<&str>,
    selection: &Selection,
    host: &str,
) -> Result<Recipient<'a>, Diagnostic> {
    let mistake = |title: String, label: &str, hint: String| {
        Err(Diagnostic::new(title)
            .at_maybe(written.origin.as_ref(), label)
            .hint(hint))
    };
    let ways = ways(task, selection, host);
    match (&ways[..], item) {
        ([], _) => mistake(
            format!(
                "task `{task}` is not part of deploy `{}` on this host",
                selection.deploy
            ),
            "no handler to notify",
            format!("add `{task}` to the deploy, or write a handler in this task"),
        ),
        ([way], item) if !way.include_has_items => match (way.entry_has_items, item) {
            (false, _) => Ok(Recipient::Only(task)),
            (true, Some(item)) => Ok(Recipient::ForItem(task, item.to_owned())),
            (true, None) => mistake(
                format!("task `{task}` runs for several items"),
                "it is not clear whose handler is notified",
                "use the same `for_each` for both tasks in the deploy, or write a handler in this task".to_owned(),
            ),
        },
        _ => mistake(
            format!("task `{task}` runs several times on this host"),
            "it is not clear whose handler is notified",
            "write a handler in this task".to_owned(),
        ),
    }
}

fn ways(task: &str, selection: &Selection, host: &str) -> Vec<Way> {
    let stages = selection
        .stages
        .iter()
        .filter(|stage| stage.hosts.iter().any(|name| name == host));
    let mut ways = Vec::new();
    for entry in stages.flat_map(|stage| &stage.tasks) {
        let way = Way {
            entry_has_items: entry.settings.for_each.is_some(),
            include_has_items: false,
        };
        add_ways(task, entry, way, selection, 0, &mut ways);
    }
    ways
}

fn add_ways(task: &str, task_use: &TaskUse, way: Way, selection: &Selection, depth: usize, ways: &mut Vec<Way>) {
    if task_use.task.name == task {
        ways.push(way);
    }
    // Tasks that include each other are reported elsewhere.
    if depth > DEEPEST {
        return;
    }
    let Some(used) = selection.tasks.get(&task_use.task.name) else {
        return;
    };
    for include in used.includes() {
        let way = Way {
            include_has_items: way.include_has_items || include.settings.for_each.is_some(),
            ..way
        };
        add_ways(task, include, way, selection, depth + 1, ways);
    }
}

/// A task and all that it includes.
pub(super) fn with_includes<'a>(selection: &'a Selection, task: &'a Task) -> Vec<&'a Task> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    let mut waiting = vec![task];
    while let Some(task) = waiting.pop() {
        if seen.insert(&task.name) {
            found.push(task);
            let includes = task.includes();
            waiting.extend(includes.filter_map(|include| selection.tasks.get(&include.task.name).map(AsRef::as_ref)));
        }
    }
    found
}

impl Turn<'_> {
    /// The handler's id without the host, the stage and an item.
    pub(super) fn name(&self) -> String {
        format!("{} / {}", self.position.in_stage, self.handler.name.name)
    }

    /// The same as a further turn of a handler that had one before its time.
    pub(super) fn again(&self) -> Self {
        let position = Position {
            path: format!("{} / again", self.position.path),
            ..(*self.position).clone()
        };
        Self {
            position: Arc::new(position),
            ..self.clone()
        }
    }
}

/// The number of entries at the end of a task that ask services and notify nothing, or are tasks of nothing else.
pub(super) fn checks_at_end(selection: &Selection, task: &Task) -> usize {
    checks_at_end_of(selection, task, 0)
}

fn checks_at_end_of(selection: &Selection, task: &Task, depth: usize) -> usize {
    let is_check = |entry: &&TaskEntry| match entry {
        TaskEntry::Operation(operation) => operation.definition.asks_services() && operation.notify.is_empty(),
        // Tasks that include each other are reported elsewhere.
        TaskEntry::Include(include) => selection.tasks.get(&include.task.name).is_some_and(|task| {
            depth < DEEPEST
                && task.handlers.is_empty()
                && checks_at_end_of(selection, task, depth + 1) == task.entries.len()
        }),
    };
    task.entries.iter().rev().take_while(is_check).count()
}

/// Whether a task, or one that it includes, has handlers that operations of other tasks notify.
pub(super) fn is_notified_by_others(selection: &Selection, name: &str) -> bool {
    let Some(task) = selection.tasks.get(name) else {
        return false;
    };
    let notified: BTreeSet<&str> = selection
        .tasks
        .values()
        .flat_map(|task| {
            let names = task.operations().flat_map(|operation| &operation.notify);
            names.filter_map(|name| match task.notified(&name.name) {
                Notified::Other { task, .. } => Some(task),
                Notified::Own(_) => None,
            })
        })
        .collect();
    !notified.is_empty()
        && with_includes(selection, task)
            .iter()
            .any(|task| notified.contains(task.name.as_str()))
}
