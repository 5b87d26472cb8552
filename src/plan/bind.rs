//! An operation as written, bound to a host: templates rendered, parameters read.

use super::expand::Instance;
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::OperationId;
use crate::operations::{ACTING_KEYS, Operation};
use crate::project::RawOperation;
use crate::template::Bindings;
use crate::value::{Entry, Kind, Table, Value};

/// An operation bound to a host.
pub(super) struct BoundOperation {
    pub(super) id: OperationId,
    pub(super) arguments: Table,
    pub(super) bound: Bound,
    /// What its templates see, the item included.
    pub(super) scope: Bindings,
}

/// What binding came to.
pub(super) enum Bound {
    /// It is ready to be planned.
    Ready(Box<dyn Operation>),
    /// Something that decides it, or a parameter, is not known yet.
    Unknown(String),
}

/// `raw` in one of the cases in which it is wanted, below `path`; `acting` is as whom, where it does not say so itself.
pub(super) fn bind(
    raw: &RawOperation,
    instance: Instance,
    path: &str,
    acting: &Table,
) -> Result<BoundOperation, Diagnostic> {
    let item = instance.item.as_deref();
    if let Some(why) = instance.unknown {
        return Ok(BoundOperation {
            id: id(raw, path, raw.settings.name.as_ref(), &raw.arguments, item),
            arguments: Table::new(),
            bound: Bound::Unknown(why),
            scope: instance.scope,
        });
    }
    let scope = instance.scope;
    let mut arguments = scope.render_table(&raw.arguments)?;
    let says_itself = ACTING_KEYS.iter().any(|key| arguments.contains_key(*key));
    if raw.definition.can_act_as_others() && !says_itself {
        arguments.extend(acting.clone());
    }
    let name = raw.settings.name.as_ref().map(|name| scope.render(name)).transpose()?;
    let id = id(raw, path, name.as_ref(), &arguments, item);
    let value = Value::new(Kind::Table(arguments.clone())).at(Some(&raw.origin));
    let bound = match raw.definition.parse(&value) {
        Ok(operation) => Bound::Ready(operation),
        Err(error) => match &error.unknown {
            Some(why) => Bound::Unknown(why.clone()),
            None => return Err(raw.definition.misfit(error, &arguments, &raw.origin)),
        },
    };
    Ok(BoundOperation {
        id,
        arguments,
        bound,
        scope,
    })
}

/// The id does not depend on positions: inserting an operation must not rename the others.
fn id(raw: &RawOperation, path: &str, name: Option<&Value>, arguments: &Table, item: Option<&str>) -> OperationId {
    if let Some(name) = name.and_then(Value::as_str) {
        return OperationId(format!("{path} / {name}{}", bracketed(item)));
    }
    let main = main_text(arguments.get(raw.definition.main_argument));
    // An item that is the main argument itself need not be told twice.
    let item = item.filter(|item| *item != main);
    let slug = format!("{} {main}", raw.definition.name);
    OperationId(format!("{path} / {}{}", slug.trim_end(), bracketed(item)))
}

/// The key of an item as it stands behind a name.
pub(super) fn bracketed(item: Option<&str>) -> String {
    item.map(|item| format!("[{item}]")).unwrap_or_default()
}

fn main_text(main: Option<&Entry>) -> String {
    match main.map(|entry| &entry.value.kind) {
        Some(Kind::String(text)) => text.clone(),
        Some(Kind::Integer(number)) => number.to_string(),
        Some(Kind::List(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// Two operations of one id, as a mistake.
pub(super) fn twice(id: &OperationId, origin: &Origin, first: &Origin) -> Diagnostic {
    Diagnostic::new(format!("two operations are called `{}`", id.slug()))
        .at(origin, "the second one")
        .at(first, "the first one")
        .hint("give one of them a `name`, or each item a `name` of its own")
}
