//! The file of settings of k3s.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::role::Role;
use super::wish::Wish;
use crate::facts::k3s::SETTINGS;
use crate::template::yaml_text;
use crate::value::Text;

/// Settings that have parameters of their own, or that homelab needs to be as they are.
pub(super) const TAKEN: [(&str, &str); 12] = [
    ("token", "token"),
    ("token-file", "token"),
    ("agent-token", "agent_token"),
    ("agent-token-file", "agent_token"),
    ("server", "server"),
    ("tls-san", "tls_san"),
    ("disable", "disable"),
    ("node-name", "node_name"),
    ("node-label", "labels"),
    ("node-taint", "taints"),
    ("data-dir", ""),
    ("config", ""),
];

/// Settings that a cluster keeps for its whole life.
pub(super) const KEPT: [&str; 4] = ["cluster-cidr", "service-cidr", "cluster-init", "datastore-endpoint"];

/// The file.
pub(super) fn path() -> String {
    format!("{SETTINGS}/config.yaml")
}

/// The file with the token.
pub(super) fn token_path() -> String {
    format!("{SETTINGS}/token")
}

/// The file with the token of agents.
pub(super) fn agent_token_path() -> String {
    format!("{SETTINGS}/agent-token")
}

/// The file with registries.
pub(super) fn registries_path() -> String {
    format!("{SETTINGS}/registries.yaml")
}

/// The text of the file.
pub(super) fn text(wish: &Wish<'_>, node: &str) -> Text {
    let mut own: Map<String, Value> = Map::new();
    if let Some(server) = wish.server {
        own.insert("server".to_owned(), json!(server));
    }
    own.insert("token-file".to_owned(), json!(token_path()));
    if wish.role == Role::Server && wish.agent_token.is_some() {
        own.insert("agent-token-file".to_owned(), json!(agent_token_path()));
    }
    own.insert("node-name".to_owned(), json!(node));
    let labels = labels(wish);
    for (name, list) in [
        ("tls-san", wish.tls_san),
        ("disable", wish.disable),
        ("node-label", &labels),
        ("node-taint", wish.taints),
    ] {
        if !list.is_empty() {
            own.insert(name.to_owned(), json!(list));
        }
    }
    let written = |further: &Map<String, Value>| {
        let mut all = own.clone();
        all.extend(further.iter().map(|(name, value)| (name.clone(), value.clone())));
        format!("# Written by homelab.\n{}\n", yaml_text(&Value::Object(all)))
    };
    match wish.config {
        Some(config) => config.text(written),
        None => Text::open(written(&Map::new())),
    }
}

/// Labels, as k3s reads them.
pub(super) fn labels(wish: &Wish<'_>) -> Vec<String> {
    let labels = wish.labels.iter();
    labels.map(|(name, value)| format!("{name}={value}")).collect()
}

/// What a file of settings on a host says.
pub(super) fn read(text: &str) -> BTreeMap<String, Value> {
    let read = serde_saphyr::from_str::<Value>(text).ok();
    let table = read.and_then(|value| match value {
        Value::Object(table) => Some(table),
        _ => None,
    });
    table.unwrap_or_default().into_iter().collect()
}
