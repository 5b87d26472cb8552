//! Parts of a project that several checks use.

use crate::error::{Diagnostic, suggestion};
use crate::project::fields::is_meant;
use crate::project::task::{Task, TaskEntry, TaskUse};
use crate::project::{Named, Project};
use crate::value::Table;

/// The names that a task's `vars.` can have.
pub(super) fn taken_vars(task: &Task) -> Vec<&str> {
    let required = task.required.iter().filter_map(|name| name.name.strip_prefix("vars."));
    task.vars.keys().map(String::as_str).chain(required).collect()
}

/// Every table of the project whose strings are templates over a host's data, except those of tasks.
pub(super) fn data_tables(project: &Project) -> Vec<&Table> {
    let groups = project.group_data.values().map(|group| &group.data);
    let hosts = project
        .inventories
        .values()
        .flat_map(|inventory| inventory.hosts.values());
    groups.chain(hosts.map(|host| &host.data)).collect()
}

/// The entries of a task that contain no other.
pub(super) fn uses_of(project: &Project) -> impl Iterator<Item = &TaskUse> {
    let deploys = project.deploys.values().flat_map(|deploy| &deploy.stages);
    deploys.flat_map(|stage| &stage.tasks)
}

/// Whether the operations of an entry see an `item`.
pub(super) fn has_item(entry: &TaskEntry) -> bool {
    match entry {
        // A key that was meant to be `for_each` is reported as that.
        TaskEntry::Operation(operation) => {
            operation.settings.for_each.is_some() || operation.arguments.keys().any(|key| is_meant(key, "for_each"))
        }
        TaskEntry::Include(include) => include.settings.for_each.is_some(),
    }
}

/// The mistake that a task does not exist.
pub(super) fn no_task(project: &Project, task: &Named) -> Diagnostic {
    let name = &task.name;
    let known = project.tasks.keys().map(String::as_str);
    let bare = name.trim_start_matches("tasks/").trim_end_matches(".toml");
    let hint = if project.tasks.contains_key(bare) {
        format!("write only its name: `{bare}`")
    } else {
        suggestion(name, known).unwrap_or_else(|| format!("write `tasks/{bare}.toml`"))
    };
    Diagnostic::new(format!("unknown task `{name}`"))
        .at_maybe(task.origin.as_ref(), "no file below `tasks/` has this name")
        .hint(hint)
}
