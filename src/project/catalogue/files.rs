//! What a `stack.toml` says of the files of its stack.

use std::cell::RefCell;

use super::super::fields::{Fields, Named};
use crate::error::{Diagnostic, Origin};
use crate::operations::{CERTIFICATE, pattern_mistake, signal_mistake};
use crate::value::{Entry, Kind, Table};

/// Keys of `[files."…"]` and `[directories."…"]`.
const OWN_KEYS: &[&str] = &["user", "group", "mode"];
/// Keys of `[files."…"]`.
const FILE_KEYS: &[&str] = &["user", "group", "mode", "src"];
/// Keys of `[on_change."…"]`.
const CHANGE_KEYS: &[&str] = &["service", "reload", "signal", "action", "validate"];
/// Those of which there is exactly one.
const REACTIONS: [&str; 3] = ["reload", "signal", "action"];
const ACTIONS: [&str; 3] = ["restart", "recreate", "none"];

/// A file of a stack that is not in its folder.
#[derive(Clone, Debug)]
pub(super) struct Borrowed {
    /// Below the folder of the stack.
    pub(super) path: String,
    /// What it is: a certificate of the project.
    pub(super) src: Named,
}

/// Reports what is wrong in these tables, and returns the files that are certificates.
pub(super) fn read(fields: &mut Fields<'_>) -> Vec<Borrowed> {
    let borrowed: RefCell<Vec<Borrowed>> = RefCell::default();
    each(fields, "files", |of, name| {
        borrowed.borrow_mut().extend(source(of, name));
        check_own(of);
        ("files of a stack", FILE_KEYS)
    });
    each(fields, "directories", |of, name| {
        check_directory(of, name);
        check_own(of);
        of_end(of)
    });
    each(fields, "on_change", |of, _| {
        check_change(of);
        ("`on_change`", CHANGE_KEYS)
    });
    borrowed.into_inner()
}

/// The `src` of a file.
fn source(of: &mut Fields<'_>, name: &str) -> Option<Borrowed> {
    let src = of.text("src")?;
    let origin = src.origin.clone().unwrap_or_else(|| of.place().clone());
    if !src.name.starts_with(CERTIFICATE) {
        let mistake = Diagnostic::new("`src` of a file of a stack must be a certificate");
        let mistake = mistake.at(&origin, "not `pki:…`");
        of.mistake(mistake.hint("write `pki:ca` or `pki:NAME.crt`; put other files into the folder of the stack"));
        return None;
    }
    if !is_path(name) {
        let mistake = Diagnostic::new("a file with `src` has a path and no pattern").at(&origin, "is one file");
        of.mistake(mistake.hint("write a table for each file, such as `[files.\"conf/client-ca.crt\"]`"));
        return None;
    }
    Some(Borrowed {
        path: name.to_owned(),
        src,
    })
}

/// Whether it is a path below a folder, and no pattern.
fn is_path(name: &str) -> bool {
    !name.contains(['*', '?', '[', '{']) && !name.split('/').any(|part| ["", ".", ".."].contains(&part))
}

fn of_end(_: &Fields<'_>) -> (&'static str, &'static [&'static str]) {
    ("files of a stack", OWN_KEYS)
}

/// Each table in the table `key`, whose names are patterns. `check` says what the table is, and which keys it has.
fn each(
    fields: &mut Fields<'_>,
    key: &str,
    check: impl Fn(&mut Fields<'_>, &str) -> (&'static str, &'static [&'static str]),
) {
    let tables: Table = fields.table(key);
    let mut mistakes = Vec::new();
    for (name, Entry { key: place, value }) in tables {
        let place: Origin = place.or(value.origin.clone()).unwrap_or_else(|| fields.place().clone());
        if let Some(why) = pattern_mistake(&name) {
            let title = format!("`{}` is not a valid pattern", name.escape_debug());
            mistakes.push(Diagnostic::new(title).at(&place, why).hint(
                "write a path below the folder of the stack; `*` matches any text without `/`, `**` any directories, `{a,b}` one of these texts",
            ));
        }
        let Kind::Table(table) = value.kind else {
            let title = format!("`{name}` in `{key}` must be a table");
            mistakes.push(Diagnostic::new(title).at(&place, format!("write `[{key}.\"{name}\"]`")));
            continue;
        };
        let mut of = Fields::new(table, &place, &mut mistakes);
        let (what, known) = check(&mut of, &name);
        of.end(what, known);
    }
    fields.mistakes(mistakes);
}

