//! What a template can see: a host's data, rendered only as far as it is used, and `facts` and `item`.

mod file;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Environment, ErrorKind};

use super::{convert, environment, is_template, lone_expression};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::value::{Entry, Kind, Table, Value};

/// The facts that `facts.…` reads.
#[derive(Clone, Debug)]
pub enum Facts {
    /// They were read from the host.
    Known(minijinja::Value),
    /// They were not, for this reason.
    Unknown(String),
}

/// What the templates of one operation on one host see.
#[derive(Clone)]
pub struct Scope {
    inner: Arc<Inner>,
    item: Option<Value>,
}

struct Inner {
    environment: Environment<'static>,
    data: Table,
    facts: Facts,
    seen: Mutex<Seen>,
}

/// What happened while a template ran that its result does not tell.
#[derive(Default)]
struct Seen {
    rendered: HashMap<String, minijinja::Value>,
    rendering: Vec<(String, Option<Origin>)>,
    unknown: Option<String>,
    mistake: Option<Diagnostic>,
    missed: Option<(String, Vec<String>)>,
}

impl Scope {
    /// A scope over `data` and `facts`.
    pub fn new(data: Table, facts: Facts) -> Self {
        let inner = Inner {
            environment: environment(),
            data,
            facts,
            seen: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            item: None,
        }
    }

    /// The same scope with `item` bound.
    #[must_use]
    pub fn with_item(&self, item: Value) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            item: Some(item),
        }
    }

    /// Renders every template in `value`, lists and tables included.
    ///
    /// Errors: a template that does not parse, that uses something undefined, or that fails, at its position.
    pub fn render(&self, value: &Value) -> Result<Value, Diagnostic> {
        let kind = match &value.kind {
            Kind::String(text) if is_template(text) => return self.render_string(text, value.origin.as_ref()),
            Kind::List(items) => Kind::List(items.iter().map(|item| self.render(item)).collect::<Result<_, _>>()?),
            Kind::Table(table) => Kind::Table(self.render_table(table)?),
            other => other.clone(),
        };
        Ok(Value {
            kind,
            origin: value.origin.clone(),
        })
    }

    /// Renders every value of `table`.
    pub fn render_table(&self, table: &Table) -> Result<Table, Diagnostic> {
        table
            .iter()
            .map(|(key, entry)| {
                let entry = Entry {
                    key: entry.key.clone(),
                    value: self.render(&entry.value)?,
                };
                Ok((key.clone(), entry))
            })
            .collect()
    }

    /// Evaluates a bare expression, as `when` and `for_each` hold one.
    ///
    /// Errors: as [`Scope::render`]; braces in the expression are one, with the bare form as the hint.
    pub fn evaluate(&self, expression: &str, origin: Option<&Origin>) -> Result<Value, Diagnostic> {
        if let Some(bare) = lone_expression(expression) {
            return Err(Diagnostic::new("an expression is written bare here")
                .at_maybe(origin, "without braces")
                .hint(format!("write `{}`", bare.trim())));
        }
        self.evaluate_bare(expression, 0, origin)
    }

    fn render_string(&self, text: &str, origin: Option<&Origin>) -> Result<Value, Diagnostic> {
        if let Some(bare) = lone_expression(text)
            && self.inner.environment.compile_expression(bare).is_ok()
        {
            let offset = text.find(bare).unwrap_or_default();
            return self.evaluate_bare(bare, offset, origin);
        }
        self.begin();
        let rendered = self.inner.environment.render_str(text, self.context());
        self.finish(rendered, 0, text, origin)
            .map(|kind| kind.map_or_else(|unknown| unknown, Kind::String))
            .map(|kind| Value::new(kind).at(origin))
    }

    fn evaluate_bare(&self, expression: &str, offset: usize, origin: Option<&Origin>) -> Result<Value, Diagnostic> {
        self.begin();
        let result = self
            .inner
            .environment
            .compile_expression(expression)
            .and_then(|compiled| compiled.eval(self.context()));
        let result = match self.finish(result, offset, expression, origin)? {
            Ok(result) => result,
            Err(unknown) => return Ok(Value::new(unknown).at(origin)),
        };
        // A value that is taken over whole is blamed where it was written, not where it is used.
        let written = self.written_at(expression.trim());
        convert::from_template(&result, written.as_ref().or(origin))
            .map_err(|what| self.undefined(&what, origin, offset, expression))
    }

    fn begin(&self) {
        let mut seen = self.inner.seen();
        seen.unknown = None;
        seen.mistake = None;
        seen.missed = None;
    }

    /// Sorts a template's end: its result, that it is not known, or the mistake.
    fn finish<T>(
        &self,
        result: Result<T, minijinja::Error>,
        offset: usize,
        source: &str,
        origin: Option<&Origin>,
    ) -> Result<Result<T, Kind>, Diagnostic> {
        let mut seen = self.inner.seen();
        if let Some(mistake) = seen.mistake.take() {
            return Err(mistake.at_maybe(origin, "used here"));
        }
        if let Some(why) = seen.unknown.take() {
            return Ok(Err(Kind::Unknown(why)));
        }
        drop(seen);
        match result {
            Ok(result) => Ok(Ok(result)),
            Err(error) if error.kind() == ErrorKind::UndefinedError => {
                let place = error.range().map_or(0..source.len(), |range| range);
                let exact = origin.map(|origin| narrow(origin, source, offset, place));
                Err(self.undefined_at(exact.as_ref()))
            }
            Err(error) => Err(template_error(&error, offset, source, origin)),
        }
    }

    fn undefined(&self, what: &str, origin: Option<&Origin>, offset: usize, source: &str) -> Diagnostic {
        if what.contains("undefined") {
            let begin = source.len() - source.trim_start().len();
            let exact = origin.map(|origin| narrow(origin, source, offset, begin..source.trim_end().len()));
            return self.undefined_at(exact.as_ref());
        }
        Diagnostic::new("an expression without a usable value").at_maybe(origin, what)
    }

    fn undefined_at(&self, origin: Option<&Origin>) -> Diagnostic {
        let missed = self.inner.seen().missed.take();
        let Some((path, known)) = missed else {
            return Diagnostic::new("undefined value").at_maybe(origin, "something in this is undefined");
        };
        let last = path.rsplit('.').next().unwrap_or(&path).to_owned();
        Diagnostic::new(format!("`{path}` is undefined"))
            .at_maybe(origin, "no data of this host has that name")
            .hint_maybe(suggestion(&last, known.iter().map(String::as_str)))
    }

    fn written_at(&self, expression: &str) -> Option<Origin> {
        let mut table = &self.inner.data;
        let mut found = None;
        for name in expression.split('.') {
            let entry = table.get(name)?;
            found.clone_from(&entry.value.origin);
            if let Kind::Table(inner) = &entry.value.kind {
                table = inner;
            }
        }
        found
    }

    fn context(&self) -> minijinja::Value {
        let root = Root {
            scope: Arc::clone(&self.inner),
            item: self.item.clone(),
        };
        minijinja::Value::from_object(root)
    }
}

