//! What lints look at: the operations of all hosts as they are planned without them, and the data of the project.

use super::container::{Container, containers};
use super::planned::Planned;
use crate::error::Origin;
use crate::operations::PlacedText;
use crate::plan::Checked;
use crate::project::Project;
use crate::value::{Kind, Table, Value};

/// What lints look at.
pub(super) struct Scene<'a> {
    pub(super) project: &'a Project,
    pub(super) operations: Vec<Planned<'a>>,
    pub(super) containers: Vec<Container>,
    pub(super) data: Vec<Datum<'a>>,
    /// Seconds since 1970, for certificates.
    pub(super) now: i64,
}

/// A string in the data of the project, as it is written.
pub(super) struct Datum<'a> {
    pub(super) key: String,
    pub(super) value: &'a str,
    /// Of the key, if the string has one of its own.
    pub(super) origin: &'a Origin,
}

impl<'a> Scene<'a> {
    /// The scene of a project that was checked.
    pub(super) fn of(project: &'a Project, checked: &'a Checked, now: i64) -> Self {
        let operations = checked.rendered.iter();
        let operations = operations.map(|(inventory, rendered)| Planned { inventory, rendered });
        let operations: Vec<Planned<'_>> = operations.collect();
        Self {
            project,
            containers: containers(&operations),
            operations,
            data: data(project),
            now,
        }
    }

    /// The operations with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Planned<'a>)> {
        self.operations.iter().enumerate()
    }

    /// All texts that operations put on hosts, with the numbers of the operations.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &'a PlacedText)> {
        let texts = self.operations.iter().enumerate();
        texts.flat_map(|(number, one)| one.rendered.texts.iter().map(move |text| (number, text)))
    }
}

/// The strings in group data, in the data of hosts, in variables of tasks and in defaults of stacks.
fn data(project: &Project) -> Vec<Datum<'_>> {
    let groups = project.group_data.values().map(|group| (&group.data, &group.origin));
    let hosts = project.inventories.values();
    let hosts = hosts.flat_map(|inventory| inventory.hosts.values().map(|host| (&host.data, &inventory.origin)));
    let tasks = project.tasks.values().map(|task| (&task.vars, &task.origin));
    let mut found = Vec::new();
    for (table, origin) in groups.chain(hosts).chain(tasks) {
        collect(table, origin, &mut found);
    }
    for (stack, origin) in project.catalogue.values().filter_map(|stack| {
        let first = stack.defaults.values().next()?;
        Some((stack, first.key.as_ref()?))
    }) {
        collect(&stack.defaults, origin, &mut found);
    }
    found
}

fn collect<'a>(table: &'a Table, above: &'a Origin, found: &mut Vec<Datum<'a>>) {
    for (key, entry) in table {
        let origin = entry.key.as_ref().unwrap_or(above);
        add(key, &entry.value, origin, found);
    }
}

fn add<'a>(key: &str, value: &'a Value, origin: &'a Origin, found: &mut Vec<Datum<'a>>) {
    match &value.kind {
        Kind::String(text) => found.push(Datum {
            key: key.to_owned(),
            value: text,
            origin,
        }),
        Kind::Table(table) => collect(table, origin, found),
        Kind::List(items) => {
            for item in items {
                add(key, item, item.origin.as_ref().unwrap_or(origin), found);
            }
        }
        _ => {}
    }
}
