//! Captures: entries with `capture` instead of `op`.

use super::allow::allowance;
use super::entry::{EntrySettings, definition};
use super::fields::Fields;
use super::operation::RawOperation;
use crate::error::{Diagnostic, Origin};
use crate::operations::{CAPTURE, MAKES_VALUES};
use crate::value::{Kind, Table, Value};

/// The keys of a capture.
pub(super) const CAPTURE_KEYS: &[&str] = &[
    "capture",
    "file",
    "select",
    "secret",
    "user",
    "group",
    "mode",
    "create",
    "when",
    "tags",
    "notify",
    "allow",
    "allow_reason",
];
/// Those that the operation reads.
const OWN_KEYS: &[&str] = &["capture", "file", "select", "secret", "user", "group", "mode", "create"];

/// A capture, unless it has mistakes.
pub(super) fn read(table: Table, place: &Origin, mistakes: &mut Vec<Diagnostic>) -> Option<RawOperation> {
    let before = mistakes.len();
    let written = table.get("capture").and_then(|entry| entry.value.origin.clone());
    let arguments: Table = OWN_KEYS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), table.get(*key)?.clone())))
        .collect();
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
    let has_file = fields.has("file");
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
        // What was meant is reported as an unknown key.
        None if has_file || fields.has_meant("file", CAPTURE_KEYS) => {}
        None => {
            let mistake = Diagnostic::new("missing `file` for `capture`");
            fields.mistake(
                mistake
                    .at(place, "no path for the captured value")
                    .hint("add `file = \"/…\"`"),
            );
        }
    }
    let settings = EntrySettings {
        when: fields.condition("when"),
        tags: fields.names("tags"),
        ..EntrySettings::default()
    };
    let notify = fields.names("notify");
    let allow = allowance(&mut fields);
    for key in ["user", "group", "mode"] {
        fields.text(key);
    }
    fields.truth("secret");
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
                mistakes.extend(maker(op, create.key.as_ref().unwrap_or(place)).err());
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
    (mistakes.len() == before).then(|| RawOperation {
        definition: &CAPTURE,
        settings,
        arguments,
        notify,
        guard: None,
        allow,
        origin: written.unwrap_or_else(|| place.clone()),
    })
}

/// Checks the operation that makes a value. Where it is another one, its parameters are no mistakes of their own.
fn maker(op: Option<&Value>, place: &Origin) -> Result<(), Diagnostic> {
    let words = MAKES_VALUES.map(|name| format!("`op = \"{name}\"`")).join(" or ");
    let (definition, origin) = definition(op, place).map_err(|mistake| mistake.hint(format!("use {words}")))?;
    if MAKES_VALUES.contains(&definition.name) {
        return Ok(());
    }
    Err(
        Diagnostic::new(format!("`{}` cannot make a captured value", definition.name))
            .at(&origin, "not possible in `create`")
            .hint(format!("use {words}")),
    )
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}
