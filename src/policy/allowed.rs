//! What the project allows, where, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::comment::{Comment, comments};
use super::finding::Place;
use super::planned::Planned;
use crate::error::{Diagnostic, Origin, SourceFile, suggestion};
use crate::project::{Allowance, Project, RawOperation, Task};

/// A place in a file: its path, and the byte.
type At = (String, usize);

/// All allowances of a project.
pub(super) struct AllowedIn<'a> {
    project: &'a Project,
    /// By the paths of their files.
    comments: BTreeMap<String, Vec<Comment>>,
    used: BTreeSet<At>,
    /// Where operations that were planned are written.
    planned: BTreeSet<At>,
}

impl<'a> AllowedIn<'a> {
    pub(super) fn new(project: &'a Project, planned: &[Planned<'_>]) -> Self {
        let comments = files(project)
            .into_iter()
            .map(|file| (file.path.clone(), comments(&file)));
        Self {
            project,
            comments: comments.filter(|(_, found)| !found.is_empty()).collect(),
            used: BTreeSet::new(),
            planned: planned.iter().map(|one| at(&one.rendered.origin)).collect(),
        }
    }

    /// Why a lint is allowed at a place, or in the operation that it is about; `None` if it is not.
    pub(super) fn reason(&mut self, lint: &str, origin: &Origin, operation: Option<&Planned<'_>>) -> Option<String> {
        let by_comment = self.comment(lint, origin);
        by_comment.or_else(|| self.key(lint, operation?))
    }

    fn comment(&mut self, lint: &str, origin: &Origin) -> Option<String> {
        let line = origin.line_column().0;
        let all = self.comments.get(&origin.file.path)?;
        let mut about = all.iter().filter(|comment| comment.is_about(line, all));
        about.find_map(|comment| {
            let (_, place) = comment.lints.iter().find(|(name, _)| name == lint)?;
            self.used.insert(at(place));
            Some(comment.reason.clone())
        })
    }

    fn key(&mut self, lint: &str, planned: &Planned<'_>) -> Option<String> {
        let origin = &planned.rendered.origin;
        let task = self
            .project
            .tasks
            .values()
            .find(|task| task.origin.file.path == origin.file.path);
        let stack = planned.text("stack").filter(|_| planned.name() == "docker.compose");
        let stack = stack.and_then(|stack| self.project.catalogue.get(stack));
        let own = task.and_then(|task| task.operations_and_handlers().find(|one| one.origin == *origin));
        let all = [
            own.map(|own| &own.allow),
            task.map(|task| &task.allow),
            stack.map(|stack| &stack.allow),
        ];
        all.into_iter().flatten().find_map(|allowance| {
            let name = allowance.lints.iter().find(|name| name.name == lint)?;
            self.used.extend(name.origin.as_ref().map(at));
            Some(allowance.reason.clone())
        })
    }

    /// Names that are none of a lint, and comments without a reason.
    pub(super) fn mistakes(&self, known: &[&str]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let unknown = |name: &str, origin: Option<&Origin>| {
            Diagnostic::new(format!("unknown lint `{name}`"))
                .at_maybe(origin, "no lint has this name")
                .hint(
                    suggestion(name, known.iter().copied())
                        .unwrap_or_else(|| "`homelab check --lints` lists all lints".to_owned()),
                )
        };
        for (_, allowance, _) in self.keys() {
            let wrong = allowance
                .lints
                .iter()
                .filter(|name| !known.contains(&name.name.as_str()));
            found.extend(wrong.map(|name| unknown(&name.name, name.origin.as_ref())));
        }
        for comment in self.comments.values().flatten() {
            let wrong = comment.lints.iter().filter(|(name, _)| !known.contains(&name.as_str()));
            // What is before the comment may be a secret.
            let shown = |origin: &Origin| Place::at(origin).hidden().origin;
            found.extend(wrong.map(|(name, origin)| unknown(name, Some(&shown(origin)))));
            if comment.reason.is_empty() {
                let mistake = Diagnostic::new("`homelab: allow` without a reason")
                    .at(&shown(&comment.place), "why is this allowed?");
                found.push(
                    mistake.hint("write it behind a colon: `# homelab: allow latest-tag: the vendor has no versions`"),
                );
            }
        }
        found
    }

    /// The names that allow nothing, of those that something was looked at for.
    pub(super) fn unused(&self) -> Vec<(String, Origin)> {
        let mut found = Vec::new();
        for (of, allowance, is_whole) in self.keys() {
            // What was not planned is not known.
            if !of.iter().all(|operation| self.planned.contains(&at(&operation.origin))) || !is_whole {
                continue;
            }
            let names = allowance.lints.iter();
            found.extend(names.filter_map(|name| Some((name.name.clone(), name.origin.clone()?))));
        }
        let of_data = self
            .comments
            .iter()
            .filter(|(path, _)| path.starts_with("group_data/") || path.starts_with("inventories/"));
        let names = of_data
            .flat_map(|(_, comments)| comments)
            .flat_map(|comment| &comment.lints);
        found.extend(names.cloned());
        found.retain(|(_, origin)| !self.used.contains(&at(origin)));
        found
    }

    /// The allowances of keys, the operations that they are for, and whether it is known that these are all.
    fn keys(&self) -> Vec<(Vec<&'a RawOperation>, &'a Allowance, bool)> {
        let mut found = Vec::new();
        let project: &'a Project = self.project;
        for task in project.tasks.values() {
            let task: &'a Task = task;
            let own: Vec<&RawOperation> = task.operations_and_handlers().collect();
            found.extend(own.iter().map(|operation| (vec![*operation], &operation.allow, true)));
            found.push((own, &task.allow, true));
        }
        // Which hosts have a stack is not known here.
        found.extend(
            project
                .catalogue
                .values()
                .map(|stack| (Vec::new(), &stack.allow, false)),
        );
        found
    }
}

fn at(origin: &Origin) -> At {
    (origin.file.path.clone(), origin.span.start)
}

/// The files that may have such comments.
fn files(project: &Project) -> Vec<Arc<SourceFile>> {
    let groups = project.group_data.values().map(|group| &group.origin);
    let inventories = project.inventories.values().map(|inventory| &inventory.origin);
    let tasks = project.tasks.values().map(|task| &task.origin);
    let read = groups
        .chain(inventories)
        .chain(tasks)
        .map(|origin| Arc::clone(&origin.file));
    let assets = project.assets.in_memory().filter_map(|(name, bytes)| {
        let text = std::str::from_utf8(bytes).ok()?;
        text.contains("homelab: allow ")
            .then(|| SourceFile::new(format!("templates/{name}"), text))
    });
    read.chain(assets).collect()
}
