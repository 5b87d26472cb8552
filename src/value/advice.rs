//! What to write instead of a value that is of the wrong kind.

use super::{Kind, Value};

/// A next step for `found` where the key wants `expected`, in words: "a list of strings", "true or false".
pub fn advice(key: &str, expected: &str, found: &Value) -> String {
    if let Some(word) = found.as_str().and_then(|text| usual_word(text, expected)) {
        return format!("write {word}");
    }
    match &found.kind {
        Kind::String(text) if made(found).is_some() => of_template(text, made(found).unwrap_or_default(), expected),
        Kind::String(text) if is_command(key, expected) => format!("write {}", command(text)),
        Kind::String(text) if expected.contains("list") => {
            let items: Vec<&str> = text.split(',').map(str::trim).collect();
            // A text with blanks may have commas of its own.
            let is_list = items
                .iter()
                .all(|item| !item.is_empty() && !item.contains(char::is_whitespace));
            let items: Vec<String> = if is_list { items } else { vec![text.as_str()] }
                .into_iter()
                .map(quoted)
                .collect();
            format!("write a list: `[{}]`", items.join(", "))
        }
        Kind::String(text) if expected.contains("true") => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write `true`".to_owned(),
            "false" | "no" | "off" | "0" => "write `false`".to_owned(),
            _ => "write `true` or `false`".to_owned(),
        },
        Kind::String(text) if expected.contains("number") && text.parse::<i64>().is_ok() => {
            format!("write it without quotes: `{text}`")
        }
        Kind::Integer(seconds) if expected.contains("duration") && *seconds > 0 => format!("write {}", span(*seconds)),
        Kind::Float(number) if expected.contains("whole number") => {
            format!("write a whole number, such as `{}`", number.trunc())
        }
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) if expected.starts_with("a list") => {
            "write a list of strings: `[\"…\"]`".to_owned()
        }
        Kind::Bool(truth) if expected == "a string or a whole number" => {
            format!("write `{}`", u8::from(*truth))
        }
        Kind::Bool(truth) if expected.contains("string") => format!("write it in quotes: `\"{truth}\"`"),
        Kind::Integer(number) if expected.contains("a string") => format!("write it in quotes: `\"{number}\"`"),
        Kind::Float(number) if expected.contains("a string") => format!("write it in quotes: `\"{number}\"`"),
        _ if expected.contains("table") && is_above_tables(found) => {
            format!("write `{key} = {{ … }}`, or `[{key}]` above its keys")
        }
        _ if expected.contains("table") => format!("write `{key} = {{ … }}`"),
        _ => format!("write {expected}"),
    }
}

