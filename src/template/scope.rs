//! The names that a template sees: a host's data, rendered only as far as it is used, `facts`, `item` and others.

mod file;
mod worlds;

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::ErrorKind;
use minijinja::value::{Enumerator, Object};

pub use file::{STACKS, stack_of};

use super::captured::{self, CapturedSource, NoCaptures};
use super::compiled::{Failure, Written};
use super::facts::{self, FactSource};
use super::filters::password::LAB_KEY;
use super::mistake::mistake;
use super::place::{narrow, slip_error, undefined_name};
use super::variables::{Variables, no_lab_key};
use super::watch::{Watch, hand};
use super::{bare_wanted, compiled, convert, is_template, lone_expression};
use crate::content::Undecrypted;
use crate::error::{Diagnostic, Origin, name_suggestion};
use crate::secret::LAB_KEY_VARIABLE;
use crate::value::{Entry, Kind, Table, Value, Why, Withheld};

/// What templates can see of a host and of the selection.
#[derive(Clone)]
pub struct TemplateData {
    /// The host's data.
    pub data: Arc<Table>,
    /// The facts in `facts`.
    pub facts: Arc<dyn FactSource>,
    /// What is in `hosts.NAME`, for hosts of this run.
    pub peers: Arc<BTreeMap<String, Peer>>,
    /// The values in `catalogue`, by stack.
    pub catalogue: Arc<Table>,
    /// The values in `captured`.
    pub captured: Arc<dyn CapturedSource>,
    /// The values of `env('NAME')`.
    pub variables: Arc<Variables>,
}

/// What templates see of another host.
#[derive(Clone)]
pub struct Peer {
    /// The facts in `facts`.
    pub facts: Arc<dyn FactSource>,
    /// The values in `captured`.
    pub captured: Arc<dyn CapturedSource>,
}

impl TemplateData {
    /// Only a host's data and facts.
    pub fn new(data: Table, facts: impl FactSource + 'static) -> Self {
        Self {
            data: Arc::new(data),
            facts: Arc::new(facts),
            peers: Arc::default(),
            catalogue: Arc::default(),
            captured: Arc::new(NoCaptures),
            variables: Arc::default(),
        }
    }
}

/// The names that templates of one operation see on one host.
#[derive(Clone)]
pub struct Bindings {
    inner: Arc<Inner>,
    local: Local,
}

/// Names besides the host's data.
#[derive(Clone, Default)]
struct Local {
    item: Option<Value>,
    vars: Arc<Table>,
    stack: Option<String>,
}

struct Inner {
    bindings: TemplateData,
    watch: Arc<Watch>,
}

/// Larger tables are not remembered when they are used.
const LARGE: usize = 16;

/// Optional keys of `[backup]` in a `stack.toml`, which is optional too.
const OPTIONAL_OF_BACKUP: &[&str] = &["service", "restore", "restart"];

/// What the paths of settings of stacks begin with.
const CATALOGUE: &str = "catalogue.";

/// The label of a name that the data of a host does not have.
const NO_DATA: &str = "this host has no data of this name";

impl Bindings {
    /// A scope with only `bindings`.
    pub fn new(bindings: TemplateData) -> Self {
        let inner = Inner {
            bindings,
            watch: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
            local: Local::default(),
        }
    }

    /// The same scope with `item`, an already rendered value.
    #[must_use]
    pub fn with_item(&self, item: Value) -> Self {
        let mut scope = self.clone();
        scope.local.item = Some(item);
        scope
    }

    /// The same scope with `vars`, already rendered values.
    #[must_use]
    pub fn with_vars(&self, vars: Arc<Table>) -> Self {
        let mut scope = self.clone();
        scope.local.vars = vars;
        scope
    }

    /// The same scope with `stack`, taken from the catalogue.
    #[must_use]
    pub(super) fn with_stack(&self, stack: Option<&str>) -> Self {
        let mut scope = self.clone();
        scope.local.stack = stack.map(str::to_owned);
        scope
    }

