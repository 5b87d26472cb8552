//! `deploys/<name>.toml`: which hosts, which tasks, in which order.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Project;
use super::reader::{Source, read_struct, refuse_not_yet};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::value::{Kind, Table, Value};

/// An ordered list of tasks for some hosts.
#[derive(Debug)]
pub struct Deploy {
    /// Host names, groups and globs.
    pub hosts: Vec<Named>,
    /// Task names, in order.
    pub tasks: Vec<Named>,
    /// The file's start.
    pub origin: Origin,
}

/// A name and where it was written.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Where.
    pub origin: Option<Origin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "description")]
    _description: Option<String>,
    hosts: Vec<String>,
    tasks: Vec<String>,
}

const NOT_YET: &[&str] = &["stage", "serial", "max_fail"];

pub(super) fn read(source: Source) -> Result<Deploy, Vec<Diagnostic>> {
    let start = source.start();
    let mut mistakes = Vec::new();
    refuse_not_yet(&source.table, NOT_YET, &mut mistakes);
    refuse_tables(&source.table, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let places = |key: &str| -> Vec<Option<Origin>> {
        list(&source.table, key)
            .iter()
            .map(|item| item.origin.clone())
            .collect()
    };
    let (host_places, task_places) = (places("hosts"), places("tasks"));
    let head: Head = read_struct(source.table, Some(&start), "deploy").map_err(|mistake| vec![mistake])?;
    Ok(Deploy {
        hosts: named(head.hosts, host_places),
        tasks: named(head.tasks, task_places),
        origin: start,
    })
}

fn named(names: Vec<String>, places: Vec<Option<Origin>>) -> Vec<Named> {
    names
        .into_iter()
        .zip(places)
        .map(|(name, origin)| Named { name, origin })
        .collect()
}

fn refuse_tables(table: &Table, mistakes: &mut Vec<Diagnostic>) {
    for entry in list(table, "tasks").iter().filter(|entry| entry.as_table().is_some()) {
        mistakes.push(
            Diagnostic::new("task entries with settings are not in this version")
                .at_maybe(entry.origin.as_ref(), "this would have no effect")
                .hint("write the task's name alone"),
        );
    }
}

fn list<'a>(table: &'a Table, key: &str) -> &'a [Value] {
    match table.get(key).map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

/// Tasks that do not exist, and tasks named twice.
pub(super) fn check_tasks(project: &Project) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for deploy in project.deploys.values() {
        let mut seen = BTreeSet::new();
        for task in &deploy.tasks {
            if !project.tasks.contains_key(&task.name) {
                mistakes.push(
                    Diagnostic::new(format!("there is no task `{}`", task.name))
                        .at_maybe(
                            task.origin.as_ref(),
                            format!("`tasks/{}.toml` does not exist", task.name),
                        )
                        .hint_maybe(suggestion(&task.name, project.tasks.keys().map(String::as_str))),
                );
            }
            if !seen.insert(&task.name) {
                let title = format!("task `{}` is listed twice", task.name);
                mistakes.push(Diagnostic::new(title).at_maybe(task.origin.as_ref(), "the second time"));
            }
        }
    }
    mistakes
}
