//! `docker-socket`: a container that can have Docker do anything.

use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "docker-socket",
    level: Level::Warning,
    title: "A container with the socket of the Docker engine",
    why: "Anyone who controls the container is root on the host. `:ro` changes nothing: it is about the file, not about what is asked.",
    remedy: "Give the socket to a proxy that lets through what is needed, such as the stack `docker-proxy`, and nothing else.",
    check,
};

/// Sockets by which containers are made.
const SOCKETS: [&str; 6] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/var/run/podman/podman.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
];

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for container in &scene.containers {
        // What the proxy is for.
        if container.image_name().contains("socket-proxy") {
            continue;
        }
        let sockets = container
            .mounts
            .iter()
            .filter(|(path, _)| SOCKETS.contains(&path.as_str()));
        for (path, place) in sockets {
            let title = format!("{} gets `{path}`", container.name);
            let finding = Finding::new(title, place.clone(), "anyone who controls it is root on the host");
            found.push(finding.of(Some(container.operation)));
        }
    }
    found
}
