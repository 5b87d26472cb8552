//! Files and directories that a compose file names, and that the stack's folder does not have.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::parsed::Wrong;
use super::yaml::{Entry, Node, NodeKind};
use crate::error::closest;

/// Endings of files: a mount of one that is not there would become a directory.
const FILES: [&str; 24] = [
    "acl",
    "cfg",
    "cnf",
    "conf",
    "crt",
    "css",
    "db",
    "env",
    "html",
    "ini",
    "js",
    "json",
    "key",
    "lua",
    "passwd",
    "pem",
    "php",
    "properties",
    "py",
    "sh",
    "sql",
    "toml",
    "xml",
    "yaml",
];

/// What the host has in the project's directory before its services start.
pub(super) struct Folder<'a> {
    pub(super) stack: &'a str,
    /// The files of the stack, by their paths below its folder.
    pub(super) names: &'a BTreeSet<String>,
    /// Directories that `stack.toml` names.
    pub(super) directories: BTreeSet<&'a str>,
    /// Whether an earlier operation puts something at a path below the directory.
    pub(super) is_made: &'a dyn Fn(&str) -> bool,
}

impl Folder<'_> {
    /// The first path in a compose file that leads nowhere.
    pub(super) fn missing(&self, file: &str, top: &Node) -> Option<Wrong> {
        let services: Vec<&Entry> = entries(top, "services")
            .iter()
            .filter(|entry| !entry.value.is_tagged)
            .collect();
        let of_services = || {
            services
                .iter()
                .find_map(|service| self.of_service(&service.key, &service.value))
        };
        let of_top = || {
            let tables = [("secret", "secrets"), ("config", "configs")];
            tables
                .into_iter()
                .find_map(|(what, table)| self.of_sources(top, what, table))
        };
        let mounts = || self.mount(&services);
        let (place, title, label, hint) = of_services().or_else(of_top).or_else(mounts)?;
        Some(Wrong {
            name: file.to_owned(),
            place,
            title,
            label,
            hint,
        })
    }

    fn has(&self, path: &str) -> bool {
        self.names.contains(path) || self.is_directory(path) || (self.is_made)(path)
    }

    fn is_directory(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let is_above = |name: &str| path.is_empty() || name == path || name.starts_with(&below);
        self.names
            .iter()
            .any(|name| name.starts_with(&below) || path.is_empty())
            || self
                .directories
                .iter()
                .any(|name| is_above(name) || path.starts_with(&format!("{name}/")))
    }

    /// The files that variables and labels of a service come from, and what it is built from.
    fn of_service(&self, name: &str, service: &Node) -> Option<Found> {
        for key in ["env_file", "label_file"] {
            let Some(node) = service.get(key).filter(|node| !node.is_tagged) else {
                continue;
            };
            let items: Vec<&Rc<Node>> = match &node.kind {
                NodeKind::List(items) => items.iter().collect(),
                NodeKind::Scalar { .. } | NodeKind::Table(_) => vec![node],
            };
            for item in items {
                let required = item.get("required").and_then(|required| required.text());
                let Some(node) = item.get("path").or_else(|| item.text().map(|_| item)) else {
                    continue;
                };
                let missing =
                    own_path(node).filter(|path| required.is_none_or(|text| text == "true") && !self.has(path));
                if let Some(path) = missing {
                    let title = format!("`{key}` of service `{name}` names a file that the stack does not have");
                    let more = match key {
                        "env_file" => ", or write `{ path: …, required: false }`",
                        _ => "",
                    };
                    return Some(self.found(node, title, &path, more));
                }
            }
        }
        let build = service.get("build").filter(|build| !build.is_tagged)?;
        let context = if build.text().is_some() {
            Some(build)
        } else {
            build.get("context")
        };
        let node = context.filter(|node| !node.is_tagged)?;
        let path = own_path(node).filter(|path| !self.has(path))?;
        let title = format!("service `{name}` is built from a directory that the stack does not have");
        Some(self.found(node, title, &path, ""))
    }

    /// The files of secrets or configs.
    fn of_sources(&self, top: &Node, what: &str, table: &str) -> Option<Found> {
        entries(top, table).iter().find_map(|entry| {
            let node = entry.value.get("file").filter(|node| !node.is_tagged)?;
            let path = own_path(node).filter(|path| !self.has(path))?;
            let title = format!("{what} `{}` names a file that the stack does not have", entry.key);
            Some(self.found(node, title, &path, ""))
        })
    }

    /// Docker makes a directory of a mount that is not there. That may be meant, unless it looks like a file or is probably another one.
    fn mount(&self, services: &[&Entry]) -> Option<Found> {
        let mounts: Vec<(&str, &Node, String)> = services
            .iter()
            .flat_map(|service| {
                let mounts = service.value.get("volumes").filter(|volumes| !volumes.is_tagged);
                let items = mounts.map(|mounts| mounts.items()).unwrap_or_default();
                items.iter().filter_map(|item| {
                    let (node, path) = mounted(item)?;
                    Some((service.key.as_str(), node, path))
                })
            })
            .collect();
        let is_mounted = |name: &str| {
            let covers = |path: &str| path == name || path.is_empty() || name.starts_with(&format!("{path}/"));
            mounts.iter().any(|(_, _, path)| covers(path))
        };
        mounts
            .iter()
            .filter(|(_, _, path)| !self.has(path))
            .find_map(|(service, node, path)| {
                let all = self.names.iter().flat_map(|name| above(name).chain([name.as_str()]));
                let unused: BTreeSet<&str> = all.filter(|name| !is_mounted(name)).collect();
                let near = closest(path, unused.iter().copied());
                if near.is_none() && !is_file(path) {
                    return None;
                }
                let title = format!("service `{service}` mounts a file that the stack does not have");
                let label = format!("Docker would make a directory `{path}` of it");
                let hint = match near {
                    Some(near) => format!("did you mean `./{near}`?"),
                    None => self.hint(path, ""),
                };
                Some((node.place.clone(), title, label, hint))
            })
    }

    fn found(&self, node: &Node, title: String, path: &str, more: &str) -> Found {
        let near = closest(path, self.names.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => self.hint(path, more),
        };
        let label = format!("no such file in `templates/services/{}/`", self.stack);
        (node.place.clone(), title, label, hint)
    }

    fn hint(&self, path: &str, more: &str) -> String {
        format!(
            "create `templates/services/{}/{path}`, or write the absolute path of what is on the host{more}",
            self.stack
        )
    }
}

