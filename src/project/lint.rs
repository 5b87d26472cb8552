//! Mistakes that can be found without a host's data: names that lead nowhere, templates that do not parse, unknown
//! parameters.

mod engine;
mod files;
mod handlers;
mod known;
mod names;
mod parameters;
mod parts;
mod shapes;
mod unused;
mod used;

use std::collections::{BTreeMap, BTreeSet};

use parts::{no_task, taken_vars};
use used::Used;

use super::Project;
use super::task::{Task, TaskUse};
use crate::error::{Diagnostic, Origin, suggestion};

/// Finds every such mistake, except in `broken` files, which the reader reported.
///
/// With it, the dotted names of all templates; `None` if they are not all known.
pub(super) fn check(project: &Project, broken: &BTreeSet<String>) -> (Vec<Diagnostic>, Option<BTreeSet<String>>) {
    let mut mistakes = Vec::new();
    for deploy in project.deploys.values() {
        for stage in &deploy.stages {
            let uses: Vec<&TaskUse> = stage.tasks.iter().collect();
            check_uses(project, broken, &uses, &mut mistakes);
        }
    }
    for task in project.tasks.values() {
        let includes: Vec<&TaskUse> = task.includes().collect();
        check_uses(project, broken, &includes, &mut mistakes);
        mistakes.extend(wrong_names(task));
        mistakes.extend(handlers::check(project, broken, task));
        mistakes.extend(engine::check(project, task));
        for operation in task.operations_and_handlers() {
            mistakes.extend(parameters::check(operation));
        }
    }
    mistakes.extend(rings(project));
    // The names that a broken file defines are not known.
    let is_complete = !broken
        .iter()
        .any(|path| path.starts_with("group_data/") || path.starts_with("inventories/"));
    let mut used = Used::default();
    mistakes.extend(names::check(project, is_complete, &mut used));
    mistakes.extend(files::check(project, is_complete, &mut used));
    let is_known = broken.is_empty() && files::are_read(project);
    if is_known && mistakes.is_empty() {
        mistakes.extend(unused::check(project, &used));
        mistakes.extend(unused::check_settings(project));
    }
    (mistakes, is_known.then_some(used.names))
}

pub(super) use unused::check_given;

/// Finds unknown tasks, tasks used twice under one name, and unknown vars.
fn check_uses(project: &Project, broken: &BTreeSet<String>, uses: &[&TaskUse], mistakes: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &Origin> = BTreeMap::new();
    for task_use in uses {
        let name = task_use.own_name().unwrap_or(&task_use.task.name);
        if let Some(first) = seen.insert(name, &task_use.origin) {
            mistakes.push(
                Diagnostic::new(format!("task `{name}` is listed twice"))
                    .at(&task_use.origin, "used again here")
                    .at(first, "first used here")
                    .hint("give one of the two entries a unique `name`"),
            );
        }
        match project.tasks.get(&task_use.task.name) {
            Some(task) => mistakes.extend(check_vars(task_use, task)),
            None if broken.contains(&format!("tasks/{}.toml", task_use.task.name)) => {}
            None => mistakes.push(no_task(project, &task_use.task)),
        }
    }
}

/// Whether `text` is a dotted name of data.
pub fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_')
    };
    text.split('.').all(is_part)
}

fn wrong_names(task: &Task) -> impl Iterator<Item = Diagnostic> {
    let wrong = task.required.iter().filter(|name| !is_name(&name.name));
    wrong.map(|name| {
        Diagnostic::new(format!("`{}` is not a valid data name", name.name))
            .at_maybe(name.origin.as_ref(), "use letters, digits, `_`, and dots between parts")
            .hint("write a name such as \"docker.source\", or \"vars.port\" for a variable of the task")
    })
}

fn check_vars(task_use: &TaskUse, task: &Task) -> Vec<Diagnostic> {
    let taken = taken_vars(task);
    let unknown = task_use.vars.iter().filter(|(name, _)| !taken.contains(&name.as_str()));
    let mut mistakes: Vec<Diagnostic> = unknown
        .map(|(name, entry)| {
            let hint = suggestion(name, taken.iter().copied())
                .unwrap_or_else(|| format!("declare it in `[vars]` of the task, or as \"vars.{name}\" in `required`"));
            Diagnostic::new(format!("unknown variable `{name}` of task `{}`", task.name))
                .at_maybe(entry.key.as_ref(), "this would have no effect")
                .hint(hint)
        })
        .collect();
    let is_given = |name: &str| task_use.vars.contains_key(name) || task.vars.contains_key(name);
    for required in &task.required {
        if let Some(name) = required.name.strip_prefix("vars.").filter(|name| !is_given(name)) {
            mistakes.push(
                Diagnostic::new(format!("missing variable `{name}` for task `{}`", task.name))
                    .at(&task_use.origin, "not set here")
                    .at_maybe(required.origin.as_ref(), "required here")
                    .hint(format!("add `vars = {{ {name} = … }}`")),
            );
        }
    }
    mistakes
}

/// Finds tasks that include themselves; each cycle is reported once.
fn rings(project: &Project) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for task in project.tasks.values() {
        let mut path = Vec::new();
        follow(project, task, &mut path, &mut reported, &mut mistakes);
    }
    mistakes
}

fn follow<'a>(
    project: &'a Project,
    task: &'a Task,
    path: &mut Vec<&'a TaskUse>,
    reported: &mut BTreeSet<&'a str>,
    mistakes: &mut Vec<Diagnostic>,
) {
    for include in task.includes() {
        let name = include.task.name.as_str();
        if let Some(start) = path.iter().position(|open| open.task.name == name) {
            let ring: Vec<&TaskUse> = path[start + 1..].iter().copied().chain([include]).collect();
            if !reported.contains(name) {
                mistakes.push(ring_mistake(&ring, name));
                reported.extend(ring.iter().map(|open| open.task.name.as_str()));
            }
            continue;
        }
        if reported.contains(name) {
            continue;
        }
        if let Some(included) = project.tasks.get(name) {
            path.push(include);
            follow(project, included, path, reported, mistakes);
            path.pop();
        }
    }
}

fn ring_mistake(ring: &[&TaskUse], name: &str) -> Diagnostic {
    let names: Vec<String> = ring.iter().map(|open| format!("`{}`", open.task.name)).collect();
    let title = format!("tasks include each other in a loop: `{name}` → {}", names.join(" → "));
    ring.iter()
        .fold(Diagnostic::new(title), |mistake, open| {
            mistake.at(&open.origin, format!("`{}` is included here", open.task.name))
        })
        .hint("remove one of these includes")
}
