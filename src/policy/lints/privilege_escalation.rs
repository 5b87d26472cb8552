//! `privilege-escalation`: a program that may get more rights than it was started with.

use serde_json::Value;

use crate::policy::container::pod_containers;
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "privilege-escalation",
    level: Level::Note,
    title: "A container of a pod whose programs may gain rights",
    why: "A set-id program in the image makes root of anyone who runs anything in the container.",
    remedy: "Write `securityContext: { allowPrivilegeEscalation: false }`.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        for object in &planned.rendered.objects {
            for (pointer, container) in pod_containers(object) {
                if container.pointer("/securityContext/allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
                    continue;
                }
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                let title = format!(
                    "programs in container `{name}` of {} `{}` may gain rights",
                    object.id.kind, object.id.name
                );
                let place = Place::at(&object.place(&pointer));
                found.push(Finding::new(title, place, "no `allowPrivilegeEscalation: false`").of(Some(number)));
            }
        }
    }
    found
}
