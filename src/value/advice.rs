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
        Kind::String(text) if is_command(key, expected) => format!("write {}", command(text)),
        Kind::String(text) if expected.contains("list") => format!("write a list: `[{}]`", quoted(text)),
        Kind::String(text) if expected.contains("true") => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write `true`".to_owned(),
            "false" | "no" | "off" | "0" => "write `false`".to_owned(),
            _ => "write `true` or `false`".to_owned(),
        },
        Kind::String(text) if expected.contains("number") && text.parse::<i64>().is_ok() => {
            format!("write it without quotes: `{text}`")
        }
        Kind::Integer(seconds) if expected.contains("duration") && *seconds > 0 => format!("write {}", span(*seconds)),
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) if expected.contains("list") => {
            "write a list of strings: `[\"…\"]`".to_owned()
        }
        Kind::Bool(truth) if expected.contains("string") => format!("write it in quotes: `\"{truth}\"`"),
        Kind::Integer(number) if expected.contains("a string") => format!("write it in quotes: `\"{number}\"`"),
        _ if expected.contains("table") => format!("write `{key} = {{ … }}`, or `[{key}]` above its keys"),
        _ => format!("write {expected}"),
    }
}

/// Whether the key, as in messages, is a command as a list of words.
fn is_command(key: &str, expected: &str) -> bool {
    let key = key.trim_start_matches('`').split('`').next().unwrap_or_default();
    expected.contains("list of strings") && ["command", "validate"].contains(&key)
}

/// A command line as a list of words: those of a shell where only a shell understands it.
fn command(text: &str) -> String {
    const SHELL: &str = "|&;<>()$`\\\"'*?[]#~\n";
    let words: Vec<&str> = if text.contains(|sign| SHELL.contains(sign)) {
        vec!["sh", "-c", text]
    } else {
        text.split_whitespace().collect()
    };
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    format!("a list of words: `[{}]`", words.join(", "))
}

/// A number of seconds as durations are written.
fn span(seconds: i64) -> String {
    let shorter = [(3600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds % unit == 0)
        .map(|(unit, name)| format!(" or `\"{}{name}\"`", seconds / unit));
    format!("`\"{seconds}s\"`{}", shorter.unwrap_or_default())
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
