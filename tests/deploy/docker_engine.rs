//! The Docker tasks of this repository's own project, on a host that has nothing yet.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const DATA: &str = include_str!("../../group_data/docker.toml");

/// A container that needs no registry.
const START_WEB: &str = "tar -chP /usr/bin/sleep $(ldd /usr/bin/sleep | grep -o '/[^ :]*\\.so[^ ]*' | sort -u) 2>/dev/null | \
    docker import - web:1 && docker run -d --name web web:1 /usr/bin/sleep infinity";

fn project() -> Project {
    Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.box]\nlab = { image = 'debian:13' }\ngroups = ['docker']\n",
        ),
        ("group_data/all.toml", "[docker]\nsource = 'debian'\n"),
        ("group_data/docker.toml", DATA),
        (
            "deploys/site.toml",
            "hosts = ['*']\ntasks = ['docker/engine', 'docker/networks', 'volumes', 'docker/prune']\n",
        ),
        (
            "tasks/docker/engine.toml",
            include_str!("../../tasks/docker/engine.toml"),
        ),
        (
            "tasks/docker/official-repository.toml",
            include_str!("../../tasks/docker/official-repository.toml"),
        ),
        (
            "tasks/docker/networks.toml",
            include_str!("../../tasks/docker/networks.toml"),
        ),
        ("tasks/docker/prune.toml", include_str!("../../tasks/docker/prune.toml")),
        (
            "templates/apt/docker.asc",
            include_str!("../../templates/apt/docker.asc"),
        ),
        (
            "tasks/volumes.toml",
            "[[operation]]\nop = 'docker.volume'\nvolume = 'media'\n",
        ),
    ])
}

/// What the host's engine says of itself.
fn engine(host: &Host<'_>) -> String {
    host.inside("docker info -f '{{.LiveRestoreEnabled}} {{.LoggingDriver}}'")
}

fn told(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn an_empty_host_gets_engine_settings_networks_and_volumes_in_one_deploy() {
    let project = project();
    let host = project.up("dev", "box");
    let review = project
        .homelab(&["deploy", "dev", "site", "--dry-run"])
        .expect(0)
        .stdout;
    for expected in [
        "+ package docker.io",
        "+ file /etc/docker/daemon.json",
        "+ docker network reverse_proxy_net",
        "+ docker volume media",
    ] {
        assert!(review.contains(expected), "`{expected}` is not in:\n{review}");
    }
    assert!(
        !review.lines().any(|line| line.trim_start().starts_with('?')),
        "{review}"
    );
    project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0);
    project
        .homelab(&["deploy", "dev", "site", "--dry-run", "--detailed-exitcode"])
        .expect(0);
    assert_eq!(engine(&host), "true json-file\n");
    let there = host.inside("docker network ls -q --filter name=reverse_proxy_net | wc -l; docker volume ls -q");
    assert_eq!(there, "1\nmedia\n");

    // Settings that the engine refuses are refused in the review.
    let wrong = DATA.replace("live-restore = true", "live-restore = true\nlive-restored = true");
    project.write("group_data/docker.toml", &wrong);
    let refused = told(&project.homelab(&["deploy", "dev", "site", "--dry-run"]).expect(3));
    assert!(refused.contains("live-restored"), "{refused}");

    // With live-restore containers go on, and nothing is said about them.
    host.inside(START_WEB);
    let state = || host.inside("docker inspect -f '{{.State.Status}}' web");
    let deploy = |data: &str| {
        project.write("group_data/docker.toml", data);
        // systemd starts it no more than three times a minute.
        host.inside("systemctl reset-failed docker.service");
        project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0).stdout
    };
    let deployed = deploy(&DATA.replace("10m", "20m"));
    assert!(!deployed.contains("stops containers"), "{deployed}");
    assert_eq!(state(), "running\n");

    // Without it, now or then, the review names what a restart stops.
    let off = DATA.replace("live-restore = true", "live-restore = false");
    for data in [off.clone(), off.replace("10m", "20m")] {
        let deployed = deploy(&data);
        assert!(deployed.contains("restarted (stops containers web)"), "{deployed}");
        assert_eq!(state(), "exited\n");
        host.inside("docker start web");
    }
    project
        .homelab(&["deploy", "dev", "site", "--dry-run", "--detailed-exitcode"])
        .expect(0);
}
