//! The keys that every entry of a task or a deploy can have.

use super::fields::{Fields, Named};
use crate::error::{Diagnostic, Origin};
use crate::operations::{BECOME_KEYS, Definition, find, operation_as_key, operation_suggestion};
use crate::template::{inspect_expression, is_template};
use crate::value::{Kind, Table, Value};

/// The keys that every entry of a task or a deploy can have.
#[derive(Clone, Debug, Default)]
pub struct EntrySettings {
    pub name: Option<Value>,
    /// A bare expression or a boolean.
    pub when: Option<Value>,
    /// Whether `when` uses `item`, and so is evaluated for each item of `for_each`.
    pub is_asked_for_items: bool,
    /// A bare expression or a list.
    pub for_each: Option<Value>,
    pub tags: Vec<Named>,
}

/// Takes the keys that every entry can have.
pub(super) fn settings(fields: &mut Fields<'_>) -> EntrySettings {
    let name = fields.text("name");
    let when = fields.condition("when");
    EntrySettings {
        name: name.map(|name| Value::string(name.name).at(name.origin.as_ref())),
        is_asked_for_items: when.as_ref().is_some_and(looks_at_item),
        when,
        for_each: fields.listing("for_each"),
        tags: fields.names("tags"),
    }
}

fn looks_at_item(when: &Value) -> bool {
    let names = when
        .as_str()
        .and_then(|expression| inspect_expression(expression, None).ok());
    names.is_some_and(|names| {
        let mut used = names.used.iter();
        used.any(|name| name == "item" || name.starts_with("item."))
    })
}

/// Takes the keys of an entry that uses a task. `--only` selects by its name, so that is the same on every host.
pub(super) fn settings_of_use(fields: &mut Fields<'_>) -> EntrySettings {
    let mut settings = settings(fields);
    let is_wrong = |name: &&Value| name.as_str().is_some_and(is_template);
    if let Some(name) = settings.name.as_ref().filter(is_wrong) {
        fields.mistake(
            Diagnostic::new("the name of a task cannot be a template")
                .at_maybe(
                    name.origin.as_ref(),
                    "must be the same on every host and for every item",
                )
                .hint("write it without braces; items of `for_each` are distinguished anyway"),
        );
        settings.name = None;
    }
    settings
}

/// Takes `become` and `become_user`, the user that operations run as.
pub(super) fn become_keys(fields: &mut Fields<'_>) -> Table {
    let mut become_keys = Table::new();
    for key in BECOME_KEYS {
        let Some(entry) = fields.entry(key) else { continue };
        let expected = if *key == "become" {
            "`true` or `false`"
        } else {
            "a user's name"
        };
        let fits = match &entry.value.kind {
            Kind::Bool(_) => *key == "become",
            Kind::String(text) => *key != "become" || is_template(text),
            _ => false,
        };
        if fits {
            become_keys.insert((*key).to_owned(), entry);
        } else {
            fields.misfit::<()>(key, expected, &entry.value);
        }
    }
    become_keys
}

/// The mistake of an entry without `op`, with a hint if one of its `keys` is the name of an operation: `apt = { … }`.
pub(super) fn missing_op(keys: &Table, place: &Origin) -> Diagnostic {
    let named = keys.iter().find_map(|(key, entry)| {
        // `server.shell = { … }`
        let inner = entry.value.as_table().and_then(|table| table.first());
        let whole = inner.and_then(|(inner, _)| operation_as_key(&format!("{key}.{inner}")));
        Some((entry, whole.or_else(|| operation_as_key(key))?))
    });
    let mistake = Diagnostic::new("missing `op`");
    match named {
        Some((entry, hint)) => mistake
            .at(entry.key.as_ref().unwrap_or(place), "this is not a key of an operation")
            .hint(hint),
        None => mistake
            .at(place, "this entry has no operation")
            .hint("add `op = \"…\"`; `homelab operations` lists all operations"),
    }
}

/// The operation that `op` names, and the place of `op`.
pub(super) fn definition(op: Option<&Value>, place: &Origin) -> Result<(&'static Definition, Origin), Diagnostic> {
    let Some(op) = op else {
        return Err(missing_op(&Table::new(), place));
    };
    let origin = op.origin.as_ref().unwrap_or(place);
    let Some(name) = op.as_str() else {
        return Err(Diagnostic::new("`op` must be a string")
            .at(origin, format!("this is {}", op.shown()))
            .hint("`homelab operations` lists all operations"));
    };
    find(name)
        .map(|definition| (definition, origin.clone()))
        .ok_or_else(|| {
            Diagnostic::new(format!("unknown operation `{name}`"))
                .at(origin, "no operation has this name")
                .hint(operation_suggestion(name))
        })
}
