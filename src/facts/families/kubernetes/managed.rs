//! Who owns which fields of an object: `metadata.managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::facts::kubernetes::{FieldPath, Held, is_item};

/// The manager of what homelab applies.
const OWN: &str = "homelab";
/// The manager of what `kubectl apply` wrote without `--server-side`. `kubectl` hands its fields over to the next manager that applies.
const BY_CLIENT: &str = "kubectl-client-side-apply";

/// The fields of each manager, those of `status` left out.
pub(super) struct Owners {
    by_manager: BTreeMap<String, BTreeSet<String>>,
    own: BTreeSet<String>,
    managers: BTreeSet<String>,
}

impl Owners {
    /// Those of an object with its `managedFields`.
    pub(super) fn of(object: &Value) -> Self {
        let mut owners = Self {
            by_manager: BTreeMap::new(),
            own: BTreeSet::new(),
            managers: BTreeSet::new(),
        };
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            // What was set by `scale` has a manager as anything else has.
            if text("subresource") == "status" {
                continue;
            }
            let mut fields = BTreeSet::new();
            if let Some(tree) = entry.get("fieldsV1") {
                collect(tree, "", &mut fields);
            }
            let manager = text("manager");
            owners.managers.insert(manager.to_owned());
            if manager == OWN && text("operation") == "Apply" {
                owners.own.extend(fields);
            } else {
                owners.by_manager.entry(manager.to_owned()).or_default().extend(fields);
            }
        }
        owners
    }

    /// The fields that homelab has by applying.
    pub(super) fn own(&self) -> &BTreeSet<String> {
        &self.own
    }

    /// Each field with a manager other than homelab.
    pub(super) fn of_others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_manager
            .iter()
            .flat_map(|(manager, fields)| fields.iter().map(move |field| (field.as_str(), manager.as_str())))
    }

    /// Whether this other manager has the field.
    pub(super) fn has(&self, manager: &str, field: &str) -> bool {
        self.by_manager
            .get(manager)
            .is_some_and(|fields| fields.contains(field))
    }

    /// All managers, homelab as well.
    pub(super) fn managers(&self) -> &BTreeSet<String> {
        &self.managers
    }
}

/// What of a live object homelab has by applying, if it applied it.
pub(super) fn owned(live: &Value) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_own = |entry: &&Value| {
        text(entry, "manager") == OWN && text(entry, "operation") == "Apply" && text(entry, "subresource").is_empty()
    };
    let tree = entries.iter().find(is_own)?.get("fieldsV1")?;
    Some(part(live, tree))
}

/// Which of `fields` homelab owns, or is handed when it applies; and the first of which the owner has only what is around it.
pub(super) fn held(object: &Value, fields: &[FieldPath]) -> (Vec<Held>, Option<FieldPath>) {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let (mut all, mut undivided) = (Vec::new(), None);
    for entry in entries.into_iter().flatten() {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let (manager, operation) = (text("manager"), text("operation"));
        let is_own = matches!((manager, operation), (OWN, "Apply") | (BY_CLIENT, "Update"));
        let Some(mut tree) = entry
            .get("fieldsV1")
            .filter(|_| is_own && text("subresource").is_empty())
            .cloned()
        else {
            continue;
        };
        let mut pointers = Vec::new();
        for field in fields {
            match field.release(&mut tree) {
                Ok(released) => pointers.extend(released),
                Err(_) => undivided = undivided.or_else(|| Some(field.clone())),
            }
        }
        if !pointers.is_empty() {
            all.push(Held {
                manager: manager.to_owned(),
                operation: operation.to_owned(),
                pointers,
            });
        }
    }
    (all, undivided)
}

/// What of `live` a tree of `fieldsV1` has.
fn part(live: &Value, tree: &Value) -> Value {
    let below = tree.as_object().filter(|tree| !tree.is_empty());
    let Some(below) = below else { return live.clone() };
    match live {
        Value::Object(fields) => {
            let of = |(name, field): (&String, &Value)| {
                let tree = below.get(&format!("f:{name}"))?;
                Some((name.clone(), part(field, tree)))
            };
            Value::Object(fields.iter().filter_map(of).collect())
        }
        Value::Array(items) => {
            let of = |item: &Value| {
                let (_, tree) = below.iter().find(|(key, _)| is_item(key, item))?;
                Some(part(item, tree))
            };
            Value::Array(items.iter().filter_map(of).collect())
        }
        other => other.clone(),
    }
}

