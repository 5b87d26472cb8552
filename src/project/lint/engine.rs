//! Finds what asks the Docker engine between a change that notifies its restart and the restart, which comes at the end of the task: new
//! settings, such as another `data-root`, count only then, and what was created before would be missing.

use std::collections::BTreeSet;

use crate::error::{Diagnostic, Origin};
use crate::project::Project;
use crate::project::operation::RawOperation;
use crate::project::task::{Notified, Task, TaskEntry};

pub(super) fn check(project: &Project, task: &Task) -> Vec<Diagnostic> {
    let restarts = task
        .handlers
        .iter()
        .filter(|handler| restarts_docker(&handler.operation));
    let handlers: BTreeSet<&str> = restarts.map(|handler| handler.name.name.as_str()).collect();
    if handlers.is_empty() {
        return Vec::new();
    }
    let mut walk = Walk {
        project,
        owner: task,
        handlers,
        notified: None,
        inside: Vec::new(),
        mistakes: Vec::new(),
    };
    walk.task(task);
    walk.mistakes
}

fn restarts_docker(operation: &RawOperation) -> bool {
    let is = |name: &str, values: &[&str]| {
        let text = operation.arguments.get(name).and_then(|entry| entry.value.as_str());
        text.is_some_and(|text| values.contains(&text))
    };
    operation.definition.name == "systemd.service"
        && is("service", &["docker", "docker.service"])
        && is("state", &["restarted"])
}

/// The entries of a task with those that it includes, in order.
struct Walk<'a> {
    project: &'a Project,
    /// The task at whose end the handlers run.
    owner: &'a Task,
    handlers: BTreeSet<&'a str>,
    /// What notifies one of the handlers, and the name of that.
    notified: Option<(&'a Origin, &'a str)>,
    /// The tasks that it is in, since tasks may include each other in a ring.
    inside: Vec<&'a str>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn task(&mut self, task: &'a Task) {
        if self.inside.contains(&task.name.as_str()) {
            return;
        }
        self.inside.push(&task.name);
        for entry in &task.entries {
            match entry {
                TaskEntry::Operation(operation) => self.operation(task, operation),
                TaskEntry::Include(include) => {
                    if let Some(included) = self.project.tasks.get(&include.task.name) {
                        self.task(included);
                    }
                }
            }
        }
        self.inside.pop();
    }

    fn operation(&mut self, task: &'a Task, operation: &'a RawOperation) {
        let name = operation.definition.name;
        if let Some((notifies, handler)) = self.notified
            && name.starts_with("docker.")
        {
            self.mistakes.push(
                Diagnostic::new(format!("`{name}` runs before Docker is restarted"))
                    .at(&operation.origin, "the engine still has its old settings here")
                    .at(
                        notifies,
                        format!("notifies `{handler}`, which runs at the end of the task"),
                    )
                    .hint("move what comes after the change to another task of the deploy"),
            );
        }
        for name in &operation.notify {
            let handler = match task.notified(&name.name) {
                Notified::Own(handler) if task.name == self.owner.name => handler,
                Notified::Other { task, handler } if task == self.owner.name => handler,
                _ => continue,
            };
            if self.handlers.contains(handler) {
                self.notified = self
                    .notified
                    .or(Some((name.origin.as_ref().unwrap_or(&operation.origin), handler)));
            }
        }
    }
}
