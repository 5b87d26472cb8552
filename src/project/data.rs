//! `group_data/<group>.toml`, and the merge of all data of a host.

use std::collections::BTreeSet;

use super::reader::Source;
use super::{Host, Inventory, Project};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::value::{Entry, Kind, Table, Value, merge};

/// The data of a group.
#[derive(Debug)]
pub struct GroupData {
    /// The data.
    pub data: Table,
    /// The file's start.
    pub origin: Origin,
}

/// Names that the program itself binds.
pub const RESERVED: &[&str] = &[
    "host",
    "hosts",
    "groups",
    "inventory",
    "facts",
    "item",
    "vars",
    "captured",
    "catalogue",
    "stack",
];

/// The group of every host.
pub(super) const ALL: &str = "all";

pub(super) fn read(source: Source) -> Result<GroupData, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    check_reserved(&source.table, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(GroupData {
        origin: source.start(),
        data: source.table,
    })
}

/// Refuses data under a name that the program itself binds.
pub(super) fn check_reserved(data: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in data.iter().filter(|(key, _)| RESERVED.contains(&key.as_str())) {
        mistakes.push(
            Diagnostic::new(format!("`{key}` is a reserved name"))
                .at_maybe(entry.key.as_ref(), "data cannot be called this")
                .hint(format!("reserved are: {}", RESERVED.join(", "))),
        );
    }
}

/// Group files that no host has, and groups that have no file.
pub(super) fn check_groups(project: &Project) -> Vec<Diagnostic> {
    let used: BTreeSet<&str> = project.inventories.values().flat_map(groups_of).collect();
    let mut mistakes = Vec::new();
    for (name, group) in &project.group_data {
        if name != ALL && !used.contains(name.as_str()) {
            mistakes.push(
                Diagnostic::new(format!("no host of any inventory is in group `{name}`"))
                    .at(&group.origin, "this file has no effect")
                    .hint_maybe(suggestion(name, used.iter().copied())),
            );
        }
    }
    for inventory in project.inventories.values() {
        mistakes.extend(missing_groups(
            project,
            &inventory.groups,
            inventory.groups_origin.as_ref(),
        ));
        for host in inventory.hosts.values() {
            mistakes.extend(missing_groups(project, &host.groups, host.origin.as_ref()));
        }
    }
    mistakes
}

fn groups_of(inventory: &Inventory) -> impl Iterator<Item = &str> {
    let own = inventory.groups.iter();
    own.chain(inventory.hosts.values().flat_map(|host| &host.groups))
        .map(String::as_str)
}

fn missing_groups<'a>(
    project: &'a Project,
    groups: &'a [String],
    origin: Option<&'a Origin>,
) -> impl Iterator<Item = Diagnostic> + 'a {
    groups
        .iter()
        .filter(|group| !project.group_data.contains_key(*group))
        .map(move |group| {
            let files = project
                .group_data
                .keys()
                .map(String::as_str)
                .filter(|name| *name != ALL);
            let near = suggestion(group, files).filter(|hint| hint.starts_with("did"));
            Diagnostic::new(format!("group `{group}` has no file"))
                .at_maybe(origin, "in this group")
                .hint(
                    near.unwrap_or_else(|| format!("write `group_data/{group}.toml`, empty if the group has no data")),
                )
        })
}

/// All data of a host: `all`, then the inventory's groups, then the host's, then its own; with the names that the program
/// binds.
pub(super) fn data_of(project: &Project, inventory_name: &str, inventory: &Inventory, host: &Host) -> Table {
    let groups: Vec<&String> = inventory.groups.iter().chain(&host.groups).collect();
    let mut data = Table::new();
    for name in std::iter::once(ALL).chain(groups.iter().map(|group| group.as_str())) {
        if let Some(group) = project.group_data.get(name) {
            merge(&mut data, &group.data);
        }
    }
    merge(&mut data, &host.data);
    let listed = groups.iter().map(|group| Value::string(group.as_str())).collect();
    bind(&mut data, "inventory", Value::string(inventory_name));
    bind(&mut data, "groups", Value::new(Kind::List(listed)));
    bind(&mut data, "host", described(host));
    let mut hosts = Table::new();
    for other in inventory.hosts.values() {
        bind(&mut hosts, &other.name, described(other));
    }
    bind(&mut data, "hosts", Value::new(Kind::Table(hosts)));
    data
}

fn described(host: &Host) -> Value {
    let mut table = Table::new();
    bind(&mut table, "name", Value::string(&host.name));
    bind(
        &mut table,
        "address",
        Value::string(host.address.as_ref().unwrap_or(&host.name)),
    );
    bind(&mut table, "data", Value::new(Kind::Table(host.data.clone())));
    Value::new(Kind::Table(table))
}

fn bind(table: &mut Table, key: &str, value: Value) {
    table.insert(key.to_owned(), Entry { key: None, value });
}
