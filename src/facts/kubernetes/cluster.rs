//! What is known of a cluster as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Api;
use crate::facts::kind::{DependsOn, Key, Subject};

/// The cluster that a host reaches by this.
#[derive(Clone, Copy)]
pub struct ClusterKey<'a>(pub &'a Api);

impl<'a> Key<'a> for ClusterKey<'a> {
    type Fact = Cluster;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        match &self.0.kubeconfig {
            None => "the cluster of k3s".to_owned(),
            Some(path) => format!("the cluster of `{path}`"),
        }
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Cluster> {
        Some(Cluster::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// What a host knows of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cluster {
    /// The host has no `k3s` or `kubectl`, or no cluster was made there.
    Absent,
    /// There is one, and it does not answer.
    Silent {
        /// What systemd says of its unit, or `kubectl` of its server.
        why: String,
    },
    Answers(Box<Answers>),
}

/// A cluster that answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The uid of the namespace `kube-system`, which no other cluster has; `None` for one that is not there yet.
    #[serde(default)]
    pub uid: Option<String>,
    /// The version of its API server: `v1.34.4+k3s1`.
    #[serde(default)]
    pub version: String,
    /// Whether this run makes it: then it has not been asked anything.
    #[serde(default)]
    pub is_predicted: bool,
    /// Those in which objects can be made.
    #[serde(default)]
    pub namespaces: BTreeSet<String>,
    /// Those that are being deleted, with all that is in them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub terminating: BTreeSet<String>,
    #[serde(default)]
    pub kinds: BTreeSet<ServedKind>,
    /// All versions of all groups: `v1`, `apps/v1`. [`kinds`](Self::kinds) may have only one version of a group.
    #[serde(default)]
    pub versions: BTreeSet<String>,
    /// Kinds whose CustomResourceDefinitions this run changes, as `Kind.group`, with the new `spec.versions`: the server judges their
    /// objects by the old ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redefined: BTreeMap<String, Value>,
    /// By name.
    #[serde(default)]
    pub nodes: BTreeMap<String, Node>,
    /// The Service that has a port of all nodes, as `namespace/name`, by port.
    #[serde(default)]
    pub node_ports: BTreeMap<u16, String>,
    /// By name; `None` if it was not asked.
    #[serde(default)]
    pub storage_classes: Option<BTreeMap<String, StorageClass>>,
}

/// The annotation of the class that claims get without naming one.
pub const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A class of storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageClass {
    /// Whether claims get it without naming one.
    #[serde(default)]
    pub is_default: bool,
}

/// A kind of objects that an API server serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedKind {
    /// `apps`; empty for the oldest kinds.
    pub group: String,
    pub version: String,
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub taints: Vec<Taint>,
    #[serde(default)]
    pub is_ready: bool,
    /// The version of its kubelet.
    #[serde(default)]
    pub version: String,
    /// What pods can get of it, as quantities: `cpu`, `memory`, `nvidia.com/gpu`.
    #[serde(default)]
    pub allocatable: BTreeMap<String, String>,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    pub key: String,
    #[serde(default)]
    pub value: String,
    pub effect: TaintEffect,
}

/// What a taint does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl Answers {
    /// Whether objects of this kind are in namespaces; `None` if it is not served.
    pub fn serves(&self, group: &str, version: &str, kind: &str) -> Option<bool> {
        let of_group = || self.kinds.iter().filter(|one| one.group == group && one.kind == kind);
        if let Some(exact) = of_group().find(|one| one.version == version) {
            return Some(exact.is_namespaced);
        }
        // Of a group only the preferred version was listed.
        let is_served = self.versions.contains(&group_version(group, version));
        of_group().next().filter(|_| is_served).map(|other| other.is_namespaced)
    }
}

/// `apps/v1`, or `v1` for the oldest kinds.
fn group_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_served_in_each_version_of_its_group() {
        let kind = |group: &str, version: &str, kind: &str, is_namespaced| ServedKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            is_namespaced,
        };
        let answers = Answers {
            kinds: [
                kind("", "v1", "Namespace", false),
                kind("autoscaling", "v2", "HorizontalPodAutoscaler", true),
            ]
            .into(),
            versions: ["v1", "autoscaling/v1", "autoscaling/v2"].map(str::to_owned).into(),
            ..Answers::default()
        };
        for (group, version, kind, expected) in [
            ("", "v1", "Namespace", Some(false)),
            ("autoscaling", "v2", "HorizontalPodAutoscaler", Some(true)),
            ("autoscaling", "v1", "HorizontalPodAutoscaler", Some(true)),
            ("autoscaling", "v2beta2", "HorizontalPodAutoscaler", None),
            ("", "v1", "HorizontalPodAutoscaler", None),
        ] {
            assert_eq!(
                answers.serves(group, version, kind),
                expected,
                "{group}/{version} {kind}"
            );
        }
    }
}
