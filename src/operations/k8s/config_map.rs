//! `k8s.config_map`: a ConfigMap of a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.config_map"
//! config_map = "settings"
//! namespace = "shop"
//! data = { LOG_LEVEL = "info" }
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::single::{Data, IfExists, needs, touches};
use super::with_data::WithData;
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `k8s.config_map`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct ConfigMap {
    /// Name of the ConfigMap.
    config_map: String,
    /// Namespace that it is in.
    namespace: String,
    /// Values by key. Reviews show them; write secrets into a `k8s.secret`.
    #[serde(default)]
    data: BTreeMap<String, Text>,
    /// Files below `templates/` by key: their content is the value. Names that end in `.j2` are rendered.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// `true` makes the values final: for others it has to be deleted.
    #[serde(default)]
    immutable: bool,
    /// What to do if it is there: `"update"`, the default, or `"keep"` to leave it as it is, whatever it holds.
    #[serde(default)]
    if_exists: IfExists,
    /// `false` deletes it.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// File on the host with which `kubectl` reaches the cluster; by default `k3s kubectl` is used.
    kubeconfig: Option<String>,
}

impl Define for ConfigMap {
    const NAME: &'static str = "k8s.config_map";
    const SUMMARY: &'static str = "Have a ConfigMap in a cluster of Kubernetes";
    const MAIN_ARGUMENT: &'static str = "config_map";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.config_map"
config_map = "settings"
namespace = "shop"
data = { LOG_LEVEL = "info" }
"#;
}

impl Operation for ConfigMap {
    fn needs(&self) -> Vec<FactKey> {
        needs(self.kubeconfig.as_ref())
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touches()
    }

    fn cluster_objects(&self, context: &PlanContext<'_>) -> Option<ClusterObjects> {
        Some(self.described().cluster_objects(context))
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.described().plan(context, Data::of_config_map)
    }
}

impl ConfigMap {
    fn described(&self) -> WithData<'_> {
        WithData {
            argument: "config_map",
            kind: "ConfigMap",
            kubeconfig: self.kubeconfig.as_ref(),
            namespace: &self.namespace,
            name: &self.config_map,
            data: &self.data,
            files: &self.files,
            immutable: self.immutable,
            if_exists: self.if_exists,
            present: self.present,
        }
    }
}
