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
    /// Groups of every host; later ones override earlier ones.
    groups: Option<Vec<String>>,
    /// How to connect; a host can override each setting.
    connection: Option<ConnectionSettings>,
    /// Defaults for lab hosts; a host can override each setting.
    lab: Option<LabSettings>,
    /// Hosts by name.
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
    /// Address or ssh alias to connect to. By default the name of the host.
    address: Option<String>,
    /// Groups of the host; later ones override earlier ones.
    groups: Option<Vec<String>>,
    /// Data of the host; overrides that of its groups.
    data: Option<Data>,
    /// How to connect to the host.
    connection: Option<ConnectionSettings>,
    /// `true`, or a table with settings, makes it a throw-away host of the lab.
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
