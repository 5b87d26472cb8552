//! What entries of tasks and deploys carry beside what they do.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::data::Variables;
use crate::operations::ConductKeys;

/// The keys of every operation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct OperationKeys {
    /// Name of the operation, such as `files.put`.
    op: String,
    /// Name in reviews and errors. Needed if two operations of a task would have the same name otherwise.
    name: Option<String>,
    /// Condition, as an expression without braces: the operation is skipped where it is false.
    when: Option<Condition>,
    /// Repeat the operation for each item of a list, or of an expression for one. An item is a string, or a table with a
    /// `name`. Use it as `item` in the parameters and in `when`.
    for_each: Option<Listing>,
    /// Labels for `--tags`.
    tags: Option<Vec<String>>,
    /// Handlers that run if the operation changes something: names of handlers of this task, or `folder/task:handler`.
    notify: Option<Vec<String>>,
    /// `false` runs the operation as the login user. By default it runs as root, or as `become_user`.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// User to run as instead of root; new files belong to them.
    become_user: Option<String>,
    #[schemars(flatten)]
    conduct: ConductKeys,
    /// `true`: the host goes back by itself unless a new connection works after the operation; `false`: never. By default
    /// whatever could lock you out is guarded.
    guard: Option<bool>,
    /// Names of lints that are allowed here, such as `"latest-tag"`; `homelab check --lints` lists them.
    allow: Option<Vec<String>>,
    /// Why they are allowed; needed with `allow`.
    allow_reason: Option<String>,
}

/// The keys of every handler.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct HandlerKeys {
    /// Name of the operation, such as `systemd.service`.
    op: String,
    /// Name of the handler, for `notify`.
    name: String,
    /// When it runs, once, if it was notified: at the end of the `task` (the default) or of the `stage`.
    flush: Option<Flush>,
    /// Condition, as an expression without braces: the handler does not run where it is false.
    when: Option<Condition>,
    /// Repeat the handler for each item of a list, or of an expression for one. An item is a string, or a table with a
    /// `name`. Use it as `item` in the parameters and in `when`.
    for_each: Option<Listing>,
    /// Labels. A handler runs if it was notified, whatever `--tags` selects.
    tags: Option<Vec<String>>,
    /// `false` runs the handler as the login user. By default it runs as root, or as `become_user`.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// User to run as instead of root; new files belong to them.
    become_user: Option<String>,
    #[schemars(flatten)]
    conduct: ConductKeys,
    /// Names of lints that are allowed here, such as `"latest-tag"`; `homelab check --lints` lists them.
    allow: Option<Vec<String>>,
    /// Why they are allowed; needed with `allow`.
    allow_reason: Option<String>,
}

/// The keys of a captured value, beside its own.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CaptureKeys {
    /// Condition, as an expression without braces: the value is not captured where it is false.
    when: Option<Condition>,
    /// Labels for `--tags`.
    tags: Option<Vec<String>>,
    /// Handlers that run if the value is made: names of handlers of this task, or `folder/task:handler`.
    notify: Option<Vec<String>>,
    /// Names of lints that are allowed here, such as `"latest-tag"`; `homelab check --lints` lists them.
    allow: Option<Vec<String>>,
    /// Why they are allowed; needed with `allow`.
    allow_reason: Option<String>,
}

/// When a handler runs.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Flush {
    Task,
    Stage,
}

/// Includes another task at this place.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Include {
    /// Name of the task, as `<folder>/<name>`.
    include: String,
    #[schemars(flatten)]
    settings: TaskSettings,
}

/// A task of a deploy, with settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TaskEntry {
    /// Name of the task, as `<folder>/<name>`.
    task: String,
    #[schemars(flatten)]
    settings: TaskSettings,
}

/// What can be set wherever a task is used.
#[derive(JsonSchema)]
struct TaskSettings {
    /// Name in reviews and errors. Needed if a task is used twice.
    name: Option<String>,
    /// Condition, as an expression without braces: the task is skipped where it is false.
    when: Option<Condition>,
    /// Repeat the task for each item of a list, or of an expression for one. Use it as `item` in `vars` and in `when`.
    for_each: Option<Listing>,
    /// Values for the task's `vars`.
    vars: Option<Variables>,
    /// Labels of all operations of the task, for `--tags`.
    tags: Option<Vec<String>>,
    /// `false` runs the task's operations as the login user, where they support it and do not say otherwise themselves.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// User to run the task's operations as instead of root; new files belong to them.
    become_user: Option<String>,
}

/// A bare expression, or its value.
pub(super) struct Condition;

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "an expression, true or false",
            "anyOf": [bare_expression(), { "type": "boolean" }],
        })
    }
}

/// A bare expression for a list, or a list.
pub(super) struct Listing;

impl JsonSchema for Listing {
    fn schema_name() -> Cow<'static, str> {
        "Listing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let named = json_schema!({
            "type": "object",
            "properties": { "name": { "type": "string" } },
            "required": ["name"],
            "additionalProperties": true,
        });
        json_schema!({
            "title": "a list, or an expression for one",
            "anyOf": [
                { "type": "array", "items": { "anyOf": [{ "type": "string" }, named] } },
                bare_expression(),
            ],
        })
    }
}

/// Braces are a mistake where an expression is written anyway.
fn bare_expression() -> Schema {
    json_schema!({ "type": "string", "not": { "pattern": r"^\s*\{\{" } })
}
