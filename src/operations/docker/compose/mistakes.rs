//! What is wrong in compose files by themselves, which needs no host: `homelab check` finds it.
//!
//! Only compose knows what its files mean. So this is about what compose would refuse or leave out too, and nothing is said of what a
//! variable, another file (`include`, `extends`) or an unknown key decides.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::folder::Folder;
use super::parsed::{ComposeFiles, Wrong, services};
use super::service::Service;
use super::yaml::{Entry, Node, NodeKind};
use crate::error::suggestion;
use crate::facts::port::Ports;

/// Keys at the top of a compose file.
const TOP: [&str; 10] = [
    "name", "version", "services", "networks", "volumes", "secrets", "configs", "include", "models", "jobs",
];

impl ComposeFiles<'_> {
    /// The first mistake of each file.
    pub(super) fn mistake(&self) -> Option<Wrong> {
        self.files.iter().find_map(|(name, file)| self.of_file(name, file))
    }

    /// The first path in the files that the stack's folder does not have. Of a file in another directory only compose knows what its paths
    /// mean.
    pub(super) fn missing(&self, folder: &Folder<'_>) -> Option<Wrong> {
        let mut here = self.files.iter().filter(|(name, _)| !name.contains('/'));
        here.find_map(|(name, file)| folder.missing(name, file))
    }

    /// A service of this file that waits for itself, the place of the name that it waits for, and how.
    fn circle<'n>(&self, file: &'n Node) -> Option<(&'n Entry, Range<usize>, String)> {
        let mut run = services(file).filter(|service| service.value.get("profiles").is_none());
        run.find_map(|service| {
            let (place, first) = awaited(&service.value).into_iter().find_map(|(place, name)| {
                let mut seen = BTreeSet::new();
                Some((place, self.way(&name, &service.key, &mut seen)?))
            })?;
            let title = if first.len() == 1 {
                format!("service `{}` depends on itself", service.key)
            } else {
                let names: Vec<String> = std::iter::once(&service.key)
                    .chain(&first)
                    .map(|name| format!("`{name}`"))
                    .collect();
                format!("services depend on each other in a circle: {}", names.join(" → "))
            };
            Some((service, place, title))
        })
    }

    /// The services from `from` to `to`, each of which waits for the next one.
    fn way(&self, from: &str, to: &str, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
        if from == to {
            return Some(vec![from.to_owned()]);
        }
        if !seen.insert(from.to_owned()) {
            return None;
        }
        let all = self.files.iter().flat_map(|(_, file)| services(file));
        let next = all
            .filter(|service| service.key == from)
            .flat_map(|service| awaited(&service.value));
        let names: Vec<String> = next.map(|(_, name)| name).collect();
        let mut way = names.iter().find_map(|name| self.way(name, to, seen))?;
        way.insert(0, from.to_owned());
        Some(way)
    }

    fn of_file(&self, name: &str, file: &Node) -> Option<Wrong> {
        let wrong = |place: &Range<usize>, title: String, label: &str, hint: String| Wrong {
            name: name.to_owned(),
            place: place.clone(),
            title,
            label: label.to_owned(),
            hint,
        };
        if !matches!(file.kind, NodeKind::Table(_)) {
            let title = format!("`{name}` has no `services`");
            let hint = "write `services:`, and below it a table for each service".to_owned();
            return Some(wrong(&file.place, title, "not a table", hint));
        }
        let is_known = |entry: &Entry| TOP.contains(&entry.key.as_str()) || entry.key.starts_with("x-");
        if let Some(entry) = file.entries().iter().find(|entry| !is_known(entry)) {
            let title = format!("unknown key `{}` in a compose file", entry.key);
            let is_service = entry.value.get("image").is_some() || entry.value.get("build").is_some();
            let hint = if is_service {
                "write services below `services:`, two spaces further in".to_owned()
            } else {
                suggestion(&entry.key, TOP).unwrap_or_else(|| "remove it, or let its name begin with `x-`".to_owned())
            };
            return Some(wrong(&entry.place, title, "no such key", hint));
        }
        if self.files.len() == 1 && self.is_whole && file.get("services").is_none() {
            let title = format!("`{name}` has no `services`");
            let hint = "write `services:`, and below it a table for each service".to_owned();
            return Some(wrong(&(0..0), title, "no service", hint));
        }
        for entry in services(file) {
            let service = Service {
                files: self,
                file: name,
                name: &entry.key,
                key: &entry.place,
                node: &entry.value,
            };
            if entry.value.is_tagged {
                continue;
            }
            if !matches!(entry.value.kind, NodeKind::Table(_)) {
                let title = format!("service `{}` must be a table", entry.key);
                let hint = "write its keys below it, two spaces further in".to_owned();
                return Some(wrong(&entry.place, title, "not a table", hint));
            }
            if let Some(found) = service.mistake() {
                return Some(found);
            }
        }
        if self.is_whole
            && let Some((entry, place, title)) = self.circle(file)
        {
            let hint = format!("remove one of the names in `depends_on`, such as `{}`", entry.key);
            return Some(wrong(&place, title, "waits for itself", hint));
        }
        // Another file may change what this one says.
        if self.files.len() > 1 || !self.is_whole {
            None
        } else {
            same_port(name, file)
        }
    }
}

