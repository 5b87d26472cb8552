//! Kinds that the cluster serves, and those that the run defines.

use std::collections::BTreeSet;

use serde_json::Value;

use super::run::{Planned, Run};
use crate::error::closest;
use crate::facts::kubernetes::{Answers, ObjectId};

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

/// What to do about an object of a kind that the cluster does not serve.
pub(in crate::operations::k8s) fn served_instead(id: &ObjectId, cluster: &Answers) -> String {
    let of_group = cluster.kinds.iter().filter(|kind| kind.group == id.group);
    let same = cluster.kinds.iter().filter(|kind| kind.kind == id.kind);
    let same: BTreeSet<String> = same
        .map(|kind| match kind.group.as_str() {
            "" => kind.version.clone(),
            group => format!("{group}/{}", kind.version),
        })
        .collect();
    if let Some(first) = same.first() {
        return format!(
            "the cluster serves this kind as `{first}`: change `apiVersion`, or add `rename_groups = {{ \"{}\" = \"{first}\" }}`",
            id.api_version()
        );
    }
    match closest(&id.kind, of_group.map(|kind| kind.kind.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "correct `apiVersion` and `kind`, or apply its CustomResourceDefinition before".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::kubernetes::ServedKind;

    #[test]
    fn what_is_served_instead_is_named() {
        let kind = |group: &str, version: &str, kind: &str| ServedKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            is_namespaced: true,
        };
        let cluster = Answers {
            kinds: [kind("apps", "v1", "Deployment"), kind("batch", "v1", "CronJob")].into(),
            ..Answers::default()
        };
        for (group, version, kind, expected) in [
            (
                "batch",
                "v1beta1",
                "CronJob",
                "the cluster serves this kind as `batch/v1`: change `apiVersion`, or add `rename_groups = { \"batch/v1beta1\" = \"batch/v1\" }`",
            ),
            ("apps", "v1", "Deploymet", "did you mean `Deployment`?"),
            (
                "example.org",
                "v1",
                "Widget",
                "correct `apiVersion` and `kind`, or apply its CustomResourceDefinition before",
            ),
        ] {
            let id = ObjectId {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                ..ObjectId::default()
            };
            assert_eq!(served_instead(&id, &cluster), expected, "{kind}");
        }
    }
}
