//! Data: of groups, of hosts, and what an entry sets of a task's `vars`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::template::RESERVED;

/// Any data, under names that homelab does not use itself.
pub(super) struct Data;

impl JsonSchema for Data {
    fn schema_name() -> Cow<'static, str> {
        "Data".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Data of hosts. A string may be a template over the same host's data.",
            "additionalProperties": true,
            "propertyNames": { "not": { "enum": RESERVED } },
        })
    }
}

/// Any data.
pub(super) struct Variables;

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}
