//! `group_data/<group>.toml`: the data of a group, and the names that data cannot have.

use std::collections::BTreeMap;

use super::reader::Source;
use crate::error::{Diagnostic, Origin};
use crate::template::{RESERVED, WORDS, reserved, unreadable_name};
use crate::value::{Kind, Table, merge};

/// The data of a group.
#[derive(Debug)]
pub struct GroupData {
    pub data: Table,
    /// The start of the file.
    pub origin: Origin,
}

/// The group of every host.
pub(super) const ALL: &str = "all";

pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> GroupData {
    check_reserved(&source.table, mistakes);
    let origin = source.start();
    let mut data = source.table;
    data.retain(|key, _| !RESERVED.contains(&key.as_str()));
    GroupData { data, origin }
}

/// Refuses data with a name that homelab itself defines, or that templates do not read as a name.
pub(super) fn check_reserved(data: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in data {
        let mistake = if RESERVED.contains(&key.as_str()) {
            reserved(key)
        } else if WORDS.contains(&key.as_str()) {
            unreadable_name(key)
        } else {
            continue;
        };
        mistakes.push(mistake.at_maybe(entry.key.as_ref(), "data cannot use this name"));
    }
}

/// Adds the files of `sops` to the groups of their names. What stands in both files of a group is a mistake.
pub(super) fn add_sops(groups: &mut BTreeMap<String, GroupData>, sources: Vec<Source>, mistakes: &mut Vec<Diagnostic>) {
    for source in sources {
        let name = source.name.clone();
        let read = read(source, mistakes);
        match groups.get_mut(&name) {
            Some(group) => {
                refuse_twice(&group.data, &read.data, mistakes);
                merge(&mut group.data, &read.data);
            }
            None => {
                groups.insert(name, read);
            }
        }
    }
}

fn refuse_twice(one: &Table, other: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in other {
        let Some(first) = one.get(key) else { continue };
        match (&first.value.kind, &entry.value.kind) {
            (Kind::Table(one), Kind::Table(other)) => refuse_twice(one, other, mistakes),
            _ => mistakes.push(
                Diagnostic::new(format!("`{key}` is set in two files of one group"))
                    .at_maybe(entry.key.as_ref(), "the second time")
                    .at_maybe(first.key.as_ref(), "the first time")
                    .hint("remove one of the two"),
            ),
        }
    }
}
