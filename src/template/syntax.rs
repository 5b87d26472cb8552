//! The syntax of templates and expressions: what is written is read to its end, or refused at its place.

use std::ops::Range;

use minijinja::machinery;

use super::compare::Reading;
use super::mistake::{open_block, syntax_mistake};
use super::slip::{Form, Slip};
use super::tokens::{config, place_of, words};
use super::tree::{self, Tree};

/// Reads `source`, ready to be compiled.
///
/// Errors: the first mistake, also in a branch that is not taken.
pub(super) fn read(source: &str, form: Form) -> Result<Reading, Slip> {
    let words = words(source, form)?;
    let tree = parse(source, form)?;
    tree::check(source, &tree)?;
    Ok(Reading::of(source, &words, form))
}

/// The tree of a source whose mistakes were found before, and the places of its comparisons.
pub(super) fn tree_of(source: &str, form: Form) -> Option<(Tree<'_>, Vec<Range<usize>>)> {
    let words = words(source, form).ok()?;
    let tree = parse(source, form).ok()?;
    Some((tree, Reading::of(source, &words, form).places()))
}

fn parse(source: &str, form: Form) -> Result<Tree<'_>, Slip> {
    let parsed = match form {
        Form::Expression => machinery::parse_expr(source).map(Tree::Expression),
        Form::Text => machinery::parse(source, "<string>", config()).map(Tree::Text),
    };
    parsed.map_err(|error| {
        let place = open_block(source, &error).unwrap_or_else(|| place_of(&error, source));
        syntax_mistake(source, form, place, error.detail().unwrap_or("cannot be read"))
    })
}

#[cfg(test)]
mod tests;
