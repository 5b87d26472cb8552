//! Classes of storage that claims name, and the one that they get without a name.

use serde_json::Value;

use super::references::items;
use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin, closest};
use crate::facts::kubernetes::DEFAULT_CLASS;

/// A claim, or a description of claims.
struct Claim<'a> {
    object: Planned<'a>,
    pointer: String,
    /// `None` if it takes the default.
    class: Option<&'a str>,
}

/// The claims of the run that are not bound to a volume by its name.
fn claims<'a>(run: &Run<'a>) -> Vec<Claim<'a>> {
    let mut found = Vec::new();
    let mut add = |object: &Planned<'a>, spec: Option<&'a Value>, pointer: String| {
        let Some(spec) = spec.filter(|spec| spec.get("volumeName").is_none()) else {
            return;
        };
        found.push(Claim {
            object: *object,
            pointer,
            class: spec.get("storageClassName").and_then(Value::as_str),
        });
    };
    for object in run.objects {
        if object.is("", "PersistentVolumeClaim") {
            add(object, object.object.get("spec"), "/spec".to_owned());
        } else if object.is("apps", "StatefulSet") {
            let Some(spec) = object.object.get("spec") else {
                continue;
            };
            for (number, template) in items(spec, "volumeClaimTemplates") {
                add(
                    object,
                    template.get("spec"),
                    format!("/spec/volumeClaimTemplates/{number}/spec"),
                );
            }
        }
    }
    found
}

/// Classes that no cluster has: those that are misspelled, and what to say of others, of which the cluster may have volumes.
pub(super) fn unknown_classes(run: &Run<'_>) -> (Vec<Diagnostic>, Vec<(String, Origin)>) {
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    let Some(known) = run.asked().and_then(|cluster| cluster.storage_classes.as_ref()) else {
        return (mistakes, notices);
    };
    if !run.is_whole {
        return (mistakes, notices);
    }
    let own = || {
        run.objects
            .iter()
            .filter(|one| one.is("storage.k8s.io", "StorageClass"))
    };
    let names = || known.keys().chain(own().map(|one| &one.id.name)).map(String::as_str);
    let volumes: Vec<&str> = run
        .objects
        .iter()
        .filter(|one| one.is("", "PersistentVolume"))
        .filter_map(|one| one.object.pointer("/spec/storageClassName")?.as_str())
        .collect();
    let is_default = |one: &Planned<'_>| {
        let annotations = one.object.pointer("/metadata/annotations");
        annotations
            .and_then(|all| all.get(DEFAULT_CLASS))
            .and_then(Value::as_str)
            == Some("true")
    };
    let has_default = known.values().any(|class| class.is_default) || own().any(is_default);
    for claim in claims(run) {
        let of = claim.object.name();
        match claim.class {
            None if !has_default => notices.push((
                format!("{of} names no StorageClass and the cluster has no default one: without a volume that fits, it waits"),
                claim.object.place(&claim.pointer),
            )),
            // The empty name means volumes without a class.
            None | Some("") => {}
            Some(class) if names().any(|name| name == class) || volumes.contains(&class) => {}
            Some(class) => {
                let place = claim.object.place(&format!("{}/storageClassName", claim.pointer));
                match closest(class, names()) {
                    Some(near) => mistakes.push(
                        Diagnostic::new(format!("unknown StorageClass `{class}`"))
                            .at(&place, format!("{of} would get no volume"))
                            .hint(format!("did you mean `{near}`?")),
                    ),
                    None => notices.push((
                        format!("there is no StorageClass `{class}`: without a volume of this class, {of} waits"),
                        place,
                    )),
                }
            }
        }
    }
    (mistakes, notices)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::testing::{cluster, of, told};
    use super::*;
    use crate::facts::kubernetes::{Answers, StorageClass};

    fn with(classes: &[(&str, bool)]) -> Answers {
        let class = |(name, is_default): &(&str, bool)| {
            let is_default = *is_default;
            ((*name).to_owned(), StorageClass { is_default })
        };
        let mut answers = cluster(&[]);
        answers.storage_classes = Some(classes.iter().map(class).collect::<BTreeMap<_, _>>());
        answers
    }

    #[test]
    fn claims_name_classes_that_are_there() {
        let claim = |spec: Value| json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "c" }, "spec": spec });
        let class = |name: &str, default: &str| json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name, "annotations": { DEFAULT_CLASS: default } } });
        let volume = |class: &str| json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "v" }, "spec": { "storageClassName": class } });
        let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "s" },
            "spec": { "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": { "storageClassName": "fast" } }] } });
        let (usual, none) = (with(&[("local-path", true)]), with(&[("local-path", false)]));
        let missing = |of: &str| format!("there is no StorageClass `fast`: without a volume of this class, {of} waits");
        let no_default = "PersistentVolumeClaim/c names no StorageClass and the cluster has no default one: without a volume that fits, it waits";
        let misspelled = "c/spec/storageClassName: unknown StorageClass `local-pat`; did you mean `local-path`?";
        let named = |class: &str| claim(json!({ "storageClassName": class }));
        for (objects, answers, mistake, notice) in [
            (vec![named("local-path")], &usual, None, None),
            (vec![named("local-pat")], &usual, Some(misspelled), None),
            (
                vec![named("fast")],
                &usual,
                None,
                Some(missing("PersistentVolumeClaim/c")),
            ),
            (vec![named("fast"), class("fast", "false")], &usual, None, None),
            (vec![named("fast"), volume("fast")], &usual, None, None),
            (
                vec![claim(json!({ "storageClassName": "fast", "volumeName": "v" }))],
                &usual,
                None,
                None,
            ),
            (vec![named("")], &none, None, None),
            (vec![claim(json!({}))], &usual, None, None),
            (vec![claim(json!({}))], &none, None, Some(no_default.to_owned())),
            (vec![claim(json!({})), class("fast", "true")], &none, None, None),
            (vec![set], &usual, None, Some(missing("StatefulSet/s"))),
        ] {
            let (mistakes, notices) = of(&objects, Some(answers), unknown_classes);
            assert_eq!(told(mistakes).first().map(String::as_str), mistake, "{objects:?}");
            assert_eq!(notices.into_iter().next().map(|(text, _)| text), notice, "{objects:?}");
        }
        // What was not asked, or what this run makes, is not known.
        let mut predicted = usual.clone();
        predicted.is_predicted = true;
        for answers in [predicted, cluster(&[])] {
            let (mistakes, notices) = of(&[named("fast")], Some(&answers), unknown_classes);
            assert_eq!((mistakes.len(), notices.len()), (0, 0));
        }
    }
}
