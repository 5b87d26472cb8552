//! Checks templates and expressions: whether they parse, and whether their names can exist.

use std::collections::BTreeSet;

use super::known::{Unknown, Vocabulary};
use super::parts::{data_tables, has_item, taken_vars, uses_of};
use super::shapes::{Place, Shapes};
use super::used::Used;
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, SourceFile, habits, name_suggestion, suggestion};
use crate::project::entry::EntrySettings;
use crate::project::task::{Task, TaskEntry};
use crate::project::{Project, RawOperation, Stack};
use crate::template::{
    Names, analyze_expression, analyze_file, analyze_string, inspect_expression, inspect_string, is_shell_script,
};
use crate::value::{Kind, Table, Value};

/// Finds mistakes; adds every name to `used`.
pub(super) fn check(project: &Project, is_complete: bool, used: &mut Used) -> Vec<Diagnostic> {
    let mut checker = Checker {
        known: Vocabulary::of(project),
        is_complete,
        vars: None,
        has_item: false,
        shapes: Shapes::of(project),
        task: None,
        settings: None,
        used,
        assets: &project.assets,
        mistakes: Vec::new(),
    };
    for table in data_tables(project) {
        checker.table(table);
    }
    for stack in project.catalogue.values() {
        checker.stack(stack);
    }
    for task_use in uses_of(project) {
        checker.has_item = task_use.settings.for_each.is_some();
        checker.settings = Some(&task_use.settings);
        checker.settings(&task_use.settings);
        checker.table(&task_use.vars);
        checker.table(&task_use.become_keys);
    }
    for task in project.tasks.values() {
        checker.task(task);
    }
    checker.mistakes
}

