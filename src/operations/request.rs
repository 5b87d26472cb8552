//! Parameters of operations that make requests from the host.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::context::PlanContext;
use super::parameters::{check_path, has_infinite};
use crate::change::Stop;
use crate::facts::http::Headers;
use crate::secret::Secret;
use crate::value::Text;

/// A value that is compared with an answer, or sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JsonValue(pub(super) serde_json::Value);

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if has_infinite(&value) {
            return Err(de::Error::custom("JSON has no `inf` and no `nan`"));
        }
        Ok(Self(value))
    }
}

impl JsonSchema for JsonValue {
    fn schema_name() -> Cow<'static, str> {
        "JsonValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "a table, list, string, number or truth value" })
    }
}

/// Refuses what no program could request.
pub(super) fn check_url(context: &PlanContext<'_>, argument: &str, url: &str) -> Result<(), Stop> {
    let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
    let has_scheme = ["http://", "https://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if has_scheme && url.chars().all(is_plain) {
        return Ok(());
    }
    let mistake = context.mistake(
        argument,
        format!("`{url}` is not a valid URL"),
        "must start with `http://` or `https://` and contain no spaces",
    );
    let has_none = !url.is_empty() && !url.contains("://") && !url.starts_with('/') && url.chars().all(is_plain);
    let hint = if has_none {
        format!("write `\"http://{url}\"`")
    } else {
        "write a URL such as `\"https://example.org/path\"`".to_owned()
    };
    Err(Stop::Refused(Box::new(mistake.hint(hint))))
}

/// The headers of a request.
///
/// Errors: a name or a value that no header can have.
pub(super) fn headers(context: &PlanContext<'_>, written: &BTreeMap<String, Text>) -> Result<Headers, Stop> {
    for (name, value) in written {
        // RFC 9110 5.1
        let is_name = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
        let label = if name.is_empty() || !name.chars().all(is_name) {
            "use letters, digits and `-`"
        } else if value.expose().contains(char::is_control) {
            "the value must be one line"
        } else {
            continue;
        };
        let title = format!("`{name}` is not a valid header");
        return Err(context.refuse_entry("headers", name, title, label));
    }
    Ok(unchecked(written))
}

/// The same without the check.
pub(super) fn unchecked(written: &BTreeMap<String, Text>) -> Headers {
    let headers = written.iter();
    Headers::new(headers.map(|(name, value)| (name.clone(), Secret::new(value.expose()))))
}

/// Refuses a `ca` that is no path, or that nothing would use.
pub(super) fn check_ca(context: &PlanContext<'_>, url: &str, ca: Option<&str>) -> Result<(), Stop> {
    let Some(path) = ca else { return Ok(()) };
    check_path(context, "ca", path)?;
    if url.starts_with("https://") {
        return Ok(());
    }
    Err(context
        .refuse("ca", "`ca` needs an `https` URL", "this would have no effect")
        .hint("remove it, or write `https://` in `url`"))
}
