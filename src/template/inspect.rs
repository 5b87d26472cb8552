//! Checks templates and expressions without a host: whether they parse, and which names they use.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::Environment;

use super::analysis::optional;
use super::compiled::Written;
use super::place::{narrow, slip_error};
use super::slip::Form;
use super::syntax;
use super::{bare_wanted, compiled, environment, is_template, lone_expression};
use crate::error::{Diagnostic, Origin, SourceFile};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// The names that a template uses, with their dots: `docker`, `docker.source`.
#[derive(Clone, Debug, Default)]
pub struct Names {
    source: String,
    offset: usize,
    origin: Option<Origin>,
    /// Whether the source is a whole file.
    is_file: bool,
    /// The names that may be undefined.
    optional: BTreeSet<String>,
    /// The names, without those that the template itself binds.
    pub used: BTreeSet<String>,
}

impl Names {
    /// Whether the template handles that `name` may be undefined, with `default` or `is defined`.
    pub fn is_optional(&self, name: &str) -> bool {
        let is_part = |part: &str, whole: &str| {
            whole
                .strip_prefix(part)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.optional.iter().any(|one| is_part(one, name) || is_part(name, one))
    }

    /// The word around `name` with `-` in it, which templates read as a subtraction.
    pub fn with_minus(&self, name: &str) -> Option<String> {
        let is_part = |one: char| one.is_alphanumeric() || "_.-".contains(one);
        let words = self.source.split(|one: char| !is_part(one));
        let is_it = |word: &&str| word.contains('-') && word.split('-').any(|part| part == name);
        let mut found = words.filter(is_it).map(|word| word.trim_matches(['-', '.']));
        found.find(|word| word.contains('-')).map(str::to_owned)
    }

    /// What it uses of the data of hosts that it looks up: `mac` in `hosts[name].data.mac`.
    pub fn of_any_host(&self) -> impl Iterator<Item = String> {
        let is_part = |one: char| one.is_alphanumeric() || "_.".contains(one);
        self.source.split(".data.").skip(1).filter_map(move |rest| {
            let name = rest.split(|one: char| !is_part(one)).next()?.trim_matches('.');
            (!name.is_empty()).then(|| name.to_owned())
        })
    }

    /// Every word in it, whatever it means there.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let is_part = |one: char| one.is_alphanumeric() || one == '_';
        self.source
            .split(move |one| !is_part(one))
            .filter(|word| !word.is_empty())
    }

    /// Where `name` is used.
    pub fn place(&self, name: &str) -> Option<Origin> {
        let origin = self.origin.as_ref()?;
        let at = self.source.match_indices(name).find(|(at, _)| {
            let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == '.';
            let before = self.source[..*at].chars().next_back();
            let after = self.source[at + name.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
        });
        Some(match at {
            Some((at, _)) if self.is_file => Origin::new(&origin.file, at..at + name.len()),
            Some((at, _)) => narrow(origin, &self.source, self.offset, at..at + name.len()),
            None => origin.clone(),
        })
    }
}

impl Names {
    /// The same, with the names that may be undefined.
    fn of(mut self, form: Form) -> Self {
        let is_possible = ["default", "defined", "|d", "| d"]
            .iter()
            .any(|word| self.source.contains(word));
        if is_possible {
            self.optional = optional(&self.source, form);
        }
        self
    }
}

/// Inspects a string of the project; `None` if it is not a template.
///
/// Errors: it does not parse.
pub fn inspect_string(text: &str, origin: Option<&Origin>) -> Result<Option<Names>, Diagnostic> {
    if !is_template(text) {
        return Ok(None);
    }
    match compiled::written(text).map_err(|slip| slip_error(&slip, 0, text, origin))? {
        Written::Lone {
            bare,
            offset,
            expression,
        } => Ok(Some(
            names(bare, offset, origin, expression.names()).of(Form::Expression),
        )),
        Written::Text(_) => {
            let template = ENVIRONMENT.template_from_str(text);
            let used = template.map(|template| template.undeclared_variables(true));
            Ok(Some(names(text, 0, origin, used.unwrap_or_default()).of(Form::Text)))
        }
    }
}

/// Inspects a bare expression.
///
/// Errors: it does not parse, or is written in braces.
pub fn inspect_expression(text: &str, origin: Option<&Origin>) -> Result<Names, Diagnostic> {
    if let Some((bare, _)) = lone_expression(text.trim()) {
        return Err(bare_wanted(bare, origin));
    }
    let expression = compiled::expression(text).map_err(|slip| slip_error(&slip, 0, text, origin))?;
    Ok(names(text, 0, origin, expression.names()).of(Form::Expression))
}

/// Inspects a whole file, named by its path in the project.
///
/// Errors: it does not parse.
pub fn inspect_file(path: &str, text: &str) -> Result<Names, Diagnostic> {
    let file = SourceFile::new(path, text);
    syntax::read(text, Form::Text).map_err(|slip| slip.shown(Some(&Origin::new(&file, slip.place.clone()))))?;
    let template = ENVIRONMENT.template_from_named_str(path, text);
    let used = template.map(|template| template.undeclared_variables(true));
    let whole = Origin::new(&file, 0..text.len());
    Ok(Names {
        is_file: true,
        ..names(text, 0, Some(&whole), used.unwrap_or_default()).of(Form::Text)
    })
}

fn names(source: &str, offset: usize, origin: Option<&Origin>, used: impl IntoIterator<Item = String>) -> Names {
    Names {
        source: source.to_owned(),
        offset,
        origin: origin.cloned(),
        is_file: false,
        optional: BTreeSet::new(),
        used: used.into_iter().collect(),
    }
}
