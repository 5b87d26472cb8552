//! Types of parameters that several families of operations share.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::context::PlanContext;
use crate::change::Stop;

/// A duration such as `"1h 30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl de::Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration as a string, such as \"30s\" or \"1h\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse::<jiff::SignedDuration>()
                    .ok()
                    .and_then(|length| Duration::try_from(length).ok())
                    .map(Span)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = jiff::SignedDuration::try_from(self.0).map_err(ser::Error::custom)?;
        serializer.collect_str(&format_args!("{length:#}"))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "a duration such as \"30s\"",
            "pattern": r"^\+?(P.+|[0-9].*[A-Za-zµ:].*)$",
        })
    }
}

/// Whether a value has `inf` or `nan` in it, for which JSON has nothing: they became null, which TOML has not.
pub(super) fn has_infinite(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(has_infinite),
        serde_json::Value::Object(table) => table.values().any(has_infinite),
        _ => false,
    }
}

/// A value that may be written as a string or as a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberOrText(pub(super) String);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(PlainVisitor {
                expected: "a string or a whole number",
                booleans: None,
            })
            .map(Self)
    }
}

/// Takes strings and whole numbers as text, and booleans by these words for false and true.
pub(super) struct PlainVisitor {
    pub(super) expected: &'static str,
    pub(super) booleans: Option<[&'static str; 2]>,
}

impl de::Visitor<'_> for PlainVisitor {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bool<E: de::Error>(self, is_true: bool) -> Result<String, E> {
        match self.booleans {
            Some(words) => Ok(words[usize::from(is_true)].to_owned()),
            None => Err(E::invalid_type(de::Unexpected::Bool(is_true), &self)),
        }
    }
}

impl JsonSchema for NumberOrText {
    fn schema_name() -> Cow<'static, str> {
        "NumberOrText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "title": "a string or a whole number",
        })
    }
}

/// The default of parameters that are on unless turned off.
pub(super) fn yes() -> bool {
    true
}

/// A duration in its two largest units.
pub(super) fn readable(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Refuses a name that no user or group can have. It accepts more than `useradd` does, since the user may already exist.
pub(super) fn check_account_name(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    // Tools would take it for a uid or gid.
    let is_number = name.chars().all(|character| character.is_ascii_digit());
    let body = name.strip_suffix('$').unwrap_or(name);
    if starts_well && !is_number && body.chars().all(plain) {
        return Ok(());
    }
    let title = format!("`{name}` is not a valid user or group name");
    Err(context
        .refuse(
            argument,
            title,
            "use letters, digits, `_`, `.` and `-`, starting with a letter, digit or `_`, and not only digits",
        )
        .hint("choose another name"))
}

/// Refuses a path that is not absolute or not in its shortest form.
pub(super) fn check_path(context: &PlanContext<'_>, argument: &str, path: &str) -> Result<(), Stop> {
    let wrong = if !path.starts_with('/') {
        "must start with `/`"
    } else if path.contains(['\n', '\0']) {
        "must not contain a line break or NUL"
    } else if path.split('/').any(|part| part == ".." || part == ".") || path.contains("//") {
        "must not contain `.`, `..` or `//`"
    } else if path.len() > 1 && path.ends_with('/') {
        "must not end with `/`"
    } else {
        return Ok(());
    };
    Err(context
        .refuse(argument, format!("`{path}` is not a valid path"), wrong)
        .hint(if path.starts_with('~') {
            "`~` is not expanded: write the absolute path, such as \"/home/anna/.profile\""
        } else {
            "write an absolute path of the host, such as \"/etc/motd\""
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_say_them() {
        assert_eq!(readable(59), "59 s");
        assert_eq!(readable(3600), "1 h 0 min");
        assert_eq!(readable(200_000), "2 d 7 h");
    }
}
