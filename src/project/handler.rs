//! Handlers, `notify` and captures: read and checked completely. They are not supported yet, which is reported once
//! everything else about them is correct.

use super::entry::{definition, settings};
use super::fields::{Fields, Named};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::value::{Kind, Table};

/// The handlers of a task.
#[derive(Debug, Default)]
pub(super) struct Handlers {
    names: Vec<Named>,
    is_wrong: bool,
    place: Option<Origin>,
}

const CAPTURE_KEYS: &[&str] = &["capture", "file", "secret", "select", "create", "when"];

pub(super) fn read(tables: Vec<(Table, Origin)>, mistakes: &mut Vec<Diagnostic>) -> Handlers {
    let before = mistakes.len();
    let mut handlers = Handlers::default();
    for (table, place) in tables {
        handlers.place.get_or_insert_with(|| place.clone());
        let mut fields = Fields::new(table, &place, mistakes);
        let op = fields.entry("op");
        if let Some(when) = fields
            .text("flush")
            .filter(|when| !["task", "stage"].contains(&when.name.as_str()))
        {
            let mistake = Diagnostic::new("`flush` must be \"task\" or \"stage\"");
            fields.mistake(
                mistake
                    .at_maybe(when.origin.as_ref(), format!("this is `{}`", when.name))
                    .hint("\"task\" runs it at the end of the task, \"stage\" at the end of the stage"),
            );
        }
        let settings = settings(&mut fields);
        if let Err(mistake) = definition(op.map(|entry| entry.value).as_ref(), &place) {
            fields.mistake(mistake);
        }
        match settings.name {
            Some(name) => handlers.add(
                Named {
                    name: name.as_str().unwrap_or_default().to_owned(),
                    origin: name.origin,
                },
                mistakes,
            ),
            None => mistakes.push(
                Diagnostic::new("missing `name` in a handler")
                    .at(&place, "nothing can notify it")
                    .hint("add `name = \"…\"`"),
            ),
        }
    }
    handlers.is_wrong = mistakes.len() > before;
    handlers
}

impl Handlers {
    fn add(&mut self, name: Named, mistakes: &mut Vec<Diagnostic>) {
        if let Some(first) = self.names.iter().find(|one| one.name == name.name) {
            mistakes.push(
                Diagnostic::new(format!("duplicate handler name `{}`", name.name))
                    .at_maybe(name.origin.as_ref(), "used again here")
                    .at_maybe(first.origin.as_ref(), "first used here")
                    .hint("give each a unique `name`"),
            );
        }
        self.names.push(name);
    }

    /// Refuses a `notify` that names no handler of the task; handlers of another task need the prefix `task:`.
    pub(super) fn check_notify(&self, name: &Named, mistakes: &mut Vec<Diagnostic>) {
        if name.name.contains(':') {
            let title = "`notify` of a handler in another task is not supported yet";
            mistakes.push(
                Diagnostic::new(title)
                    .at_maybe(name.origin.as_ref(), "this would have no effect")
                    .hint("remove it"),
            );
        } else if !self.names.iter().any(|one| one.name == name.name) {
            let names = self.names.iter().map(|one| one.name.as_str());
            let hint =
                suggestion(&name.name, names).unwrap_or_else(|| "remove it: handlers are not supported yet".to_owned());
            mistakes.push(
                Diagnostic::new(format!("unknown handler `{}`", name.name))
                    .at_maybe(name.origin.as_ref(), "no handler of this task has this name")
                    .hint(hint),
            );
        }
    }

    /// Reports that handlers are not supported yet, if they have no other mistake.
    pub(super) fn refuse(self, mistakes: &mut Vec<Diagnostic>) {
        if let Some(place) = self.place.filter(|_| !self.is_wrong) {
            mistakes.push(
                Diagnostic::new("`handler` is not supported yet")
                    .at(&place, "this would have no effect")
                    .hint("remove it"),
            );
        }
    }
}

/// Checks a capture, and refuses it as not supported if it has no other mistake.
pub(super) fn read_capture(table: Table, place: &Origin, mistakes: &mut Vec<Diagnostic>) {
    let before = mistakes.len();
    let written = table.get("capture").and_then(|entry| entry.key.clone());
    let mut fields = Fields::new(table, place, mistakes);
    if let Some(name) = fields.text("capture").filter(|name| !is_name(&name.name)) {
        let mistake = Diagnostic::new(format!("`{}` is not a valid name for a captured value", name.name));
        fields.mistake(
            mistake
                .at_maybe(
                    name.origin.as_ref(),
                    "use letters, digits and `_`, not starting with a digit",
                )
                .hint("choose another name; templates use it as `captured.NAME`"),
        );
    }
    match fields.text("file") {
        Some(file) if !file.name.starts_with('/') && !file.name.starts_with("{{") => {
            let mistake = Diagnostic::new(format!("`{}` is not a valid path", file.name));
            fields.mistake(
                mistake
                    .at_maybe(file.origin.as_ref(), "must start with `/`")
                    .hint("write an absolute path of the host, such as \"/opt/token\""),
            );
        }
        Some(_) => {}
        None => {
            let mistake = Diagnostic::new("missing `file` for `capture`");
            fields.mistake(
                mistake
                    .at(place, "no path for the captured value")
                    .hint("add `file = \"/…\"`"),
            );
        }
    }
    fields.truth("secret");
    fields.condition("when");
    if let Some(pointer) = fields.text("select").filter(|pointer| !pointer.name.starts_with('/')) {
        let mistake = Diagnostic::new("`select` must be a JSON pointer");
        fields.mistake(
            mistake
                .at_maybe(pointer.origin.as_ref(), "must start with `/`")
                .hint("write a pointer such as \"/token\""),
        );
    }
    let create = fields.entry("create");
    fields.end("a `capture`", CAPTURE_KEYS);
    if let Some(create) = create {
        match create.value.kind {
            Kind::Table(table) => {
                let op = table.get("op").map(|entry| &entry.value);
                mistakes.extend(definition(op, create.key.as_ref().unwrap_or(place)).err());
            }
            _ => mistakes.push(
                Diagnostic::new("`create` must be a table")
                    .at_maybe(
                        create.value.origin.as_ref(),
                        format!("this is {}", create.value.shown()),
                    )
                    .hint("write `[operation.create]` with the operation that creates the value below"),
            ),
        }
    }
    if mistakes.len() == before {
        mistakes.push(
            Diagnostic::new("`capture` is not supported yet")
                .at_maybe(written.as_ref(), "this would have no effect")
                .hint("remove it"),
        );
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}
