//! `wide-role`: a role that may do everything in a cluster.

use serde_json::Value;

use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "wide-role",
    level: Level::Warning,
    title: "A role that may do everything in a cluster",
    why: "Anyone who controls one of its pods controls the cluster, and with it all nodes.",
    remedy: "Name the verbs and resources that the program needs.",
    check,
};

fn has_all(rule: &Value, key: &str) -> bool {
    let items = rule.get(key).and_then(Value::as_array);
    items.is_some_and(|items| items.iter().any(|item| item == "*"))
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        for object in &planned.rendered.objects {
            let (kind, name) = (object.id.kind.as_str(), &object.id.name);
            let pointer = match kind {
                "ClusterRole" | "Role" => {
                    let rules = object.object.get("rules").and_then(Value::as_array);
                    let mut rules = rules.into_iter().flatten();
                    let wide = rules.position(|rule| has_all(rule, "verbs") && has_all(rule, "resources"));
                    wide.map(|at| format!("/rules/{at}"))
                }
                "ClusterRoleBinding" => {
                    let role = object.object.pointer("/roleRef/name").and_then(Value::as_str);
                    (role == Some("cluster-admin")).then(|| "/roleRef/name".to_owned())
                }
                _ => None,
            };
            let Some(pointer) = pointer else { continue };
            let title = format!("{kind} `{name}` may do everything");
            let place = Place::at(&object.place(&pointer));
            found.push(Finding::new(title, place, "everything").of(Some(number)));
        }
    }
    found
}
