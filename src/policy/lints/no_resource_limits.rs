//! `no-resource-limits`: a container that may take all memory of its node.

use crate::policy::container::pod_containers;
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "no-resource-limits",
    level: Level::Note,
    title: "A container of a pod without a limit of memory",
    why: "One leak takes down the node with everything on it.",
    remedy: "Give `resources.requests` and `resources.limits.memory`.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        for object in &planned.rendered.objects {
            for (pointer, container) in pod_containers(object) {
                if container.pointer("/resources/limits/memory").is_some() {
                    continue;
                }
                let name = container
                    .get("name")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default();
                let title = format!(
                    "container `{name}` of {} `{}` has no limit of memory",
                    object.id.kind, object.id.name
                );
                let place = Place::at(&object.place(&pointer));
                found.push(Finding::new(title, place, "no `resources.limits.memory`").of(Some(number)));
            }
        }
    }
    found
}
