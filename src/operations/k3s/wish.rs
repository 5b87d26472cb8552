//! What a server and an agent have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::role::Role;
use crate::change::Attribute;
use crate::operations::parameters::Span;
use crate::value::{Text, Varied};

/// Other names of the program, under which it is one of its parts.
pub(super) const LINKS: [&str; 3] = ["/usr/local/bin/kubectl", "/usr/local/bin/crictl", "/usr/local/bin/ctr"];

/// Settings, as they are written.
pub(super) type Settings = Varied<Map<String, Value>>;

/// A server or an agent.
pub(super) struct Wish<'a> {
    pub(super) role: Role,
    pub(super) version: &'a str,
    pub(super) source: &'a str,
    pub(super) sha256: Option<&'a str>,
    pub(super) token: &'a Text,
    pub(super) agent_token: Option<&'a Text>,
    /// The URL of the server that an agent joins.
    pub(super) server: Option<&'a str>,
    pub(super) config: Option<&'a Settings>,
    pub(super) tls_san: &'a [String],
    pub(super) disable: &'a [String],
    pub(super) node_name: Option<&'a str>,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) taints: &'a [String],
    pub(super) images: &'a [String],
    pub(super) registries: Option<&'a Settings>,
    pub(super) within: Duration,
    /// How long pods may take to leave the node before it is restarted; `None` leaves them there.
    pub(super) drain: Option<Duration>,
    pub(super) present: bool,
}

/// How long a node may take to become ready, or pods to leave it.
pub(super) fn patience() -> Span {
    Span(Duration::from_secs(300))
}

/// A version, as reviews show it.
pub(super) fn shown(version: &str, is_stand_in: bool) -> Attribute {
    Attribute::known(if is_stand_in {
        format!("{version} (stand-in)")
    } else {
        version.to_owned()
    })
}
