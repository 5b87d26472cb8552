//! Objects of kinds whose CustomResourceDefinitions this run changes. The API server judges them by the old definitions, so what they
//! become is foreseen here: as it is written, with the defaults of the new one.

use serde_json::{Map, Value, json};

use super::as_written::{with_digests, written_over};
use super::wish::Wish;
use crate::facts::kubernetes::{Answer, Object, ObjectFact};
use crate::operations::PlanContext;

/// A kind of which another definition is applied.
pub(super) struct Redefined {
    /// `Kind.group`
    pub(super) kind: String,
    /// The new `spec.versions`, with nothing but what defaults need.
    pub(super) versions: Value,
    pub(super) has_new_defaults: bool,
}

impl Redefined {
    /// The kind that changes from one `spec` to another.
    pub(super) fn of(kind: &str, group: &str, (old, new): (Option<&Value>, Option<&Value>), versions: &Value) -> Self {
        Self {
            kind: format!("{kind}.{group}"),
            versions: outlined(versions),
            has_new_defaults: has_new_defaults(old, new),
        }
    }

    /// Says what no object of the deploy shows.
    pub(super) fn tell(&self, context: &PlanContext<'_>) {
        if self.has_new_defaults {
            let kind = self.kind.split('.').next().unwrap_or_default();
            context.tell(format!(
                "the new CustomResourceDefinition of {kind} has other defaults: objects that no manifest has get them too"
            ));
        }
    }
}

/// What an object will be by the new definition, of which these are the versions, if they are known.
pub(super) fn foreseen(
    context: &PlanContext<'_>,
    wish: &Wish,
    fact: ObjectFact,
    versions: Option<&Value>,
) -> ObjectFact {
    let ObjectFact::Asked(mut object) = fact else {
        return fact;
    };
    // What is left alone was not tried.
    if wish.question.0.digest.is_empty() {
        return ObjectFact::Asked(object);
    }
    let schema = versions.and_then(|versions| schema(versions, &wish.id.version));
    let with_defaults = |mut after: Value| {
        if let Some(schema) = schema {
            complete(&mut after, schema, true);
        }
        Answer::Accepted(after)
    };
    object.answer = match object.answer.take() {
        Some(Answer::Accepted(answer)) => Some(match &object.live {
            Some(_) => with_defaults(answer),
            None => Answer::Accepted(answer),
        }),
        Some(Answer::Refused(_)) | None => {
            let kind = &wish.id.kind;
            context.tell(format!(
                "objects of the kind {kind} as written: its CustomResourceDefinition changes in this run"
            ));
            written(context, wish, &object).map(with_defaults)
        }
    };
    ObjectFact::Asked(object)
}

/// The live object with what is written over it.
fn written(context: &PlanContext<'_>, wish: &Wish, object: &Object) -> Option<Value> {
    let wanted = with_digests(context, &wish.manifest);
    let live = object.live.as_ref()?;
    Some(written_over(live, &wanted, object.own.as_ref()))
}

/// Versions of a definition with nothing but what defaults need: all of it may be large, and is remembered.
fn outlined(versions: &Value) -> Value {
    let of = |version: &Value| {
        let schema = version.pointer("/schema/openAPIV3Schema").and_then(outline);
        json!({ "name": version.get("name"), "schema": { "openAPIV3Schema": schema } })
    };
    versions.as_array().into_iter().flatten().map(of).collect()
}

/// A schema without what has no defaults; `None` if there are none.
fn outline(schema: &Value) -> Option<Value> {
    let mut kept = Map::new();
    let mut keep = |name: &str, value: Option<Value>| value.map(|value| kept.insert(name.to_owned(), value));
    keep("default", schema.get("default").cloned());
    let others = schema.get("additionalProperties").and_then(outline);
    let is_named = others.is_some();
    keep("additionalProperties", others);
    keep("items", schema.get("items").and_then(outline));
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    // Or the schema of all others would be taken for theirs.
    let named = |schema: &Value| outline(schema).or_else(|| is_named.then(|| json!({})));
    let properties: Map<String, Value> = properties
        .filter_map(|(name, schema)| Some((name.clone(), named(schema)?)))
        .collect();
    keep("properties", (!properties.is_empty()).then(|| properties.into()));
    if kept.is_empty() {
        return None;
    }
    if let Some(nullable) = schema.get("nullable") {
        kept.insert("nullable".to_owned(), nullable.clone());
    }
    Some(kept.into())
}

