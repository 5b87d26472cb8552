//! Objects in the terms of their files, beside those of a cluster, which have more fields than anybody wrote.

use serde_json::{Map, Value};

use super::manifest::Manifest;
use crate::operations::PlanContext;
use crate::secret::{MASK, sha256_hex};

/// A manifest with the same digests for what is secret that facts have.
pub(super) fn with_digests(context: &PlanContext<'_>, manifest: &Manifest) -> Value {
    let digest = |text: &str| format!("{MASK} {}", context.digests().digest(&sha256_hex(text.as_bytes())).0);
    covered(&manifest.object, &manifest.masked, &digest)
}

fn covered(object: &Value, masked: &Value, digest: &dyn Fn(&str) -> String) -> Value {
    match (object, masked) {
        (Value::Object(fields), Value::Object(other)) => {
            let of = |(name, field): (&String, &Value)| {
                let other = other.get(name).unwrap_or(&Value::Null);
                (name.clone(), covered(field, other, digest))
            };
            Value::Object(fields.iter().map(of).collect())
        }
        (Value::Array(items), Value::Array(others)) => {
            let others = others.iter().chain(std::iter::repeat(&Value::Null));
            let items = items.iter().zip(others);
            Value::Array(items.map(|(item, other)| covered(item, other, digest)).collect())
        }
        (Value::String(text), other) if other.as_str() != Some(text) => digest(text).into(),
        (object, _) => object.clone(),
    }
}

/// What a live object has of the fields that `wanted` has, and of those in `own`, which homelab wrote before.
pub(super) fn reduced(live: &Value, wanted: Option<&Value>, own: Option<&Value>) -> Value {
    let is_alike = |other: &Value| {
        live.is_object() && (other.is_object() || other.is_null())
            || live.is_array() && (other.is_array() || other.is_null())
    };
    if ![wanted, own].into_iter().flatten().all(is_alike) {
        return live.clone();
    }
    match live {
        Value::Object(fields) => {
            let of = |(name, field): (&String, &Value)| {
                let in_field = |other: Option<&'_ Value>| other.and_then(|other| other.get(name)).cloned();
                let (wanted, own) = (in_field(wanted), in_field(own));
                (wanted.is_some() || own.is_some())
                    .then(|| (name.clone(), reduced(field, wanted.as_ref(), own.as_ref())))
            };
            Value::Object(fields.iter().filter_map(of).collect())
        }
        Value::Array(items) if items.iter().all(Value::is_object) => {
            let of = |(at, item): (usize, &Value)| {
                let (wanted, own) = (counterpart(wanted, item, at), counterpart(own, item, at));
                (wanted.is_some() || own.is_some()).then(|| reduced(item, wanted, own))
            };
            Value::Array(items.iter().enumerate().filter_map(of).collect())
        }
        other => other.clone(),
    }
}

/// The item of a list that is about the same: that of its name, or the one in its place.
fn counterpart<'a>(list: Option<&'a Value>, item: &Value, at: usize) -> Option<&'a Value> {
    let items = list?.as_array()?;
    match item.get("name") {
        Some(name) => items.iter().find(|other| other.get("name") == Some(name)),
        None => items.get(at),
    }
}

/// `live` with `wanted` written over it, and without what of `own` is not wanted any more. Lists are replaced.
pub(super) fn written_over(live: &Value, wanted: &Value, own: Option<&Value>) -> Value {
    let (Value::Object(fields), Value::Object(wanted)) = (live, wanted) else {
        return wanted.clone();
    };
    let mut after: Map<String, Value> = fields.clone();
    for (name, old) in own.and_then(Value::as_object).into_iter().flatten() {
        if wanted.contains_key(name) {
            continue;
        }
        match after.get(name).map(|field| without(field, old)) {
            Some(Some(left)) => drop(after.insert(name.clone(), left)),
            Some(None) => drop(after.shift_remove(name)),
            None => {}
        }
    }
    for (name, field) in wanted.iter().filter(|(_, field)| !field.is_null()) {
        let own = own.and_then(|own| own.get(name));
        let field = match after.get(name) {
            Some(old) => written_over(old, field, own),
            None => field.clone(),
        };
        after.insert(name.clone(), field);
    }
    Value::Object(after)
}

