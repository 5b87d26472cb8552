//! Converts values of minijinja to values of the language.

use minijinja::value::ValueKind;

use crate::error::Origin;
use crate::value::{Entry, Kind, Table, Value};

/// Converts the result of an expression to a value written at `origin`.
///
/// Errors: the description of something that is not a value: undefined, `none`, a function, bytes.
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
        ValueKind::None => return Err("the result is `none`, which cannot be used here".to_owned()),
        other => return Err(format!("the result is {other}, which cannot be used here")),
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

/// The value of `written` if it was passed on unchanged, with the places of all its parts.
pub(super) fn written_at(value: Value, written: &Value) -> Value {
    let kind = match (value.kind, &written.kind) {
        (Kind::List(items), Kind::List(places)) if items.len() == places.len() => {
            let placed = items.into_iter().zip(places);
            Kind::List(placed.map(|(item, place)| written_at(item, place)).collect())
        }
        (Kind::Table(table), Kind::Table(places)) => Kind::Table(
            table
                .into_iter()
                .map(|(key, entry)| match places.get(&key) {
                    Some(place) => {
                        let entry = Entry {
                            key: place.key.clone(),
                            value: written_at(entry.value, &place.value),
                        };
                        (key, entry)
                    }
                    None => (key, entry),
                })
                .collect(),
        ),
        (other, _) => other,
    };
    Value {
        kind,
        origin: written.origin.clone().or(value.origin),
    }
}
