//! `no-resource-limits`: a container that may take all memory of its node.

use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::pods::in_pods;
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
    in_pods(scene, |container, called| {
        let is_limited = container.pointer("/resources/limits/memory").is_some();
        (!is_limited).then(|| {
            (
                format!("{called} has no limit of memory"),
                "no `resources.limits.memory`",
            )
        })
    })
}
