//! The tree of a JSON text.

use serde::de::IgnoredAny;

use super::tree::Node;
use super::yaml;

/// The tree of `text`; `None` if it is not JSON, or has a key twice.
pub(super) fn read(text: &str) -> Option<Node> {
    // JSON is YAML too, but for tabs at the start of lines.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    yaml::read(&text.replace('\t', " "))
}