/// The schema of a version.
fn schema<'a>(versions: &'a Value, version: &str) -> Option<&'a Value> {
    let mut versions = versions.as_array()?.iter();
    let found = versions.find(|one| one.get("name").and_then(Value::as_str) == Some(version))?;
    found.pointer("/schema/openAPIV3Schema")
}

/// Adds the defaults of a schema, as the API server does: also in objects that are there, when they are read.
fn complete(value: &mut Value, schema: &Value, is_root: bool) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                // Both are the server's own business.
                if is_root && matches!(name.as_str(), "metadata" | "status") {
                    continue;
                }
                let is_nothing = |field: &Value| field.is_null() && schema.get("nullable") != Some(&Value::Bool(true));
                if let Some(default) = schema.get("default")
                    && fields.get(name).is_none_or(is_nothing)
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(field) = fields.get_mut(name) {
                    complete(field, schema, false);
                }
            }
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            if let Some(schema) = others {
                let is_other = |name: &str| properties.is_none_or(|properties| !properties.contains_key(name));
                for (_, field) in fields.iter_mut().filter(|(name, _)| is_other(name)) {
                    complete(field, schema, false);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    complete(item, schema, false);
                }
            }
        }
        _ => {}
    }
}

/// Whether a definition has defaults that the old one of a kind lacks, given as their `spec`.
fn has_new_defaults(old: Option<&Value>, new: Option<&Value>) -> bool {
    let [old, new] = [old, new].map(defaults);
    new.iter().any(|one| !old.contains(one))
}

/// All defaults of a definition with their places, in any of its versions.
fn defaults(spec: Option<&Value>) -> Vec<(String, &Value)> {
    fn collect<'a>(schema: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
        if let Some(default) = schema.get("default") {
            found.push((at.to_owned(), default));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            collect(schema, &format!("{at}/{name}"), found);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(schema) = schema.get(inner) {
                collect(schema, &format!("{at}/*"), found);
            }
        }
    }
    let mut found = Vec::new();
    let versions = spec.and_then(|spec| spec.get("versions")?.as_array());
    for version in versions.into_iter().flatten() {
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            collect(schema, "", &mut found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_added_as_the_server_does() {
        let schema = json!({ "properties": {
            "metadata": { "default": { "x": 1 } }, "status": { "default": { "x": 1 } },
            "spec": { "default": {}, "properties": {
                "size": { "default": 3 }, "name": {}, "empty": { "nullable": true, "default": 1 },
                "ports": { "items": { "properties": { "protocol": { "default": "TCP" } } } },
                "by_name": { "properties": { "own": {} }, "additionalProperties": { "properties": { "on": { "default": true } } } } } } } });
        for (value, expected) in [
            (json!({}), json!({ "spec": { "size": 3, "empty": 1 } })),
            (
                json!({ "spec": { "size": null, "empty": null, "name": null } }),
                json!({ "spec": { "size": 3, "empty": null, "name": null } }),
            ),
            (
                json!({ "spec": { "size": 4, "empty": 2, "ports": [{}, { "protocol": "UDP" }], "by_name": { "own": {}, "a": {} } } }),
                json!({ "spec": { "size": 4, "empty": 2, "ports": [{ "protocol": "TCP" }, { "protocol": "UDP" }],
                    "by_name": { "own": {}, "a": { "on": true } } } }),
            ),
            (json!({ "spec": "text" }), json!({ "spec": "text" })),
        ] {
            for schema in [&schema, &outline(&schema).expect("has defaults")] {
                let mut completed = value.clone();
                complete(&mut completed, schema, true);
                assert_eq!(completed, expected, "{value}");
            }
        }
    }

    #[test]
    fn new_defaults_of_a_definition_are_seen() {
        let spec = |version: &str, spec: Value| json!({ "versions": [{ "name": version, "schema": { "openAPIV3Schema": { "properties": { "spec": spec } } } }] });
        let old = spec("v1", json!({ "properties": { "a": { "default": 1 }, "b": {} } }));
        for (new, expected) in [
            (old.clone(), false),
            (spec("v1", json!({ "properties": { "a": {}, "c": {} } })), false),
            (spec("v1", json!({ "properties": { "a": { "default": 2 } } })), true),
            (spec("v1", json!({ "items": { "default": 2 } })), true),
            (spec("v2", json!({ "properties": { "a": { "default": 1 } } })), false),
            (spec("v2", json!({ "properties": { "b": { "default": 1 } } })), true),
        ] {
            assert_eq!(has_new_defaults(Some(&old), Some(&new)), expected, "{new}");
        }
        assert!(!has_new_defaults(Some(&old), None));
    }
}
