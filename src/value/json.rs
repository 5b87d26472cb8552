//! Values as JSON and back: places are lost, and what is secret or not known has no JSON.

use serde_json::{Map, Number, Value as Json};

use super::{Entry, Kind, Table, Value};

/// A table as JSON; `None` if a value in it is secret or not known.
pub fn to_json(table: &Table) -> Option<Map<String, Json>> {
    let entries = table.iter();
    entries
        .map(|(key, entry)| Some((key.clone(), value_to_json(&entry.value)?)))
        .collect()
}

fn value_to_json(value: &Value) -> Option<Json> {
    Some(match &value.kind {
        Kind::Bool(truth) => Json::Bool(*truth),
        Kind::Integer(number) => Json::Number((*number).into()),
        Kind::Float(number) => Json::Number(Number::from_f64(*number)?),
        Kind::String(text) => Json::String(text.clone()),
        Kind::List(items) => Json::Array(items.iter().map(value_to_json).collect::<Option<_>>()?),
        Kind::Table(table) => Json::Object(to_json(table)?),
        Kind::Secret(_) | Kind::Unknown(_) => return None,
    })
}

/// A table from JSON; what TOML does not have is left out.
pub fn from_json(object: &Map<String, Json>) -> Table {
    let entries = object.iter();
    entries
        .filter_map(|(key, value)| {
            let value = value_from_json(value)?;
            Some((key.clone(), Entry { key: None, value }))
        })
        .collect()
}

fn value_from_json(value: &Json) -> Option<Value> {
    let kind = match value {
        Json::Null => return None,
        Json::Bool(truth) => Kind::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::Integer(number),
            None => Kind::Float(number.as_f64()?),
        },
        Json::String(text) => Kind::String(text.clone()),
        Json::Array(items) => Kind::List(items.iter().filter_map(value_from_json).collect()),
        Json::Object(object) => Kind::Table(from_json(object)),
    };
    Some(Value::new(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_as_it_was() {
        let text = r#"{"a":[true,1,2.5,"x"],"b":{"c":"d"}}"#;
        let json: Map<String, Json> = serde_json::from_str(text).expect("JSON");
        let table = from_json(&json);
        assert_eq!(to_json(&table), Some(json));
        let mut unknown = table;
        unknown.insert(
            "e".to_owned(),
            Entry {
                key: None,
                value: Value::new(Kind::Unknown("why".into())),
            },
        );
        assert_eq!(to_json(&unknown), None);
    }
}