/// The paths of the leaves of a tree of `fieldsV1`, and of what is owned as a whole (`.`).
fn collect(tree: &Value, path: &str, into: &mut BTreeSet<String>) {
    let Some(fields) = tree.as_object() else { return };
    if fields.is_empty() {
        into.insert(path.to_owned());
    }
    for (key, below) in fields {
        let inner = match key.split_once(':') {
            _ if key == "." => {
                into.insert(path.to_owned());
                continue;
            }
            Some(("f", name)) if path.is_empty() => name.to_owned(),
            Some(("f", name)) => format!("{path}.{name}"),
            Some(("k", keys)) => format!("{path}[{}]", named(keys)),
            Some((_, value)) => format!("{path}[{value}]"),
            None => continue,
        };
        collect(below, &inner, into);
    }
}

/// `{"name":"web"}` as `name="web"`.
fn named(keys: &str) -> String {
    let Ok(Value::Object(keys)) = serde_json::from_str(keys) else {
        return keys.to_owned();
    };
    let pairs: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_homelab_applied_is_found_in_the_object() {
        let live = serde_json::json!({
            "metadata": { "name": "a", "finalizers": ["x", "y"], "managedFields": [
                { "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:type": {} } },
                { "manager": "homelab", "operation": "Apply", "fieldsV1": {
                    "f:metadata": { "f:finalizers": { ".": {}, "v:\"x\"": {} } },
                    "f:data": { "f:a": {}, "f:gone": {} },
                    "f:ports": { "k:{\"port\":80}": { ".": {}, "f:port": {} } },
                    "f:whole": {},
                } },
            ] },
            "data": { "a": 1, "b": 2 },
            "ports": [{ "port": 80, "protocol": "TCP" }, { "port": 81 }],
            "whole": { "x": [1] },
            "type": "Opaque",
        });
        let expected = serde_json::json!({
            "metadata": { "finalizers": ["x"] },
            "data": { "a": 1 },
            "ports": [{ "port": 80 }],
            "whole": { "x": [1] },
        });
        assert_eq!(owned(&live), Some(expected));
        assert_eq!(owned(&serde_json::json!({ "metadata": {} })), None);
    }

    #[test]
    fn fields_that_are_left_alone_are_held_by_who_applied_them() {
        let object = serde_json::json!({ "data": { "a": 1, "b": 2 }, "spec": { "selector": { "x": 1 } } });
        let path = |pointer: &str| FieldPath::of(&object, pointer).unwrap();
        let live = serde_json::json!({ "metadata": { "managedFields": [
            { "manager": "homelab", "operation": "Apply", "fieldsV1": { "f:data": { "f:a": {}, "f:b": {} }, "f:spec": { "f:selector": {} } } },
            { "manager": "homelab", "operation": "Apply", "subresource": "scale", "fieldsV1": { "f:data": { "f:a": {} } } },
            { "manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": { "f:data": { "f:a": {} } } },
            { "manager": "agent", "operation": "Update", "fieldsV1": { "f:data": { "f:a": {} } } },
        ] } });
        let held_by = |manager: &str, operation: &str, pointers: &[&str]| Held {
            manager: manager.to_owned(),
            operation: operation.to_owned(),
            pointers: pointers.iter().map(|&pointer| pointer.to_owned()).collect(),
        };
        let (all, undivided) = held(&live, &[path("/data/a"), path("/data/b"), path("/spec/selector/x")]);
        let expected = [
            // The second takes what is left of the table.
            held_by("homelab", "Apply", &["/f:data/f:a", "/f:data"]),
            held_by("kubectl-client-side-apply", "Update", &["/f:data"]),
        ];
        assert_eq!(all, expected);
        assert_eq!(undivided, Some(path("/spec/selector/x")));
        assert_eq!(held(&object, &[path("/data/a")]), (Vec::new(), None));
    }

    #[test]
    fn fields_are_paths_and_those_of_status_do_not_count() {
        let object = serde_json::json!({"metadata": {"managedFields": [
            {"manager": "homelab", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b.c": {}}}},
            {"manager": "homelab", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}},
            {"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {
                "f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
                "f:metadata": {"f:finalizers": {"v:\"x\"": {}}}
            }},
        ]}});
        let owners = Owners::of(&object);
        let own: Vec<&str> = owners.own().iter().map(String::as_str).collect();
        assert_eq!(own, ["data.a", "data.b.c"]);
        let others: Vec<(&str, &str)> = owners.of_others().collect();
        let expected = [
            ("spec.replicas", "autoscaler"),
            ("data.x", "homelab"),
            ("metadata.finalizers[\"x\"]", "kubectl"),
            ("spec.ports", "kubectl"),
            ("spec.ports[port=80,protocol=\"TCP\"]", "kubectl"),
            ("spec.ports[port=80,protocol=\"TCP\"].port", "kubectl"),
        ];
        assert_eq!(others, expected);
        assert_eq!(owners.managers().len(), 3);
    }
}
