//! Templates and expressions, read and compiled once for all hosts. They are independent of hosts.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use minijinja::{Environment, Error, ErrorKind, Value};

use super::compare::Reading;
use super::limits::{LARGEST_TEXT, rendered};
use super::slip::{Form, Slip};
use super::syntax;
use super::{environment, lone_expression};

/// The prefix of the name of a template whose name is its text, so that no `include` can refer to it.
const OWN_TEXT: char = '\0';

/// A template's text is its name, so that each is cached under it.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    environment.set_loader(|name| Ok(name.strip_prefix(OWN_TEXT).map(str::to_owned)));
    environment
});

type Kept<T> = LazyLock<Mutex<HashMap<String, Result<Arc<T>, Slip>>>>;

static EXPRESSIONS: Kept<Expression> = LazyLock::new(Mutex::default);
static TEXTS: Kept<Reading> = LazyLock::new(Mutex::default);

/// An expression, ready to be evaluated.
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    reading: Reading,
}

/// Why a template or an expression has no result.
pub(super) struct Failure {
    pub(super) error: Error,
    /// The place in the source.
    pub(super) place: Option<Range<usize>>,
}

/// A string of the project that is a template.
pub(super) enum Written<'a> {
    /// A lone `{{ expression }}`.
    Lone {
        bare: &'a str,
        offset: usize,
        expression: Arc<Expression>,
    },
    Text(Arc<Reading>),
}

/// Reads a string with templates in it.
///
/// Errors: it does not parse.
pub(super) fn written(text: &str) -> Result<Written<'_>, Slip> {
    if let Some((bare, offset)) = lone_expression(text)
        && let Ok(expression) = expression(bare)
    {
        return Ok(Written::Lone {
            bare,
            offset,
            expression,
        });
    }
    kept(&TEXTS, text, |text| syntax::read(text, Form::Text)).map(Written::Text)
}

/// Renders text that was read.
pub(super) fn render(reading: &Reading, context: Value) -> Result<String, Failure> {
    TEMPLATES
        .get_template(&format!("{OWN_TEXT}{}", reading.code))
        .and_then(|template| rendered(&template, context))
        .map_err(|error| failure(error, reading))
}

/// Reads a bare expression.
///
/// Errors: it does not parse.
pub(super) fn expression(text: &str) -> Result<Arc<Expression>, Slip> {
    kept(&EXPRESSIONS, text, |text| {
        let reading = syntax::read(text, Form::Expression)?;
        match TEMPLATES.compile_expression_owned(reading.code.clone()) {
            Ok(compiled) => Ok(Expression { compiled, reading }),
            Err(error) => {
                let place = reading.place(&error).unwrap_or(0..text.len());
                Err(super::mistake::syntax_mistake(
                    text,
                    Form::Expression,
                    place,
                    error.detail().unwrap_or_default(),
                ))
            }
        }
    })
}

impl Expression {
    /// The names that it uses, with their dots.
    pub(super) fn names(&self) -> impl IntoIterator<Item = String> {
        self.compiled.undeclared_variables(true)
    }

    pub(super) fn evaluate(&self, context: Value) -> Result<Value, Failure> {
        let value = self.compiled.eval(context).and_then(|value| match value.as_str() {
            Some(text) if text.len() > LARGEST_TEXT => Err(ErrorKind::WriteFailure.into()),
            _ => Ok(value),
        });
        value.map_err(|error| failure(error, &self.reading))
    }
}

fn failure(error: Error, reading: &Reading) -> Failure {
    Failure {
        place: reading.place(&error),
        error,
    }
}

fn kept<T>(all: &Kept<T>, text: &str, read: impl FnOnce(&str) -> Result<T, Slip>) -> Result<Arc<T>, Slip> {
    if let Some(known) = all.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
        return known.clone();
    }
    let read = read(text).map(Arc::new);
    let mut kept = all.lock().unwrap_or_else(PoisonError::into_inner);
    kept.insert(text.to_owned(), read.clone());
    read
}
