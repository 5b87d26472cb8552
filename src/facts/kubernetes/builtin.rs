//! What a cluster has that was just made.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Answers, Cluster, Node, ServedKind};

/// The kinds of Kubernetes itself.
const KUBERNETES: &str = include_str!("builtin.txt");

/// Those that k3s adds: its own, and those of its controller of Helm charts.
const K3S: &str = "helm.cattle.io/v1 HelmChart namespaced\nhelm.cattle.io/v1 HelmChartConfig namespaced\n\
                   k3s.cattle.io/v1 Addon namespaced\nk3s.cattle.io/v1 ETCDSnapshotFile cluster\n";

/// Those in which every cluster has something.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl Cluster {
    /// A cluster that this run makes, with one node: what k3s of this version serves, and nothing in it. The kinds are those of the
    /// minor version that the table was written from.
    pub fn fresh(version: &str, node: &str) -> Self {
        let kinds: BTreeSet<ServedKind> = KUBERNETES.lines().chain(K3S.lines()).filter_map(kind).collect();
        let version_of = |kind: &ServedKind| match kind.group.as_str() {
            "" => kind.version.clone(),
            group => format!("{group}/{}", kind.version),
        };
        let own = Node {
            is_ready: true,
            version: version.to_owned(),
            ..Node::default()
        };
        Self::Answers(Box::new(Answers {
            uid: None,
            version: version.to_owned(),
            is_predicted: true,
            namespaces: NAMESPACES.map(str::to_owned).into(),
            versions: kinds.iter().map(version_of).collect(),
            kinds,
            nodes: BTreeMap::from([(node.to_owned(), own)]),
            node_ports: BTreeMap::new(),
            storage_classes: None,
            redefined: BTreeSet::new(),
        }))
    }
}

fn kind(line: &str) -> Option<ServedKind> {
    let mut words = line.split(' ');
    let (version, kind, scope) = (words.next()?, words.next()?, words.next()?);
    if version == "#" {
        return None;
    }
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    Some(ServedKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        is_namespaced: scope == "namespaced",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_cluster_serves_what_manifests_need() {
        let Cluster::Answers(fresh) = Cluster::fresh("v1.34.4+k3s1", "one") else {
            panic!("it answers");
        };
        for (group, version, kind, expected) in [
            ("", "v1", "Pod", Some(true)),
            ("", "v1", "Namespace", Some(false)),
            ("", "v1", "PersistentVolume", Some(false)),
            ("apps", "v1", "Deployment", Some(true)),
            ("batch", "v1", "CronJob", Some(true)),
            ("autoscaling", "v2", "HorizontalPodAutoscaler", Some(true)),
            ("autoscaling", "v1", "HorizontalPodAutoscaler", Some(true)),
            ("policy", "v1", "PodDisruptionBudget", Some(true)),
            ("networking.k8s.io", "v1", "Ingress", Some(true)),
            ("rbac.authorization.k8s.io", "v1", "ClusterRole", Some(false)),
            ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", Some(false)),
            (
                "admissionregistration.k8s.io",
                "v1",
                "ValidatingWebhookConfiguration",
                Some(false),
            ),
            ("node.k8s.io", "v1", "RuntimeClass", Some(false)),
            ("helm.cattle.io", "v1", "HelmChart", Some(true)),
            ("policy", "v1beta1", "PodSecurityPolicy", None),
            ("cert-manager.io", "v1", "Certificate", None),
        ] {
            assert_eq!(fresh.serves(group, version, kind), expected, "{group}/{version} {kind}");
        }
        assert!(fresh.is_predicted && fresh.namespaces.contains("kube-system") && fresh.nodes.contains_key("one"));
    }
}
