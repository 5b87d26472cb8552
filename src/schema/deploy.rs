//! `deploys/<name>.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::entry::TaskEntry;

/// Which hosts get which tasks, in which order.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = in_one_go_or_in_stages)]
pub(super) struct Deploy {
    /// What the deploy is for.
    description: Option<String>,
    /// Hosts: names, groups and globs; `!` before one excludes it.
    hosts: Option<Vec<String>>,
    /// Tasks in order: names, or tables with settings.
    tasks: Option<Vec<TaskUse>>,
    /// Stages in order. Each is finished on all its hosts before the next begins.
    stage: Option<Vec<Stage>>,
}

/// A stage: tasks for some of the hosts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stage {
    /// Name in reviews and errors.
    name: String,
    /// Hosts: names, groups and globs; `!` before one excludes it.
    hosts: Vec<String>,
    /// Tasks in order: names, or tables with settings.
    tasks: Vec<TaskUse>,
    /// How many hosts to deploy at a time. By default all at once.
    serial: Option<NonZeroU32>,
    /// How many hosts may fail before the deploy stops. By default none.
    max_fail: Option<u32>,
    /// Whether the stage is left out of inventories without a host in these groups. By default they are a mistake there.
    optional: Option<bool>,
}

struct TaskUse;

impl JsonSchema for TaskUse {
    fn schema_name() -> Cow<'static, str> {
        "TaskUse".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = TaskEntry::json_schema(generator);
        let name = json_schema!({ "type": "string", "description": "The task, as `<folder>/<name>`." });
        json_schema!({ "anyOf": [name, table] })
    }
}

fn in_one_go_or_in_stages(schema: &mut Schema) {
    let ways = serde_json::json!([
        { "required": ["hosts", "tasks"] },
        { "required": ["stage"], "not": { "anyOf": [{ "required": ["hosts"] }, { "required": ["tasks"] }] } },
    ]);
    schema.insert("oneOf".to_owned(), ways);
}
