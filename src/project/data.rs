//! Checks the groups of hosts, and merges all data of a host.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::fields::Named;
use super::group::{ALL, check_reserved};
use super::host::{Host, Inventory};
use super::model::{HostData, Project};
use crate::error::{Diagnostic, SourceFile, closest, suggestion};
use crate::secret::{Secret, remember};
use crate::secrets::open_data;
use crate::value::{Entry, Kind, Table, Value, merge, parse_toml};

/// Group files without hosts, and groups without a file.
pub(super) fn check_groups(project: &Project, broken: &BTreeSet<String>) -> Vec<Diagnostic> {
    let is_whole = |folder: &str| !broken.iter().any(|path| path.starts_with(folder));
    let mut mistakes = Vec::new();
    if is_whole("inventories/") {
        let missing: BTreeSet<&str> = project.inventories.values().flat_map(groups_of).collect();
        let missing = missing
            .into_iter()
            .filter(|name| !project.group_data.contains_key(*name));
        mistakes.extend(unused_groups(project, &missing.collect::<Vec<_>>()));
    }
    for inventory in project.inventories.values() {
        mistakes.extend(missing_groups(project, &inventory.groups, broken));
        for host in inventory.hosts.values() {
            mistakes.extend(missing_groups(project, &host.groups, broken));
        }
    }
    mistakes
}

/// Reports that groups in `missing` have no file, with a suggestion; a suggested file is not reported again.
fn unused_groups(project: &Project, missing: &[&str]) -> Vec<Diagnostic> {
    let used: BTreeSet<&str> = project.inventories.values().flat_map(groups_of).collect();
    let unused = project
        .group_data
        .iter()
        .filter(|(name, _)| *name != ALL && !used.contains(name.as_str()) && !may_be_empty(project, name))
        .filter(|(name, _)| closest(name, missing.iter().copied()).is_none());
    unused
        .map(|(name, group)| {
            let hint = suggestion(name, used.iter().copied())
                .unwrap_or_else(|| format!("add `groups = [\"{name}\"]` to a host, or delete the file"));
            Diagnostic::new(format!("no host is in group `{name}`"))
                .at(&group.origin, "this file has no effect")
                .hint(hint)
        })
        .collect()
}

/// Whether a stage that is `optional` names this group.
fn may_be_empty(project: &Project, group: &str) -> bool {
    let mut stages = project.deploys.values().flat_map(|deploy| &deploy.stages);
    stages.any(|stage| {
        stage.is_optional
            && stage
                .hosts
                .iter()
                .any(|pattern| pattern.name.trim_start_matches('!') == group)
    })
}

fn groups_of(inventory: &Inventory) -> impl Iterator<Item = &str> {
    let own = inventory.groups.iter();
    own.chain(inventory.hosts.values().flat_map(|host| &host.groups))
        .map(|group| group.name.as_str())
}

fn missing_groups<'a>(
    project: &'a Project,
    groups: &'a [Named],
    broken: &'a BTreeSet<String>,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let is_missing = |group: &&Named| {
        !project.group_data.contains_key(&group.name) && !broken.contains(&format!("group_data/{}.toml", group.name))
    };
    groups.iter().filter(is_missing).map(|group| {
        let name = &group.name;
        let files = project
            .group_data
            .keys()
            .map(String::as_str)
            .filter(|name| *name != ALL);
        let near = suggestion(name, files).filter(|hint| hint.starts_with("did"));
        Diagnostic::new(format!("unknown group `{name}`"))
            .at_maybe(
                group.origin.as_ref(),
                format!("`group_data/{name}.toml` does not exist"),
            )
            .hint(near.unwrap_or_else(|| format!("create `group_data/{name}.toml`, empty if the group has no data")))
    })
}

/// Data given as `key=value`: a dotted key, and a value that is TOML or else a string.
///
/// Errors: no key, or a reserved one.
pub fn given_data(given: &[String]) -> Result<Table, Diagnostic> {
    let mut data = Table::new();
    for text in given {
        let one = given_one(text)?;
        let mut mistakes = Vec::new();
        check_reserved(&one, &mut mistakes);
        if let Some(mistake) = mistakes.pop() {
            return Err(mistake);
        }
        merge(&mut data, &one);
    }
    Ok(data)
}

fn given_one(text: &str) -> Result<Table, Diagnostic> {
    const WHERE: &str = "--data";
    let wrong = || {
        Diagnostic::new(format!("`--data {text}` has no value"))
            .hint("write `--data key=value`, such as `--data docker.enabled=false`")
    };
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let read = |text: String| parse_toml(&SourceFile::new(WHERE, text));
    // Text that is not a TOML value is a string, so that it needs no quotes for TOML inside those for the shell.
    read(format!("{key} = {value}"))
        .or_else(|_| read(format!("{key} = {}", quoted(value))))
        .map_err(|_| wrong())
}

