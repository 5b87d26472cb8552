//! Documentation of keys, from the schema of the struct that they are read into.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value as Json};

use crate::value::Part;

/// The documentation of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub description: String,
    /// Its type in words: "a string", "a list of strings", "true or false".
    pub kind: String,
    pub required: bool,
    /// The default as it is written in TOML; `None` if it depends on the host.
    pub default: Option<String>,
}

impl Parameter {
    /// The keys of the table that `schema` describes, in the order of the struct.
    pub fn all_of(schema: &Schema) -> Vec<Self> {
        let required = schema.get("required").and_then(Json::as_array);
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
        let properties = schema.get("properties").and_then(Json::as_object);
        let parameter = |(name, property): (&String, &Json)| Self {
            name: name.clone(),
            description: property["description"].as_str().unwrap_or_default().to_owned(),
            kind: kind(property),
            required: is_required(name),
            default: property.get("default").map(as_written),
        };
        properties.into_iter().flatten().map(parameter).collect()
    }
}

/// The value at the end of `path` in a table that `schema` describes: its name, and its type in words. `None` where the schema leaves
/// it open.
pub fn value_at(schema: &Schema, path: &[Part]) -> Option<(String, String)> {
    let mut at = schema.as_value();
    let mut name = String::new();
    for part in path {
        at = inner(at, part)?;
        name = match part {
            Part::Key(key) if name.is_empty() => format!("`{key}`"),
            Part::Key(key) => format!("`{key}` in {name}"),
            Part::Item(index) => format!("item {} of {name}", index + 1),
        };
    }
    let kind = kind(at);
    (kind != ANY).then_some((name, kind))
}

/// The keys of the table that is the value of `key` in what `schema` describes, if it has only those.
pub(super) fn keys_below(schema: &Schema, key: &str) -> Option<Vec<String>> {
    let below = inner(schema.as_value(), &Part::Key(key.to_owned()))?;
    let is_closed = below.get("additionalProperties") == Some(&Json::Bool(false));
    let properties = below["properties"].as_object().filter(|_| is_closed)?;
    Some(properties.keys().cloned().collect())
}

/// The schema of a part of a value; `None` where it is open.
fn inner<'a>(schema: &'a Json, part: &Part) -> Option<&'a Json> {
    let found = match part {
        Part::Key(key) => schema["properties"].get(key).or(schema.get("additionalProperties")),
        Part::Item(_) => schema.get("items"),
    };
    let is_schema = |found: &&Json| found.as_object().is_some_and(|keys| !keys.is_empty());
    found.filter(is_schema).or_else(|| {
        let options = ["anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array());
        options.flatten().find_map(|option| inner(option, part))
    })
}

/// The words for a value whose type is open.
const ANY: &str = "any value";

/// A JSON Schema (draft 7) of `T`, without references.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings.with_transform(RecursiveTransform(as_toml));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The name of the struct means nothing to users.
    schema.remove("title");
    schema
}

/// Removes nulls, which TOML lacks, and the line breaks of doc comments.
fn as_toml(schema: &mut Schema) {
    if let Some(Json::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Json::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Json::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option["type"] != "null");
        if let [Json::Object(only)] = options.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                // The key's own documentation takes precedence over that of its type.
                schema.ensure_object().entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default").is_some_and(Json::is_null) {
        schema.remove("default");
    }
    // The bounds say more, and most editors do not know these formats.
    if schema
        .get("format")
        .is_some_and(|format| format.as_str().is_some_and(is_width))
    {
        schema.remove("format");
    }
    if let Some(Json::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

fn is_width(format: &str) -> bool {
    format.starts_with("int") || format.starts_with("uint")
}

/// The type of a value in words.
fn kind(schema: &Json) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    if let Some(only) = schema.get("const") {
        return as_written(only);
    }
    if let Some(values) = schema["enum"].as_array() {
        let words: Vec<String> = values.iter().map(as_written).collect();
        return any_of(&words);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema[key].as_array() {
            let words: Vec<String> = options.iter().map(kind).collect();
            return any_of(&words);
        }
    }
    match schema["type"].as_str().unwrap_or_default() {
        "string" => "a string".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => whole_number(schema),
        "number" => "a number".to_owned(),
        "array" => match kind(&schema["items"]).as_str() {
            "a string" => "a list of strings".to_owned(),
            other => format!("a list, each {other}"),
        },
        "object" => "a table".to_owned(),
        _ => ANY.to_owned(),
    }
}

fn whole_number(schema: &Json) -> String {
    let bound = |key: &str| schema[key].as_f64();
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, at least {least}"),
        _ => "a whole number".to_owned(),
    }
}

fn any_of(words: &[String]) -> String {
    match words {
        [first @ .., before, last] => {
            let first: Vec<&str> = first.iter().chain([before]).map(String::as_str).collect();
            format!("{} or {last}", first.join(", "))
        }
        words => words.concat(),
    }
}

/// A value as it is written in TOML.
fn as_written(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(as_written).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(table) => inline_table(table),
        // JSON and TOML write strings, numbers and booleans in the same way.
        other => other.to_string(),
    }
}

fn inline_table(table: &Map<String, Json>) -> String {
    let entries: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{key} = {}", as_written(value)))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}