    /// The same scope with texts in place of all values that are not known yet. What came of them is covered
    /// ([`Cover::Later`](crate::secret::Cover)), as what came of a secret is. Nothing of it may reach a host.
    #[must_use]
    pub fn standing_in(&self) -> Self {
        let inner = Inner {
            bindings: self.inner.bindings.clone(),
            watch: Arc::new(Watch::standing_in()),
        };
        Self {
            inner: Arc::new(inner),
            local: self.local.clone(),
        }
    }

    /// Renders every template in `value`, including those in lists and tables.
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

    /// Evaluates a bare expression, as in `when` and `for_each`.
    ///
    /// Errors: as [`Bindings::render`]; braces in the expression are one, with the bare form as the hint.
    pub fn evaluate(&self, expression: &str, origin: Option<&Origin>) -> Result<Value, Diagnostic> {
        if let Some((bare, _)) = lone_expression(expression.trim()) {
            return Err(bare_wanted(bare, origin));
        }
        let compiled = compiled::expression(expression).map_err(|slip| slip_error(&slip, 0, expression, origin))?;
        self.evaluate_bare(&compiled, expression, 0, origin)
    }

    fn render_string(&self, text: &str, origin: Option<&Origin>) -> Result<Value, Diagnostic> {
        let written = compiled::written(text).map_err(|slip| slip_error(&slip, 0, text, origin))?;
        let reading = match written {
            Written::Lone {
                bare,
                offset,
                expression,
            } => return self.evaluate_bare(&expression, bare, offset, origin),
            Written::Text(reading) => reading,
        };
        self.begin();
        let rendered = compiled::render(&reading, self.context());
        let real = match self.finish(rendered, 0, text, origin)? {
            Ok(rendered) => Value::string(rendered).at(origin),
            Err(unknown) => return Ok(Value::new(unknown).at(origin)),
        };
        if self.inner.watch.seen().cover.is_none() {
            return Ok(real);
        }
        self.in_all_worlds(real, origin, || {
            let rendered = compiled::render(&reading, self.context());
            rendered.ok().map(Value::string)
        })
    }

    fn evaluate_bare(
        &self,
        compiled: &compiled::Expression,
        expression: &str,
        offset: usize,
        origin: Option<&Origin>,
    ) -> Result<Value, Diagnostic> {
        self.begin();
        let result = compiled.evaluate(self.context());
        let result = match self.finish(result, offset, expression, origin)? {
            Ok(result) => result,
            Err(unknown) => return Ok(Value::new(unknown).at(origin)),
        };
        // A value that is passed on whole keeps the place where it was written.
        let written = self.inner.watch.seen().last.take().filter(|_| is_path(expression));
        let converted = convert::from_template(&result, origin);
        // An unknown value that is passed on unchanged was not noted before.
        if let Some(why) = self.inner.watch.seen().unknown.take() {
            return Ok(Value::new(Kind::Unknown(why)).at(origin));
        }
        let mut value = converted.map_err(|what| self.undefined(&what, origin, offset, expression))?;
        if self.inner.watch.seen().cover.is_some() {
            value = self.in_all_worlds(value, origin, || {
                let result = compiled.evaluate(self.context()).ok()?;
                convert::from_template(&result, origin).ok()
            })?;
        }
        Ok(match written {
            Some(written) => convert::written_at(value, &written),
            None => value,
        })
    }

    fn begin(&self) {
        let mut seen = self.inner.watch.seen();
        seen.unknown = None;
        seen.handed = None;
        seen.mistake = None;
        seen.missed = None;
        seen.absent = None;
        seen.last = None;
        seen.cover = None;
    }

