//! `deploys/<name>.toml`: which hosts, which tasks, in which order, with or without stages.

use super::entry::{EntrySettings, become_keys, settings_of_use};
use super::fields::{Fields, Named};
use super::reader::Source;
use super::task::TaskUse;
use crate::error::{Diagnostic, Origin};
use crate::value::{Entry, Kind, Table, Value, advice};

/// An ordered list of tasks for some hosts.
#[derive(Debug)]
pub struct Deploy {
    pub description: Option<String>,
    /// Its stages, in order; a single one without a name if the file has no stages.
    pub stages: Vec<Stage>,
    /// The start of the file.
    pub origin: Origin,
}

/// Tasks for some hosts, finished before the next stage begins.
#[derive(Debug)]
pub struct Stage {
    /// `None` if the deploy has no stages.
    pub name: Option<String>,
    /// Host names, groups and globs.
    pub hosts: Vec<Named>,
    pub tasks: Vec<TaskUse>,
    /// How many hosts at a time; `None` means all at once.
    pub serial: Option<usize>,
    /// How many hosts may fail before no further batch and no further stage begins.
    pub max_fail: usize,
    /// Whether groups in `hosts` may have no host in an inventory.
    pub is_optional: bool,
    pub origin: Origin,
}

const KEYS: &[&str] = &["description", "hosts", "tasks", "stage"];
const STAGE_KEYS: &[&str] = &["name", "hosts", "tasks", "serial", "max_fail", "optional"];
const ENTRY_KEYS: &[&str] = &[
    "task",
    "name",
    "when",
    "for_each",
    "vars",
    "tags",
    "become",
    "become_user",
];

/// Without patterns of hosts it would be a deploy to all hosts, so a file whose `hosts` are wrong is left out.
pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> Option<Deploy> {
    let place = source.start();
    let mut table = source.table;
    let stages = table.shift_remove("stage");
    let mut fields = Fields::new(table, &place, mistakes);
    let description = fields.text("description").map(|text| text.name);
    let stages = match stages {
        None => {
            let stage = stage(&mut fields, Form::Plain, None, &place);
            fields.end("a deploy", KEYS);
            vec![stage]
        }
        Some(entry) => {
            for key in ["hosts", "tasks"] {
                if let Some(entry) = fields.entry(key) {
                    let mistake = Diagnostic::new(format!("`{key}` and `stage` cannot be used together"));
                    fields.mistake(
                        mistake
                            .at_maybe(entry.key.as_ref(), "belongs in a stage")
                            .hint("move it below a `[[stage]]`"),
                    );
                }
            }
            fields.end("a deploy", KEYS);
            stages_of(entry, &place, mistakes)
        }
    };
    let is_whole = stages.iter().all(|stage| !stage.hosts.is_empty());
    is_whole.then_some(Deploy {
        description,
        stages,
        origin: place,
    })
}

fn stages_of(entry: Entry, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Vec<Stage> {
    let mut holder = Table::new();
    holder.insert("stage".to_owned(), entry);
    let mut fields = Fields::new(holder, place, mistakes);
    if fields.empty_list("stage").is_some() {
        let place = fields.value_place("stage");
        let mistake = Diagnostic::new("`stage` is empty").at_maybe(place.as_ref(), "nothing to deploy");
        fields.mistake(mistake.hint("write `[[stage]]` with `name`, `hosts` and `tasks`"));
    }
    let tables = fields.tables("stage");
    let mut stages: Vec<Stage> = Vec::new();
    for (table, place) in tables {
        let mut fields = Fields::new(table, &place, mistakes);
        let has_name = fields.has("name") || fields.has_near(&["name"]);
        let name = fields.text("name");
        if !has_name {
            let mistake = Diagnostic::new("missing `name` in a stage").at(&place, "needs a `name`");
            fields.mistake(mistake.hint("add `name = \"…\"`, for reviews and errors"));
        }
        let stage = stage(&mut fields, Form::Stages, name.as_ref(), &place);
        fields.end("a stage", STAGE_KEYS);
        if let Some(first) = stages.iter().find(|one| one.name == stage.name && one.name.is_some()) {
            let title = format!("duplicate stage name `{}`", stage.name.as_deref().unwrap_or_default());
            mistakes.push(
                Diagnostic::new(title)
                    .at(&stage.origin, "used again here")
                    .at(&first.origin, "first used here")
                    .hint("give each a unique `name`"),
            );
        }
        stages.push(stage);
    }
    stages
}

/// Whether a deploy has stages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Stages,
    Plain,
}

