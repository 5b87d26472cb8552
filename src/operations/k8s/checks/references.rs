//! What pods need and no operation of the run brings: Secrets, claims of volumes and the like.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pods::{Pods, pods};
use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin, closest};
use crate::facts::kubernetes::ObjectId;
use crate::operations::k8s::documents::is_built_in;

/// An object that pods need and the run does not bring: the cluster must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operations::k8s) struct Reference {
    pub(in crate::operations::k8s) id: ObjectId,
    /// Where it is named.
    pub(in crate::operations::k8s) place: Origin,
    /// The object whose pods need it.
    pub(in crate::operations::k8s) needed_by: String,
    /// Another object of the run that was probably meant.
    pub(in crate::operations::k8s) near: Option<String>,
}

/// What a cluster makes in each namespace by itself.
fn is_always_there(kind: &str, name: &str) -> bool {
    matches!(
        (kind, name),
        ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
    )
}

/// What pods of the run need and it does not bring.
pub(in crate::operations::k8s) fn references(run: &Run<'_>) -> Vec<Reference> {
    if !run.is_whole {
        return Vec::new();
    }
    let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
    let mut found = Vec::new();
    for pods in pods(run.objects) {
        for (kind, name, pointer) in named(&pods) {
            let id = ObjectId {
                group: String::new(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                namespace: Some(pods.object.namespace().to_owned()),
                name: name.to_owned(),
            };
            if is_always_there(kind, name) || is_brought(run, &id) || !seen.insert(id.clone()) {
                continue;
            }
            let same = run
                .objects
                .iter()
                .filter(|one| one.is("", kind) && one.namespace() == pods.object.namespace());
            let near = closest(name, same.map(|one| one.id.name.as_str()));
            found.push(Reference {
                place: pods.object.place(&format!("{}{pointer}", pods.pointer)),
                needed_by: pods.name(),
                near: near.map(str::to_owned),
                id,
            });
        }
    }
    found
}

/// That the cluster has not what pods need.
pub(in crate::operations::k8s) fn missing(reference: &Reference) -> Diagnostic {
    let Reference {
        id,
        place,
        needed_by,
        near,
    } = reference;
    let kind = &id.kind;
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if matches!(kind.as_str(), "ConfigMap" | "Secret") => {
            format!("deploy the {kind} before this operation, or write `optional: true` if the pods can do without it")
        }
        None => format!("deploy the {kind} before this operation"),
    };
    Diagnostic::new(format!("unknown {kind} `{}`", id.name))
        .at(place, format!("the pods of {needed_by} would not start"))
        .because(match &id.namespace {
            Some(namespace) => format!("neither this run nor the cluster has it in the namespace `{namespace}`"),
            None => "neither this run nor the cluster has it".to_owned(),
        })
        .hint(hint)
}

/// Whether an object of the run is it, or makes it: resources that others define, such as certificates and external secrets, name
/// the Secrets that come of them.
pub(super) fn is_brought(run: &Run<'_>, id: &ObjectId) -> bool {
    let namespace = id.namespace.as_deref().unwrap_or("default");
    let mut near = run.objects.iter().filter(|object| object.namespace() == namespace);
    near.any(|object| {
        (object.is("", &id.kind) && object.id.name == id.name)
            || (!is_built_in(&object.id.group) && (object.id.name == id.name || names(object.object, &id.name)))
            || is_of_replicas(object, id)
    })
}

/// Whether any text in a value is this one.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Object(table) => table.values().any(|value| names(value, name)),
        _ => false,
    }
}

/// Whether a `StatefulSet` makes this claim for one of its pods.
fn is_of_replicas(object: &Planned<'_>, id: &ObjectId) -> bool {
    if id.kind != "PersistentVolumeClaim" || !object.is("apps", "StatefulSet") {
        return false;
    }
    let templates = object
        .object
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array);
    let mut names = templates
        .into_iter()
        .flatten()
        .filter_map(|one| one.pointer("/metadata/name")?.as_str());
    names.any(|name| id.name.starts_with(&format!("{name}-{}-", object.id.name)))
}

/// What the pods need: kind, name, and a pointer from their description.
fn named<'a>(pods: &Pods<'a>) -> Vec<(&'static str, &'a str, String)> {
    let mut found = Vec::new();
    // (what has the reference, its key, the kind, the key of the name)
    let mut add = |holder: &'a Value, key: &str, kind: &'static str, name: &str, at: &str| {
        let Some(reference) = holder.get(key) else { return };
        if reference.get("optional").and_then(Value::as_bool) == Some(true) {
            return;
        }
        if let Some(text) = reference
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            found.push((kind, text, format!("{at}/{key}/{name}")));
        }
    };
    for (at, container) in pods.containers() {
        for (number, source) in items(container, "envFrom") {
            let at = format!("{at}/envFrom/{number}");
            add(source, "configMapRef", "ConfigMap", "name", &at);
            add(source, "secretRef", "Secret", "name", &at);
        }
        for (number, variable) in items(container, "env") {
            let at = format!("{at}/env/{number}/valueFrom");
            if let Some(source) = variable.get("valueFrom") {
                add(source, "configMapKeyRef", "ConfigMap", "name", &at);
                add(source, "secretKeyRef", "Secret", "name", &at);
            }
        }
    }
    for (at, volume) in pods.volumes() {
        add(volume, "configMap", "ConfigMap", "name", &at);
        add(volume, "secret", "Secret", "secretName", &at);
        add(
            volume,
            "persistentVolumeClaim",
            "PersistentVolumeClaim",
            "claimName",
            &at,
        );
        if let Some(projected) = volume.get("projected") {
            for (number, source) in items(projected, "sources") {
                let at = format!("{at}/projected/sources/{number}");
                add(source, "configMap", "ConfigMap", "name", &at);
                add(source, "secret", "Secret", "name", &at);
            }
        }
    }
    for key in ["serviceAccountName", "serviceAccount"] {
        if let Some(name) = pods
            .spec
            .get(key)
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
        {
            found.push(("ServiceAccount", name, format!("/{key}")));
        }
    }
    found
}

