//! k3s on a host: its program, its unit and the node that it runs.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The program.
pub const PROGRAM: &str = "/usr/local/bin/k3s";
/// The folder of its settings.
pub const SETTINGS: &str = "/etc/rancher/k3s";
/// The folder of its data.
pub const DATA: &str = "/var/lib/rancher/k3s";
/// The unit of a server.
pub const SERVER_UNIT: &str = "k3s.service";
/// The unit of an agent.
pub const AGENT_UNIT: &str = "k3s-agent.service";
/// The annotation of a node from which homelab moves pods away, for as long as it does.
pub const DRAINED: &str = "homelab.dev/drained";

/// k3s on the host.
#[derive(Clone, Copy)]
pub struct K3sKey;

impl Key<'_> for K3sKey {
    type Fact = Box<K3s>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "k3s".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Box<K3s>> {
        Some(Box::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// What a host has of k3s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question that the host answers")]
pub struct K3s {
    /// The version that the program says, `v1.34.4+k3s1`; `None` without a program.
    pub program: Option<String>,
    /// Whether the program says that it is a stand-in.
    pub is_stand_in: bool,
    /// Whether there is a unit of a server.
    pub is_server: bool,
    /// Whether there is a unit of an agent.
    pub is_agent: bool,
    /// Whether a server has a database.
    pub has_data: bool,
    /// The SHA-256 of the password in the token of the cluster that the server has.
    pub token: Option<String>,
    /// What runs was started before one of its files changed.
    pub is_outdated: bool,
    pub node: Node,
}

/// The node of this host, as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// The host never was one, or its unit does not run.
    #[default]
    Unasked,
    /// It has no answer, for this reason.
    Silent(String),
    Known(NodeState),
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    pub name: String,
    /// The version of its kubelet.
    pub version: String,
    pub is_ready: bool,
    /// Why it is not ready.
    #[serde(default)]
    pub reason: String,
    /// Whether a run of homelab moved its pods away and did not let them come back.
    #[serde(default)]
    pub is_drained: bool,
}
