//! Strings that are templates over a host's data, and bare expressions, on minijinja.
//!
//! Everything is strict: an undefined name is an error, also inside a list that an expression returns. If a template
//! uses a value that is not known yet, its whole result is unknown, because it may branch on it.

mod compiled;
mod convert;
mod facts;
mod inspect;
mod mistake;
mod place;
mod scope;
mod watch;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

pub use facts::{Attribute, FactSource, NamedFact};
pub use inspect::{Names, inspect_expression, inspect_file, inspect_string};
pub use mistake::FUNCTIONS;
pub use scope::{Bindings, STACKS, TemplateData, stack_of};

use crate::error::{Diagnostic, Origin};

/// The minijinja environment that every template of a run shares.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Escaping by file name would quote every value of a `.yaml` or `.json` template.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A file keeps its last line break. Blocks keep the white space around them, and `{%- -%}` removes it. So no line
    // is joined to the next by an `{% endif %}` at its end.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
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

/// The expression in a string that is a lone `{{ expression }}`. With a line break next to it, the string is text.
fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.trim_matches([' ', '\t']).strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("}}") || !inner.contains("{{")).then_some(inner)
}