    /// The outcome of a template: its result, unknown, or a mistake.
    fn finish<T>(
        &self,
        result: Result<T, Failure>,
        offset: usize,
        source: &str,
        origin: Option<&Origin>,
    ) -> Result<Result<T, Kind>, Diagnostic> {
        let mut seen = self.inner.watch.seen();
        if let Some(mistake) = seen.mistake.take() {
            let known = origin.filter(|origin| mistake.labels.iter().all(|label| label.origin != **origin));
            return Err(mistake.at_maybe(known, "used here"));
        }
        if let Some(why) = seen.unknown.take() {
            return Ok(Err(Kind::Unknown(why)));
        }
        drop(seen);
        let Failure { error, place } = match result {
            Ok(result) => return Ok(Ok(result)),
            Err(failure) => failure,
        };
        // What a filter cannot take may be the value that is not known: it is planned again when it is.
        let is_refused = error.kind() == ErrorKind::InvalidOperation && std::error::Error::source(&error).is_none();
        if let Some(why) = self.inner.watch.seen().handed.take().filter(|_| is_refused) {
            return Ok(Err(Kind::Unknown(why)));
        }
        let place = place.unwrap_or(0..source.len());
        if error.kind() == ErrorKind::UndefinedError {
            let missed = self.inner.watch.seen().missed.as_ref().map(|(path, _)| path.clone());
            let place = undefined_name(source, place, missed.as_deref());
            let exact = origin.map(|origin| narrow(origin, source, offset, place));
            return Err(self.undefined_at(exact.as_ref()));
        }
        let exact = origin.map(|origin| narrow(origin, source, offset, place));
        Err(self.without_secrets(mistake(&error, exact.as_ref())))
    }

    fn undefined(&self, what: &str, origin: Option<&Origin>, offset: usize, source: &str) -> Diagnostic {
        if what.contains("undefined") {
            let begin = source.len() - source.trim_start().len();
            let exact = origin.map(|origin| narrow(origin, source, offset, begin..source.trim_end().len()));
            return self.undefined_at(exact.as_ref());
        }
        let hint = if what.contains("none") {
            format!("`{} is not none` tests whether it exists", source.trim())
        } else {
            "write an expression whose value is a string, number, list, table, true or false".to_owned()
        };
        Diagnostic::new("expression has no usable value")
            .at_maybe(origin, what)
            .hint(hint)
    }

    fn undefined_at(&self, origin: Option<&Origin>) -> Diagnostic {
        let missed = self.inner.watch.seen().missed.take();
        let Some((path, known)) = missed else {
            let absent = self.inner.watch.seen().absent.take();
            if let Some(mistake) = absent.and_then(|absent| absent_fact(&absent, origin)) {
                return mistake;
            }
            if let Some(mistake) = origin.and_then(|origin| self.no_table(origin)) {
                return mistake;
            }
            return Diagnostic::new("undefined value")
                .at_maybe(origin, "a name in this is undefined")
                .hint("check each name: `homelab inventory show HOST` lists the data of a host");
        };
        let path = self.as_written(path);
        let label = match path.as_str() {
            "item" => "no `for_each` here",
            _ if path.starts_with("captured.") => "no task captures it",
            "stack" => "only templates in the folder of a stack have `stack`",
            _ if path.starts_with("facts.") || path.contains(".facts.") => "no such fact",
            _ if path.starts_with("item.") => "this item has no such key",
            _ if path.starts_with("vars.") => "the task has no such variable",
            _ if path.starts_with("stack.") || path.starts_with("catalogue.") => "the stack has no such setting",
            _ => NO_DATA,
        };
        let mistake = Diagnostic::new(format!("`{path}` is undefined")).at_maybe(origin, label);
        let mistake = if label == NO_DATA {
            mistake.lacking(path.clone())
        } else {
            mistake
        };
        // Where the name is written with a variable in it, only its last part is the same.
        let written = origin.and_then(|origin| origin.file.text.get(origin.span.clone()));
        let name = match path.rsplit_once('.') {
            Some((_, last)) if written != Some(&path) => last,
            _ => &path,
        };
        if path == "item" {
            return mistake.hint("add `for_each = …`, or remove `item`");
        }
        mistake.hint(
            name_suggestion(name, known.iter().map(String::as_str)).unwrap_or_else(|| {
                format!("set `{path}` in `group_data/` or for the host, or test it with `{path} is defined`")
            }),
        )
    }

