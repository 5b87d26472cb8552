//! Values of templates to values of the language.

use minijinja::value::ValueKind;

use crate::error::Origin;
use crate::value::{Entry, Kind, Table, Value};

/// What an expression gave, as a value written at `origin`.
///
/// Errors: words for what cannot be a value: something undefined, `none`, a function, bytes.
pub(super) fn from_template(value: &minijinja::Value, origin: Option<&Origin>) -> Result<Value, String> {
    let kind = match value.kind() {
        ValueKind::Bool => Kind::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String => Kind::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => Kind::List(
            items(value)?
                .iter()
                .map(|item| from_template(item, origin))
                .collect::<Result<_, _>>()?,
        ),
        ValueKind::Map => Kind::Table(table(value, origin)?),
        ValueKind::Undefined => return Err("the result is undefined".to_owned()),
        ValueKind::None => return Err("the result is `none`, which is no value here".to_owned()),
        other => return Err(format!("the result is {other}, which is no value here")),
    };
    Ok(Value {
        kind,
        origin: origin.cloned(),
    })
}

fn number(value: &minijinja::Value) -> Result<Kind, String> {
    if value.is_integer() {
        return value
            .as_i64()
            .map(Kind::Integer)
            .ok_or_else(|| "the result is an integer beyond 64 bits".to_owned());
    }
    f64::try_from(value.clone())
        .map(Kind::Float)
        .map_err(|error| error.to_string())
}

fn items(value: &minijinja::Value) -> Result<Vec<minijinja::Value>, String> {
    value
        .try_iter()
        .map(Iterator::collect)
        .map_err(|error| error.to_string())
}

fn table(value: &minijinja::Value, origin: Option<&Origin>) -> Result<Table, String> {
    let mut table = Table::new();
    for key in items(value)? {
        let name = key.as_str().ok_or("a table's key is not a string")?.to_owned();
        let item = value.get_item(&key).map_err(|error| error.to_string())?;
        let entry = Entry {
            key: origin.cloned(),
            value: from_template(&item, origin)?,
        };
        table.insert(name, entry);
    }
    Ok(table)
}
