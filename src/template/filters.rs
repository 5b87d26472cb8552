//! Filters that minijinja does not have: text for shells and for files of other programs, Base64, certificates, and regular
//! expressions.

mod certificate;
mod env_file;
pub(super) mod password;
mod taken;
pub(super) mod yaml;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::{Map, Number, Value as Json};

use self::taken::{text, words, wrong};
use super::watch::is_unknown;
use crate::quote::{systemd_word, try_quote};

/// Adds the filters.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("certificate_not_after", certificate::not_after);
    environment.add_filter("quote", quoted);
    environment.add_filter("systemd_words", systemd_words);
    environment.add_filter("dotenv", dotenv);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("to_json", to_json);
    environment.add_filter("to_yaml", to_yaml);
    environment.add_filter("to_toml", to_toml);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("password_hash", password::password_hash);
    environment.add_filter("lab_password", password::lab_password);
    environment.add_function("fail", fail);
}

/// The function `fail`: ends with a mistake in the author's words.
fn fail(message: &str) -> Result<Value, Error> {
    Err(wrong(
        message,
        "this template refuses it",
        "correct the data that it names",
    ))
}

/// What `word` makes of a value, or of each item of a list, joined by blanks.
fn each(value: &Value, word: impl Fn(&Value) -> Result<String, Error>) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let text = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let words: Result<Vec<String>, Error> = value.try_iter()?.map(|item| word(&item)).collect();
            words?.join(" ")
        }
        _ => word(value)?,
    };
    Ok(Value::from(text))
}

/// The filter `quote`: one word of a shell, or one for each item of a list.
fn quoted(value: &Value) -> Result<Value, Error> {
    each(value, |value| {
        let what = match value.kind() {
            ValueKind::String | ValueKind::Number | ValueKind::Bool => {
                let text = value.to_string();
                return try_quote(&text)
                    .map(std::borrow::Cow::into_owned)
                    .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("`quote`: {error}")));
            }
            ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
            other => other,
        };
        let what = format!("`quote` takes a string, a number or a list of them, not {what}");
        Err(Error::new(ErrorKind::InvalidOperation, what))
    })
}

/// The filter `systemd_words`: words of `ExecStart=` in a unit file.
fn systemd_words(value: &Value) -> Result<Value, Error> {
    each(value, |value| {
        let text = text("systemd_words", value, "give it a string, or a list of them")?;
        if text.contains('\0') {
            return Err(wrong(
                "`systemd_words`: the text contains a NUL byte",
                "no command line can contain one",
                "remove it",
            ));
        }
        Ok(systemd_word(&text))
    })
}

fn dotenv(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    env_file::dotenv(value).map(Value::from)
}

fn b64encode(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let text = text(
        "b64encode",
        value,
        "turn it into a string first, such as with `| to_json`",
    )?;
    Ok(Value::from(STANDARD.encode(text)))
}

fn b64decode(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let text = text("b64decode", value, "give it a string")?;
    // Programs break long Base64 into lines.
    let packed: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|error| {
        wrong(
            "`b64decode`: this is not Base64",
            error.to_string(),
            "give it what `base64` prints",
        )
    })?;
    let decoded = String::from_utf8(bytes).map_err(|_| {
        wrong(
            "`b64decode`: the result is not text",
            "these bytes are not UTF-8",
            "write such a file with `files.put` and `src`",
        )
    })?;
    Ok(Value::from(decoded))
}

/// The filter `to_json`. Unlike `tojson` it leaves `<`, `>`, `&` and `'` as they are.
#[expect(clippy::needless_pass_by_value, reason = "filters take their options by value")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let json = plain("to_json", value)?;
    let Some(indent) = indent else {
        return Ok(Value::from(json.to_string()));
    };
    let spaces = " ".repeat(indent.min(16));
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(&json, &mut serializer)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

fn to_yaml(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    Ok(Value::from(yaml::text(&plain("to_yaml", value)?)))
}

fn to_toml(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let json = plain("to_toml", value)?;
    if !json.is_object() {
        return Err(wrong(
            "`to_toml` takes a table",
            format!("this is {}", words(value.kind())),
            "write the key in front of it, such as `names = {{ names | to_json }}`",
        ));
    }
    let table = toml::Table::try_from(&json).map_err(|_| {
        wrong(
            "`to_toml`: TOML has no `none`",
            "there is a `none` in it, or a number beyond 64 bits",
            "leave the key out",
        )
    })?;
    let text = toml::to_string(&table).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(Value::from(text.trim_end_matches('\n')))
}