fn check_own(of: &mut Fields<'_>) {
    for key in ["user", "group"] {
        let Some(entry) = of.entry(key) else { continue };
        match &entry.value.kind {
            Kind::String(name) if is_owner(name) => {}
            Kind::Integer(number) if *number >= 0 => {}
            _ => {
                of.misfit::<()>(key, "a name or a number", &entry.value);
            }
        }
    }
    let Some(entry) = of.entry("mode") else { return };
    match &entry.value.kind {
        Kind::String(mode) if (3..=5).contains(&mode.len()) && u32::from_str_radix(mode, 8).is_ok_and(is_mode) => {}
        _ => {
            of.misfit::<()>(
                "mode",
                "a mode as a string of octal digits, such as \"0644\"",
                &entry.value,
            );
        }
    }
}

fn is_mode(mode: u32) -> bool {
    mode <= 0o7777
}

fn is_owner(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain)
}

/// A directory is one path, and no pattern.
fn check_directory(of: &mut Fields<'_>, name: &str) {
    let is_above = name.split('/').any(|part| part == "..");
    if name.contains(['*', '?', '[', '{']) || is_above {
        let title = format!("`{}` is not a valid name for a directory", name.escape_debug());
        let place = of.place().clone();
        let mistake = Diagnostic::new(title).at(&place, "must be a path below the folder of the stack");
        of.mistake(mistake.hint("write a table for each directory, such as `[directories.\"export\"]`"));
    }
}

/// A command of the container, as a list of words.
fn check_command(of: &mut Fields<'_>, key: &str) {
    let is_given = of.has(key);
    if let Some(place) = of.empty_list(key) {
        let mistake = Diagnostic::new(format!("`{key}` is empty")).at(&place, "nothing to run");
        of.mistake(mistake.hint(format!(
            "write a command of the container, such as `[\"caddy\", \"{key}\"]`"
        )));
    }
    if is_given {
        of.names(key);
    }
}

fn check_change(of: &mut Fields<'_>) {
    let given: Vec<&str> = REACTIONS.into_iter().filter(|key| of.has(key)).collect();
    let place = of.place().clone();
    match given[..] {
        [_] => {}
        [] => {
            let mistake = Diagnostic::new("missing `reload`, `signal` or `action` in `on_change`");
            let mistake = mistake.at(&place, "does not say what happens");
            of.mistake(mistake.hint("add `action = \"restart\"`, `signal = \"HUP\"` or `reload = [\"…\"]`"));
        }
        [first, second, ..] => {
            let mistake = Diagnostic::new(format!("`{first}` and `{second}` cannot be used together"));
            of.mistake(
                mistake
                    .at(&place, "one change does one thing")
                    .hint("remove one of the two"),
            );
        }
    }
    if let Some(entry) = of.entry("service") {
        let is_text = |item: &crate::value::Value| matches!(item.kind, Kind::String(_));
        let fits = match &entry.value.kind {
            Kind::String(_) => true,
            Kind::List(items) => !items.is_empty() && items.iter().all(is_text),
            _ => false,
        };
        if !fits {
            of.misfit::<()>("service", "the name of a service, or a list of names", &entry.value);
        }
    }
    for key in ["reload", "validate"] {
        check_command(of, key);
    }
    if let Some(signal) = of.text("signal") {
        let is_plain = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit();
        if signal.name.is_empty() || !signal.name.chars().all(is_plain) {
            let mistake = Diagnostic::new(format!("`{}` is not a signal", signal.name.escape_debug()));
            let mistake = mistake.at_maybe(signal.origin.as_ref(), "use the name of a signal");
            of.mistake(mistake.hint("write `signal = \"HUP\"`"));
        } else if let Some(hint) = signal_mistake(&signal.name) {
            let mistake = Diagnostic::new(format!("`{}` is not a signal", signal.name));
            of.mistake(mistake.at_maybe(signal.origin.as_ref(), "unknown signal").hint(hint));
        }
    }
    if let Some(action) = of
        .text("action")
        .filter(|action| !ACTIONS.contains(&action.name.as_str()))
    {
        let mistake = Diagnostic::new(format!("`{}` is not an action", action.name.escape_debug()));
        let mistake = mistake.at_maybe(action.origin.as_ref(), "unknown action");
        of.mistake(mistake.hint("use \"restart\", \"recreate\" or \"none\""));
    }
}
