//! Examples of k3s on a host.

use super::text;
use crate::facts::k3s::{K3s, Node, NodeState};
use crate::facts::{Fact, FactKey};

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let node = NodeState {
        name: text("one"),
        version: text("v1.34.4+k3s1"),
        is_ready: false,
        reason: text("KubeletNotReady: network not ready"),
        is_drained: true,
    };
    let all = K3s {
        program: Some(text("v1.34.4+k3s1")),
        is_stand_in: true,
        is_server: true,
        is_agent: true,
        has_data: true,
        token: Some("0".repeat(64)),
        is_outdated: true,
        node: Node::Known(node),
    };
    let silent = K3s {
        node: Node::Silent(text("connection refused")),
        ..K3s::default()
    };
    let facts = [K3s::default(), silent, all];
    vec![(FactKey::K3s, facts.map(|fact| Fact::K3s(Box::new(fact))).into())]
}
