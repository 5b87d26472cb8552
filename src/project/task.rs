//! `tasks/<folder>/<name>.toml`: an ordered list of operations and includes.

use super::allow::{Allowance, allowance};
use super::capture;
use super::entry::{EntrySettings, become_keys, definition, missing_op, settings, settings_of_use};
use super::fields::{Fields, Named};
use super::handler::{self, Handler};
use super::operation::RawOperation;
use super::reader::Source;
use super::unread::Unread;
use crate::error::{Diagnostic, Origin, habits};
use crate::operations::find;
use crate::value::{Kind, Table, Value};

/// A task file.
#[derive(Debug)]
pub struct Task {
    /// `<folder>/<name>`.
    pub name: String,
    pub description: Option<String>,
    /// Data and vars that must be set, as dotted names.
    pub required: Vec<Named>,
    /// For the whole task: a bare expression or a boolean.
    pub when: Option<Value>,
    /// Tags of all its operations.
    pub tags: Vec<Named>,
    /// `become` and `become_user` of its operations, if set.
    pub become_keys: Table,
    /// Variables that an entry can set, with their defaults.
    pub vars: Table,
    /// Its entries, in order.
    pub entries: Vec<TaskEntry>,
    /// Its handlers, in order.
    pub handlers: Vec<Handler>,
    /// The lints that are allowed in all of its operations.
    pub allow: Allowance,
    /// What its mistakes leave out.
    pub unread: Unread,
    /// The start of the file.
    pub origin: Origin,
}

/// An entry of a task.
#[derive(Debug)]
pub enum TaskEntry {
    Operation(Box<RawOperation>),
    /// Another task, run in this place.
    Include(Box<TaskUse>),
}

/// The use of a task by a deploy or by another task.
#[derive(Clone, Debug)]
pub struct TaskUse {
    pub task: Named,
    /// Name, conditions and tags.
    pub settings: EntrySettings,
    /// The `vars` that it sets.
    pub vars: Table,
    /// `become` and `become_user` of the task's operations, unless the task sets them.
    pub become_keys: Table,
    pub origin: Origin,
}

/// What a `notify` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified<'a> {
    /// A handler of the same task.
    Own(&'a str),
    /// A handler of another task.
    Other { task: &'a str, handler: &'a str },
}

impl TaskUse {
    /// Its own name, if set.
    pub fn own_name(&self) -> Option<&str> {
        self.settings.name.as_ref().and_then(Value::as_str)
    }
}

impl Task {
    /// Its own operations, without those of included tasks.
    pub fn operations(&self) -> impl Iterator<Item = &RawOperation> {
        self.entries.iter().filter_map(|entry| match entry {
            TaskEntry::Operation(operation) => Some(operation.as_ref()),
            TaskEntry::Include(_) => None,
        })
    }

    /// What `name` stands for, in `notify` of an operation of this task.
    pub fn notified<'a>(&self, name: &'a str) -> Notified<'a> {
        let is_own = self.handlers.iter().any(|handler| handler.name.name == name);
        match name.split_once(':') {
            Some((task, handler)) if !is_own && task != self.name => Notified::Other { task, handler },
            Some((_, handler)) if !is_own => Notified::Own(handler),
            _ => Notified::Own(name),
        }
    }

    /// Its own operations and handlers.
    pub fn operations_and_handlers(&self) -> impl Iterator<Item = &RawOperation> {
        let handlers = self.handlers.iter().map(|handler| &handler.operation);
        self.operations().chain(handlers)
    }

    /// The tasks that it includes.
    pub fn includes(&self) -> impl Iterator<Item = &TaskUse> {
        self.entries.iter().filter_map(|entry| match entry {
            TaskEntry::Operation(_) => None,
            TaskEntry::Include(include) => Some(include.as_ref()),
        })
    }
}

const TASK_KEYS: &[&str] = &[
    "description",
    "required",
    "when",
    "tags",
    "become",
    "become_user",
    "vars",
    "allow",
    "allow_reason",
    "operation",
    "handler",
];
const INCLUDE_KEYS: &[&str] = &[
    "include",
    "name",
    "when",
    "for_each",
    "vars",
    "tags",
    "become",
    "become_user",
];
/// The keys of an operation that are not its parameters.
pub const COMMON_KEYS: &[&str] = &[
    "op",
    "name",
    "when",
    "for_each",
    "tags",
    "notify",
    "become",
    "become_user",
    "timeout",
    "retries",
    "on_error",
    "env",
    "guard",
    "allow",
    "allow_reason",
];

pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> Task {
    let place = source.start();
    let mut fields = Fields::new(source.table, &place, mistakes);
    let description = fields.text("description").map(|text| text.name);
    let required = fields.names("required");
    let when = fields.condition("when");
    let tags = fields.names("tags");
    let become_keys = become_keys(&mut fields);
    let vars = fields.table("vars");
    let allow = allowance(&mut fields);
    let mut operations = fields.tables("operation");
    let mut handlers = fields.tables("handler");
    move_into_entries(
        &mut fields,
        [("operation", &mut operations), ("handler", &mut handlers)],
    );
    fields.end("a task", TASK_KEYS);
    let mut unread = Unread::default();
    let handlers = handler::read(handlers, &mut unread, mistakes);
    let entries = operations
        .into_iter()
        .filter_map(|(table, place)| entry(table, &place, &mut unread, mistakes))
        .collect();
    Task {
        name: source.name,
        description,
        required,
        when,
        tags,
        become_keys,
        vars,
        entries,
        handlers,
        allow,
        unread,
        origin: place,
    }
}