/// `text` as a TOML string, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The sources of a host's data, lowest precedence first, each with the name that users see.
pub fn layers<'a>(project: &'a Project, inventory: &'a Inventory, host: &'a Host) -> Vec<(String, &'a Table)> {
    let groups = inventory.groups.iter().chain(&host.groups);
    let mut layers: Vec<(String, &Table)> = Vec::new();
    for name in std::iter::once(ALL).chain(groups.map(|group| group.name.as_str())) {
        if let Some(group) = project.group_data.get(name) {
            layers.push((format!("group `{name}`"), &group.data));
        }
    }
    layers.push((format!("host `{}`", host.name), &host.data));
    layers
}

/// As [`data_of`], cached for the next deploy if there is no extra data.
pub(super) fn shared_data_of(
    project: &Project,
    inventory_name: &str,
    inventory: &Inventory,
    host: &Host,
    extra: &Table,
) -> HostData {
    let merge = || {
        let (data, closed) = data_of(project, inventory_name, inventory, host, extra);
        HostData {
            data: Arc::new(data),
            closed: Arc::new(closed),
        }
    };
    if !extra.is_empty() {
        return merge();
    }
    let key = (inventory_name.to_owned(), host.name.clone());
    let mut merged = project.merged.lock().unwrap_or_else(PoisonError::into_inner);
    merged.entry(key).or_insert_with(merge).clone()
}

impl Project {
    /// Has every secret that a key is there for removed from output, for commands that show what hosts say and plan nothing.
    pub fn remember_secrets(&self) {
        for (name, inventory) in &self.inventories {
            for host in inventory.hosts.values() {
                let of_host = shared_data_of(self, name, inventory, host, &Table::new());
                of_host.data.values().for_each(|entry| remember_all(&entry.value));
            }
        }
        for (_, file) in self.assets.all_encrypted() {
            // What is in it is remembered when it is decrypted.
            let _ = file.content();
        }
    }
}

fn remember_all(value: &Value) {
    match &value.kind {
        Kind::Secret(secret) => remember(secret.expose()),
        Kind::List(items) => items.iter().for_each(remember_all),
        Kind::Table(table) => table.values().for_each(|entry| remember_all(&entry.value)),
        _ => {}
    }
}

/// As [`written_data_of`], with encrypted values opened, and why some were not.
pub(super) fn data_of(
    project: &Project,
    inventory_name: &str,
    inventory: &Inventory,
    host: &Host,
    extra: &Table,
) -> (Table, Vec<Diagnostic>) {
    let mut data = written_data_of(project, inventory_name, inventory, host, extra);
    let closed = open_data(&mut data, &project.keyring);
    (data, closed)
}

/// All data of a host: `all`, the inventory's groups, the host's groups, its own data, then `extra`; with the names
/// that homelab itself defines. Encrypted values are as they were written.
pub(super) fn written_data_of(
    project: &Project,
    inventory_name: &str,
    inventory: &Inventory,
    host: &Host,
    extra: &Table,
) -> Table {
    let mut data = Table::new();
    for (_, layer) in layers(project, inventory, host) {
        merge(&mut data, layer);
    }
    merge(&mut data, extra);
    bind(&mut data, "inventory", Value::string(inventory_name));
    bind(&mut data, "groups", groups(inventory, host));
    bind(&mut data, "host", described(inventory, host));
    let mut hosts = Table::new();
    for other in inventory.hosts.values() {
        bind(&mut hosts, &other.name, described(inventory, other));
    }
    bind(&mut data, "hosts", Value::new(Kind::Table(hosts)));
    bind(&mut data, "pki", Value::new(Kind::Table(project.pki.table())));
    data
}

/// The names of a host's groups, lowest precedence first.
fn groups(inventory: &Inventory, host: &Host) -> Value {
    let groups = inventory.groups.iter().chain(&host.groups);
    let names = groups.map(|group| Value::string(group.name.as_str()));
    Value::new(Kind::List(names.collect()))
}

fn described(inventory: &Inventory, host: &Host) -> Value {
    let mut table = Table::new();
    bind(&mut table, "name", Value::string(&host.name));
    bind(&mut table, "groups", groups(inventory, host));
    let address = host.address.as_ref().unwrap_or(&host.name);
    let address = if host.hides_address {
        Value::new(Kind::Secret(Secret::new(address)))
    } else {
        Value::string(address)
    };
    bind(&mut table, "address", address);
    bind(&mut table, "data", Value::new(Kind::Table(host.data.clone())));
    Value::new(Kind::Table(table))
}

fn bind(table: &mut Table, key: &str, value: Value) {
    table.insert(key.to_owned(), Entry { key: None, value });
}
