//! Inventories, a host's data, and which file sets a value.

use super::layout::joined;
use super::sanitize::one_line;
use super::style::{Tone, counted, paint, width};
use crate::project::{Explanation, Host, Inventory};
use crate::secrets::{is_encrypted, is_encrypted_by_sops, is_named};
use crate::value::{Kind, Table, Value};

/// An inventory's hosts, a line each.
pub fn inventory(name: &str, inventory: &Inventory) -> String {
    let mut lines = vec![format!(
        "{} ({})",
        paint(Tone::Heading, &one_line(name)),
        counted(inventory.hosts.len(), "host")
    )];
    let column = inventory.hosts.keys().map(|name| width(name)).max().unwrap_or_default();
    for host in inventory.hosts.values() {
        let groups = inventory.groups.iter().chain(&host.groups);
        let groups: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
        let padding = " ".repeat(column.saturating_sub(width(&host.name)));
        let line = format!("  {}{padding}  {}  {}", host.name, place(host), groups.join(", "));
        lines.push(one_line(line.trim_end()));
    }
    joined(&lines)
}

fn place(host: &Host) -> String {
    match (&host.lab, host.connection.is_local(), &host.address) {
        (Some(lab), _, _) => format!("lab host ({})", lab.image),
        (None, true, _) => "this machine".to_owned(),
        (None, false, Some(address)) => address.clone(),
        (None, false, None) => host.name.clone(),
    }
}

/// A host: its connection, its groups, and all its data with the place of each value.
pub fn host(inventory_name: &str, inventory: &Inventory, host: &Host, data: &Table) -> String {
    let groups = inventory.groups.iter().chain(&host.groups);
    let groups: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
    let mut lines = vec![
        format!(
            "{} of inventory {inventory_name}",
            paint(Tone::Heading, &one_line(&host.name))
        ),
        format!(
            "  {}{}",
            if host.lab.is_some() { "" } else { "reached as " },
            one_line(&place(host))
        ),
        format!("  groups: {}", listed_groups(&groups)),
        String::new(),
    ];
    let mut entries = Vec::new();
    // Names that homelab itself defines have no place in a file.
    let own = data
        .iter()
        .filter(|(_, entry)| entry.value.origin.is_some() || entry.key.is_some());
    for (key, entry) in own {
        flatten(key, &entry.value, &mut entries);
    }
    for (key, value) in entries {
        let place = value
            .origin
            .as_ref()
            .map(|origin| format!("   # {origin}"))
            .unwrap_or_default();
        let line = format!(
            "{} = {}",
            paint(Tone::Heading, &one_line(&key)),
            one_line(&literal(value))
        );
        lines.push(format!("{line}{}", paint(Tone::Faint, &one_line(&place))));
    }
    joined(&lines)
}

fn listed_groups(groups: &[&str]) -> String {
    if groups.is_empty() {
        return "none".to_owned();
    }
    one_line(&groups.join(", "))
}

fn flatten<'a>(key: &str, value: &'a Value, entries: &mut Vec<(String, &'a Value)>) {
    match &value.kind {
        Kind::Table(table) if !table.is_empty() => {
            for (name, entry) in table {
                flatten(&format!("{key}.{name}"), &entry.value, entries);
            }
        }
        _ => entries.push((key.to_owned(), value)),
    }
}

/// A value with all places that set it.
pub fn explanation(key: &str, explanation: &Explanation) -> String {
    let mut lines = vec![format!(
        "{} = {}",
        paint(Tone::Heading, &one_line(key)),
        one_line(&literal(&explanation.written))
    )];
    match &explanation.rendered {
        Ok(value) if literal(value) != literal(&explanation.written) => {
            lines.push(format!("  evaluates to {}", one_line(&literal(value))));
        }
        Ok(_) => {}
        Err(why) => lines.push(format!("  cannot be evaluated here: {}", one_line(why))),
    }
    let is_table = explanation.written.as_table().is_some();
    for (index, given) in explanation.places.iter().enumerate() {
        let how = match (index, is_table) {
            (_, true) | (0, false) => "from",
            _ => "overrides",
        };
        let place = given.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        lines.push(one_line(&format!(
            "  {how}  {place}  {} = {}",
            given.layer,
            literal(&given.value)
        )));
    }
    joined(&lines)
}

/// A value as it would be written in one line of TOML.
fn literal(value: &Value) -> String {
    match &value.kind {
        Kind::Bool(truth) => truth.to_string(),
        Kind::Integer(number) => number.to_string(),
        Kind::Float(number) => format!("{number:?}"),
        Kind::String(text) if is_encrypted(text) || is_named(text) || is_encrypted_by_sops(text) => {
            "[secret]".to_owned()
        }
        Kind::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Kind::List(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Kind::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, entry)| format!("{key} = {}", literal(&entry.value)));
            let entries: Vec<String> = entries.collect();
            if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", entries.join(", "))
            }
        }
        Kind::Secret(_) => "[secret]".to_owned(),
        Kind::Unknown(why) => format!("(not known: {why})"),
    }
}
