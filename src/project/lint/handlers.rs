//! Finds a `notify` that names no handler.

use std::collections::BTreeSet;

use super::parts::no_task;
use crate::error::{Diagnostic, suggestion};
use crate::project::task::{Notified, Task};
use crate::project::{Named, Project};
use crate::template::is_template;

pub(super) fn check(project: &Project, broken: &BTreeSet<String>, task: &Task) -> Vec<Diagnostic> {
    let notified = task.operations().flat_map(|operation| &operation.notify);
    notified
        .filter_map(|name| match task.notified(&name.name) {
            Notified::Own(handler) => missing(task, handler, name, task),
            Notified::Other { task: other, handler } => match project.tasks.get(other) {
                Some(other) => missing(other, handler, name, task),
                None if broken.contains(&format!("tasks/{other}.toml")) => None,
                None => Some(no_task(
                    project,
                    &Named {
                        name: other.to_owned(),
                        origin: name.origin.clone(),
                    },
                )),
            },
        })
        .collect()
}

/// The mistake that `task` has no handler of this name; `written` is the `notify` of a task.
fn missing(task: &Task, handler: &str, written: &Named, writer: &Task) -> Option<Diagnostic> {
    let names = || task.handlers.iter().map(|one| one.name.name.as_str());
    let unread = &task.unread;
    if names().any(|name| name == handler) || unread.handlers.contains(handler) || unread.has_unnamed_handlers {
        return None;
    }
    let is_own = task.name == writer.name;
    let title = if is_own {
        format!("unknown handler `{handler}`")
    } else {
        format!("unknown handler `{handler}` of task `{}`", task.name)
    };
    let label = if is_own {
        "no handler of this task has this name"
    } else {
        "no handler of that task has this name"
    };
    let of_template = || {
        let words = "names of handlers are no templates: write the name, or an operation for each with its own `when`";
        is_template(handler).then(|| words.to_owned())
    };
    let hint = suggestion(handler, names())
        .filter(|_| !is_template(handler))
        .or_else(of_template);
    let hint = hint.unwrap_or_else(|| {
        format!(
            "add a `[[handler]]` with `name = \"{handler}\"`{}",
            if is_own {
                ", or name one of another task as \"folder/task:handler\""
            } else {
                " to that task"
            }
        )
    });
    Some(
        Diagnostic::new(title)
            .at_maybe(written.origin.as_ref(), label)
            .hint(hint),
    )
}
