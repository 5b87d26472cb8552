//! `[[handler]]`: operations that run after others that notify them and change something.

use super::allow::allowance;
use super::entry::{definition, settings};
use super::fields::{Fields, Named};
use super::operation::RawOperation;
use super::unread::Unread;
use crate::error::{Diagnostic, Origin};
use crate::template::is_template;
use crate::value::{Table, Value};

/// An operation that runs only if another one notifies it and changes something.
#[derive(Debug)]
pub struct Handler {
    pub name: Named,
    pub operation: RawOperation,
    pub flush: Flush,
}

/// When a handler runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// At the end of the deploy's entry that it belongs to.
    #[default]
    Task,
    /// At the end of the stage.
    Stage,
}

/// The handlers of a task; what their mistakes leave out is noted in `unread`.
pub(super) fn read(tables: Vec<(Table, Origin)>, unread: &mut Unread, mistakes: &mut Vec<Diagnostic>) -> Vec<Handler> {
    let mut handlers: Vec<Handler> = Vec::new();
    for (table, place) in tables {
        let written = table.get("name").and_then(|entry| entry.value.as_str());
        let written = written.filter(|name| !is_template(name)).map(str::to_owned);
        let Some(handler) = handler(table, &place, mistakes) else {
            match written {
                Some(name) => drop(unread.handlers.insert(name)),
                None => unread.has_unnamed_handlers = true,
            }
            continue;
        };
        if let Some(first) = handlers.iter().find(|one| one.name.name == handler.name.name) {
            mistakes.push(
                Diagnostic::new(format!("duplicate handler name `{}`", handler.name.name))
                    .at_maybe(handler.name.origin.as_ref(), "used again here")
                    .at_maybe(first.name.origin.as_ref(), "first used here")
                    .hint("give each a unique `name`"),
            );
            continue;
        }
        handlers.push(handler);
    }
    handlers
}

/// `None` if it cannot be read far enough; its mistakes are reported then.
fn handler(table: Table, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Option<Handler> {
    let mut fields = Fields::new(table, place, mistakes);
    let op = fields.entry("op");
    let flush = flush(&mut fields);
    if let Some(notify) = fields.entry("notify") {
        fields.mistake(
            Diagnostic::new("a handler cannot notify another one")
                .at_maybe(notify.key.as_ref(), "this is in a handler")
                .hint("name both handlers in the `notify` of the operation; they run in the order of the file"),
        );
    }
    let settings = settings(&mut fields);
    let guard = fields.truth("guard");
    let allow = allowance(&mut fields);
    let arguments = fields.rest();
    let name = name(settings.name.as_ref(), place, mistakes);
    let (definition, origin) = match definition(op.map(|entry| entry.value).as_ref(), place) {
        Ok(found) => found,
        Err(mistake) => {
            mistakes.push(mistake);
            return None;
        }
    };
    if definition.is_check() {
        mistakes.push(
            Diagnostic::new("a check cannot be a handler")
                .at(&origin, "changes nothing")
                .hint("write it as an `[[operation]]`: checks run again after every change before them"),
        );
        return None;
    }
    Some(Handler {
        name: name?,
        operation: RawOperation {
            definition,
            settings,
            arguments,
            notify: Vec::new(),
            guard,
            allow,
            origin,
        },
        flush,
    })
}

fn flush(fields: &mut Fields<'_>) -> Flush {
    let Some(when) = fields.text("flush") else {
        return Flush::default();
    };
    match when.name.as_str() {
        "task" => Flush::Task,
        "stage" => Flush::Stage,
        other => {
            let mistake = Diagnostic::new("`flush` must be \"task\" or \"stage\"");
            fields.mistake(
                mistake
                    .at_maybe(when.origin.as_ref(), format!("this is `{other}`"))
                    .hint("\"task\" runs it at the end of the task, \"stage\" at the end of the stage"),
            );
            Flush::default()
        }
    }
}

/// `notify` finds a handler by its name before anything is rendered.
fn name(name: Option<&Value>, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Option<Named> {
    let Some(name) = name else {
        mistakes.push(
            Diagnostic::new("missing `name` in a handler")
                .at(place, "nothing can notify it")
                .hint("add `name = \"…\"`"),
        );
        return None;
    };
    let text = name.as_str().unwrap_or_default();
    if is_template(text) {
        mistakes.push(
            Diagnostic::new("the name of a handler cannot be a template")
                .at_maybe(
                    name.origin.as_ref(),
                    "must be the same on every host and for every item",
                )
                .hint("write it without braces; items of `for_each` are distinguished anyway"),
        );
        return None;
    }
    Some(Named {
        name: text.to_owned(),
        origin: name.origin.clone(),
    })
}
