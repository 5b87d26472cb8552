//! Objects of kinds that the run itself defines, against what their definitions say: types, required keys and allowed values. Everything
//! else is left to the API server.

use serde_json::Value;

use super::kinds::{definitions, version_of};
use super::run::{Planned, Run};
use crate::error::{Diagnostic, suggestion};
use crate::operations::k8s::documents::sort_of;

/// Objects that do not fit their definitions.
pub(super) fn wrong_resources(run: &Run<'_>) -> Vec<Diagnostic> {
    let definitions: Vec<&Value> = definitions(run).collect();
    let of = |object: &Planned<'_>| {
        let version = definitions.iter().find_map(|one| version_of(one, object))?;
        let schema = version.pointer("/schema/openAPIV3Schema")?;
        wrong(object, schema, object.object, "")
    };
    run.objects.iter().filter_map(of).collect()
}

/// The first thing below `pointer` that does not fit.
fn wrong(object: &Planned<'_>, schema: &Value, value: &Value, pointer: &str) -> Option<Diagnostic> {
    // The server itself checks these, and removes what is nothing.
    if matches!(pointer, "/metadata" | "/apiVersion" | "/kind" | "/status") || value.is_null() {
        return None;
    }
    let name = name_of(pointer);
    let kind = format!("{}/{}", object.id.kind, object.id.name);
    let at = |title: String, label: String| Diagnostic::new(title).at(&object.place(pointer), label);
    let is_either = schema.get("x-kubernetes-int-or-string").and_then(Value::as_bool) == Some(true);
    let wanted = schema.get("type").and_then(Value::as_str).filter(|_| !is_either);
    if let Some(wanted) = wanted.filter(|wanted| !fits(wanted, value)) {
        return Some(
            at(
                format!("`{name}` of {kind} must be {}", described(wanted)),
                sort_of(value).to_owned(),
            )
            .hint(way_to(wanted, value)),
        );
    }
    if let Some(allowed) = schema
        .get("enum")
        .and_then(Value::as_array)
        .filter(|allowed| !allowed.contains(value))
    {
        let words: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let near = value.as_str().and_then(|text| suggestion(text, words));
        let title = format!("`{name}` of {kind} has a value that its CustomResourceDefinition does not allow");
        return Some(at(title, "not one of the allowed values".to_owned()).hint_maybe(near));
    }
    match value {
        Value::Object(table) => {
            let properties = schema.get("properties");
            let required = schema.get("required").and_then(Value::as_array);
            let has_default = |key: &str| properties.and_then(|all| all.get(key)?.get("default")).is_some();
            let mut required = required.into_iter().flatten().filter_map(Value::as_str);
            if let Some(key) = required.find(|key| !table.contains_key(*key) && !has_default(key)) {
                let label = format!("{} has no `{key}`", if name.is_empty() { "the object" } else { "this" });
                let near = suggestion(key, table.keys().map(String::as_str)).filter(|hint| hint.starts_with("did"));
                let near = near.map(|_| format!("add `{key}`, or rename the key that was meant"));
                return Some(
                    at(format!("missing `{key}` in {kind}"), label)
                        .hint(near.unwrap_or_else(|| format!("add `{key}`"))),
                );
            }
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            table.iter().find_map(|(key, value)| {
                let schema = properties.and_then(|all| all.get(key)).or(others)?;
                let key = key.replace('~', "~0").replace('/', "~1");
                wrong(object, schema, value, &format!("{pointer}/{key}"))
            })
        }
        Value::Array(items) => {
            let schema = schema.get("items")?;
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| wrong(object, schema, item, &format!("{pointer}/{at}")))
        }
        _ => None,
    }
}

/// `/spec/ports/0` as `spec.ports[0]`.
pub(super) fn name_of(pointer: &str) -> String {
    let mut name = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.parse::<usize>().is_ok() {
            name = format!("{name}[{part}]");
        } else if name.is_empty() {
            name = part;
        } else {
            name = format!("{name}.{part}");
        }
    }
    name
}

/// How to write a value of another type.
pub(super) fn way_to(wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        ("string", Value::Number(_) | Value::Bool(_)) => "put it in quotes".to_owned(),
        ("integer" | "number" | "boolean", Value::String(_)) => "write it without quotes".to_owned(),
        _ => format!("write {}", described(wanted)),
    }
}

/// Whether a value is of a type.
pub(super) fn fits(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

/// A type in words.
pub(super) fn described(wanted: &str) -> &str {
    match wanted {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "boolean" => "a boolean",
        "number" => "a number",
        "integer" => "an integer",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{of, told};
    use super::*;

    #[test]
    fn objects_fit_the_definitions_of_the_run() {
        let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "d" },
            "spec": { "group": "example.org", "names": { "kind": "Widget" }, "versions": [{ "name": "v1", "served": true, "schema": { "openAPIV3Schema": {
                "type": "object", "required": ["spec"], "properties": { "apiVersion": { "type": "string" }, "metadata": { "type": "object" },
                "spec": { "type": "object", "required": ["size", "mode"], "properties": {
                    "size": { "type": "integer" }, "mode": { "type": "string", "enum": ["fast", "slow"], "default": "slow" },
                    "port": { "x-kubernetes-int-or-string": true }, "names": { "type": "array", "items": { "type": "string" } },
                    "labels": { "type": "object", "additionalProperties": { "type": "string" } }, "free": { "x-kubernetes-preserve-unknown-fields": true },
                    "on": { "type": "boolean" } } } } } } }] } });
        for (spec, expected) in [
            (json!({ "size": 1 }), None),
            (
                json!({ "size": 1.0, "port": "http", "free": { "a": [1] }, "unknown": 1, "mode": null }),
                None,
            ),
            (
                json!({ "size": "1" }),
                Some("x/spec/size: `spec.size` of Widget/x must be an integer; write it without quotes"),
            ),
            (
                json!({ "sise": 1 }),
                Some("x/spec: missing `size` in Widget/x; add `size`, or rename the key that was meant"),
            ),
            (
                json!({ "size": 1, "mode": "fats" }),
                Some(
                    "x/spec/mode: `spec.mode` of Widget/x has a value that its CustomResourceDefinition does not allow; did you mean `fast`?",
                ),
            ),
            (
                json!({ "size": 1, "names": ["a", 2] }),
                Some("x/spec/names/1: `spec.names[1]` of Widget/x must be a string; put it in quotes"),
            ),
            (
                json!({ "size": 1, "labels": { "a/b": true } }),
                Some("x/spec/labels/a~1b: `spec.labels.a/b` of Widget/x must be a string; put it in quotes"),
            ),
            (
                json!({ "size": 1, "on": {} }),
                Some("x/spec/on: `spec.on` of Widget/x must be a boolean; write a boolean"),
            ),
        ] {
            let object =
                json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "x" }, "spec": spec });
            let found = told(of(&[definition.clone(), object], None, wrong_resources));
            assert_eq!(found.first().map(String::as_str), expected, "{spec}");
        }
        let object = json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "x" } });
        let found = told(of(&[definition, object], None, wrong_resources));
        assert_eq!(found, ["x: missing `spec` in Widget/x; add `spec`"]);
    }
}