/// The items of a list below a key, with their numbers.
pub(super) fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    let items = value.get(key).and_then(Value::as_array);
    items.into_iter().flatten().enumerate()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::of;
    use super::*;

    fn found(objects: &[Value]) -> Vec<String> {
        of(objects, None, |run| {
            let found = references(run);
            found.iter().map(|one| format!("{} at {}", one.id, one.place)).collect()
        })
    }

    fn deployment(spec: Value) -> Value {
        let mut object =
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "w", "namespace": "a" } });
        object["spec"] = json!({ "template": {} });
        object["spec"]["template"]["spec"] = spec;
        object
    }

    #[test]
    fn pods_need_what_they_name() {
        let spec = json!({
            "serviceAccountName": "runner",
            "containers": [{ "name": "c",
                "envFrom": [{ "configMapRef": { "name": "e" } }, { "secretRef": { "name": "o", "optional": true } }],
                "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }, { "name": "B", "valueFrom": { "fieldRef": {} } }] }],
            "initContainers": [{ "name": "i", "envFrom": [{ "secretRef": { "name": "s" } }] }],
            "volumes": [
                { "configMap": { "name": "v" } }, { "secret": { "secretName": "t" } }, { "persistentVolumeClaim": { "claimName": "p" } },
                { "projected": { "sources": [{ "configMap": { "name": "kube-root-ca.crt" } }, { "secret": { "name": "q" } }] } }, { "emptyDir": {} },
            ],
        });
        let at = "at w/spec/template/spec";
        assert_eq!(
            found(&[deployment(spec)]),
            [
                format!("Secret/s in a {at}/initContainers/0/envFrom/0/secretRef/name"),
                format!("ConfigMap/e in a {at}/containers/0/envFrom/0/configMapRef/name"),
                format!("ConfigMap/v in a {at}/volumes/0/configMap/name"),
                format!("Secret/t in a {at}/volumes/1/secret/secretName"),
                format!("PersistentVolumeClaim/p in a {at}/volumes/2/persistentVolumeClaim/claimName"),
                format!("Secret/q in a {at}/volumes/3/projected/sources/1/secret/name"),
                format!("ServiceAccount/runner in a {at}/serviceAccountName"),
            ]
        );
    }

    #[test]
    fn what_the_run_brings_is_there() {
        let pods = || deployment(json!({ "volumes": [{ "secret": { "secretName": "tls" } }] }));
        let other = |version: &str, kind: &str, namespace: &str, more: Value| {
            let mut object =
                json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "tls", "namespace": namespace } });
            object["spec"] = more;
            object
        };
        let mut certificate = other("cert-manager.io/v1", "Certificate", "a", json!({ "secretName": "tls" }));
        certificate["metadata"]["name"] = json!("web");
        let claim = |name: &str| deployment(json!({ "volumes": [{ "persistentVolumeClaim": { "claimName": name } }] }));
        let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db", "namespace": "a" },
            "spec": { "volumeClaimTemplates": [{ "metadata": { "name": "data" } }], "template": { "spec": {} } } });
        for (objects, count) in [
            (vec![pods()], 1),
            (vec![pods(), other("v1", "Secret", "a", json!({}))], 0),
            (vec![pods(), other("v1", "Secret", "b", json!({}))], 1),
            (vec![pods(), other("v1", "ConfigMap", "a", json!({}))], 1),
            (
                vec![pods(), other("bitnami.com/v1alpha1", "SealedSecret", "a", json!({}))],
                0,
            ),
            (vec![pods(), certificate], 0),
            (vec![claim("data-db-0"), set.clone()], 0),
            (vec![claim("data-other-0"), set], 1),
        ] {
            assert_eq!(found(&objects).len(), count, "{objects:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_what_was_meant() {
        let objects = [
            deployment(
                json!({ "volumes": [{ "configMap": { "name": "setings" } }, { "secret": { "secretName": "x" } }] }),
            ),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "a" } }),
        ];
        let told = of(&objects, None, |run| {
            let found = references(run);
            found
                .iter()
                .map(missing)
                .map(|one| (one.title, one.hint.unwrap_or_default()))
                .collect::<Vec<_>>()
        });
        let expected = [
            ("unknown ConfigMap `setings`", "did you mean `settings`?"),
            (
                "unknown Secret `x`",
                "deploy the Secret before this operation, or write `optional: true` if the pods can do without it",
            ),
        ];
        assert_eq!(told, expected.map(|(title, hint)| (title.to_owned(), hint.to_owned())));
    }
}
