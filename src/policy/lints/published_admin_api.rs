//! `published-admin-api`: an interface that lets anyone in the network administer something.

use crate::policy::container::{Container, Published};
use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::planned::{file_name, line_place};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "published-admin-api",
    level: Level::Warning,
    title: "An interface for administrators on all addresses of a host",
    why: "Docker's API, and those of Caddy and Traefik, ask for no password: anyone who reaches them is root, or reads all traffic.",
    remedy: "Publish it on `127.0.0.1` only, such as `\"127.0.0.1:9000:9000\"`, or put it behind your proxy with a login.",
    check,
};

/// Ports that are an interface for administrators, whatever the image, or if its name has this word.
const PORTS: [(&str, u16, &str); 8] = [
    ("", 2375, "Docker's API"),
    ("", 2376, "Docker's API"),
    ("caddy", 2019, "Caddy's API"),
    ("traefik", 8080, "Traefik's API and dashboard"),
    ("portainer", 9000, "Portainer"),
    ("portainer", 9443, "Portainer"),
    ("etcd", 2379, "etcd's API"),
    ("phpmyadmin", 80, "phpMyAdmin"),
];

fn of_port(container: &Container, port: &Published) -> Option<&'static str> {
    if !port.is_everywhere {
        return None;
    }
    if container.image_name().contains("prometheus") && container.command.contains("--web.enable-admin-api") {
        return Some("Prometheus' API for administrators");
    }
    let found = PORTS.iter().find(|(word, number, _)| {
        let is_port = port.in_container == *number || (word.is_empty() && port.on_host == *number);
        is_port && container.image_name().contains(word)
    });
    found.map(|(.., what)| *what)
}

/// Whether a line has Docker's engine listen on all addresses, without encryption.
fn opens_docker(line: &str) -> bool {
    let addresses = ["tcp://0.0.0.0:2375", "tcp://:2375", "tcp://[::]:2375"];
    !line.trim_start().starts_with(['#', ';']) && addresses.iter().any(|address| line.contains(address))
}

/// Whether a line of a Caddyfile has its API listen on all addresses.
fn opens_caddy(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let address = (words.next() == Some("admin")).then(|| words.next()).flatten();
    let starts = [":", "0.0.0.0:", "[::]:"];
    address.is_some_and(|address| starts.iter().any(|start| address.starts_with(start)))
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for container in &scene.containers {
        for port in &container.ports {
            let Some(what) = of_port(container, port) else { continue };
            let title = format!("{what} of {} is published on all addresses", container.name);
            let label = format!("port {} of every address of the host", port.on_host);
            found.push(Finding::new(title, port.place.clone(), label).of(Some(container.operation)));
        }
        if container.command.contains("--api.insecure=true") && !container.ports.is_empty() {
            let title = format!("Traefik's API of {} asks for no password", container.name);
            let finding = Finding::new(title, container.place.clone(), "it has `--api.insecure=true`");
            found.push(finding.of(Some(container.operation)));
        }
    }
    for (number, text) in scene.texts() {
        let name = file_name(&text.path);
        let is_of_docker = name == "daemon.json" || text.path.contains("/systemd/system/docker.");
        let is_of_caddy = name == "Caddyfile" && scene.operations[number].name() != "docker.compose";
        for (index, line) in text.text.lines().enumerate() {
            let what = match () {
                () if is_of_docker && opens_docker(line) => "Docker's API",
                () if is_of_caddy && opens_caddy(line) => "Caddy's API",
                () => continue,
            };
            let title = format!("{what} listens on all addresses");
            let place = line_place(text, index + 1);
            found.push(Finding::new(title, place, "every address of the host").of(Some(number)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{opens_caddy, opens_docker};

    #[test]
    fn only_all_addresses_count() {
        assert!(opens_docker(r#"  "hosts": ["tcp://0.0.0.0:2375"]"#));
        assert!(!opens_docker(r#"  "hosts": ["tcp://127.0.0.1:2375"]"#));
        assert!(!opens_docker("# tcp://0.0.0.0:2375"));
        assert!(opens_caddy("  admin :2019"));
        assert!(opens_caddy("admin 0.0.0.0:2019"));
        for line in ["admin off", "admin localhost:2019", "admin", "administrators :80"] {
            assert!(!opens_caddy(line), "{line}");
        }
    }
}