/// The filter `regex_replace`: `\1` and `\g<name>` in the replacement are what a group matched.
#[expect(clippy::needless_pass_by_value, reason = "filters take their options by value")]
fn regex_replace(value: &Value, pattern: &str, replacement: &str, options: Kwargs) -> Result<Value, Error> {
    let is_set = |name| options.get::<Option<bool>>(name).map(Option::unwrap_or_default);
    let (ignores_case, has_lines) = (is_set("ignorecase")?, is_set("multiline")?);
    options.assert_all_used()?;
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let text = text(
        "regex_replace",
        value,
        "give it a string; of a list use `| map('regex_replace', …)`",
    )?;
    // In a string of a template, `\1` is a character, and `\b` is one too.
    if pattern.contains('\u{8}') || replacement.contains(|one: char| ('\u{1}'..='\u{8}').contains(&one)) {
        return Err(wrong(
            "`regex_replace`: a backslash before a digit or `b` must be written twice",
            "a string of a template reads it as a control character",
            "write `'\\\\1'` for the first group, and `'\\\\b'` for the edge of a word",
        ));
    }
    let regex = regex::RegexBuilder::new(pattern)
        .case_insensitive(ignores_case)
        .multi_line(has_lines)
        .build()
        .map_err(|error| {
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            wrong(
                format!("`{pattern}` is not a valid regular expression"),
                last.trim_start_matches("error: ").to_owned(),
                "the syntax is described at https://docs.rs/regex/latest/regex/#syntax",
            )
        })?;
    let replacement = expansion(&regex, replacement)?;
    Ok(Value::from(regex.replace_all(&text, replacement)))
}

/// A replacement as the library writes it.
///
/// Errors: a group that the expression does not have, which the library would read as nothing.
fn expansion(regex: &regex::Regex, written: &str) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = written;
    while let Some(next) = rest.chars().next() {
        let (name, after) = match next {
            '\\' if rest[1..].starts_with(|digit: char| digit.is_ascii_digit()) => (Some(&rest[1..2]), &rest[2..]),
            '\\' if rest[1..].starts_with("g<") => match rest[3..].split_once('>') {
                Some((name, after)) => (Some(name), after),
                None => (None, &rest[1..]),
            },
            '\\' if rest[1..].starts_with('\\') => {
                text.push('\\');
                rest = &rest[2..];
                continue;
            }
            _ => (None, &rest[next.len_utf8()..]),
        };
        rest = after;
        let Some(name) = name else {
            text.extend(std::iter::repeat_n(next, if next == '$' { 2 } else { 1 }));
            continue;
        };
        let is_there = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if !is_there {
            return Err(wrong(
                format!("`regex_replace`: the expression has no group `{name}`"),
                format!("`{}` has {} groups", regex.as_str(), regex.captures_len() - 1),
                "put the part in parentheses: `'a(.)'` and `'\\\\1'`",
            ));
        }
        let _ = write!(text, "${{{name}}}");
    }
    Ok(text)
}

/// A value as JSON has it.
///
/// Errors: JSON has no such value.
fn plain(filter: &str, value: &Value) -> Result<Json, Error> {
    let no_value = || {
        wrong(
            format!("`{filter}` cannot write this value"),
            format!("`{value}` is no string, number, list or table"),
            "write the value in another way",
        )
    };
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number if value.is_integer() => {
            let signed = i64::try_from(value.clone()).map(Number::from);
            let number = signed.or_else(|_| u64::try_from(value.clone()).map(Number::from));
            Json::Number(number.map_err(|_| no_value())?)
        }
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
            Json::Number(number.ok_or_else(no_value)?)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Result<_, Error> = value.try_iter()?.map(|item| plain(filter, &item)).collect();
            Json::Array(items?)
        }
        ValueKind::Map => {
            let mut table = Map::new();
            for key in value.try_iter()? {
                let name = text(filter, &key, "write the keys of tables as strings")?;
                table.insert(name, plain(filter, &value.get_item(&key)?)?);
            }
            Json::Object(table)
        }
        _ => return Err(no_value()),
    })
}

#[cfg(test)]
mod tests;
