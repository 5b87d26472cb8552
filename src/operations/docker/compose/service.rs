//! What is wrong in a service of a compose file.

use std::ops::Range;

use super::parsed::{ComposeFiles, Wrong};
use super::shapes::{MisfitKind, SERVICE, misfit};
use super::values::{WrongText, duration_mistake, port_mistake, signal_mistake, test_mistake};
use super::yaml::{Node, NodeKind};
use crate::error::suggestion;
use crate::facts::docker::Reference;

/// When a service starts that depends on another.
const CONDITIONS: [&str; 3] = ["service_started", "service_healthy", "service_completed_successfully"];

/// Kinds of mounts.
const MOUNTS: [&str; 6] = ["bind", "volume", "tmpfs", "cluster", "npipe", "image"];

/// A service in a file.
pub(super) struct Service<'a> {
    pub(super) files: &'a ComposeFiles<'a>,
    pub(super) file: &'a str,
    pub(super) name: &'a str,
    /// Where its name is.
    pub(super) key: &'a Range<usize>,
    pub(super) node: &'a Node,
}

impl Service<'_> {
    /// The first mistake.
    pub(super) fn mistake(&self) -> Option<Wrong> {
        self.template()
            .or_else(|| self.image())
            .or_else(|| self.restart())
            .or_else(|| self.signal())
            .or_else(|| self.shape())
            .or_else(|| self.no_image())
            .or_else(|| self.texts())
            .or_else(|| self.choices())
            .or_else(|| self.references())
    }

    /// A key that is probably another one, or a value of another type.
    fn shape(&self) -> Option<Wrong> {
        let found = misfit(self.node.entries(), SERVICE)?;
        let path = found.path.join(".");
        let service = self.name;
        let (title, label, hint) = match found.kind {
            MisfitKind::UnknownKey { hint } => {
                let title = match found.path.split_last() {
                    Some((last, above)) if !above.is_empty() => {
                        format!("unknown key `{last}` in `{}` of service `{service}`", above.join("."))
                    }
                    _ => format!("unknown key `{path}` of service `{service}`"),
                };
                (title, "no such key".to_owned(), hint)
            }
            MisfitKind::Type {
                expected,
                found: is,
                hint,
            } => {
                let what = match found.item {
                    Some(at) => format!("item {at} of `{path}`"),
                    None => format!("`{path}`"),
                };
                let title = format!("{what} of service `{service}` must be {expected}");
                (title, format!("this is {is}"), hint)
            }
        };
        Some(Wrong {
            name: self.file.to_owned(),
            place: found.place,
            title,
            label,
            hint,
        })
    }

    /// Neither an image nor what one is built from.
    fn no_image(&self) -> Option<Wrong> {
        // One that a profile leaves out may be unfinished.
        let keys = ["image", "build", "provider", "profiles"];
        if !self.files.is_whole || self.files.has_any(self.name, &keys) {
            return None;
        }
        let title = format!("service `{}` has neither `image` nor `build`", self.name);
        Some(Wrong {
            name: self.file.to_owned(),
            place: self.key.clone(),
            title,
            label: "nothing to run".to_owned(),
            hint: "add `image: NAME:TAG`".to_owned(),
        })
    }

    /// Ports, durations and the command of a health check.
    fn texts(&self) -> Option<Wrong> {
        let wrong = |node: &Node, title: String, found: WrongText| self.wrong(node, title, found.label, found.hint);
        let fixed = |node: &Node| node.text().filter(|text| !text.contains('$')).map(str::to_owned);
        let ports = self.node.get("ports").filter(|ports| !ports.is_tagged);
        for port in ports.into_iter().flat_map(|ports| ports.items()) {
            if let Some(text) = fixed(port)
                && let Some(found) = port_mistake(&text)
            {
                let title = format!("`{text}` of service `{}` is not a valid port", self.name);
                return Some(wrong(port, title, found));
            }
            if matches!(port.kind, NodeKind::Table(_)) && port.get("target").is_none() {
                let title = format!("missing `target` in a port of service `{}`", self.name);
                return Some(self.wrong(
                    port,
                    title,
                    "needs `target`",
                    "add the port of the container: `target: 80`",
                ));
            }
        }
        let check = self.node.get("healthcheck").filter(|check| !check.is_tagged);
        let of_check = |key: &'static str| Some((format!("healthcheck.{key}"), check?.get(key)?));
        let durations = ["interval", "timeout", "start_period", "start_interval"]
            .into_iter()
            .filter_map(of_check);
        let own = self
            .node
            .get("stop_grace_period")
            .map(|node| ("stop_grace_period".to_owned(), node));
        for (key, node) in durations.chain(own).filter(|(_, node)| !node.is_tagged) {
            if let Some(found) = fixed(node).and_then(|text| duration_mistake(&text)) {
                let title = format!("`{key}` of service `{}` is not a valid duration", self.name);
                return Some(wrong(node, title, found));
            }
        }
        let test = check?.get("test")?;
        let found = test_mistake(test.items())?;
        let title = format!("`healthcheck.test` of service `{}` is not a valid command", self.name);
        Some(wrong(test, title, found))
    }

    /// Texts of which there are only a few.
    fn choices(&self) -> Option<Wrong> {
        let wrong = |node: &Node, title: String, known: &[&str], text: &str| {
            let hint = suggestion(text, known.iter().copied()).unwrap_or_default();
            Some(self.wrong(node, title, "unknown", hint))
        };
        for dependency in self
            .node
            .get("depends_on")
            .map(|node| node.entries())
            .unwrap_or_default()
        {
            let Some(condition) = dependency.value.get("condition") else {
                continue;
            };
            let text = condition.text().filter(|text| !text.contains('$'));
            if let Some(text) = text.filter(|text| !CONDITIONS.contains(text)) {
                let title = format!("`{text}` is not a condition of `depends_on`");
                return wrong(condition, title, &CONDITIONS, text);
            }
        }
        for mount in self.node.get("volumes").map(|node| node.items()).unwrap_or_default() {
            if !matches!(mount.kind, NodeKind::Table(_)) {
                continue;
            }
            let Some(kind) = mount.get("type") else {
                let title = format!("missing `type` in a mount of service `{}`", self.name);
                return Some(self.wrong(mount, title, "needs `type`", "add `type: bind` or `type: volume`"));
            };
            let text = kind.text().filter(|text| !text.contains('$'));
            if let Some(text) = text.filter(|text| !MOUNTS.contains(text)) {
                return wrong(kind, format!("`{text}` is not a kind of mount"), &MOUNTS, text);
            }
        }
        let mode = self.node.get("network_mode").filter(|mode| !mode.is_tagged)?;
        let networks = self.node.get("networks").filter(|networks| !networks.is_tagged)?;
        let title = "`network_mode` and `networks` cannot be used together";
        let found = self.wrong(
            networks,
            title.to_owned(),
            "not with `network_mode`",
            "remove one of the two",
        );
        // An empty text is none, and another file may change it.
        (mode.text() != Some("") && self.files.files.len() == 1).then_some(found)
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

    /// Services whose network, processes or memory it uses.
    fn shared(&self) -> Vec<(Range<usize>, String)> {
        let nodes = ["network_mode", "pid", "ipc"]
            .into_iter()
            .filter_map(|key| self.node.get(key));
        let named = nodes.filter_map(|node| {
            let name = node.text()?.strip_prefix("service:")?;
            Some((node.place.clone(), name.to_owned()))
        });
        named.collect()
    }

    /// Names of what another part of the files defines.
    fn references(&self) -> Option<Wrong> {
        if !self.files.is_whole {
            return None;
        }
        let items = |key: &str, of: fn(&Node) -> Option<&str>| -> Vec<(Range<usize>, String)> {
            self.node.get(key).map(|node| node.named(of)).unwrap_or_default()
        };
        let lists = [
            ("network", "networks", items("networks", Node::text)),
            ("service", "services", items("depends_on", Node::text)),
            ("service", "services", items("links", linked)),
            ("service", "services", self.shared()),
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

/// The service of a link: `db`, or `db:database`.
fn linked(item: &Node) -> Option<&str> {
    item.text()?.split(':').next()
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
