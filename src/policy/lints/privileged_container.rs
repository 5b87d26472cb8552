//! `privileged-container`: a container with the rights of the host.

use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "privileged-container",
    level: Level::Warning,
    title: "A container with the rights of the host",
    why: "Anyone who breaks out of the program in it has the whole host: its disks, its kernel and all other containers.",
    remedy: "Name the devices and capabilities that it needs: `devices`, and `cap_add` of `NET_ADMIN` and the like.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for container in &scene.containers {
        for (what, place) in &container.privileges {
            let title = format!("{} has the rights of the host", container.name);
            found.push(Finding::new(title, place.clone(), format!("`{what}`")).of(Some(container.operation)));
        }
    }
    found
}
