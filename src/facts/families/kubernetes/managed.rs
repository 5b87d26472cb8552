//! Who owns which fields of an object: `metadata.managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The manager of what homelab applies.
const OWN: &str = "homelab";

/// The fields of each manager, those of `status` left out. Others that stand for themselves are fields of the object, such as those that
/// `kubectl scale` and autoscalers set.
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
    fn fields_are_paths_and_those_of_status_do_not_count() {
        let object = serde_json::json!({"metadata": {"managedFields": [
            {"manager": "homelab", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b.c": {}}}},
            {"manager": "homelab", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}},
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
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
