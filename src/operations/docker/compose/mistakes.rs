//! What is wrong in compose files by themselves, which needs no host: `homelab check` finds it.
//!
//! Only compose knows what its files mean. So this is about what compose would refuse or leave out too, and nothing is said of what a
//! variable, another file (`include`, `extends`) or an unknown key decides.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::yaml::{Broken, Entry, Node, NodeKind, parse};
use crate::error::suggestion;
use crate::facts::docker::Reference;
use crate::facts::port::Ports;

/// Keys at the top of a compose file.
const TOP: [&str; 9] = [
    "name", "version", "services", "networks", "volumes", "secrets", "configs", "include", "models",
];

/// Names of signals, without `SIG`.
const SIGNALS: [&str; 34] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
    "WINCH", "IO", "POLL", "PWR", "SYS",
];

/// What is wrong at a place of a compose file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The file.
    pub(super) name: String,
    pub(super) place: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) hint: String,
}

/// The compose files of a project, each with its name and text.
pub(super) struct ComposeFiles<'a> {
    files: Vec<(&'a str, Rc<Node>)>,
    /// Whether they say all that there is.
    is_whole: bool,
}

impl<'a> ComposeFiles<'a> {
    /// `are_all` says whether there is no other one.
    ///
    /// Errors: one of them is no YAML, or too large.
    pub(super) fn parse(texts: &[(&'a str, &str)], are_all: bool) -> Result<Self, Wrong> {
        let mut files = Vec::new();
        for (name, text) in texts {
            files.push((*name, parse(text).map_err(|broken| unreadable(name, text, broken))?));
        }
        let extends = |file: &Node| services(file).any(|service| service.value.get("extends").is_some());
        let is_alone = |file: &Node| file.get("include").is_none() && !extends(file);
        let is_whole = are_all && files.iter().all(|(_, file)| is_alone(file));
        Ok(Self { files, is_whole })
    }

    /// The names of the services; `None` if there may be others.
    pub(super) fn service_names(&self) -> Option<BTreeSet<&str>> {
        self.is_whole.then(|| self.names("services"))
    }

    /// The first mistake of each file.
    pub(super) fn mistake(&self) -> Option<Wrong> {
        self.files.iter().find_map(|(name, file)| self.of_file(name, file))
    }

    /// The names in a table at the top of the files.
    fn names(&self, table: &str) -> BTreeSet<&str> {
        let tables = self.files.iter().filter_map(|(_, file)| file.get(table));
        tables
            .flat_map(|table| table.entries().iter().map(|entry| entry.key.as_str()))
            .collect()
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
                node: &entry.value,
            };
            if !matches!(entry.value.kind, NodeKind::Table(_)) {
                let title = format!("service `{}` must be a table", entry.key);
                let hint = "write its keys below it, two spaces further in".to_owned();
                return Some(wrong(&entry.place, title, "not a table", hint));
            }
            if let Some(found) = service.mistake() {
                return Some(found);
            }
        }
        // Another file may change what this one says.
        if self.files.len() > 1 || !self.is_whole {
            None
        } else {
            same_port(name, file)
        }
    }
}

/// A service in a file.
struct Service<'a> {
    files: &'a ComposeFiles<'a>,
    file: &'a str,
    name: &'a str,
    node: &'a Node,
}

