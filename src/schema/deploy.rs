//! `deploys/<name>.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::entry::TaskEntry;

/// Which hosts, which tasks, in which order; in one go or in stages.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = in_one_go_or_in_stages)]
pub(super) struct Deploy {
    /// What it is for.
    description: Option<String>,
    /// Host names, groups and globs.
    hosts: Option<Vec<String>>,
    /// Tasks, in order: names, or tables with settings.
    tasks: Option<Vec<TaskUse>>,
    /// Stages: each is through on all its hosts before the next begins.
    stage: Option<Vec<Stage>>,
}

/// Tasks for some hosts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stage {
    /// Its name in reviews and errors.
    name: String,
    /// Host names, groups and globs.
    hosts: Vec<String>,
    /// Tasks, in order: names, or tables with settings.
    tasks: Vec<TaskUse>,
    /// How many hosts at a time; all at once if not given.
    serial: Option<NonZeroU32>,
    /// How many hosts may fail before no further batch and no further stage begins; none if not given.
    max_fail: Option<u32>,
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