impl Inner {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `value`, found at `path` of the data, as templates see it.
    fn provide(self: &Arc<Self>, path: &str, value: &Value) -> minijinja::Value {
        match &value.kind {
            Kind::Bool(truth) => (*truth).into(),
            Kind::Integer(number) => (*number).into(),
            Kind::Float(number) => (*number).into(),
            Kind::String(text) if is_template(text) => self.provide_rendered(path, value),
            Kind::String(text) => text.as_str().into(),
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.provide(&format!("{path}[{index}]"), item))
                .collect::<Vec<_>>()
                .into(),
            Kind::Table(table) => minijinja::Value::from_object(LazyTable {
                scope: Arc::clone(self),
                path: path.to_owned(),
                table: table.clone(),
            }),
            Kind::Unknown(why) => self.unknown(why),
            Kind::Secret(_) => {
                let mistake = Diagnostic::new("secrets in templates are not in this version");
                self.fail(mistake.at_maybe(value.origin.as_ref(), ""))
            }
        }
    }

    /// Data that is itself a template: rendered when first used, once; a ring of such data is an error.
    fn provide_rendered(self: &Arc<Self>, path: &str, value: &Value) -> minijinja::Value {
        let mut seen = self.seen();
        if let Some(done) = seen.rendered.get(path) {
            return done.clone();
        }
        if let Some(start) = seen.rendering.iter().position(|(open, _)| open == path) {
            let ring: Vec<_> = seen.rendering[start..].to_vec();
            drop(seen);
            return self.fail(ring_error(&ring, path));
        }
        seen.rendering.push((path.to_owned(), value.origin.clone()));
        // The nested rendering uses the same record; what it found so far is kept aside.
        let (unknown, missed) = (seen.unknown.take(), seen.missed.take());
        drop(seen);

        let scope = Scope {
            inner: Arc::clone(self),
            item: None,
        };
        let rendered = scope.render(value);

        let mut seen = self.seen();
        seen.rendering.pop();
        seen.unknown = unknown;
        seen.missed = missed;
        drop(seen);
        let provided = match rendered {
            Ok(rendered) => self.provide_plain(&rendered),
            Err(mistake) => return self.fail(mistake),
        };
        if !matches!(provided.kind(), minijinja::value::ValueKind::Plain) {
            self.seen().rendered.insert(path.to_owned(), provided.clone());
        }
        provided
    }

    /// A rendered value: strings in it are not templates any more.
    fn provide_plain(self: &Arc<Self>, value: &Value) -> minijinja::Value {
        match &value.kind {
            Kind::String(text) => text.as_str().into(),
            Kind::List(items) => items
                .iter()
                .map(|item| self.provide_plain(item))
                .collect::<Vec<_>>()
                .into(),
            Kind::Table(table) => minijinja::Value::from_pairs(
                table
                    .iter()
                    .map(|(key, entry)| (key.clone(), self.provide_plain(&entry.value))),
            ),
            _ => self.provide("", value),
        }
    }

    fn unknown(self: &Arc<Self>, why: &str) -> minijinja::Value {
        minijinja::Value::from_object(Unknown {
            scope: Arc::clone(self),
            why: why.to_owned(),
        })
    }

    fn fail(&self, mistake: Diagnostic) -> minijinja::Value {
        let text = mistake.title.clone();
        let mut seen = self.seen();
        if seen.mistake.is_none() {
            seen.mistake = Some(mistake);
        }
        minijinja::Error::new(ErrorKind::InvalidOperation, text).into()
    }

    fn missed(&self, path: String, known: Vec<String>) {
        self.seen().missed = Some((path, known));
    }
}

