//! `tasks/<folder>/<name>.toml`: its operations come from the table of operations.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::data::Variables;
use super::entry::{CaptureKeys, Condition, HandlerKeys, Include, OperationKeys};
use crate::operations::{CAPTURE, CONDUCT_KEYS, Definition, OPERATIONS, schema_of};

/// An ordered list of operations.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Task {
    /// What the task is for.
    description: Option<String>,
    /// Data and vars that must be set, as dotted names such as `vars.path`.
    required: Option<Vec<String>>,
    /// Condition, as an expression without braces: the task is skipped where it is false.
    when: Option<Condition>,
    /// Labels of all operations of the task, for `--tags`.
    tags: Option<Vec<String>>,
    /// `false` runs the task's operations as the login user, where they support it and do not say otherwise themselves.
    #[schemars(rename = "become")]
    privilege: Option<bool>,
    /// User to run the task's operations as instead of root; new files belong to them.
    become_user: Option<String>,
    /// Variables with their defaults. Deploys and includes can override them; templates see them as `vars`.
    vars: Option<Variables>,
    /// Names of lints that are allowed in all operations of the task, such as `"latest-tag"`; `homelab check --lints` lists them.
    allow: Option<Vec<String>>,
    /// Why they are allowed; needed with `allow`.
    allow_reason: Option<String>,
    /// Operations and includes, in order.
    operation: Option<Vec<Entry>>,
    /// Operations that run at the end of the task, if others notify them and change something.
    handler: Option<Vec<HandlerEntry>>,
}

/// An operation by its `op`, or another task.
struct Entry;

impl JsonSchema for Entry {
    fn schema_name() -> Cow<'static, str> {
        "Entry".into()
    }

    /// Editors complete the keys of the one way that `op` decides on, also while the entry is not whole: so what must be there
    /// and what may not be is said apart from the ways, where it is blamed on the right key too.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let common = schema_of::<OperationKeys>();
        let in_turn = OPERATIONS.iter().filter(|one| one.name != "systemd.daemon_reload");
        let mut ways: Vec<Json> = in_turn.map(|definition| operation(definition, &common)).collect();
        ways.iter_mut().for_each(without_restarts);
        ways.push(schema_of::<Include>().to_value());
        ways.push(capture());
        let rules: Vec<Json> = ways.iter_mut().map(without_rule).collect();
        json_schema!({ "type": "object", "additionalProperties": true, "oneOf": ways, "allOf": rules })
    }
}

/// Takes out of a way what only a handler does.
fn without_restarts(way: &mut Json) {
    match way {
        Json::Object(table) => {
            for (key, inner) in table {
                match inner {
                    Json::Array(values) if key == "enum" => {
                        values.retain(|value| value != "restarted" && value != "reloaded");
                    }
                    inner => without_restarts(inner),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(without_restarts),
        _ => {}
    }
}

/// A handler by its `op`.
struct HandlerEntry;

impl JsonSchema for HandlerEntry {
    fn schema_name() -> Cow<'static, str> {
        "HandlerEntry".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let common = schema_of::<HandlerKeys>();
        let handlers = OPERATIONS.iter().filter(|one| !one.is_check());
        let mut ways: Vec<Json> = handlers.map(|definition| operation(definition, &common)).collect();
        for way in &mut ways {
            if let Some(Json::Array(required)) = way.get_mut("required") {
                required.push("name".into());
            }
        }
        let rules: Vec<Json> = ways.iter_mut().map(without_rule).collect();
        json_schema!({ "type": "object", "additionalProperties": true, "oneOf": ways, "allOf": rules })
    }
}

fn operation(definition: &Definition, common: &Schema) -> Json {
    let mut properties = properties(common);
    for key in CONDUCT_KEYS {
        if let Some(property) = properties.get_mut(*key) {
            *property = or_template(property.take());
        }
    }
    let op = json!({ "const": definition.name, "description": definition.summary });
    properties.insert("op".to_owned(), op);
    let schema = definition.schema();
    let own = self::properties(&schema).into_iter();
    properties.extend(own.map(|(name, schema)| (name, or_template(schema))));
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
    let required: Vec<Json> = std::iter::once(Json::from("op")).chain(required.cloned()).collect();
    json!({
        "title": definition.name,
        "description": definition.summary,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

/// A captured value, which `capture` decides on.
fn capture() -> Json {
    let schema = CAPTURE.schema();
    let own = properties(&schema).into_iter();
    let mut all: Map<String, Json> = own.map(|(name, schema)| (name, or_template(schema))).collect();
    all.extend(properties(&schema_of::<CaptureKeys>()));
    json!({
        "title": CAPTURE.name,
        "description": CAPTURE.summary,
        "type": "object",
        "properties": all,
        "required": ["capture", "file"],
    })
}

/// Takes out of a way which keys it must have and may have; the rule that says so. The first key decides on the way.
fn without_rule(way: &mut Json) -> Json {
    let Json::Object(way) = way else {
        return Json::Bool(true);
    };
    way.remove("additionalProperties");
    let properties = way
        .get("properties")
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    let names: Vec<&String> = properties.keys().collect();
    let decides = names.first().copied().cloned().unwrap_or_default();
    let required = way.insert("required".to_owned(), json!([decides]));
    let condition = match properties[&decides].get("const") {
        Some(name) => json!({ "properties": { decides.as_str(): { "const": name } }, "required": [decides] }),
        None => json!({ "required": [decides] }),
    };
    json!({ "if": condition, "then": { "required": required, "propertyNames": { "enum": names } } })
}

fn properties(schema: &Schema) -> Map<String, Json> {
    let properties = schema.get("properties").and_then(Json::as_object);
    properties.cloned().unwrap_or_default()
}

/// A parameter that is not any text may be written as a template that becomes such a value.
fn or_template(parameter: Json) -> Json {
    let Json::Object(mut parameter) = parameter else {
        return parameter;
    };
    let is_text = parameter.get("type").is_some_and(|kind| kind == "string");
    if is_text && !parameter.contains_key("pattern") && !parameter.contains_key("enum") {
        return Json::Object(parameter);
    }
    let mut outer = Map::new();
    for key in ["title", "description", "default"] {
        if let Some(said) = parameter.remove(key) {
            outer.insert(key.to_owned(), said);
        }
    }
    // Text may be put together; any other type is that of a lone expression.
    let pattern = if is_text { r"\{[{%]" } else { r"^\s*\{\{[\s\S]*\}\}\s*$" };
    outer.insert(
        "anyOf".to_owned(),
        json!([parameter, { "type": "string", "pattern": pattern }]),
    );
    Json::Object(outer)
}