/// Whether the key, as in messages, is a command as a list of words.
fn is_command(key: &str, expected: &str) -> bool {
    let key = key.trim_start_matches('`').split('`').next().unwrap_or_default();
    expected.contains("list of strings") && ["command", "validate", "unless", "only_if", "reload"].contains(&key)
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

/// Whether the value is that of a key at the start of a line, above all headers of its file: a header with the key's name alone is
/// about the same key.
fn is_above_tables(found: &Value) -> bool {
    let Some(origin) = &found.origin else { return false };
    let above = origin.file.text.get(..origin.span.start).unwrap_or_default();
    let line = above.rsplit('\n').next().unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim();
    let is_one_key = !key.is_empty() && !key.contains(['.', '{', ' ', '[']);
    is_one_key && line.matches('=').count() == 1 && !above.lines().any(|line| line.trim_start().starts_with('['))
}

/// What is written at the place of a text that a template makes.
fn made(found: &Value) -> Option<&str> {
    let origin = found.origin.as_ref()?;
    let literal = origin.file.text.get(origin.span.clone())?;
    (literal.contains("{{") || literal.contains("{%")).then_some(literal)
}

/// How a template has to be written that gives `text`, where the key wants something else.
fn of_template(text: &str, literal: &str, expected: &str) -> String {
    let inner = literal.trim_matches(['"', '\'']).trim();
    let alone = inner.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let Some(expression) = alone.filter(|alone| !alone.contains("{{") && !alone.contains("{%")) else {
        return format!(
            "text around `{{{{ … }}}}` makes a string, here `{text}`; `{{{{ … }}}}` alone keeps the type of its value"
        );
    };
    let expression = expression.trim_matches('-').trim();
    if let Some(plain) = expression
        .strip_suffix("string")
        .and_then(|rest| rest.trim_end().strip_suffix('|'))
    {
        return format!(
            "write `{{{{ {} }}}}`: the filter `string` makes a string",
            plain.trim_end()
        );
    }
    let is_name = |sign: char| sign.is_alphanumeric() || "_.[]\"'".contains(sign);
    let operand = if expression.chars().all(is_name) {
        expression.to_owned()
    } else {
        format!("({expression})")
    };
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    if expected.contains("whole number") && is_number(text) {
        format!("write `{{{{ {operand} | int }}}}`")
    } else if expected.contains("number") && is_number(text) {
        format!("write `{{{{ {operand} | float }}}}`")
    } else if expected.contains("list") {
        format!("write `{{{{ {operand} | lines }}}}` for a list of its lines, or `{{{{ {operand} | split(',') }}}}`")
    } else if expected.contains("true") {
        format!("write `{{{{ {operand} == 'true' }}}}`")
    } else {
        format!("the template gives the string `{text}`; it must give {expected}")
    }
}

/// `text` as a TOML string, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Origin, SourceFile};

    /// A value of this kind where `literal` is written in `file`.
    fn written(file: &str, literal: &str, kind: Kind) -> Value {
        let start = file.find(literal).expect("in the file");
        let origin = Origin::new(&SourceFile::new("a.toml", file), start..start + literal.len());
        Value::new(kind).at(Some(&origin))
    }

    #[test]
    fn a_header_is_named_only_where_it_is_about_the_key() {
        let of = |file: &str| advice("env", "a table", &written(file, "7", Kind::Integer(7)));
        let both = "write `env = { … }`, or `[env]` above its keys";
        assert_eq!(of("env = 7\n"), both);
        assert_eq!(of("name = \"x\"\nenv = 7\n"), both);
        for below in ["[[operation]]\nenv = 7\n", "create = { env = 7 }\n", "create.env = 7\n"] {
            assert_eq!(of(below), "write `env = { … }`", "{below}");
        }
    }

    #[test]
    fn a_text_in_place_of_a_list_is_written_as_one() {
        let of = |key: &str, text: &str| advice(key, "a list of strings", &Value::new(Kind::String(text.to_owned())));
        assert_eq!(of("groups", "sudo,docker"), "write a list: `[\"sudo\", \"docker\"]`");
        assert_eq!(of("groups", "sudo, docker"), "write a list: `[\"sudo\", \"docker\"]`");
        assert_eq!(of("keys", "ssh-x A a,b"), "write a list: `[\"ssh-x A a,b\"]`");
        assert_eq!(of("groups", ","), "write a list: `[\",\"]`");
        assert_eq!(
            of("unless", "test -e /x"),
            "write a list of words: `[\"test\", \"-e\", \"/x\"]`"
        );
    }

    #[test]
    fn a_template_is_told_how_to_give_what_is_wanted() {
        let of = |template: &str, text: &str, expected: &str| {
            let literal = format!("\"{template}\"");
            let file = format!("port = {literal}\n");
            advice(
                "port",
                expected,
                &written(&file, &literal, Kind::String(text.to_owned())),
            )
        };
        for (template, text, expected, told) in [
            (
                "{{ captured.t }}",
                "8080",
                "a whole number",
                "write `{{ captured.t | int }}`",
            ),
            (
                "{{ a ~ b }}",
                "80",
                "a whole number from 0 to 65535",
                "write `{{ (a ~ b) | int }}`",
            ),
            ("{{ a }}", "1.5", "a number", "write `{{ a | float }}`"),
            ("{{ a }}", "true", "true or false", "write `{{ a == 'true' }}`"),
            (
                "{{ ports | string }}",
                "[80]",
                "a list of strings",
                "write `{{ ports }}`: the filter `string` makes a string",
            ),
            (
                "{{ a }}",
                "b",
                "a list of strings",
                "write `{{ a | lines }}` for a list of its lines, or `{{ a | split(',') }}`",
            ),
            (
                "80{{ a }}",
                "8080",
                "a whole number",
                "text around `{{ … }}` makes a string, here `8080`; `{{ … }}` alone keeps the type of its value",
            ),
        ] {
            assert_eq!(of(template, text, expected), told, "{template}");
        }
    }

    #[test]
    fn a_number_is_no_list_where_one_number_is_wanted() {
        let any = "a string, a whole number, true or false or a list of strings";
        let float = Value::new(Kind::Float(22.5));
        assert_eq!(advice("Port", any, &float), "write a whole number, such as `22`");
        assert_eq!(
            advice("packages", "a list of strings", &float),
            "write a list of strings: `[\"…\"]`"
        );
        assert_eq!(advice("content", "a string", &float), "write it in quotes: `\"22.5\"`");
    }
}
