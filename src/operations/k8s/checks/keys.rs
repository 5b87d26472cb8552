//! Keys of ConfigMaps and Secrets that pods name, and that these do not have in the run.

use serde_json::Value;

use super::pods::{Pods, pods};
use super::references::items;
use super::run::{Planned, Run};
use crate::error::{Diagnostic, closest, suggestion};

/// A key that pods need.
struct Needed<'a> {
    kind: &'static str,
    name: &'a str,
    key: &'a str,
    /// From the description of the pods.
    pointer: String,
}

/// Keys that pods need and that objects of the run lack.
pub(super) fn missing_keys(run: &Run<'_>) -> Vec<Diagnostic> {
    let of = |pods: &Pods<'_>| -> Vec<Diagnostic> {
        let needed = needed(pods).into_iter();
        needed.filter_map(|needed| missing(run, pods, &needed)).collect()
    };
    pods(run.objects).iter().flat_map(of).collect()
}

fn missing(run: &Run<'_>, pods: &Pods<'_>, needed: &Needed<'_>) -> Option<Diagnostic> {
    let is_it = |one: &&Planned<'_>| {
        one.is("", needed.kind) && one.id.name == needed.name && one.namespace() == pods.object.namespace()
    };
    let holder = run.objects.iter().find(is_it)?;
    let keys = keys(holder);
    if keys.is_empty() || keys.contains(&needed.key) {
        return None;
    }
    let near = closest(needed.key, keys.iter().copied());
    // Controllers add keys to objects that annotations ask them to.
    let has_annotations = holder.object.pointer("/metadata/annotations").is_some();
    if holder.is_kept || (near.is_none() && has_annotations) {
        return None;
    }
    let place = pods.object.place(&format!("{}{}", pods.pointer, needed.pointer));
    let mistake = Diagnostic::new(format!("unknown key `{}` of {}", needed.key, holder.name()))
        .at(&place, format!("the pods of {} would not start", pods.name()))
        .at(&holder.place("/data"), "has no such key");
    let otherwise = || {
        format!(
            "add the key to {}, or write `optional: true` if the pods can do without it",
            holder.name()
        )
    };
    Some(mistake.hint(suggestion(needed.key, keys).unwrap_or_else(otherwise)))
}

/// The keys of an object; none if they come from a secret.
fn keys<'a>(holder: &Planned<'a>) -> Vec<&'a str> {
    let tables = ["data", "binaryData", "stringData"].into_iter();
    let tables = tables.filter_map(|part| holder.masked.get(part)?.as_object());
    tables.flat_map(|table| table.keys().map(String::as_str)).collect()
}

fn needed<'a>(pods: &Pods<'a>) -> Vec<Needed<'a>> {
    let mut found = Vec::new();
    for (at, container) in pods.containers() {
        for (number, variable) in items(container, "env") {
            let Some(source) = variable.get("valueFrom") else {
                continue;
            };
            for (part, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                if let Some(reference) = source.get(part).filter(|reference| !is_optional(reference)) {
                    let at = format!("{at}/env/{number}/valueFrom/{part}/key");
                    found.extend(
                        text(reference, "name")
                            .zip(text(reference, "key"))
                            .map(|(name, key)| Needed {
                                kind,
                                name,
                                key,
                                pointer: at,
                            }),
                    );
                }
            }
        }
    }
    let mut of_volume = |volume: &'a Value, secret_name: &str, at: &str| {
        for (part, kind, name) in [("configMap", "ConfigMap", "name"), ("secret", "Secret", secret_name)] {
            let source = volume.get(part).filter(|source| !is_optional(source));
            let Some((source, name)) = source.and_then(|source| Some((source, text(source, name)?))) else {
                continue;
            };
            for (number, item) in items(source, "items") {
                found.extend(text(item, "key").map(|key| Needed {
                    kind,
                    name,
                    key,
                    pointer: format!("{at}/{part}/items/{number}/key"),
                }));
            }
        }
    };
    for (at, volume) in pods.volumes() {
        of_volume(volume, "secretName", &at);
        if let Some(projected) = volume.get("projected") {
            for (number, source) in items(projected, "sources") {
                of_volume(source, "name", &format!("{at}/projected/sources/{number}"));
            }
        }
    }
    found
}

