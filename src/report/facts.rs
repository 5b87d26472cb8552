//! Facts for people and programs, with their names in templates.

use serde_json::Value;

use super::document::document;
use super::layout::joined;
use super::sanitize::one_line;
use super::style::{Tone, paint};

/// `name = value`, one line each; only the value if `path` names one fact. `None` if there is no such fact.
pub fn facts(tree: &Value, path: &[&str]) -> Option<String> {
    let found = find(tree, path)?;
    let name = path.join(".");
    let mut entries = Vec::new();
    flatten(&name, found, &mut entries);
    if let [(only, value)] = entries.as_slice()
        && *only == name
    {
        return Some(format!("{}\n", one_line(value)));
    }
    let lines: Vec<String> = entries
        .iter()
        .map(|(name, value)| format!("{} = {}", paint(Tone::Heading, name), one_line(value)))
        .collect();
    Some(joined(&lines))
}

/// The same as JSON.
pub fn facts_json(tree: &Value, path: &[&str]) -> Option<String> {
    let found = find(tree, path)?;
    Some(document(found))
}

/// The names of all facts.
pub fn fact_names(tree: &Value) -> Vec<String> {
    let mut entries = Vec::new();
    flatten("", tree, &mut entries);
    entries.into_iter().map(|(name, _)| name).collect()
}

fn find<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |tree, part| tree.get(part))
}

fn flatten(name: &str, value: &Value, entries: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                flatten(&name, value, entries);
            }
        }
        Value::String(text) => entries.push((name.to_owned(), text.clone())),
        Value::Null => entries.push((name.to_owned(), "none".to_owned())),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(word).collect();
            entries.push((name.to_owned(), words.join(", ")));
        }
        other => entries.push((name.to_owned(), other.to_string())),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::system::{Machine, OperatingSystem};

    fn debian() -> Value {
        let facts = Machine {
            os: OperatingSystem {
                id: "debian".to_owned(),
                codename: "trixie\u{1b}[2J".to_owned(),
                ..OperatingSystem::default()
            },
            addresses: vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()],
            cpus: 2,
            ..Machine::default()
        };
        serde_json::to_value(facts).unwrap()
    }

    fn shown(name: &str) -> Option<String> {
        let text = facts(&debian(), &name.split('.').collect::<Vec<_>>())?;
        Some(anstream::adapter::strip_str(&text).to_string())
    }

    #[test]
    fn one_fact_is_its_value_and_several_have_their_names() {
        assert_eq!(shown("cpus").as_deref(), Some("2\n"));
        assert_eq!(shown("os.codename").as_deref(), Some("trixie\\x1b[2J\n"));
        assert_eq!(shown("addresses").as_deref(), Some("10.0.0.1, 10.0.0.2\n"));
        assert!(shown("os").is_some_and(|text| text.starts_with("os.id = debian\nos.version = \n")));
        assert_eq!(shown("os.nope"), None);
        assert_eq!(shown("cpus.more"), None);
        assert!(fact_names(&debian()).contains(&"architecture.uname".to_owned()));
        crate::report::schemas::check("facts", &facts_json(&debian(), &[]).unwrap());
        let json = facts_json(&debian(), &["addresses"]).unwrap();
        assert_eq!(json, "[\n  \"10.0.0.1\",\n  \"10.0.0.2\"\n]\n");
    }
}