impl Service<'_> {
    fn mistake(&self) -> Option<Wrong> {
        self.template()
            .or_else(|| self.image())
            .or_else(|| self.restart())
            .or_else(|| self.signal())
            .or_else(|| self.references())
    }

    fn wrong(&self, node: &Node, title: String, label: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong {
            name: self.file.to_owned(),
            place: node.place.clone(),
            title,
            label: label.into(),
            hint: hint.into(),
        }
    }

    /// A text without variables.
    fn fixed(&self, key: &str) -> Option<(&Node, &str)> {
        let node = self.node.get(key)?;
        let text = node.text().filter(|text| !text.contains('$') && !node.is_null())?;
        Some((node, text))
    }

    /// Expressions of templates in what compose itself reads; a program in the container may have templates of its own.
    fn template(&self) -> Option<Wrong> {
        let read = ["image", "container_name", "ports", "restart", "env_file", "networks"];
        let nodes = read.iter().filter_map(|key| self.node.get(key));
        let place = nodes
            .flat_map(|node| node.texts())
            .find(|(text, _)| text.contains("{{"))?
            .1
            .clone();
        Some(Wrong {
            name: self.file.to_owned(),
            place,
            title: format!("`{}` has a template and is not rendered", self.file),
            label: "the host would get this text".to_owned(),
            hint: format!("call the file `{}.j2`", self.file),
        })
    }

    fn image(&self) -> Option<Wrong> {
        let (node, image) = self.fixed("image")?;
        if self.node.get("build").is_some() {
            return None;
        }
        let why = Reference::parse(image).err()?;
        let title = format!(
            "`{image}` of service `{}` is not a valid name for a Docker image",
            self.name
        );
        Some(self.wrong(node, title, why, "write the name as for `docker pull`"))
    }

    fn restart(&self) -> Option<Wrong> {
        let (node, policy) = self.fixed("restart")?;
        if policy.is_empty() {
            return None;
        }
        let known = ["no", "always", "on-failure", "unless-stopped"];
        let name = policy.split(':').next().unwrap_or_default();
        if known.contains(&name) {
            return None;
        }
        let title = format!("`{policy}` is not a restart policy");
        let hint = suggestion(policy, known).unwrap_or_else(|| "write `unless-stopped`".to_owned());
        let hint = match policy {
            "false" => "write `\"no\"`, in quotes".to_owned(),
            "true" => "write `always` or `unless-stopped`".to_owned(),
            _ => hint,
        };
        Some(self.wrong(node, title, "unknown policy", hint))
    }

    fn signal(&self) -> Option<Wrong> {
        let (node, signal) = self.fixed("stop_signal")?;
        let hint = signal_mistake(signal)?;
        let title = format!("`{signal}` is not a signal");
        Some(self.wrong(node, title, "unknown signal", hint))
    }

    /// Names of what another part of the files defines.
    fn references(&self) -> Option<Wrong> {
        if !self.files.is_whole {
            return None;
        }
        let items = |key: &str, of: fn(&Node) -> Option<&str>| -> Vec<(Range<usize>, String)> {
            let Some(node) = self.node.get(key) else {
                return Vec::new();
            };
            let keys = node
                .entries()
                .iter()
                .map(|entry| (entry.place.clone(), entry.key.clone()));
            let items = node.items().iter();
            let items = items.filter_map(|item| Some((item.place.clone(), of(item)?.to_owned())));
            keys.chain(items).collect()
        };
        let lists = [
            ("network", "networks", items("networks", Node::text)),
            ("service", "services", items("depends_on", Node::text)),
            ("volume", "volumes", items("volumes", volume)),
            ("secret", "secrets", items("secrets", source)),
            ("config", "configs", items("configs", source)),
        ];
        for (what, table, used) in lists {
            let known = self.files.names(table);
            let is_known =
                |name: &str| known.contains(name) || name == "default" && table == "networks" || name.contains('$');
            let Some((place, name)) = used.into_iter().find(|(_, name)| !is_known(name)) else {
                continue;
            };
            let title = format!("unknown {what} `{name}` of service `{}`", self.name);
            let label = format!("the compose file has no such {what}");
            let hint = suggestion(&name, known.iter().copied()).unwrap_or_else(|| match table {
                "services" => "remove it, or add the service".to_owned(),
                _ => format!("add it at the top: `{table}: {{ {name}: {} }}`", example(table, &name)),
            });
            return Some(Wrong {
                name: self.file.to_owned(),
                place,
                title,
                label,
                hint,
            });
        }
        None
    }
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
        let ports = entry.value.get("ports").map(|ports| ports.items()).unwrap_or_default();
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

