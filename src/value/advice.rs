//! What to write instead of a value that is of the wrong kind.

use super::{Kind, Value};

/// A next step for `found` where the key wants `expected`, in words: "a list of strings", "true or false".
pub fn advice(key: &str, expected: &str, found: &Value) -> String {
    if let Some(word) = found.as_str().and_then(|text| usual_word(text, expected)) {
        return format!("write {word}");
    }
    match &found.kind {
        Kind::String(text) if is_made(found) => format!(
            "text around `{{{{ … }}}}` makes a string, here `{text}`; `{{{{ … }}}}` alone keeps the type of its value"
        ),
        Kind::String(text) if expected.contains("list") => format!("write a list: `[{}]`", quoted(text)),
        Kind::String(text) if expected.contains("true") => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write `true`".to_owned(),
            "false" | "no" | "off" | "0" => "write `false`".to_owned(),
            _ => "write `true` or `false`".to_owned(),
        },
        Kind::String(text) if expected.contains("number") && text.parse::<i64>().is_ok() => {
            format!("write it without quotes: `{text}`")
        }
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) if expected.contains("list") => {
            "write a list of strings: `[\"…\"]`".to_owned()
        }
        Kind::Bool(truth) if expected.contains("string") => format!("write it in quotes: `\"{truth}\"`"),
        Kind::Integer(number) if expected.contains("a string") => format!("write it in quotes: `\"{number}\"`"),
        _ if expected.contains("table") => format!("write `{key} = {{ … }}`, or `[{key}]` above its keys"),
        _ => format!("write {expected}"),
    }
}

/// The word, in quotes, that means what systemd calls `text`, if it is among those `expected`.
fn usual_word(text: &str, expected: &str) -> Option<&'static str> {
    let word = match text {
        "running" | "active" | "up" => "\"started\"",
        "dead" | "inactive" | "down" => "\"stopped\"",
        _ => return None,
    };
    expected.contains(word).then_some(word)
}

/// Whether the text is not the one that is written at its place.
fn is_made(found: &Value) -> bool {
    let literal = found
        .origin
        .as_ref()
        .and_then(|origin| origin.file.text.get(origin.span.clone()));
    literal.is_some_and(|literal| literal.contains("{{") || literal.contains("{%"))
}

/// `text` as a TOML string, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
