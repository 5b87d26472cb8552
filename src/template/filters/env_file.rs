//! Files of variables, which systemd (`EnvironmentFile=`), Docker Compose (`env_file`) and shells read: a value is written so
//! that all of them read the same.
//!
//! | The value has | Written |
//! |---|---|
//! | only letters, digits and `_./:@%+,=-` | as it is |
//! | neither `'` nor a backslash | in single quotes |
//! | one of them, and no backtick | in double quotes, with a backslash before `"`, `\` and `$` |
//! | one of them, and a backtick | refused: each of them reads it in another way |

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::taken::{text, words, wrong};

/// A value, or of a table a line for each variable.
pub(super) fn dotenv(value: &Value) -> Result<String, Error> {
    if value.kind() != ValueKind::Map {
        return one(value);
    }
    let mut lines = Vec::new();
    for key in value.try_iter()? {
        let name = key.to_string();
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
        if !is_name {
            return Err(wrong(
                format!("`dotenv`: `{name}` is not a valid name of a variable"),
                "use letters, digits and `_`, not starting with a digit",
                "rename the key",
            ));
        }
        lines.push(format!("{name}={}", one(&value.get_item(&key)?)?));
    }
    Ok(lines.join("\n"))
}

fn one(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::Bool {
        return Ok(value.is_true().to_string());
    }
    let text = text("dotenv", value, "give it a string, a number, or a table of them")?;
    let plain = |character: char| character.is_ascii_alphanumeric() || "_./:@%+,=-".contains(character);
    if text.chars().all(plain) {
        return Ok(text);
    }
    if text.contains(['\0', '\r']) {
        return Err(wrong(
            "`dotenv`: the value contains a NUL byte or a carriage return",
            format!("{} with a character that no such file can have", words(value.kind())),
            "remove it",
        ));
    }
    if !text.contains(['\'', '\\']) {
        return Ok(format!("'{text}'"));
    }
    if text.contains('`') {
        return Err(wrong(
            "`dotenv`: the value has a backtick beside a quote or backslash",
            "systemd, Docker Compose and shells each read that in another way",
            "keep the value in a file of its own",
        ));
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if "\"\\$".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Ok(quoted)
}