fn ring_error(ring: &[(String, Option<Origin>)], path: &str) -> Diagnostic {
    let names: Vec<String> = ring.iter().map(|(name, _)| format!("`{name}`")).collect();
    let title = format!("data that refers to itself: {} → `{path}`", names.join(" → "));
    ring.iter().fold(Diagnostic::new(title), |mistake, (name, origin)| {
        mistake.at_maybe(origin.as_ref(), format!("`{name}` is written here"))
    })
}

fn template_error(error: &minijinja::Error, offset: usize, source: &str, origin: Option<&Origin>) -> Diagnostic {
    let place = error.range().unwrap_or(0..source.len());
    let exact = origin.map(|origin| narrow(origin, source, offset, place));
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    Diagnostic::new("a template that does not work").at_maybe(exact.as_ref(), what)
}

/// The part `place` of a template within the string literal at `origin`, where the literal has no escapes.
fn narrow(origin: &Origin, source: &str, offset: usize, place: std::ops::Range<usize>) -> Origin {
    let literal = origin.file.text.get(origin.span.clone()).unwrap_or_default();
    let Some(start) = literal.find(source).filter(|start| *start <= 3 + offset) else {
        return origin.clone();
    };
    let begin = origin.span.start + start + place.start.min(source.len());
    let end = origin.span.start + start + place.end.min(source.len());
    Origin::new(&origin.file, begin..end.max(begin + 1))
}

struct Root {
    scope: Arc<Inner>,
    item: Option<Value>,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("data")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        match name {
            "item" => {
                if let Some(item) = &self.item {
                    return Some(self.scope.provide("item", item));
                }
            }
            "facts" => {
                return Some(match &self.scope.facts {
                    Facts::Known(facts) => facts.clone(),
                    Facts::Unknown(why) => self.scope.unknown(why),
                });
            }
            _ => {
                if let Some(entry) = self.scope.data.get(name) {
                    return Some(self.scope.provide(name, &entry.value));
                }
            }
        }
        self.scope
            .missed(name.to_owned(), self.scope.data.keys().cloned().collect());
        None
    }
}

/// A table of the data whose values are rendered when they are read, not before.
struct LazyTable {
    scope: Arc<Inner>,
    path: String,
    table: Table,
}

impl std::fmt::Debug for LazyTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "table `{}`", self.path)
    }
}

impl Object for LazyTable {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        let path = format!("{}.{name}", self.path);
        let Some(entry) = self.table.get(name) else {
            self.scope.missed(path, self.table.keys().cloned().collect());
            return None;
        };
        Some(self.scope.provide(&path, &entry.value))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.keys().map(|key| key.as_str().into()).collect())
    }
}

/// Something not known yet: every look at it is noted, and whatever looked is not known either.
struct Unknown {
    scope: Arc<Inner>,
    why: String,
}

impl Unknown {
    fn note(&self) {
        self.scope.seen().unknown.get_or_insert_with(|| self.why.clone());
    }
}

impl std::fmt::Debug for Unknown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note();
        formatter.write_str("(known after apply)")
    }
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.note();
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &minijinja::Value) -> Option<minijinja::Value> {
        self.note();
        Some(self.scope.unknown(&self.why))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.note();
        false
    }

    fn render(self: &Arc<Self>, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note();
        formatter.write_str("(known after apply)")
    }
}

#[cfg(test)]
mod tests;
