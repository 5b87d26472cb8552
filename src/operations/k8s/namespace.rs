//! `k8s.namespace`: a namespace of a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.namespace"
//! namespace = "shop"
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::single::{Single, cluster_objects, needs, touches};
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `k8s.namespace`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Namespace {
    /// Name of the namespace.
    namespace: String,
    /// Labels that it has; others are left alone.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// `false` deletes it with everything in it.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// File on the host with which `kubectl` reaches the cluster; by default `k3s kubectl` is used.
    kubeconfig: Option<String>,
}

impl Define for Namespace {
    const NAME: &'static str = "k8s.namespace";
    const SUMMARY: &'static str = "Have a namespace in a cluster of Kubernetes";
    const MAIN_ARGUMENT: &'static str = "namespace";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.namespace"
namespace = "shop"
labels = { "pod-security.kubernetes.io/enforce" = "baseline" }
"#;
}

impl Operation for Namespace {
    fn needs(&self) -> Vec<FactKey> {
        needs(self.kubeconfig.as_ref())
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touches()
    }

    fn cluster_objects(&self, context: &PlanContext<'_>) -> Option<ClusterObjects> {
        let object = ("Namespace", None, self.namespace.as_str());
        Some(cluster_objects(
            context,
            self.kubeconfig.as_ref(),
            object,
            &[],
            (self.present, false),
        ))
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let mut fields = Map::<String, Value>::new();
        if !self.labels.is_empty() {
            fields.insert("labels".to_owned(), json!(self.labels));
        }
        let single = Single {
            argument: "namespace",
            kubeconfig: self.kubeconfig.as_deref(),
            kind: "Namespace",
            namespace: None,
            name: &self.namespace,
            fields: [fields.clone(), fields],
            is_kept: false,
            present: self.present,
        };
        single.plan(context)
    }
}