/// What stands behind the name of a new entry at the top of a file.
fn example(table: &str, name: &str) -> String {
    match table {
        "secrets" | "configs" => format!("{{ file: ./{table}/{name} }}"),
        "networks" => "{ external: true }".to_owned(),
        _ => "{}".to_owned(),
    }
}

/// The named volume of a mount.
fn volume(mount: &Node) -> Option<&str> {
    if let Some(text) = mount.text() {
        let (source, _) = text.split_once(':')?;
        return (!source.starts_with(['/', '.', '~', '$']) && !source.is_empty()).then_some(source);
    }
    let kind = mount.get("type")?.text()?;
    mount.get("source")?.text().filter(|_| kind == "volume")
}

/// The secret or config of an entry.
fn source(item: &Node) -> Option<&str> {
    item.text().or_else(|| item.get("source")?.text())
}

fn services(file: &Node) -> impl Iterator<Item = &Entry> {
    let services = file.get("services").map(|services| services.entries());
    services.unwrap_or_default().iter()
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

/// What to write instead of a signal that Docker does not know; `None` if it knows it.
pub fn signal_mistake(text: &str) -> Option<String> {
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let is_number = text.parse().is_ok_and(|number: u8| (1..=64).contains(&number));
    if SIGNALS.contains(&name) || name.starts_with("RTMIN") || name.starts_with("RTMAX") || is_number {
        return None;
    }
    Some(suggestion(name, SIGNALS).unwrap_or_else(|| "write the name of a signal, such as `HUP`".to_owned()))
}

/// That a file is no YAML.
fn unreadable(name: &str, text: &str, broken: Broken) -> Wrong {
    let start = text[..broken.place.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let above = text[..start].lines().next_back().unwrap_or_default();
    let hint = if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        "YAML takes no tabs for indentation: use spaces".to_owned()
    } else if line.contains("{{") || above.contains("{{") {
        format!("call the file `{name}.j2` if it is a template; otherwise put the text in quotes")
    } else {
        "check the indentation, quotes and brackets there and in the line before".to_owned()
    };
    Wrong {
        name: name.to_owned(),
        place: broken.place,
        title: format!("`{name}` is not valid YAML"),
        label: broken.why,
        hint,
    }
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
                "services:\n  web:\n    networks: [lan]\n",
                "unknown network `lan` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    depends_on: { db: {} }\n",
                "unknown service `db` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    volumes: ['data:/x']\n",
                "unknown volume `data` of service `web`",
                3,
            ),
            (
                "services:\n  web:\n    secrets: [{ source: a }]\n",
                "unknown secret `a` of service `web`",
                3,
            ),
            (
                "services:\n  a: { ports: ['80:1'] }\n  b: { ports: [{ target: 2, published: 80 }] }\n",
                "port 80 is published by two services",
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
            "services:\n  web: { image: demo, restart: 'on-failure:3', stop_signal: 15, command: [\"--format\", '{{.ID}} {{ name }}'] }\n",
            "services:\n  web: { extends: { file: b.yaml, service: b }, networks: [lan] }\n",
            "services:\n  web: { volumes: ['/a:/b', './c:/d', '~/e:/f', '${G}:/h', '/anonymous', 'data:/x', { type: bind, source: i, target: /i }] }\nvolumes: { data: }\n",
            "services:\n  a: { ports: ['80:1'], profiles: [x] }\n  b: { ports: ['80:1', '81:1', '127.0.0.1:82:1'] }\n  c: { ports: ['127.0.0.2:82:1', '81:1/udp'] }\n",
            "services:\n  a: { ports: ['8000-8010:80'] }\n  b: { ports: ['8000-8010:80', { target: 80, published: '8000-8010' }] }\n",
            "services:\n  a: { ports: ['80:1'], scale: 0 }\n  b: { ports: ['80:1'] }\n  c: { ports: ['80:1'], deploy: { replicas: 0 } }\n",
            "services:\n  web: { image: demo, restart: '' }\n",
        ] {
            assert_eq!(wrong(text), None, "{text}");
        }
    }
}