struct Checker<'a> {
    known: Vocabulary<'a>,
    is_complete: bool,
    /// The vars of the current task.
    vars: Option<Vec<&'a str>>,
    has_item: bool,
    shapes: Shapes<'a>,
    /// The current task, and the settings of the current entry.
    task: Option<&'a Task>,
    settings: Option<&'a EntrySettings>,
    used: &'a mut Used,
    assets: &'a Assets,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    fn task(&mut self, task: &'a Task) {
        self.has_item = false;
        self.vars = Some(Vec::new());
        self.table(&task.vars);
        self.vars = Some(taken_vars(task));
        self.task = Some(task);
        self.table(&task.become_keys);
        if let Some(when) = &task.when {
            self.expression(when);
        }
        for entry in &task.entries {
            self.has_item = has_item(entry);
            match entry {
                TaskEntry::Operation(operation) => self.operation(operation),
                TaskEntry::Include(include) => {
                    self.settings = Some(&include.settings);
                    self.settings(&include.settings);
                    self.table(&include.vars);
                    self.table(&include.become_keys);
                }
            }
        }
        for handler in &task.handlers {
            self.has_item = handler.operation.settings.for_each.is_some();
            self.operation(&handler.operation);
        }
        (self.vars, self.task, self.settings) = (None, None, None);
    }

    fn operation(&mut self, operation: &'a RawOperation) {
        self.settings = Some(&operation.settings);
        self.settings(&operation.settings);
        self.table(&operation.arguments);
        for (_, value) in operation.definition.shell_values(&operation.arguments) {
            self.shell(value);
        }
        for (value, word) in operation.definition.program_words(&operation.arguments) {
            if let Some(found) = value.as_str().and_then(|text| analyze_string(text, &self.place())) {
                self.mistakes.extend(found.in_program(&word, value.origin.as_ref()));
            }
        }
        for entry in operation.arguments.values() {
            self.script_text(&entry.value);
        }
        let given = |key: &&str| Some(&operation.arguments.get(*key)?.value);
        for value in operation.definition.script_files().iter().filter_map(given) {
            self.script_file(value);
        }
        for value in operation.definition.unit_text().iter().filter_map(given) {
            if let Some(found) = value.as_str().and_then(|text| analyze_string(text, &self.place())) {
                self.mistakes.extend(found.in_commands(value.origin.as_ref()));
            }
        }
    }

    /// The text of a file, if its first line names a shell.
    fn script_text(&mut self, value: &Value) {
        match &value.kind {
            Kind::String(text) if is_shell_script(text) => {
                let found = analyze_string(text, &self.place());
                let mistakes = found.map(|found| found.loose(value.origin.as_ref()));
                for mistake in mistakes.unwrap_or_default() {
                    if !self.mistakes.contains(&mistake) {
                        self.mistakes.push(mistake);
                    }
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.script_text(item)),
            Kind::Table(table) => table.values().for_each(|entry| self.script_text(&entry.value)),
            _ => {}
        }
    }

    /// A file that an operation runs as a script of a shell. It sees the variables of the task.
    fn script_file(&mut self, value: &Value) {
        let name = value.as_str().filter(|name| name.ends_with(Assets::TEMPLATE_SUFFIX));
        let Some((name, bytes)) = name.and_then(|name| Some((name, self.assets.get(name)?))) else {
            return;
        };
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if text.starts_with("#!") && !is_shell_script(text) {
            return;
        }
        self.used.scripts.insert(name.to_owned());
        let file = SourceFile::new(format!("templates/{name}"), text);
        for mistake in analyze_file(text, &self.place()).loose_in(&file, false) {
            if !self.mistakes.contains(&mistake) {
                self.mistakes.push(mistake);
            }
        }
    }

    fn stack(&mut self, stack: &Stack) {
        self.has_item = false;
        self.table(&stack.defaults);
        self.table(&stack.settings);
    }

    fn settings(&mut self, settings: &EntrySettings) {
        if let Some(name) = &settings.name {
            self.value(name);
        }
        if let Some(when) = &settings.when {
            self.expression(when);
        }
        let has_item = std::mem::replace(&mut self.has_item, false);
        match &settings.for_each {
            Some(list) if list.as_str().is_some() => self.expression(list),
            Some(list) => self.value(list),
            None => {}
        }
        self.has_item = has_item;
    }

    fn expression(&mut self, value: &Value) {
        let Some(text) = value.as_str() else { return };
        match inspect_expression(text, value.origin.as_ref()) {
            Ok(names) => {
                self.names(&names);
                if compares(text) {
                    let found = analyze_expression(text, &self.place());
                    self.mistakes.extend(found.comparisons(value.origin.as_ref()));
                }
            }
            Err(mistake) => self.mistakes.push(mistake),
        }
    }

    /// What templates see here.
    fn place(&self) -> Place<'_, 'a> {
        Place::new(&self.shapes, self.task, self.settings.filter(|_| self.has_item))
    }

    /// A parameter that a shell reads.
    fn shell(&mut self, value: &Value) {
        match &value.kind {
            Kind::String(text) => {
                if let Some(found) = analyze_string(text, &self.place()) {
                    self.mistakes.extend(found.loose(value.origin.as_ref()));
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.shell(item)),
            _ => {}
        }
    }

    fn table(&mut self, table: &Table) {
        for entry in table.values() {
            self.value(&entry.value);
        }
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            Kind::String(text) => match inspect_string(text, value.origin.as_ref()) {
                Ok(Some(names)) => {
                    self.names(&names);
                    if compares(text)
                        && let Some(found) = analyze_string(text, &self.place())
                    {
                        self.mistakes.extend(found.comparisons(value.origin.as_ref()));
                    }
                }
                Ok(None) => {}
                Err(mistake) => self.mistakes.push(mistake),
            },
            Kind::List(items) => items.iter().for_each(|item| self.value(item)),
            Kind::Table(table) => self.table(table),
            _ => {}
        }
    }

    fn names(&mut self, names: &Names) {
        self.used.add(names);
        let mut with_minus = BTreeSet::new();
        for name in &names.used {
            if names.is_optional(name) {
                let unknown = Vocabulary::unknown_fact(name);
                self.mistakes.extend(unknown.map(|unknown| undefined(names, &unknown)));
                continue;
            }
            let (first, rest) = name.split_once('.').unwrap_or((name, ""));
            if first == "item" {
                if !self.has_item {
                    let label = "no `for_each` here";
                    self.undefined(
                        names,
                        "item",
                        label,
                        Some("add `for_each = …`, or remove `item`".to_owned()),
                    );
                }
            } else if first == "vars" {
                self.var(names, name, rest);
            } else if self.is_complete
                && let Some(unknown) = self.known.unknown(name)
            {
                let written = names.with_minus(unknown.name);
                let hint = written.as_ref().and_then(|written| self.known.with_minus(written));
                match (written, hint) {
                    (Some(written), Some(hint)) if with_minus.insert(written.clone()) => {
                        self.mistakes.push(minus(names, &written, hint));
                    }
                    (_, Some(_)) => {}
                    _ => self.mistakes.push(undefined(names, &unknown)),
                }
            }
        }
    }

    fn var(&mut self, names: &Names, name: &str, rest: &str) {
        let var = rest.split('.').next().unwrap_or_default();
        match &self.vars {
            None => {
                let hint = "use `vars` only in tasks and in the templates that they render".to_owned();
                self.undefined(names, name, "no `vars` here", Some(hint));
            }
            Some(vars) if !var.is_empty() && !vars.contains(&var) => {
                let hint = suggestion(var, vars.iter().copied());
                let hint =
                    hint.unwrap_or_else(|| format!("add a default in `[vars]`, or \"vars.{var}\" to `required`"));
                let full = format!("vars.{var}");
                self.undefined(names, &full, "the task has no such variable", Some(hint));
            }
            Some(_) => {}
        }
    }

    fn undefined(&mut self, names: &Names, name: &str, label: &str, hint: Option<String>) {
        let place: Option<Origin> = names.place(name);
        self.mistakes.push(
            Diagnostic::new(format!("`{name}` is undefined"))
                .at_maybe(place.as_ref(), label)
                .hint_maybe(hint),
        );
    }
}

/// Whether a template may compare values.
pub(super) fn compares(text: &str) -> bool {
    ["==", "!=", "<", ">", "in", " is "]
        .iter()
        .any(|sign| text.contains(sign))
}

/// The mistake of a key with `-` that is used as a name.
fn minus(names: &Names, written: &str, hint: String) -> Diagnostic {
    Diagnostic::new(format!("`-` in `{written}` is a minus sign"))
        .at_maybe(names.place(written).as_ref(), "is read as a subtraction")
        .hint(hint)
}

/// The mistake of a name that exists on no host.
pub(super) fn undefined(names: &Names, unknown: &Unknown<'_, '_>) -> Diagnostic {
    let hint = habits::name(unknown.name)
        .or_else(|| name_suggestion(unknown.name, unknown.known.iter().copied()))
        .unwrap_or_else(|| unknown.otherwise.clone());
    Diagnostic::new(format!("`{}` is undefined", unknown.name))
        .at_maybe(names.place(unknown.name).as_ref(), unknown.label)
        .hint(hint)
}