    /// The path of a setting of the own stack, as templates in its folder write it.
    fn as_written(&self, path: String) -> String {
        match self.local.stack.as_deref() {
            Some(stack) if stack_at(&path) == Some(stack) => {
                format!("stack{}", &path[CATALOGUE.len() + stack.len()..])
            }
            _ => path,
        }
    }

    /// The mistake of an attribute of a value that has none, if `origin` has one.
    fn no_table(&self, origin: &Origin) -> Option<Diagnostic> {
        let name = origin.file.text.get(origin.span.clone())?;
        let mut parts = name.split('.');
        let mut value = &self.inner.bindings.data.get(parts.next()?)?.value;
        let mut path = name.split('.').next()?.to_owned();
        for part in parts {
            let Kind::Table(table) = &value.kind else {
                return Some(
                    Diagnostic::new(format!("`{name}` is undefined"))
                        .at(origin, format!("`{path}` is {}, which has no `{part}`", value.shown()))
                        .at_maybe(value.origin.as_ref(), format!("`{path}` is set here"))
                        .hint(format!("write a table: `{path} = {{ {part} = … }}`")),
                );
            };
            value = &table.get(part)?.value;
            path = format!("{path}.{part}");
        }
        None
    }

    fn context(&self) -> minijinja::Value {
        let root = Root {
            scope: Arc::clone(&self.inner),
            local: self.local.clone(),
        };
        minijinja::Value::from_object(root)
    }
}

impl Inner {
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
            Kind::Table(table) => self.provide_table(path, table, Rendering::Lazy),
            Kind::Unknown(why) => self.watch.unknown(why.clone()),
            Kind::Secret(secret) => self.watch.secret(secret),
        }
    }

    /// Data that is itself a template: rendered once, when first used. A cycle of such data is an error.
    fn provide_rendered(self: &Arc<Self>, path: &str, value: &Value) -> minijinja::Value {
        let mut seen = self.watch.seen();
        if let Some(done) = seen.rendered.get(path).cloned() {
            drop(seen);
            hand(&done);
            return done;
        }
        if let Some(mistake) = &seen.mistake {
            // The template ends with it anyway: data that use each other twice would take for ever.
            return minijinja::Error::new(ErrorKind::InvalidOperation, mistake.title.clone()).into();
        }
        if let Some(done) = seen.rendered_secrets.get(path).cloned() {
            drop(seen);
            return self.provide_plain(path, &done);
        }
        if let Some(start) = seen.rendering.iter().position(|(open, _)| open == path) {
            let ring: Vec<_> = seen.rendering[start..].to_vec();
            drop(seen);
            return self.watch.fail(ring_error(&ring, path));
        }
        seen.rendering.push((path.to_owned(), value.origin.clone()));
        // The nested rendering uses the same record, so what was recorded so far is kept aside.
        let (unknown, missed, last) = (seen.unknown.take(), seen.missed.take(), seen.last.take());
        let handed = seen.handed.take();
        let (world, cover) = (std::mem::take(&mut seen.world), seen.cover);
        drop(seen);

        let scope = Bindings {
            inner: Arc::clone(self),
            local: Local::default(),
        };
        // In a `stack.toml`, `stack` is that stack, for every reader.
        let rendered = scope.with_stack(stack_at(path)).render(value);

        let mut seen = self.watch.seen();
        seen.rendering.pop();
        seen.unknown = unknown;
        seen.handed = handed.or(seen.handed.take());
        seen.missed = missed;
        seen.last = last;
        (seen.world, seen.cover) = (world, cover);
        drop(seen);
        let provided = match rendered {
            Ok(rendered) if rendered.holds_secret() => {
                let provided = self.provide_plain(path, &rendered);
                self.watch.seen().rendered_secrets.insert(path.to_owned(), rendered);
                return provided;
            }
            Ok(rendered) => self.provide_plain(path, &rendered),
            Err(mistake) => return self.watch.fail(mistake),
        };
        if !matches!(provided.kind(), minijinja::value::ValueKind::Plain) {
            self.watch.seen().rendered.insert(path.to_owned(), provided.clone());
        }
        provided
    }

    fn provide_table(self: &Arc<Self>, path: &str, table: &Table, manner: Rendering) -> minijinja::Value {
        minijinja::Value::from_object(LazyTable {
            scope: Arc::clone(self),
            path: path.to_owned(),
            table: table.clone(),
            manner,
        })
    }

    /// A rendered value, in which strings are not templates any more.
    fn provide_plain(self: &Arc<Self>, path: &str, value: &Value) -> minijinja::Value {
        match &value.kind {
            Kind::String(text) => text.as_str().into(),
            Kind::List(items) => items
                .iter()
                .map(|item| self.provide_plain(path, item))
                .collect::<Vec<_>>()
                .into(),
            Kind::Table(table) => self.provide_table(path, table, Rendering::Plain),
            _ => self.provide(path, value),
        }
    }

    /// Remembers a value that an expression may pass on unchanged.
    fn looked_at(&self, value: &Value) {
        // Large tables, such as all hosts, are not passed on whole.
        let is_large = value.as_table().is_some_and(|table| table.len() > LARGE);
        self.watch.seen().last = (!is_large).then(|| value.clone());
    }
}

