//! What entries of tasks and deploys carry beside what they do.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::data::Variables;

/// The keys of every operation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct OperationKeys {
    /// What it does: the name of an operation.
    op: String,
    /// Its name in reviews; needed where two operations of a task would otherwise be called the same.
    name: Option<String>,
    /// Whether it is done: a bare expression, without braces.
    when: Option<Condition>,
    /// Done once for each of these: a list, or a bare expression for one. An item is a string, or a table with a `name`; it is
    /// `item` in the parameters and in `when`.
    for_each: Option<Listing>,
    /// Labels, which `--tags` selects by.
    tags: Option<Vec<String>>,
    /// Whether it is done as root, or as whom `become_user` names; if not, as the login user.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// As whom it is done instead of root: who runs commands, and who owns new files.
    become_user: Option<String>,
}

/// Another task in this place.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Include {
    /// The task, as `<folder>/<name>`.
    include: String,
    /// Its name in reviews; needed where a task is included twice.
    name: Option<String>,
    /// Whether the task is done: a bare expression, without braces.
    when: Option<Condition>,
    /// The task is done once for each of these, which is `item` in `vars` and in `when`.
    for_each: Option<Listing>,
    /// What is set of the task's `vars`.
    vars: Option<Variables>,
    /// Labels of all its operations, which `--tags` selects by.
    tags: Option<Vec<String>>,
    /// As root, or as whom `become_user` names; if not, as the login user: for those of its operations that do not say so
    /// themselves, and to which it makes a difference.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// As whom its operations are done instead of root.
    become_user: Option<String>,
}

/// A task of a deploy, with settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TaskEntry {
    /// The task, as `<folder>/<name>`.
    task: String,
    /// Its name in reviews; needed where a task is listed twice.
    name: Option<String>,
    /// Whether the task is done: a bare expression, without braces.
    when: Option<Condition>,
    /// The task is done once for each of these, which is `item` in `vars` and in `when`.
    for_each: Option<Listing>,
    /// What is set of the task's `vars`.
    vars: Option<Variables>,
    /// Labels of all its operations, which `--tags` selects by.
    tags: Option<Vec<String>>,
    /// As root, or as whom `become_user` names; if not, as the login user: for those of its operations that do not say so
    /// themselves, and to which it makes a difference.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// As whom its operations are done instead of root.
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