/// What is left of a field of which `own` goes.
fn without(field: &Value, own: &Value) -> Option<Value> {
    let (Value::Object(_), Value::Object(_)) = (field, own) else {
        return None;
    };
    let left = written_over(field, &Value::Object(Map::new()), Some(own));
    left.as_object().is_some_and(|left| !left.is_empty()).then_some(left)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_live_object_is_reduced_to_what_was_written() {
        for (live, wanted, own, expected) in [
            // Defaults of the server are not shown, and come back.
            (
                json!({ "a": 1, "type": "Opaque" }),
                json!({ "a": 2 }),
                json!(null),
                json!({ "a": 1 }),
            ),
            // What homelab wrote goes.
            (
                json!({ "a": 1, "b": 2, "c": 3 }),
                json!({ "a": 2 }),
                json!({ "a": 1, "b": 2 }),
                json!({ "a": 1, "b": 2 }),
            ),
            (
                json!({ "c": [{ "name": "x", "image": "i", "policy": "p" }, { "name": "y", "image": "j" }] }),
                json!({ "c": [{ "name": "y", "image": "k" }] }),
                json!({ "c": [{ "name": "x", "image": "i" }] }),
                json!({ "c": [{ "name": "x", "image": "i" }, { "name": "y", "image": "j" }] }),
            ),
            (
                json!({ "p": [{ "port": 80, "protocol": "TCP" }] }),
                json!({ "p": [{ "port": 81 }] }),
                json!(null),
                json!({ "p": [{ "port": 80 }] }),
            ),
            // Lists of texts, and other types, as they are.
            (
                json!({ "l": ["a", "b"], "t": { "x": 1 } }),
                json!({ "l": ["a"], "t": 5 }),
                json!(null),
                json!({ "l": ["a", "b"], "t": { "x": 1 } }),
            ),
        ] {
            assert_eq!(reduced(&live, Some(&wanted), Some(&own)), expected, "{live}");
        }
    }

    #[test]
    fn what_is_written_over_an_object_leaves_what_others_wrote() {
        for (live, wanted, own, expected) in [
            (
                json!({ "s": { "a": 1, "status": 2 } }),
                json!({ "s": { "a": 3, "n": 4 } }),
                json!(null),
                json!({ "s": { "a": 3, "status": 2, "n": 4 } }),
            ),
            (
                json!({ "s": { "a": 1, "b": { "c": 1, "d": 2 }, "e": { "f": 1 } } }),
                json!({ "s": { "a": 1 } }),
                json!({ "s": { "a": 1, "b": { "c": 1 }, "e": { "f": 1 } } }),
                json!({ "s": { "a": 1, "b": { "d": 2 } } }),
            ),
            (
                json!({ "l": [1, 2] }),
                json!({ "l": [2] }),
                json!({ "l": [1, 2] }),
                json!({ "l": [2] }),
            ),
            (json!({ "a": 1 }), json!({ "a": null }), json!(null), json!({ "a": 1 })),
        ] {
            assert_eq!(written_over(&live, &wanted, Some(&own)), expected, "{live}");
        }
    }

    #[test]
    fn secrets_are_digests() {
        let object = json!({ "data": { "a": "eA==" }, "l": ["open", "closed"], "n": 1 });
        let masked = json!({ "data": { "a": "[secret]" }, "l": ["open", "[secret]"], "n": 1 });
        let shown = covered(&object, &masked, &|text| format!("<{text}>"));
        assert_eq!(
            shown,
            json!({ "data": { "a": "<eA==>" }, "l": ["open", "<closed>"], "n": 1 })
        );
    }
}