fn stage(fields: &mut Fields<'_>, form: Form, name: Option<&Named>, place: &Origin) -> Stage {
    require(fields, "hosts", "which hosts to deploy to");
    refuse_nobody(fields);
    let hosts = fields.names("hosts");
    require(fields, "tasks", "what to deploy");
    let tasks = task_uses(fields, "tasks");
    let (serial, max_fail, is_optional) = if form == Form::Stages {
        (
            fields.count("serial", 1),
            fields.count("max_fail", 0).unwrap_or_default(),
            fields.truth("optional").unwrap_or_default(),
        )
    } else {
        refuse_outside_stages(fields);
        (None, 0, false)
    };
    Stage {
        name: name.map(|name| name.name.clone()),
        hosts,
        tasks,
        serial,
        max_fail,
        is_optional,
        origin: name
            .and_then(|name| name.origin.clone())
            .unwrap_or_else(|| place.clone()),
    }
}

/// An empty list of patterns could mean every host, so it is refused: `*` says it explicitly.
fn refuse_nobody(fields: &mut Fields<'_>) {
    if let Some(place) = fields.empty_list("hosts") {
        let mistake = Diagnostic::new("`hosts` is empty").at(&place, "names no host");
        fields.mistake(mistake.hint("for all hosts of the inventory, write `hosts = [\"*\"]`"));
    }
}

/// Reports that a list is missing.
fn require(fields: &mut Fields<'_>, key: &str, what: &str) {
    // A misspelled key is reported as that, and so is one of another tool.
    if !fields.has(key) && !fields.has_near(&[key, "stage"]) && !fields.has_meant(key, KEYS) {
        let place = fields.place().clone();
        fields.mistake(
            Diagnostic::new(format!("missing `{key}`"))
                .at(&place, format!("this does not say {what}"))
                .hint(format!("add `{key} = […]`")),
        );
    }
}

fn refuse_outside_stages(fields: &mut Fields<'_>) {
    for key in ["serial", "max_fail", "optional"] {
        if let Some(entry) = fields.entry(key) {
            let mistake = Diagnostic::new(format!("`{key}` works only in a stage"));
            fields.mistake(
                mistake
                    .at_maybe(entry.key.as_ref(), "this deploy has no stages")
                    .hint("add `[[stage]]` with a `name` above `hosts`, `tasks` and this key"),
            );
        }
    }
}

fn task_uses(fields: &mut Fields<'_>, key: &str) -> Vec<TaskUse> {
    let Some(entry) = fields.entry(key) else {
        return Vec::new();
    };
    let Kind::List(items) = entry.value.kind else {
        let mistake = Diagnostic::new(format!("`{key}` must be a list of tasks"));
        let place = entry.value.origin.clone();
        let found = Value::new(entry.value.kind);
        let hint = advice(key, "a list", &found);
        fields.mistake(
            mistake
                .at_maybe(place.as_ref(), format!("this is {}", found.shown()))
                .hint(hint),
        );
        return Vec::new();
    };
    let place = fields.place().clone();
    items
        .into_iter()
        .filter_map(|item| task_use(item, &place, fields))
        .collect()
}

fn task_use(item: Value, start: &Origin, above: &mut Fields<'_>) -> Option<TaskUse> {
    let origin = item.origin.clone().unwrap_or_else(|| start.clone());
    match item.kind {
        Kind::String(name) => Some(TaskUse {
            task: Named {
                name,
                origin: Some(origin.clone()),
            },
            settings: EntrySettings::default(),
            vars: Table::new(),
            become_keys: Table::new(),
            origin,
        }),
        Kind::Table(table) => task_table(table, &origin, above),
        kind => {
            let found = Value::new(kind).shown();
            let mistake = Diagnostic::new("an entry of `tasks` must be a task's name, or a table with `task`");
            let hint = "write `\"folder/name\"`, or `{ task = \"folder/name\" }`";
            above.mistake(mistake.at(&origin, format!("this is {found}")).hint(hint));
            None
        }
    }
}

fn task_table(table: Table, origin: &Origin, above: &mut Fields<'_>) -> Option<TaskUse> {
    let mut mistakes = Vec::new();
    let mut fields = Fields::new(table, origin, &mut mistakes);
    let has_task = fields.has("task") || fields.has_unknown(ENTRY_KEYS);
    let task = fields.text("task");
    let settings = settings_of_use(&mut fields);
    let vars = fields.fitting_table("vars");
    let become_keys = become_keys(&mut fields);
    fields.end("an entry of `tasks`", ENTRY_KEYS);
    if !has_task {
        let mistake = Diagnostic::new("missing `task` in an entry of `tasks`").at(origin, "needs `task`");
        above.mistake(mistake.hint("add `task = \"folder/name\"`"));
    }
    above.mistakes(mistakes);
    Some(TaskUse {
        task: task?,
        settings,
        become_keys,
        // Without this it would seem to lack required vars.
        vars: vars?,
        origin: origin.clone(),
    })
}
