//! What filters take, and the errors for what they cannot take.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use crate::template::sorts::Misfit;

/// The error of a filter that cannot take what it is given.
pub(super) fn wrong(title: impl Into<String>, label: impl Into<String>, hint: &'static str) -> Error {
    let (title, label) = (title.into(), label.into());
    Error::new(ErrorKind::InvalidOperation, title.clone()).with_source(Misfit { title, label, hint })
}

/// The text of a string or a number.
pub(super) fn text(filter: &str, value: &Value, hint: &'static str) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        other => Err(wrong(
            format!("`{filter}` cannot take {}", words(other)),
            format!("this is {}", words(other)),
            hint,
        )),
    }
}

/// A kind of value in words.
pub(super) fn words(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String => "a string",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a table",
        ValueKind::None => "`none`",
        _ => "something else",
    }
}