/// The names of services that a service waits for, with their places.
fn awaited(service: &Node) -> Vec<(Range<usize>, String)> {
    let node = service.get("depends_on").filter(|node| !node.is_tagged);
    node.map(|node| node.named(Node::text)).unwrap_or_default()
}

/// Two services that publish one port. Those of profiles may never run together, and those without containers do not run.
fn same_port(name: &str, file: &Node) -> Option<Wrong> {
    let mut known: Vec<(&str, Ports)> = Vec::new();
    let is_one = |node: Option<&Rc<Node>>| node.is_none_or(|node| node.text() == Some("1"));
    let runs = |entry: &&Entry| {
        let replicas = entry.value.get("deploy").and_then(|deploy| deploy.get("replicas"));
        entry.value.get("profiles").is_none() && is_one(entry.value.get("scale")) && is_one(replicas)
    };
    for entry in services(file).filter(runs) {
        let ports = entry
            .value
            .get("ports")
            .map(|ports| ports.used_items())
            .unwrap_or_default();
        for (node, ports) in ports.iter().filter_map(|port| Some((port, published(port)?))) {
            let is_same = |(other, one): &&(&str, Ports)| *other != entry.key && one.overlap(&ports);
            if let Some((other, _)) = known.iter().find(is_same) {
                let title = format!("port {ports} is published by two services");
                return Some(Wrong {
                    name: name.to_owned(),
                    place: node.place.clone(),
                    title,
                    label: format!("service `{other}` publishes it too"),
                    hint: "publish another port of the host".to_owned(),
                });
            }
            known.push((&entry.key, ports));
        }
    }
    None
}