/// The mistake of an attribute of a fact that is absent on its host, if `origin` has one.
fn absent_fact(absent: &(&str, String, String), origin: Option<&Origin>) -> Option<Diagnostic> {
    let (family, name, host) = absent;
    let used = origin.and_then(|origin| origin.file.text.get(origin.span.clone()))?;
    if !used.contains(family) || !used.contains("facts") {
        return None;
    }
    let why = match *family {
        "packages" => format!("package `{name}` is not installed on host `{host}`"),
        "users" => format!("host `{host}` has no user `{name}`"),
        "groups" => format!("host `{host}` has no group `{name}`"),
        _ => format!("`{name}` does not exist on host `{host}`"),
    };
    let fact = match used.find(name.as_str()) {
        Some(_) if crate::template::is_plain(name) => format!("facts.{family}.{name}"),
        _ => format!("facts.{family}['{name}']"),
    };
    Some(
        Diagnostic::new(format!("`{}` is undefined", used.trim()))
            .at_maybe(origin, why)
            .hint(format!("test it first: `{fact} is not none`")),
    )
}

/// The stack whose settings have the value at `path`.
fn stack_at(path: &str) -> Option<&str> {
    path.strip_prefix(CATALOGUE)?.split(['.', '[']).next()
}

/// Whether an expression is only the name of a value.
fn is_path(expression: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || "_.[]'\"".contains(character);
    expression.trim().chars().all(is_part)
}

fn ring_error(ring: &[(String, Option<Origin>)], path: &str) -> Diagnostic {
    let names: Vec<String> = ring.iter().map(|(name, _)| format!("`{name}`")).collect();
    let title = format!("data refers to itself: {} → `{path}`", names.join(" → "));
    ring.iter()
        .fold(Diagnostic::new(title), |mistake, (name, origin)| {
            mistake.at_maybe(origin.as_ref(), format!("`{name}` is set here"))
        })
        .hint("set one of them without using the others")
}

