//! An operation as written, bound to a host: conditions evaluated, items listed, templates rendered, parameters read.

use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::OperationId;
use crate::operations::Operation;
use crate::project::RawOperation;
use crate::template::Scope;
use crate::value::{Entry, Kind, Table, Value};

/// An operation bound to a host.
pub(super) struct BoundOperation {
    pub(super) id: OperationId,
    pub(super) arguments: Table,
    pub(super) bound: Bound,
    /// What its templates see, the item included.
    pub(super) scope: Scope,
}

/// What binding came to.
pub(super) enum Bound {
    /// It is ready to be planned.
    Ready(Box<dyn Operation>),
    /// Something that decides it, or a parameter, is not known yet.
    Unknown(String),
}

/// All that `raw` is on one host: none where `when` says no, several where `for_each` lists items.
pub(super) fn bind(
    raw: &RawOperation,
    scope: &Scope,
    task: &str,
    host: &str,
) -> Result<Vec<BoundOperation>, Diagnostic> {
    let place = Place { raw, task, host };
    let Some(list) = &raw.for_each else {
        return match condition(raw, scope)? {
            Answer::No => Ok(Vec::new()),
            Answer::Unknown(why) => Ok(vec![place.unknown(why, None, scope)]),
            Answer::Yes => Ok(vec![place.bind_one(scope, None)?]),
        };
    };
    let items = match items(list, scope)? {
        Ok(items) => items,
        Err(why) => return Ok(vec![place.unknown(why, None, scope)]),
    };
    let mut bound = Vec::new();
    for item in items {
        let key = item_key(&item, list)?;
        let scope = scope.with_item(item);
        match condition(raw, &scope)? {
            Answer::No => {}
            Answer::Unknown(why) => bound.push(place.unknown(why, Some(&key), &scope)),
            Answer::Yes => bound.push(place.bind_one(&scope, Some(&key))?),
        }
    }
    Ok(bound)
}

enum Answer {
    Yes,
    No,
    Unknown(String),
}

fn condition(raw: &RawOperation, scope: &Scope) -> Result<Answer, Diagnostic> {
    let Some(when) = &raw.when else {
        return Ok(Answer::Yes);
    };
    let value = match &when.kind {
        Kind::String(expression) => scope.evaluate(expression, when.origin.as_ref())?,
        _ => when.clone(),
    };
    match value.kind {
        Kind::Bool(true) => Ok(Answer::Yes),
        Kind::Bool(false) => Ok(Answer::No),
        Kind::Unknown(why) => Ok(Answer::Unknown(why)),
        _ => Err(Diagnostic::new("`when` must come to true or false")
            .at_maybe(when.origin.as_ref(), format!("this comes to {}", value.describe()))),
    }
}

fn items(list: &Value, scope: &Scope) -> Result<Result<Vec<Value>, String>, Diagnostic> {
    let value = match &list.kind {
        Kind::String(expression) => scope.evaluate(expression, list.origin.as_ref())?,
        _ => scope.render(list)?,
    };
    match value.kind {
        Kind::List(items) => Ok(Ok(items)),
        Kind::Unknown(why) => Ok(Err(why)),
        _ => Err(Diagnostic::new("`for_each` must come to a list")
            .at_maybe(list.origin.as_ref(), format!("this comes to {}", value.describe()))),
    }
}

/// The key of an item is its `name`, else the item itself if it is a string.
fn item_key(item: &Value, list: &Value) -> Result<String, Diagnostic> {
    let named = match &item.kind {
        Kind::Table(table) => table.get("name").and_then(|entry| entry.value.as_str()),
        _ => item.as_str(),
    };
    named.map(str::to_owned).ok_or_else(|| {
        Diagnostic::new("an item of `for_each` has no key")
            .at_maybe(
                item.origin.as_ref().or(list.origin.as_ref()),
                format!("this is {}", item.describe()),
            )
            .hint("an item is a string, or a table with a `name`")
    })
}

struct Place<'a> {
    raw: &'a RawOperation,
    task: &'a str,
    host: &'a str,
}

impl Place<'_> {
    fn bind_one(&self, scope: &Scope, item: Option<&str>) -> Result<BoundOperation, Diagnostic> {
        let arguments = scope.render_table(&self.raw.arguments)?;
        let name = self.raw.name.as_ref().map(|name| scope.render(name)).transpose()?;
        let id = self.id(name.as_ref(), &arguments, item);
        let value = Value::new(Kind::Table(arguments.clone())).at(Some(&self.raw.origin));
        let bound = match self.raw.definition.parse(&value) {
            Ok(operation) => Bound::Ready(operation),
            Err(error) => {
                if let Some(why) = &error.unknown {
                    Bound::Unknown(why.clone())
                } else {
                    let title = format!("invalid parameters of `{}`", self.raw.definition.name);
                    return Err(error.into_diagnostic(title, Some(&self.raw.origin)));
                }
            }
        };
        Ok(BoundOperation {
            id,
            arguments,
            bound,
            scope: scope.clone(),
        })
    }

    fn unknown(&self, why: String, item: Option<&str>, scope: &Scope) -> BoundOperation {
        BoundOperation {
            id: self.id(self.raw.name.as_ref(), &self.raw.arguments, item),
            arguments: Table::new(),
            bound: Bound::Unknown(why),
            scope: scope.clone(),
        }
    }

    /// The id does not depend on positions: inserting an operation must not rename the others.
    fn id(&self, name: Option<&Value>, arguments: &Table, item: Option<&str>) -> OperationId {
        let slug = match name.and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => default_slug(self.raw, arguments.get(self.raw.definition.main_argument)),
        };
        let item = item.map(|item| format!("[{item}]")).unwrap_or_default();
        OperationId(format!("{} / {} / {slug}{item}", self.host, self.task))
    }
}

fn default_slug(raw: &RawOperation, main: Option<&Entry>) -> String {
    let main = match main.map(|entry| &entry.value.kind) {
        Some(Kind::String(text)) => text.clone(),
        Some(Kind::Integer(number)) => number.to_string(),
        Some(Kind::List(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    format!("{} {main}", raw.definition.name).trim_end().to_owned()
}

/// Two operations of one id, as a mistake.
pub(super) fn twice(id: &OperationId, origin: &Origin, first: &Origin) -> Diagnostic {
    Diagnostic::new(format!("two operations are called `{}`", id.slug()))
        .at(origin, "the second one")
        .at(first, "the first one")
        .hint("give one of them a `name`, or each item a `name` of its own")
}