fn is_optional(reference: &Value) -> bool {
    reference.get("optional").and_then(Value::as_bool) == Some(true)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{of, told};
    use super::*;

    #[test]
    fn pods_name_keys_that_are_there() {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "database" }, "data": { "password": "eA==" } });
        let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "a.conf": "x" }, "binaryData": { "b": "eA==" } });
        let injected = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "bundle", "annotations": { "inject": "yes" } }, "data": { "own": "x" } });
        let empty = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" }, "type": "kubernetes.io/service-account-token" });
        let env = |part: &str, reference: Value| json!({ "containers": [{ "name": "c", "env": [{ "name": "A", "valueFrom": { part: reference } }] }] });
        let volume = |volume: Value| json!({ "containers": [], "volumes": [volume] });
        let wrong = "w/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef/key, database/data: unknown key `pasword` of Secret/database; did you mean `password`?";
        for (spec, expected) in [
            (
                env("secretKeyRef", json!({ "name": "database", "key": "password" })),
                None,
            ),
            (
                env("secretKeyRef", json!({ "name": "database", "key": "pasword" })),
                Some(wrong),
            ),
            (
                env(
                    "secretKeyRef",
                    json!({ "name": "database", "key": "pasword", "optional": true }),
                ),
                None,
            ),
            (
                env("secretKeyRef", json!({ "name": "another", "key": "pasword" })),
                None,
            ),
            (env("secretKeyRef", json!({ "name": "token", "key": "token" })), None),
            (env("configMapKeyRef", json!({ "name": "settings", "key": "b" })), None),
            (
                env("configMapKeyRef", json!({ "name": "settings", "key": "level" })),
                Some(
                    "w/spec/template/spec/containers/0/env/0/valueFrom/configMapKeyRef/key, settings/data: unknown key `level` of ConfigMap/settings; available: `a.conf`, `b`",
                ),
            ),
            (
                env("configMapKeyRef", json!({ "name": "bundle", "key": "ca.crt" })),
                None,
            ),
            (
                volume(
                    json!({ "name": "v", "configMap": { "name": "settings", "items": [{ "key": "a.conf", "path": "a" }, { "key": "a.cnf", "path": "b" }] } }),
                ),
                Some(
                    "w/spec/template/spec/volumes/0/configMap/items/1/key, settings/data: unknown key `a.cnf` of ConfigMap/settings; did you mean `a.conf`?",
                ),
            ),
            (
                volume(
                    json!({ "name": "v", "secret": { "secretName": "database", "items": [{ "key": "passwrd", "path": "a" }] } }),
                ),
                Some(
                    "w/spec/template/spec/volumes/0/secret/items/0/key, database/data: unknown key `passwrd` of Secret/database; did you mean `password`?",
                ),
            ),
            (
                volume(
                    json!({ "name": "v", "projected": { "sources": [{ "secret": { "name": "database", "items": [{ "key": "passwrd", "path": "a" }] } }] } }),
                ),
                Some(
                    "w/spec/template/spec/volumes/0/projected/sources/0/secret/items/0/key, database/data: unknown key `passwrd` of Secret/database; did you mean `password`?",
                ),
            ),
        ] {
            let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "w" }, "spec": { "template": { "spec": spec } } });
            let objects = [
                secret.clone(),
                settings.clone(),
                injected.clone(),
                empty.clone(),
                deployment,
            ];
            let found = told(of(&objects, None, missing_keys));
            assert_eq!(found.first().map(String::as_str), expected, "{spec}");
        }
    }
}