/// Moves a table such as `[settings]` into the entry that it was meant for, the last one above it, and reports it.
fn move_into_entries(fields: &mut Fields<'_>, mut lists: [(&str, &mut Vec<(Table, Origin)>); 2]) {
    for (key, entry) in fields.tables_but(TASK_KEYS) {
        let Some(place) = entry.key.clone() else { continue };
        let above = lists.iter_mut().flat_map(|(name, entries)| {
            let entries = entries.iter_mut();
            entries.map(|(table, origin)| (*name, table, origin.span.start))
        });
        let above = above.filter(|(.., start)| *start < place.span.start);
        let nearest = above.max_by_key(|(.., start)| *start);
        let meant = nearest.filter(|(_, table, _)| !table.contains_key(&key) && takes(table, &key));
        let Some((name, table, _)) = meant else {
            fields.put_back(key, entry);
            continue;
        };
        let mistake = Diagnostic::new(format!("`[{key}]` is outside of the `[[{name}]]` above it"))
            .at(&place, "begins a table of the whole task")
            .hint(format!("write `[{name}.{key}]`"));
        fields.mistake(mistake);
        table.insert(key, entry);
    }
}

/// Whether an entry of a task has this key.
fn takes(table: &Table, key: &str) -> bool {
    if table.contains_key("include") {
        return INCLUDE_KEYS.contains(&key);
    }
    if table.contains_key("capture") {
        return capture::CAPTURE_KEYS.contains(&key);
    }
    let definition = table.get("op").and_then(|op| find(op.value.as_str()?));
    COMMON_KEYS.contains(&key) || definition.is_some_and(|definition| definition.keys().contains(&key))
}

fn entry(table: Table, place: &Origin, unread: &mut Unread, mistakes: &mut Vec<Diagnostic>) -> Option<TaskEntry> {
    if table.contains_key("include") {
        return include(table, place, mistakes).map(|include| TaskEntry::Include(Box::new(include)));
    }
    if let Some(name) = table.get("capture") {
        let name = name.value.as_str().unwrap_or_default().to_owned();
        let capture = capture::read(table, place, mistakes);
        if capture.is_none() {
            unread.captures.insert(name);
        }
        return capture.map(|capture| TaskEntry::Operation(Box::new(capture)));
    }
    let table = with_for_each(table, mistakes);
    let mut fields = Fields::new(table, place, mistakes);
    let op = fields.entry("op");
    let notify = fields.names("notify");
    let settings = settings(&mut fields);
    let guard = fields.truth("guard");
    let allow = allowance(&mut fields);
    let arguments = fields.rest();
    let Some(op) = op else {
        mistakes.push(missing_op(&arguments, place));
        return None;
    };
    match definition(Some(&op.value), place) {
        Ok((definition, origin)) => Some(TaskEntry::Operation(Box::new(RawOperation {
            definition,
            settings,
            arguments,
            notify,
            guard,
            allow,
            origin,
        }))),
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    }
}

/// Reports a list under the word of another tool for `for_each`, and reads it as that: what uses its items has no mistake of its own.
fn with_for_each(mut table: Table, mistakes: &mut Vec<Diagnostic>) -> Table {
    const OWN: &str = "for_each";
    let Some(definition) = table.get("op").and_then(|op| find(op.value.as_str()?)) else {
        return table;
    };
    let is_foreign = |key: &str| !definition.keys().contains(&key) && habits::is_answered(key, OWN);
    let mut foreign = table
        .iter()
        .filter(|(key, entry)| is_foreign(key) && matches!(entry.value.kind, Kind::List(_)));
    if let Some((key, entry)) = foreign.next().filter(|_| !table.contains_key(OWN)) {
        let (key, entry) = (key.clone(), entry.clone());
        mistakes.push(
            Diagnostic::new(format!("unknown parameter `{key}` of `{}`", definition.name))
                .at_maybe(entry.key.as_ref(), "no such parameter")
                .hint(format!("did you mean `{OWN}`?")),
        );
        table.shift_remove(&key);
        table.insert(OWN.to_owned(), entry);
    }
    table
}

fn include(table: Table, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Option<TaskUse> {
    let mut fields = Fields::new(table, place, mistakes);
    if let Some(op) = fields.entry("op") {
        fields.mistake(
            Diagnostic::new("`include` and `op` cannot be used together")
                .at_maybe(op.key.as_ref(), "both are in this entry")
                .hint("write two entries"),
        );
    }
    let task = fields.text("include");
    let settings = settings_of_use(&mut fields);
    let become_keys = become_keys(&mut fields);
    let vars = fields.fitting_table("vars");
    fields.end("an `include`", INCLUDE_KEYS);
    // Without this it would seem to lack required vars.
    let (task, vars) = (task?, vars?);
    let origin = task.origin.clone().unwrap_or_else(|| place.clone());
    Some(TaskUse {
        task,
        settings,
        vars,
        become_keys,
        origin,
    })
}
