//! `host-network-ports`: ports that are published in vain.

use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "host-network-ports",
    level: Level::Warning,
    title: "Published ports of a container in the host's own network",
    why: "Docker ignores them: the program listens on its own ports, on all addresses of the host.",
    remedy: "Remove `ports`, or `network_mode: host`.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let found = scene.containers.iter().filter_map(|container| {
        container.host_network.as_ref()?;
        let first = container.ports.first()?;
        let title = format!("the ports of {} have no effect", container.name);
        let finding = Finding::new(title, first.place.clone(), "ignored with `network_mode: host`");
        Some(finding.of(Some(container.operation)))
    });
    found.collect()
}
