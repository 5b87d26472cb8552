//! Types of parameters of these operations.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A string, or a list of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;
        impl<'de> de::Visitor<'de> for NamesVisitor {
            type Value = Names;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(NamesVisitor)
    }
}

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a string or a list of strings",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

/// What a deploy waits for: everything that can be waited for, nothing, or these kinds and objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Wait {
    All(bool),
    Only(Vec<String>),
}

impl Default for Wait {
    fn default() -> Self {
        Self::All(true)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WaitVisitor;
        impl<'de> de::Visitor<'de> for WaitVisitor {
            type Value = Wait;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true, false, or a list of `Kind` or `Kind/name`")
            }

            fn visit_bool<E: de::Error>(self, all: bool) -> Result<Wait, E> {
                Ok(Wait::All(all))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Wait, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Wait::Only(names))
            }
        }
        deserializer.deserialize_any(WaitVisitor)
    }
}

impl JsonSchema for Wait {
    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "true, false, or a list of `Kind` or `Kind/name`",
            "anyOf": [{ "type": "boolean" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

impl Wait {
    /// Whether an object of this kind and name is waited for.
    pub(super) fn covers(&self, kind: &str, name: &str) -> bool {
        let by_default = [
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "CustomResourceDefinition",
            "APIService",
        ];
        match self {
            Self::All(all) => *all && by_default.contains(&kind),
            Self::Only(names) => names.iter().any(|one| match one.split_once('/') {
                Some((own, of)) => own == kind && of == name,
                None => one == kind && by_default.contains(&kind),
            }),
        }
    }
}
