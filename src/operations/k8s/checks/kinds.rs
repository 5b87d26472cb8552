//! Kinds that the cluster does not serve, and no operation of the run brings.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Planned, Run};
use crate::error::{Diagnostic, closest};
use crate::facts::kubernetes::Answers;

/// Objects of kinds that neither the cluster has nor a definition in the run.
pub(super) fn not_served(run: &Run<'_>) -> Vec<Diagnostic> {
    let Some(cluster) = run.cluster.filter(|_| run.is_whole) else {
        return Vec::new();
    };
    let definitions: Vec<&Value> = definitions(run).collect();
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    let mut told: BTreeSet<(String, &str)> = BTreeSet::new();
    for object in run.objects {
        let id = object.id;
        let is_served = cluster.serves(&id.group, &id.version, &id.kind).is_some();
        let is_defined = definitions.iter().any(|one| defines(one, object));
        // Of each kind the first object is enough.
        if is_served || is_defined || !told.insert((id.api_version(), id.kind.as_str())) {
            continue;
        }
        let title = format!("the cluster does not serve `{}` `{}`", id.api_version(), id.kind);
        let mistake = Diagnostic::new(title)
            .at(&(object.place)("/kind"), "no such kind in this version of the API")
            .hint(hint(object, cluster, &definitions));
        mistakes.push(mistake);
    }
    mistakes
}

/// The definitions of kinds in the run.
pub(super) fn definitions<'a>(run: &Run<'a>) -> impl Iterator<Item = &'a Value> + use<'a> {
    let objects = run.objects.iter();
    objects
        .filter(|object| object.is("apiextensions.k8s.io", "CustomResourceDefinition"))
        .map(|object| object.object)
}

/// Whether a definition is that of the kind of an object, in any version.
fn is_of_kind(definition: &Value, object: &Planned<'_>) -> bool {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    text("/spec/group") == Some(&object.id.group) && text("/spec/names/kind") == Some(&object.id.kind)
}

/// The version of a definition that an object has, if it is served.
pub(super) fn version_of<'a>(definition: &'a Value, object: &Planned<'_>) -> Option<&'a Value> {
    if !is_of_kind(definition, object) {
        return None;
    }
    let mut versions = definition.pointer("/spec/versions")?.as_array()?.iter();
    versions.find(|version| {
        let name = version.get("name").and_then(Value::as_str);
        name == Some(&object.id.version) && is_served(version)
    })
}

fn is_served(version: &Value) -> bool {
    version.get("served").and_then(Value::as_bool).unwrap_or(true)
}

fn defines(definition: &Value, object: &Planned<'_>) -> bool {
    version_of(definition, object).is_some()
}

/// What is served instead.
fn hint(object: &Planned<'_>, cluster: &Answers, definitions: &[&Value]) -> String {
    let id = object.id;
    let version = |group: &str, version: &str| match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    if let Some(definition) = definitions.iter().find(|one| is_of_kind(one, object)) {
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions.into_iter().flatten().filter(|one| is_served(one));
        let names = served.filter_map(|one| one.get("name")?.as_str());
        let names: Vec<String> = names.map(|name| format!("`{}`", version(&id.group, name))).collect();
        return format!("its CustomResourceDefinition has {}", names.join(", "));
    }
    let same: BTreeSet<String> = cluster
        .kinds
        .iter()
        .filter(|kind| kind.kind == id.kind)
        .map(|kind| version(&kind.group, &kind.version))
        .collect();
    if let Some(first) = same.first() {
        return format!(
            "the cluster serves this kind as `{first}`: change `apiVersion`, or add `rename_groups = {{ \"{}\" = \"{first}\" }}`",
            id.api_version()
        );
    }
    let of_group = cluster.kinds.iter().filter(|kind| kind.group == id.group);
    match closest(&id.kind, of_group.map(|kind| kind.kind.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "deploy what defines this kind first, such as its CustomResourceDefinition".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{cluster, of, told};
    use super::*;
    use crate::facts::kubernetes::ServedKind;

    #[test]
    fn a_kind_is_served_or_defined_in_the_run() {
        let mut answers = cluster(&[]);
        let kind = |group: &str, version: &str, kind: &str| ServedKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            is_namespaced: true,
        };
        answers.kinds = [kind("apps", "v1", "Deployment"), kind("batch", "v1", "CronJob")].into();
        let object =
            |version: &str, kind: &str| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" } });
        let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "d" },
            "spec": { "group": "example.org", "names": { "kind": "Widget" }, "versions": [{ "name": "v1", "served": true }, { "name": "v1beta1", "served": false }] } });
        answers
            .kinds
            .insert(kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"));
        for (objects, expected) in [
            (vec![object("apps/v1", "Deployment")], None),
            (
                vec![object("batch/v1beta1", "CronJob")],
                Some(
                    "x/kind: the cluster does not serve `batch/v1beta1` `CronJob`; the cluster serves this kind as `batch/v1`: change `apiVersion`, or add `rename_groups = { \"batch/v1beta1\" = \"batch/v1\" }`",
                ),
            ),
            (
                vec![object("apps/v1", "Deploymet")],
                Some("x/kind: the cluster does not serve `apps/v1` `Deploymet`; did you mean `Deployment`?"),
            ),
            (
                vec![object("example.org/v1", "Widget"), object("example.org/v1", "Widget")],
                Some(
                    "x/kind: the cluster does not serve `example.org/v1` `Widget`; deploy what defines this kind first, such as its CustomResourceDefinition",
                ),
            ),
            (vec![definition.clone(), object("example.org/v1", "Widget")], None),
            (
                vec![definition, object("example.org/v1beta1", "Widget")],
                Some(
                    "x/kind: the cluster does not serve `example.org/v1beta1` `Widget`; its CustomResourceDefinition has `example.org/v1`",
                ),
            ),
        ] {
            let found = told(of(&objects, Some(&answers), not_served));
            assert!(found.len() < 2, "{found:?}");
            assert_eq!(found.first().map(String::as_str), expected, "{objects:?}");
        }
        assert!(of(&[object("x/v1", "Y")], None, not_served).is_empty());
    }
}
