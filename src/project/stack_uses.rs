//! Which stacks a deploy uses: a mistake in the files of another one does not matter to it.

use std::collections::{BTreeMap, BTreeSet};

use super::task::TaskUse;
use super::{Deploy, Project};
use crate::content::Assets;
use crate::error::{Diagnostic, Origin};
use crate::template::{STACKS, is_template, stack_of};
use crate::value::{Kind, Table, Value};

/// The parameter that names a stack.
const STACK: &str = "stack";

/// The stacks that a deploy may use.
#[derive(Debug, Default)]
struct Uses {
    /// Whether a name is known only when it is used: then it may be any stack.
    any: bool,
    /// With the place that names each.
    named: BTreeMap<String, Option<Origin>>,
}

/// Mistakes with those that matter to a deploy first, and the number of the others: those in files of stacks that it does not use.
pub(super) fn split(project: &Project, deploy: &Deploy, mistakes: Vec<Diagnostic>) -> (Vec<Diagnostic>, usize) {
    let uses = Uses::of(project, deploy);
    let all = mistakes.len();
    let matter: Vec<Diagnostic> = mistakes.into_iter().filter(|mistake| uses.matters(mistake)).collect();
    let others = all - matter.len();
    let placed = matter.into_iter().map(|mistake| uses.placed(mistake));
    (placed.collect(), others)
}

/// The stack whose file has a mistake.
fn stack_in(mistake: &Diagnostic) -> Option<&str> {
    stack_of(mistake.origin()?.file.path.strip_prefix("templates/")?)
}

impl Uses {
    fn of(project: &Project, deploy: &Deploy) -> Self {
        let mut uses = Self::default();
        let mut waiting: Vec<&TaskUse> = deploy.stages.iter().flat_map(|stage| &stage.tasks).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(task_use) = waiting.pop() {
            uses.add_table(project, &task_use.vars);
            let Some(task) = project.tasks.get(&task_use.task.name) else {
                // What a broken task has is not known.
                uses.any = true;
                continue;
            };
            waiting.extend(task.includes());
            if !seen.insert(&task.name) {
                continue;
            }
            uses.add_table(project, &task.vars);
            for operation in task.operations_and_handlers() {
                uses.add_table(project, &operation.arguments);
            }
        }
        uses.add_included(project);
        uses
    }

    fn add_table(&mut self, project: &Project, table: &Table) {
        for (key, entry) in table {
            match &entry.value.kind {
                Kind::String(text) if key == STACK && is_template(text) => self.any = true,
                Kind::String(text) if key == STACK => self.add(text, &entry.value),
                _ => self.add_value(project, &entry.value),
            }
        }
    }

    /// Text may be the path of a file, or make one.
    fn add_value(&mut self, project: &Project, value: &Value) {
        match &value.kind {
            Kind::String(text) if text.contains(STACKS) && is_template(text) => self.any = true,
            Kind::String(text) if text.contains(STACKS) => {
                for name in project.catalogue.keys().filter(|name| text.contains(name.as_str())) {
                    self.add(name, value);
                }
                // It may be the folder of all.
                self.any |= text.trim_matches('/') == STACKS;
            }
            Kind::List(items) => {
                for item in items {
                    self.add_value(project, item);
                }
            }
            Kind::Table(table) => self.add_table(project, table),
            _ => {}
        }
    }

    fn add(&mut self, name: &str, value: &Value) {
        let origin = || value.origin.clone();
        self.named.entry(name.to_owned()).or_insert_with(origin);
    }

    /// Templates of other folders may include files of stacks.
    fn add_included(&mut self, project: &Project) {
        let templates = project
            .assets
            .in_memory()
            .filter(|(path, _)| path.ends_with(Assets::TEMPLATE_SUFFIX));
        for (path, bytes) in templates {
            let text = String::from_utf8_lossy(bytes);
            let own = stack_of(path);
            if !text.contains(STACKS) {
                continue;
            }
            let named = project
                .catalogue
                .keys()
                .filter(|name| own != Some(name.as_str()) && text.contains(name.as_str()));
            for name in named {
                self.named.entry(name.clone()).or_default();
            }
        }
    }

    fn matters(&self, mistake: &Diagnostic) -> bool {
        stack_in(mistake).is_none_or(|stack| self.any || self.named.contains_key(stack))
    }

    /// The same, with the place that uses the file.
    fn placed(&self, mistake: Diagnostic) -> Diagnostic {
        let place = stack_in(&mistake).and_then(|stack| self.named.get(stack)?.clone());
        mistake.at_maybe(place.as_ref(), "used here")
    }
}
