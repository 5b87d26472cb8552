//! `tasks/<folder>/<name>.toml`: an ordered list of operations, and of other tasks in their place.

use super::fields::{Fields, Named};
use super::handler;
use super::reader::Source;
use crate::error::{Diagnostic, Origin, suggestion};
use crate::operations::{ACTING_KEYS, Definition, OPERATIONS, find};
use crate::template::is_template;
use crate::value::{Kind, Table, Value};

/// A task: a file.
#[derive(Debug)]
pub struct Task {
    /// `<folder>/<name>`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Data and vars that must be there, as dotted names.
    pub required: Vec<Named>,
    /// For the whole task: a bare expression, or a truth value.
    pub when: Option<Value>,
    /// Labels of all its operations.
    pub tags: Vec<Named>,
    /// As whom its operations act: `become` and `become_user`, where they are given.
    pub acting: Table,
    /// Defaults of what whoever uses it may set.
    pub vars: Table,
    /// What it holds, in order.
    pub entries: Vec<TaskEntry>,
    /// The file's start.
    pub origin: Origin,
}

/// An entry of a task.
#[derive(Debug)]
pub enum TaskEntry {
    /// An operation.
    Operation(Box<RawOperation>),
    /// Another task in this place.
    Include(Box<TaskUse>),
}

/// What every entry, of a task or of a deploy, may carry.
#[derive(Clone, Debug, Default)]
pub struct EntrySettings {
    /// Its own name.
    pub name: Option<Value>,
    /// A bare expression, or a truth value.
    pub when: Option<Value>,
    /// A bare expression, or a list.
    pub for_each: Option<Value>,
    /// Labels, which `--tags` selects by.
    pub tags: Vec<Named>,
}

/// An operation as written, its templates not rendered.
pub struct RawOperation {
    /// What it does.
    pub definition: &'static Definition,
    /// Name, conditions, labels.
    pub common: EntrySettings,
    /// The rest: its parameters.
    pub arguments: Table,
    /// Where its `op` is written.
    pub origin: Origin,
}

/// A task put to use: by a deploy, or by another task.
#[derive(Clone, Debug)]
pub struct TaskUse {
    /// The task's name.
    pub task: Named,
    /// Name, conditions, labels.
    pub common: EntrySettings,
    /// What it sets of the task's `vars`.
    pub vars: Table,
    /// As whom the task's operations act, where the task itself does not say.
    pub acting: Table,
    /// Where it is written.
    pub origin: Origin,
}

impl std::fmt::Debug for RawOperation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} at {}", self.definition.name, self.origin)
    }
}

impl TaskUse {
    /// Its own name, where it has one.
    pub fn own_name(&self) -> Option<&str> {
        self.common.name.as_ref().and_then(Value::as_str)
    }
}

