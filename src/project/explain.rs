//! Where a host's value comes from: every place that sets it, and which one wins.

use std::sync::Arc;

use super::data::{data_of, written_data_of};
use super::{Host, Inventory, Project, layers};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::template::{Bindings, TemplateData};
use crate::value::{Kind, Table, Value};

/// A value of a host and where it comes from.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The value as written in the place that wins; a table is merged from all places.
    pub written: Value,
    /// The value as templates see it, or why it cannot be known without the host.
    pub rendered: Result<Value, String>,
    /// Every place that sets it, the one that wins first. For a table, all of them contribute.
    pub places: Vec<Given>,
}

/// A place that sets a value.
#[derive(Clone, Debug)]
pub struct Given {
    /// Such as "group `all`".
    pub layer: String,
    pub origin: Option<Origin>,
    pub value: Value,
}

/// The host called `name`, with its inventory.
///
/// Errors: no inventory has it, or several have and `inventory` names none.
pub fn find_host<'a>(
    project: &'a Project,
    inventory: Option<&str>,
    name: &str,
) -> Result<(&'a str, &'a Inventory, &'a Host), Diagnostic> {
    if let Some(inventory) = inventory {
        project.inventory(inventory)?;
    }
    let inventories = || {
        let all = project.inventories.iter();
        all.filter(|(known, _)| inventory.is_none_or(|wanted| wanted == known.as_str()))
    };
    let found: Vec<_> = inventories()
        .filter_map(|(known, inventory)| Some((known.as_str(), inventory, inventory.hosts.get(name)?)))
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let hosts: Vec<&str> = inventories()
                .flat_map(|(_, inventory)| inventory.hosts.keys())
                .map(String::as_str)
                .collect();
            Err(Diagnostic::new(format!("unknown host `{name}`")).hint_maybe(suggestion(name, hosts)))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(inventory, _, _)| *inventory).collect();
            Err(
                Diagnostic::new(format!("several inventories have the host `{name}`")).hint(format!(
                    "choose one: `--inventory {}`",
                    names.join("` or `--inventory ")
                )),
            )
        }
    }
}

/// All data of a host, as written.
pub fn host_data(project: &Project, inventory_name: &str, inventory: &Inventory, host: &Host) -> Table {
    written_data_of(project, inventory_name, inventory, host, &Table::new())
}

/// Where the value of `key`, a dotted name, comes from.
///
/// Errors: the host has no such value.
pub fn explain(
    project: &Project,
    (inventory_name, inventory, host): (&str, &Inventory, &Host),
    key: &str,
) -> Result<Explanation, Diagnostic> {
    let data = host_data(project, inventory_name, inventory, host);
    let Some(written) = lookup(&data, key).cloned() else {
        return Err(unknown_key(&data, &host.name, key));
    };
    let mut places: Vec<Given> = Vec::new();
    for (layer, table) in layers(project, inventory, host) {
        if let Some(value) = lookup(table, key) {
            // A value that is not a table replaces everything before it, and a table replaces what is not a table.
            places.push(Given {
                layer,
                origin: value.origin.clone(),
                value: value.clone(),
            });
        }
    }
    places.reverse();
    let (opened, _) = data_of(project, inventory_name, inventory, host, &Table::new());
    let rendered = match lookup(&opened, key).cloned() {
        Some(value) => rendered(project, opened, &value),
        None => Ok(written.clone()),
    };
    Ok(Explanation {
        written,
        rendered,
        places,
    })
}

fn rendered(project: &Project, data: Table, written: &Value) -> Result<Value, String> {
    let facts = Err("depends on facts of the host".to_owned());
    let scope = Bindings::new(TemplateData {
        data: Arc::new(data),
        variables: Arc::clone(&project.variables),
        ..TemplateData::new(Table::new(), facts)
    });
    let value = scope.render(written).map_err(|mistake| mistake.to_string())?;
    match value.kind {
        Kind::Unknown(why) => Err(why.to_string()),
        _ => Ok(value),
    }
}

fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let mut value = &table.get(parts.next()?)?.value;
    for part in parts {
        value = &value.as_table()?.get(part)?.value;
    }
    Some(value)
}

fn unknown_key(data: &Table, host: &str, key: &str) -> Diagnostic {
    let mut table = data;
    let mut path = String::new();
    for part in key.split('.') {
        let Some(entry) = table.get(part) else {
            let hint = suggestion(part, table.keys().map(String::as_str));
            let place = if path.is_empty() {
                String::new()
            } else {
                format!(" (in `{path}`)")
            };
            let near = hint.map(|hint| format!("{hint}{place}"));
            return Diagnostic::new(format!("host `{host}` has no data `{key}`"))
                .hint(near.unwrap_or_else(|| format!("`homelab inventory show {host}` lists its data")));
        };
        path = if path.is_empty() {
            part.to_owned()
        } else {
            format!("{path}.{part}")
        };
        match entry.value.as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    Diagnostic::new(format!("host `{host}` has no data `{key}`")).hint(format!(
        "`{path}` is not a table; `homelab inventory explain {host} {path}` shows it"
    ))
}
