//! The pods that objects make.

use serde_json::Value;

use super::run::Planned;

/// The pods that an object makes.
pub(super) struct Pods<'a> {
    pub(super) object: Planned<'a>,
    /// Where their description is in the object.
    pub(super) pointer: &'static str,
    /// Their description.
    pub(super) spec: &'a Value,
    pub(super) count: Count,
}

/// How many pods there are at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Some(u64),
    /// One for each node.
    Nodes,
}

/// The pods of the objects that make any.
pub(super) fn pods<'a>(objects: &[Planned<'a>]) -> Vec<Pods<'a>> {
    objects.iter().filter_map(|object| of(*object)).collect()
}

fn of(object: Planned<'_>) -> Option<Pods<'_>> {
    let template = "/spec/template/spec";
    let number = |pointer: &str| object.object.pointer(pointer).and_then(Value::as_u64);
    let replicas = || Count::Some(number("/spec/replicas").unwrap_or(1));
    let (pointer, count) = match (object.id.group.as_str(), object.id.kind.as_str()) {
        ("", "Pod") => ("/spec", Count::Some(1)),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => (template, replicas()),
        ("apps", "DaemonSet") => (template, Count::Nodes),
        ("batch", "Job") => (template, Count::Some(number("/spec/parallelism").unwrap_or(1))),
        ("batch", "CronJob") => (
            "/spec/jobTemplate/spec/template/spec",
            Count::Some(number("/spec/jobTemplate/spec/parallelism").unwrap_or(1)),
        ),
        _ => return None,
    };
    Some(Pods {
        object,
        pointer,
        spec: object.object.pointer(pointer)?,
        count,
    })
}

impl<'a> Pods<'a> {
    /// Their containers, those that run before others too, with pointers from the description.
    pub(super) fn containers(&self) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers"].into_iter().flat_map(move |key| {
            let items = spec.get(key).and_then(Value::as_array);
            let items = items.into_iter().flatten().enumerate();
            items.map(move |(at, item)| (format!("/{key}/{at}"), item))
        })
    }

    /// Their volumes, with pointers from the description.
    pub(super) fn volumes(&self) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
        let items = self.spec.get("volumes").and_then(Value::as_array);
        let items = items.into_iter().flatten().enumerate();
        items.map(|(at, item)| (format!("/volumes/{at}"), item))
    }

    /// The object by its kind and name.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.object.id.kind, self.object.id.name)
    }
}
