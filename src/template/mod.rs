//! Strings that are templates over a host's data, and bare expressions, on minijinja.
//!
//! Everything is strict: what is undefined is an error, also inside a list that an expression made. Whatever touches a
//! value that is not known yet is itself not known: the whole result, since a template may branch on it.

mod convert;
mod scope;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

pub use scope::{Facts, Scope};

/// The minijinja environment that every template of a run shares.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Escaping by file name would quote every value of a `.yaml` or `.json` template.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// Whether `text` holds anything that a template acts on.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The expression of a string that is one lone `{{ expression }}`.
fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("}}") || !inner.contains("{{")).then_some(inner)
}