struct Root {
    scope: Arc<Inner>,
    local: Local,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("data")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        let bindings = &self.scope.bindings;
        match name {
            "item" => {
                if let Some(item) = &self.local.item {
                    self.scope.looked_at(item);
                    return Some(self.scope.provide_plain("item", item));
                }
            }
            "vars" => return Some(self.scope.provide_table("vars", &self.local.vars, Rendering::Plain)),
            "facts" => return Some(facts::node(&self.scope.watch, &bindings.facts)),
            "captured" => return Some(captured::node(&self.scope.watch, &bindings.captured)),
            "catalogue" => {
                return Some(
                    self.scope
                        .provide_table("catalogue", &bindings.catalogue, Rendering::Lazy),
                );
            }
            "stack" => {
                let stack = self.local.stack.as_ref();
                if let Some((name, entry)) = stack.and_then(|stack| bindings.catalogue.get_key_value(stack)) {
                    return Some(self.scope.provide(&format!("{CATALOGUE}{name}"), &entry.value));
                }
            }
            _ => {
                if let Some(entry) = bindings.data.get(name) {
                    self.scope.looked_at(&entry.value);
                    return Some(self.scope.provide(name, &entry.value));
                }
                if name == LAB_KEY {
                    return match bindings.variables.lab_key() {
                        Ok(None) if bindings.variables.withholds_lab_key() => {
                            let variable = Withheld::Variable(LAB_KEY_VARIABLE.to_owned());
                            Some(self.scope.watch.unknown(Why::Withheld(variable)))
                        }
                        Ok(None) => Some(self.scope.watch.fail(no_lab_key())),
                        Ok(Some(key)) => Some(self.scope.watch.secret(&key)),
                        Err(Undecrypted::NeedsKey) => Some(self.scope.watch.unknown(Why::Withheld(Withheld::Key))),
                        Err(Undecrypted::Mistake(mistake)) => Some(self.scope.watch.fail(*mistake)),
                    };
                }
                if name == "env" {
                    return Some(self.scope.env());
                }
            }
        }
        let known = bindings.data.keys().cloned();
        let bound = ["facts", "vars", "item"].iter().map(|name| (*name).to_owned());
        self.scope.watch.missed(name.to_owned(), known.chain(bound).collect());
        None
    }
}

/// How templates see the values of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rendering {
    /// Templates are rendered when they are read.
    Lazy,
    /// All templates in it are already rendered.
    Plain,
}

/// A table of the data whose values are rendered only when they are read.
struct LazyTable {
    scope: Arc<Inner>,
    path: String,
    table: Table,
    manner: Rendering,
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
        if let Some(entry) = self.table.get(name) {
            self.scope.looked_at(&entry.value);
            return Some(match self.manner {
                Rendering::Lazy => self.scope.provide(&path, &entry.value),
                Rendering::Plain => self.scope.provide_plain(&path, &entry.value),
            });
        }
        if let Some(bound) = self.bound_later(name) {
            return Some(bound);
        }
        self.scope.watch.missed(path, self.table.keys().cloned().collect());
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.keys().map(|key| key.as_str().into()).collect())
    }
}

impl LazyTable {
    /// Values without a place in a file: the facts of another host, and optional keys of a stack.
    fn bound_later(&self, name: &str) -> Option<minijinja::Value> {
        if let Some(host) = self.path.strip_prefix("hosts.")
            && self.table.contains_key("address")
            && ["facts", "captured"].contains(&name)
        {
            return Some(match self.scope.bindings.peers.get(host) {
                Some(peer) if name == "facts" => facts::node(&self.scope.watch, &peer.facts),
                Some(peer) => captured::node(&self.scope.watch, &peer.captured),
                None => self.scope.watch.fail(
                    Diagnostic::new(format!("host `{host}` is not part of this run"))
                        .hint("include it: only hosts of the same run are read"),
                ),
            });
        }
        let below = self.path.strip_prefix(CATALOGUE)?;
        let is_optional = match below.split_once('.') {
            None => name == "backup",
            Some((_, part)) => part == "backup" && OPTIONAL_OF_BACKUP.contains(&name),
        };
        is_optional.then(|| minijinja::Value::from(()))
    }
}

#[cfg(test)]
mod tests;
