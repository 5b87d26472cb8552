//! `inventories/<name>.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::data::Data;
use crate::project::{ConnectionSettings, LabSettings};

/// The hosts of an environment.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Inventory {
    /// Groups of every host, lowest precedence first.
    groups: Option<Vec<String>>,
    /// How to connect to hosts that do not say otherwise.
    connection: Option<ConnectionSettings>,
    /// What lab hosts are made of that do not say otherwise.
    lab: Option<LabSettings>,
    /// The hosts by name.
    hosts: Hosts,
}

struct Hosts;

impl JsonSchema for Hosts {
    fn schema_name() -> Cow<'static, str> {
        "Hosts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = BTreeMap::<String, Host>::json_schema(generator);
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

/// A host.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Host {
    /// Where ssh is to connect; the host's own name if not given.
    address: Option<String>,
    /// Its groups, lowest precedence first.
    groups: Option<Vec<String>>,
    /// Its own data, over that of its groups.
    data: Option<Data>,
    /// How to connect to it.
    connection: Option<ConnectionSettings>,
    /// Whether it is a throw-away host of the lab, or what that is made of.
    lab: Option<Lab>,
}

struct Lab;

impl JsonSchema for Lab {
    fn schema_name() -> Cow<'static, str> {
        "Lab".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = LabSettings::json_schema(generator);
        json_schema!({ "anyOf": [{ "type": "boolean" }, settings] })
    }
}