fn published(port: &Node) -> Option<Ports> {
    if let Some(text) = port.text() {
        return Ports::published(text);
    }
    let part = |key: &str| port.get(key).and_then(|node| node.text());
    let address = part("host_ip").map(|ip| format!("{ip}:")).unwrap_or_default();
    let protocol = part("protocol").unwrap_or("tcp");
    Ports::published(&format!(
        "{address}{}:{}/{protocol}",
        part("published")?,
        part("target")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Option<(String, usize)> {
        let found = match ComposeFiles::parse(&[("compose.yaml", text)], true) {
            Ok(files) => files.mistake()?,
            Err(wrong) => wrong,
        };
        let line = text[..found.place.start].matches('\n').count() + 1;
        Some((found.title, line))
    }

    #[test]
    fn what_compose_refuses_is_found_where_it_is() {
        for (text, title, line) in [
            ("services:\n\tweb: {}\n", "`compose.yaml` is not valid YAML", 2),
            ("", "`compose.yaml` has no `services`", 1),
            ("networks: {}\n", "`compose.yaml` has no `services`", 1),
            ("web:\n  image: demo\n", "unknown key `web` in a compose file", 1),
            ("services:\n  web:\n", "service `web` must be a table", 2),
            (
                "services:\n  web:\n    image: Caddy\n",
                "`Caddy` of service `web` is not a valid name for a Docker image",
                3,
            ),
            (
                "services:\n  web:\n    image: 'caddy:{{ version }}'\n",
                "`compose.yaml` has a template and is not rendered",
                3,
            ),
            (
                "services:\n  web:\n    restart: allways\n",
                "`allways` is not a restart policy",
                3,
            ),
            (
                "services:\n  web:\n    stop_signal: HUPP\n",
                "`HUPP` is not a signal",
                3,
            ),
            (
                "services:\n  web:\n    { image: demo, networks: [lan] }\n",
                "unknown network `lan` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    { image: demo, depends_on: { db: { condition: service_started } } }\n",
                "unknown service `db` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    { image: demo, volumes: ['data:/x'] }\n",
                "unknown volume `data` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    { image: demo, secrets: [{ source: a }] }\n",
                "unknown secret `a` of service `web`",
                3,
            ),
            (
                "services:\n  a: { image: demo, ports: ['80:1'] }\n  b: { image: demo, ports: [{ target: 2, published: 80 }] }\n",
                "port 80 is published by two services",
                3,
            ),
        ] {
            assert_eq!(wrong(text), Some((title.to_owned(), line)), "{text}");
        }
    }

    #[test]
    fn keys_and_values_of_services_are_those_that_compose_knows() {
        for (text, title, line) in [
            (
                "services:\n  web:\n    image: demo\n    user: 1000\n",
                "`user` of service `web` must be a string",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    enviroment: {}\n",
                "unknown key `enviroment` of service `web`",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    healthcheck: { tests: x }\n",
                "unknown key `tests` in `healthcheck` of service `web`",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    command:\n      - a: b\n",
                "item 1 of `command` of service `web` must be a string",
                5,
            ),
            (
                "services:\n  db: { image: demo }\n  web:\n    restart: always\n",
                "service `web` has neither `image` nor `build`",
                3,
            ),
            (
                "services:\n  web:\n    image: demo\n    ports:\n      - 80:abc\n",
                "`80:abc` of service `web` is not a valid port",
                5,
            ),
            (
                "services:\n  web:\n    image: demo\n    ports: [{ published: 80 }]\n",
                "missing `target` in a port of service `web`",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    healthcheck: { test: x, interval: '5' }\n",
                "`healthcheck.interval` of service `web` is not a valid duration",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    healthcheck: { test: [curl, x] }\n",
                "`healthcheck.test` of service `web` is not a valid command",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    depends_on: { web: { condition: healthy } }\n",
                "`healthy` is not a condition of `depends_on`",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    volumes: [{ source: ., target: /x }]\n",
                "missing `type` in a mount of service `web`",
                4,
            ),
            (
                "services:\n  web: { image: demo, network_mode: host, networks: [default] }\n",
                "`network_mode` and `networks` cannot be used together",
                2,
            ),
            (
                "services:\n  web:\n    image: demo\n    network_mode: service:db\n",
                "unknown service `db` of service `web`",
                4,
            ),
            (
                "services:\n  web:\n    image: demo\n    depends_on: [web]\n",
                "service `web` depends on itself",
                4,
            ),
            (
                "services:\n  x: { image: d, depends_on: [a] }\n  a: { image: d, depends_on: [b] }\n  b: { image: d, depends_on: [c] }\n  c: { image: d, depends_on: [a] }\n",
                "services depend on each other in a circle: `a` → `b` → `c` → `a`",
                3,
            ),
        ] {
            assert_eq!(wrong(text), Some((title.to_owned(), line)), "{text}");
        }
    }

    #[test]
    fn what_compose_takes_is_left_to_it() {
        for text in [
            "services: {}\n",
            "include: [other.yaml]\n",
            "x-a: &a { restart: always }\nservices:\n  web: { <<: *a, image: 'demo:${TAG}', stop_signal: SIGTERM, networks: [default] }\n",
            "services:\n  web: { image: demo, restart: 'on-failure:3', stop_signal: '15', command: [\"--format\", '{{.ID}} {{ name }}'] }\n",
            "services:\n  web: { extends: { file: b.yaml, service: b }, networks: [lan] }\n",
            "services:\n  web: { image: demo, volumes: ['/a:/b', './c:/d', '~/e:/f', '${G}:/h', '/anonymous', 'data:/x', { type: bind, source: i, target: /i }] }\nvolumes: { data: }\n",
            "services:\n  a: { image: demo, ports: ['80:1'], profiles: [x] }\n  b: { image: demo, ports: ['80:1', '81:1', '127.0.0.1:82:1'] }\n  c: { image: demo, ports: ['127.0.0.2:82:1', '81:1/udp'] }\n",
            "services:\n  a: { image: demo, ports: ['8000-8010:80'] }\n  b: { image: demo, ports: ['8000-8010:80', { target: 80, published: '8000-8010' }] }\n",
            "services:\n  a: { image: demo, ports: ['80:1'], scale: 0 }\n  b: { image: demo, ports: ['80:1'] }\n  c: { image: demo, ports: ['80:1'], deploy: { replicas: 0 } }\n",
            "services:\n  web: { image: demo, restart: '' }\n",
            // Its parser is less strict than others.
            "services:\n  web:\n    image: demo\n    command: [\n      a,\n      b\n    ]\n",
            "services:\n  web:\n    image: demo\n    healthcheck:\n      test: [\n      CMD, x\n      ]\n",
            "services:\n  web:\n    image: demo\n    tty:\ttrue\n",
            "services:\n  web:\n    image: demo\n    command: 'a\n  b'\n",
            "services:\n  a: { profiles: [x] }\n  b: { image: d, profiles: [x], depends_on: [b] }\n",
            "services:\n  a:\n    image: d\n    ports: !reset\n      - '80:1'\n  b: { image: d, ports: ['80:1'] }\n",
            "services:\n  a: { image: d, ports: !reset ['80:1'] }\n  b: { image: d, ports: ['80:1'] }\n",
            "services:\n  a: { image: d, ports: !reset [], environment: !override { A: 1 }, networks: !reset null, network_mode: host }\n  b: !reset null\n",
            "services:\n  a: { provider: { type: model } }\n  b: { image: d, depends_on: [a], links: ['a:c'], pid: 'service:a' }\n",
            "services:\n  a: { image: d, ports: ['${PORT}:80'], healthcheck: { test: ['${TEST}'], interval: '${EVERY}' } }\n",
        ] {
            assert_eq!(wrong(text), None, "{text}");
        }
    }
}
