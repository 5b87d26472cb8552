//! `group_data/<group>.toml`: the data of a group, and the names that data cannot have.

use super::reader::Source;
use crate::error::{Diagnostic, Origin};
use crate::value::Table;

/// The data of a group.
#[derive(Debug)]
pub struct GroupData {
    pub data: Table,
    /// The start of the file.
    pub origin: Origin,
}

/// Names that homelab itself defines for templates.
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

pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> GroupData {
    check_reserved(&source.table, mistakes);
    let origin = source.start();
    let mut data = source.table;
    data.retain(|key, _| !RESERVED.contains(&key.as_str()));
    GroupData { data, origin }
}

/// Refuses data with a name that homelab itself defines.
pub(super) fn check_reserved(data: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in data.iter().filter(|(key, _)| RESERVED.contains(&key.as_str())) {
        mistakes.push(
            Diagnostic::new(format!("`{key}` is a reserved name"))
                .at_maybe(entry.key.as_ref(), "data cannot use this name")
                .hint(format!("choose another name; reserved: {}", RESERVED.join(", "))),
        );
    }
}