/// Place, title, label and hint.
type Found = (Range<usize>, String, String, String);

fn entries<'n>(top: &'n Node, table: &str) -> &'n [Entry] {
    top.get(table).map(|table| table.entries()).unwrap_or_default()
}

/// The directories above a file.
fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

/// The path below the project's directory; `None` if it leads elsewhere, or only compose can say where.
fn own_path(node: &Node) -> Option<String> {
    let text = node.text().filter(|text| !text.is_empty() && !node.is_null())?;
    below(text)
}

fn below(text: &str) -> Option<String> {
    if text.contains(['$', ':']) || text.starts_with(['/', '~']) {
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !["", "."].contains(part)).collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

/// What a service mounts from the project's directory.
fn mounted(item: &Node) -> Option<(&Node, String)> {
    if let Some(text) = item.text() {
        let (source, _) = text.split_once(':')?;
        return source.starts_with('.').then(|| below(source))?.map(|path| (item, path));
    }
    let source = item
        .get("source")
        .filter(|_| item.get("type").and_then(|kind| kind.text()) == Some("bind"))?;
    Some((source, own_path(source)?))
}

/// Whether a path is that of a file, by its name.
fn is_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((start, end)) => !start.is_empty() && (FILES.contains(&end) || end == "yml" || end == "txt"),
        None => ["Caddyfile", "Corefile", "passwd", "htpasswd"].contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    fn missing(text: &str) -> Option<String> {
        let names = [
            "compose.yaml",
            "app.env",
            "conf/Caddyfile",
            "program/Dockerfile",
            "secrets/token",
        ];
        let names = names.map(str::to_owned).into();
        let folder = Folder {
            stack: "web",
            names: &names,
            directories: ["data/export"].into(),
            is_made: &|path| path == "made.env",
        };
        let found = folder.missing("compose.yaml", &parse(text).expect("YAML"))?;
        Some(format!("{}: {}: {}", &text[found.place], found.title, found.hint))
    }

    #[test]
    fn what_the_folder_does_not_have_is_found() {
        let create = |path: &str, more: &str| {
            format!("create `templates/services/web/{path}`, or write the absolute path of what is on the host{more}")
        };
        let env = "`env_file` of service `a` names a file that the stack does not have";
        let optional = ", or write `{ path: …, required: false }`";
        let mount = "service `a` mounts a file that the stack does not have";
        for (text, expected) in [
            (
                "services: { a: { env_file: ap.env } }",
                format!("ap.env: {env}: did you mean `app.env`?"),
            ),
            (
                "services: { a: { env_file: [app.env, ./other/b.env] } }",
                format!("./other/b.env: {env}: {}", create("other/b.env", optional)),
            ),
            (
                "services: { a: { env_file: [{ path: .env }] } }",
                format!(".env: {env}: {}", create(".env", optional)),
            ),
            (
                "services: { a: { build: ./other } }",
                format!(
                    "./other: service `a` is built from a directory that the stack does not have: {}",
                    create("other", "")
                ),
            ),
            (
                "services: {}\nsecrets: { token: { file: secret/token } }",
                "secret/token: secret `token` names a file that the stack does not have: did you mean `secrets/token`?"
                    .to_owned(),
            ),
            (
                "services: { a: { volumes: ['./nginx.conf:/x'] } }",
                format!("'./nginx.conf:/x': {mount}: {}", create("nginx.conf", "")),
            ),
            (
                "services: { a: { volumes: ['./cnf:/x'] } }",
                format!("'./cnf:/x': {mount}: did you mean `./conf`?"),
            ),
            (
                "services: { a: { volumes: [{ type: bind, source: ./conf/Cadyfile, target: /x }] } }",
                format!("./conf/Cadyfile: {mount}: did you mean `./conf/Caddyfile`?"),
            ),
        ] {
            assert_eq!(missing(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_may_be_there_is_left_alone() {
        for text in [
            "services: { a: { env_file: [./app.env, made.env, /etc/x.env, '../x.env', '~/x.env', '${X}.env', { path: no.env, required: false }] } }",
            "services: { a: { env_file: !reset null, build: . }, b: { build: { context: ./program } }, c: { build: 'https://example.org/x.git' } }",
            "services: { a: { volumes: ['./data:/x', './data/export:/y', './data/export/deep:/z', './conf:/c', 'cnf:/d', './:/e'] } }",
            "services: { a: { volumes: ['./conf/Caddyfile:/x', './made.env:/y', '/srv/x.conf:/z', './library:/l', './.cache:/k'] } }",
            "services: {}\nsecrets: { a: { file: ./secrets/token }, b: { environment: B }, c: { external: true } }\nconfigs: { d: { content: x } }",
        ] {
            assert_eq!(missing(text), None, "{text}");
        }
    }
}