impl Task {
    /// Its operations, those of tasks that it includes left out.
    pub fn operations(&self) -> impl Iterator<Item = &RawOperation> {
        self.entries.iter().filter_map(|entry| match entry {
            TaskEntry::Operation(operation) => Some(operation.as_ref()),
            TaskEntry::Include(_) => None,
        })
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
const OPERATION_NOT_YET: &[&str] = &["env", "timeout", "retries", "sensitive", "on_error"];
/// The keys of an operation that are not its parameters.
pub const COMMON_KEYS: &[&str] = &["op", "name", "when", "for_each", "tags", "become", "become_user"];

pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> Task {
    let place = source.start();
    let mut fields = Fields::new(source.table, &place, mistakes);
    let description = fields.text("description").map(|text| text.name);
    let required = fields.names("required");
    let when = fields.condition("when");
    let tags = fields.names("tags");
    let acting = acting(&mut fields);
    let vars = fields.table("vars");
    let operations = fields.tables("operation");
    let handlers = fields.tables("handler");
    fields.end("a task", TASK_KEYS);
    let handlers = handler::read(handlers, mistakes);
    let entries = operations
        .into_iter()
        .filter_map(|(table, place)| entry(table, &place, &handlers, mistakes))
        .collect();
    handlers.refuse(mistakes);
    Task {
        name: source.name,
        description,
        required,
        when,
        tags,
        acting,
        vars,
        entries,
        origin: place,
    }
}

fn entry(
    table: Table,
    place: &Origin,
    handlers: &handler::Handlers,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<TaskEntry> {
    if table.contains_key("include") {
        return include(table, place, mistakes).map(|include| TaskEntry::Include(Box::new(include)));
    }
    if table.contains_key("capture") {
        handler::read_capture(table, place, mistakes);
        return None;
    }
    let mut fields = Fields::new(table, place, mistakes);
    fields.not_yet(OPERATION_NOT_YET);
    let op = fields.entry("op");
    let notified = fields.names("notify");
    let common = common(&mut fields);
    let arguments = fields.rest();
    for name in &notified {
        handlers.check_notify(name, mistakes);
    }
    match definition(op.map(|entry| entry.value).as_ref(), place) {
        Ok((definition, origin)) => Some(TaskEntry::Operation(Box::new(RawOperation {
            definition,
            common,
            arguments,
            origin,
        }))),
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    }
}

/// Takes what every entry may carry.
pub(super) fn common(fields: &mut Fields<'_>) -> EntrySettings {
    EntrySettings {
        name: fields
            .text("name")
            .map(|name| Value::string(name.name).at(name.origin.as_ref())),
        when: fields.condition("when"),
        for_each: fields.listing("for_each"),
        tags: fields.names("tags"),
    }
}

/// Takes what may be said where a task is put to use: its name is that of `--only`, so the same on every host.
pub(super) fn common_of_use(fields: &mut Fields<'_>) -> EntrySettings {
    let mut common = common(fields);
    let is_wrong = |name: &&Value| name.as_str().is_some_and(is_template);
    if let Some(name) = common.name.as_ref().filter(is_wrong) {
        fields.mistake(
            Diagnostic::new("the name of a task cannot be a template")
                .at_maybe(name.origin.as_ref(), "the same on every host, and for every item")
                .hint("write it without braces; the items of a `for_each` are told apart without it"),
        );
        common.name = None;
    }
    common
}

/// Takes as whom operations act.
pub(super) fn acting(fields: &mut Fields<'_>) -> Table {
    let mut acting = Table::new();
    for key in ACTING_KEYS {
        let Some(entry) = fields.entry(key) else { continue };
        let expected = if *key == "become" {
            "`true` or `false`"
        } else {
            "a user's name"
        };
        let fits = match &entry.value.kind {
            Kind::Bool(_) => *key == "become",
            Kind::String(text) => *key != "become" || is_template(text),
            _ => false,
        };
        if fits {
            acting.insert((*key).to_owned(), entry);
        } else {
            fields.misfit::<()>(key, expected, &entry.value);
        }
    }
    acting
}

fn include(table: Table, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Option<TaskUse> {
    let mut fields = Fields::new(table, place, mistakes);
    if let Some(op) = fields.entry("op") {
        fields.mistake(
            Diagnostic::new("an entry has either `include` or `op`")
                .at_maybe(op.key.as_ref(), "it has both")
                .hint("write two entries"),
        );
    }
    let task = fields.text("include");
    let common = common_of_use(&mut fields);
    let acting = acting(&mut fields);
    let vars = fields.fitting_table("vars");
    fields.end("an `include`", INCLUDE_KEYS);
    // Without its vars it would seem to lack them.
    let (task, vars) = (task?, vars?);
    let origin = task.origin.clone().unwrap_or_else(|| place.clone());
    Some(TaskUse {
        task,
        common,
        vars,
        acting,
        origin,
    })
}

/// The operation that `op` names, and where it does.
pub(super) fn definition(op: Option<&Value>, place: &Origin) -> Result<(&'static Definition, Origin), Diagnostic> {
    let Some(op) = op else {
        return Err(Diagnostic::new("an operation without `op`")
            .at(place, "nothing says what it does")
            .hint("write `op = \"…\"`; `homelab operations` lists all"));
    };
    let origin = op.origin.as_ref().unwrap_or(place);
    let Some(name) = op.as_str() else {
        return Err(Diagnostic::new("`op` must be a string")
            .at(origin, format!("this is {}", op.shown()))
            .hint("`homelab operations` lists all"));
    };
    find(name)
        .map(|definition| (definition, origin.clone()))
        .ok_or_else(|| {
            Diagnostic::new(format!("there is no operation `{name}`"))
                .at(origin, "unknown operation")
                .hint(
                    suggestion(name, OPERATIONS.iter().map(|definition| definition.name))
                        .unwrap_or_else(|| "`homelab operations` lists all".to_owned()),
                )
        })
}
