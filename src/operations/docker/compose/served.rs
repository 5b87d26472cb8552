//! The web sites of a stack, and the services of a project that could answer them.

use std::collections::{BTreeMap, BTreeSet};

use super::parsed::{ComposeFiles, services as services_of};
use super::stack::STACK_FILE;
use super::yaml::Node;
use crate::error::SourceFile;
use crate::facts::port::Ports;
use crate::operations::{PlanContext, ServedService, Site};
use crate::template::STACKS;
use crate::value::{Kind, Table, Value, parse_toml};

/// Ports of web sites.
const WEB: [u16; 2] = [80, 443];

/// The sites in the `stack.toml` of a stack, as far as they are known.
pub(super) fn sites(context: &PlanContext<'_>, stack: &str) -> Vec<Site> {
    let Some(rendered) = context.sites_of(stack) else {
        return Vec::new();
    };
    let path = format!("{STACKS}/{stack}/{STACK_FILE}");
    let file = context
        .asset_text(&path)
        .map(|text| SourceFile::new(format!("templates/{path}"), text));
    let written = file.and_then(|file| parse_toml(&file).ok());
    let written = written.and_then(|table| table.get("sites").map(|entry| tables(&entry.value)));
    let origins = written.unwrap_or_default();
    let origin = |at: usize, key: &str| origins.get(at)?.get(key)?.value.origin.clone();
    let known = rendered.iter().enumerate().filter_map(|(at, site)| {
        let text = |key: &str| site.get(key).and_then(|entry| entry.value.as_str()).map(str::to_owned);
        Some(Site {
            host: text("host")?,
            upstream: text("upstream")?,
            has_tls: !matches!(site.get("tls").map(|entry| &entry.value.kind), Some(Kind::Bool(false))),
            has_path: site.contains_key("path"),
            host_at: origin(at, "host"),
            upstream_at: origin(at, "upstream"),
        })
    });
    known.collect()
}

/// The hosts in the data `other_sites`.
pub(super) fn other_hosts(context: &PlanContext<'_>) -> BTreeSet<String> {
    let sites = context.other_sites().unwrap_or_default();
    let hosts = sites
        .iter()
        .filter_map(|site| site.get("host")?.value.as_str().map(str::to_owned));
    hosts.collect()
}

/// The tables in a list.
fn tables(list: &Value) -> Vec<Table> {
    match &list.kind {
        Kind::List(items) => items.iter().filter_map(Value::as_table).cloned().collect(),
        _ => Vec::new(),
    }
}

/// The services in the compose files of a project; `None` if only compose can say which there are.
pub(super) fn services(project: &str, texts: &[(&str, &str)], files: &[String]) -> Option<Vec<ServedService>> {
    let are_all = files.is_empty() || files.len() == texts.len();
    let parsed = ComposeFiles::parse(texts, are_all)
        .ok()
        .filter(|parsed| !texts.is_empty() && parsed.is_whole)?;
    let mut found: BTreeMap<String, Vec<&Node>> = BTreeMap::new();
    for (_, file) in &parsed.files {
        for service in services_of(file) {
            found.entry(service.key.clone()).or_default().push(&service.value);
        }
    }
    let one = |(name, nodes): (String, Vec<&Node>)| ServedService {
        networks: networks(project, &parsed, &nodes),
        names: names(&name, &nodes),
        is_web: nodes.iter().any(|node| publishes_web(node)),
        name,
    };
    Some(found.into_iter().map(one).collect())
}

/// The names by which other services reach it, and those that it has for machines elsewhere.
fn names(service: &str, nodes: &[&Node]) -> BTreeSet<String> {
    let mut names = BTreeSet::from([service.to_owned()]);
    for node in nodes {
        let own = ["container_name", "hostname"]
            .into_iter()
            .filter_map(|key| node.get(key)?.text());
        names.extend(own.map(str::to_owned));
        let networks = node
            .get("networks")
            .map(|networks| networks.entries())
            .unwrap_or_default();
        let aliases = networks.iter().filter_map(|network| network.value.get("aliases"));
        names.extend(
            aliases
                .flat_map(|aliases| aliases.texts())
                .map(|(text, _)| text.to_owned()),
        );
        let Some(hosts) = node.get("extra_hosts") else { continue };
        names.extend(hosts.entries().iter().map(|host| host.key.clone()));
        let items = hosts.items().iter().filter_map(|item| item.text());
        names.extend(items.filter_map(|text| Some(text.split([':', '=']).next()?.to_owned())));
    }
    names
}

/// The networks of a service, by their names on the host; `None` if they are not known.
fn networks(project: &str, files: &ComposeFiles<'_>, nodes: &[&Node]) -> Option<BTreeSet<String>> {
    if nodes
        .iter()
        .any(|node| node.is_tagged || node.get("network_mode").is_some())
    {
        return None;
    }
    let mut own: BTreeSet<String> = BTreeSet::new();
    for networks in nodes.iter().filter_map(|node| node.get("networks")) {
        if networks.is_tagged {
            return None;
        }
        own.extend(networks.entries().iter().map(|entry| entry.key.clone()));
        own.extend(
            networks
                .items()
                .iter()
                .filter_map(|item| item.text())
                .map(str::to_owned),
        );
    }
    if own.is_empty() {
        own.insert("default".to_owned());
    }
    own.iter().map(|name| name_on_host(project, files, name)).collect()
}

fn name_on_host(project: &str, files: &ComposeFiles<'_>, network: &str) -> Option<String> {
    let mut found = files
        .files
        .iter()
        .filter_map(|(_, file)| file.get("networks")?.get(network));
    let (Some(node), None) = (found.next(), found.next()) else {
        return Some(format!("{project}_{network}")).filter(|_| files.files.len() == 1);
    };
    let text = |key: &str| node.get(key).map(|value| value.text().unwrap_or("$"));
    let name = match (text("name"), text("external")) {
        (Some(name), _) => name.to_owned(),
        (None, Some("true")) => network.to_owned(),
        (None, None | Some("false")) => format!("{project}_{network}"),
        (None, Some(_)) => return None,
    };
    (!name.contains('$')).then_some(name)
}

/// Whether a port of web sites is one of its own on the host.
fn publishes_web(service: &Node) -> bool {
    let ports = service.get("ports").map(|ports| ports.used_items()).unwrap_or_default();
    ports.iter().any(|port| {
        let long = || port.get("published")?.text()?.parse::<u16>().ok();
        let text = port.text().and_then(Ports::published).map(|ports| ports.first);
        text.or_else(long).is_some_and(|port| WEB.contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_names_and_networks() {
        let text = "services:\n  a:\n    container_name: alpha\n    ports: ['443:443/udp']\n    networks: { front: { aliases: [one] }, back: }\n\
                    \x20 b: { extra_hosts: ['nas:192.0.2.1'], ports: [{ target: 80, published: 8080 }] }\n  c: { network_mode: host }\n\
                    networks: { front: { external: true }, back: { name: behind } }\n";
        let found = services("web", &[("compose.yaml", text)], &[]).expect("known");
        let described: Vec<String> = found
            .iter()
            .map(|one| format!("{} {:?} {:?} {}", one.name, one.names, one.networks, one.is_web))
            .collect();
        assert_eq!(
            described,
            [
                r#"a {"a", "alpha", "one"} Some({"behind", "front"}) true"#,
                r#"b {"b", "nas"} Some({"web_default"}) false"#,
                r#"c {"c"} None false"#,
            ]
        );
        assert!(services("web", &[("compose.yaml", "include: [x.yaml]\nservices: {}\n")], &[]).is_none());
        assert!(services("web", &[], &[]).is_none());
    }
}
