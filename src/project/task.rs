//! `tasks/<folder>/<name>.toml`: an ordered list of operations.

use serde::Deserialize;

use super::reader::{Source, read_struct, refuse_not_yet};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::operations::{Definition, OPERATIONS, find};
use crate::value::{Kind, Table, Value};

/// A task: a file.
#[derive(Debug)]
pub struct Task {
    /// `<folder>/<name>`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its operations, in order.
    pub operations: Vec<RawOperation>,
}

/// An operation as written, its templates not rendered.
pub struct RawOperation {
    /// What it does.
    pub definition: &'static Definition,
    /// Its own name, where one is given.
    pub name: Option<Value>,
    /// A bare expression, or a boolean.
    pub when: Option<Value>,
    /// A bare expression, or a list.
    pub for_each: Option<Value>,
    /// The rest: its parameters.
    pub arguments: Table,
    /// Where its `op` is written.
    pub origin: Origin,
}

impl std::fmt::Debug for RawOperation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} at {}", self.definition.name, self.origin)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    description: Option<String>,
}

const TASK_NOT_YET: &[&str] = &["required", "when", "become", "become_user", "tags", "vars", "handler"];
const OPERATION_NOT_YET: &[&str] = &[
    "include",
    "env",
    "timeout",
    "retries",
    "tags",
    "notify",
    "sensitive",
    "on_error",
    "capture",
];

pub(super) fn read(source: Source) -> Result<Task, Vec<Diagnostic>> {
    let start = source.start();
    let mut mistakes = Vec::new();
    let mut table = source.table;
    refuse_not_yet(&table, TASK_NOT_YET, &mut mistakes);
    table.retain(|key, _| !TASK_NOT_YET.contains(&key.as_str()));
    let mut operations = Vec::new();
    if let Some(entry) = table.shift_remove("operation") {
        let Kind::List(items) = &entry.value.kind else {
            let mistake = Diagnostic::new("operations are written as `[[operation]]`");
            return Err(vec![mistake.at_maybe(entry.key.as_ref(), "with two brackets")]);
        };
        for item in items {
            match read_operation(item, &start) {
                Ok(operation) => operations.push(operation),
                Err(more) => mistakes.extend(more),
            }
        }
    }
    let head = read_struct::<Head>(table, Some(&start), "task");
    match head {
        Ok(head) if mistakes.is_empty() => Ok(Task {
            name: source.name,
            description: head.description,
            operations,
        }),
        Ok(_) => Err(mistakes),
        Err(mistake) => {
            mistakes.push(mistake);
            Err(mistakes)
        }
    }
}

fn read_operation(item: &Value, start: &Origin) -> Result<RawOperation, Vec<Diagnostic>> {
    let place = item.origin.as_ref().unwrap_or(start);
    let Kind::Table(table) = &item.kind else {
        return Err(vec![
            Diagnostic::new("an operation must be a table").at(place, format!("this is {}", item.describe())),
        ]);
    };
    let mut arguments = table.clone();
    let mut mistakes = Vec::new();
    refuse_not_yet(&arguments, OPERATION_NOT_YET, &mut mistakes);
    arguments.retain(|key, _| !OPERATION_NOT_YET.contains(&key.as_str()));
    let mut take = |key: &str| arguments.shift_remove(key).map(|entry| entry.value);
    let (op, name, when, for_each) = (take("op"), take("name"), take("when"), take("for_each"));
    match definition(op.as_ref(), place) {
        Ok((definition, origin)) if mistakes.is_empty() => Ok(RawOperation {
            definition,
            name,
            when,
            for_each,
            arguments,
            origin,
        }),
        Ok(_) => Err(mistakes),
        Err(mistake) => {
            // An `include` has no `op`; saying both would blame one line twice.
            if mistakes.is_empty() {
                mistakes.push(mistake);
            }
            Err(mistakes)
        }
    }
}

fn definition(op: Option<&Value>, place: &Origin) -> Result<(&'static Definition, Origin), Diagnostic> {
    let Some(op) = op else {
        return Err(Diagnostic::new("an operation without `op`").at(place, "`op` says what it does"));
    };
    let origin = op.origin.as_ref().unwrap_or(place);
    let Some(name) = op.as_str() else {
        return Err(Diagnostic::new("`op` must be a string").at(origin, format!("this is {}", op.describe())));
    };
    find(name)
        .map(|definition| (definition, origin.clone()))
        .ok_or_else(|| {
            Diagnostic::new(format!("there is no operation `{name}`"))
                .at(origin, "unknown operation")
                .hint_maybe(suggestion(name, OPERATIONS.iter().map(|definition| definition.name)))
        })
}
