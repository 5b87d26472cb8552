//! What lints find of containers in pods.

use serde_json::Value as Json;

use super::container::pod_containers;
use super::finding::{Finding, Place};
use super::scene::Scene;

/// What a lint finds of the containers of pods: `finds` gets one and how it is called, and returns the title and the label.
pub(super) fn in_pods(
    scene: &Scene<'_>,
    finds: impl Fn(&Json, &str) -> Option<(String, &'static str)>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        for object in &planned.rendered.objects {
            for (pointer, container) in pod_containers(object) {
                let name = container.get("name").and_then(Json::as_str).unwrap_or_default();
                let called = format!("container `{name}` of {} `{}`", object.id.kind, object.id.name);
                found.extend(finds(container, &called).map(|(title, label)| {
                    Finding::new(title, Place::at(&object.place(&pointer)), label).of(Some(number))
                }));
            }
        }
    }
    found
}
