//! Strings that are templates over a host's data, and bare expressions, on minijinja.
//!
//! Everything is strict: an undefined name is an error, also inside a list that an expression returns. If a template
//! uses a value that is not known yet, its whole result is unknown, because it may branch on it.

mod analysis;
mod captured;
mod compare;
mod compiled;
mod convert;
mod facts;
mod filters;
mod input;
mod inspect;
mod limits;
mod mistake;
mod place;
mod readers;
mod scope;
mod script;
mod slip;
mod sorts;
mod syntax;
mod tokens;
mod tree;
mod variables;
mod watch;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

pub use analysis::without_comments;
pub use analysis::{Analysis, Shape, Sort, World, analyze_expression, analyze_file, analyze_string};
pub use captured::{Captured, CapturedSource, NoCaptures};
pub use facts::{Attribute, FactSource, NamedFact, NoValue};
pub(crate) use filters::password::LAB_KEY;
pub use filters::password::lab_password_for as lab_password;
pub use filters::yaml::{readable as readable_yaml, text as yaml_text};
pub use inspect::{Names, inspect_expression, inspect_file, inspect_string};
pub use mistake::FUNCTIONS;
pub use scope::{Bindings, Peer, STACKS, TemplateData, stack_of};
pub use script::{ScriptWord, is_shell_script, script_words};
pub use variables::{Unset, Variables};

use crate::error::{Diagnostic, Origin};

/// Names that homelab itself defines for templates.
pub const RESERVED: &[&str] = &[
    "host",
    "hosts",
    "groups",
    "inventory",
    "facts",
    "item",
    "vars",
    "captured",
    "catalogue",
    "stack",
    "pki",
];

/// The mistake of data with a name that homelab itself defines.
pub(crate) fn reserved(name: &str) -> Diagnostic {
    Diagnostic::new(format!("`{name}` is a reserved name"))
        .hint(format!("choose another name; reserved: {}", RESERVED.join(", ")))
}

/// Words of the language of templates: in their place it reads no data.
pub const WORDS: &[&str] = &[
    "true", "True", "false", "False", "none", "None", "and", "or", "not", "is", "in", "if", "else",
];

/// The mistake of data with a name that templates do not read as data.
pub(crate) fn unreadable_name(name: &str) -> Diagnostic {
    let what = if WORDS.contains(&name) { "a word" } else { "a function" };
    Diagnostic::new(format!("`{name}` cannot be the name of data"))
        .because(format!("it is {what} of templates"))
        .hint("choose another name")
}

/// The minijinja environment that every template of a run shares.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(limits::MOST_STEPS));
    // Escaping by file name would quote every value of a `.yaml` or `.json` template.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(tokens::config());
    compare::add_to(&mut environment);
    filters::add_to(&mut environment);
    environment.set_formatter(|out, state, value| {
        if holds_undefined(value) {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        escape_formatter(out, state, value)
    });
    environment
}

/// minijinja's strict mode allows undefined values inside a list or a table.
fn holds_undefined(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined => true,
        ValueKind::Seq => value
            .try_iter()
            .is_ok_and(|mut items| items.any(|item| holds_undefined(&item))),
        ValueKind::Map => value
            .try_iter()
            .is_ok_and(|mut keys| keys.any(|key| value.get_item(&key).is_ok_and(|item| holds_undefined(&item)))),
        _ => false,
    }
}

/// Whether a name can stand behind a dot.
fn is_plain(name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    name.chars().all(is_part) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether `text` contains template syntax.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The mistake of braces around an expression that must be bare.
fn bare_wanted(bare: &str, origin: Option<&Origin>) -> Diagnostic {
    Diagnostic::new("unexpected braces around an expression")
        .at_maybe(origin, "write expressions without braces here")
        .hint(format!("write `{}`", bare.trim()))
}

/// The expression in a string that is a lone `{{ expression }}`, and where it begins. With a line break next to it, the
/// string is text. The signs of `{{- … -}}` are no part of it.
fn lone_expression(text: &str) -> Option<(&str, usize)> {
    let inner = text.trim_matches([' ', '\t']).strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    let start = text.find("{{")? + 2;
    let offset = start + usize::from(text[start..].starts_with(['-', '+']));
    (!inner.contains("}}") || !inner.contains("{{")).then_some((inner, offset))
}
