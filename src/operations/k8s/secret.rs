//! `k8s.secret`: a Secret of a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.secret"
//! secret = "database"
//! namespace = "shop"
//! data = { password = "{{ database_password }}" }
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::single::{IfExists, needs, touches};
use super::with_data::WithData;
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `k8s.secret`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Secret {
    /// Name of the Secret.
    secret: String,
    /// Namespace that it is in.
    namespace: String,
    /// Values by key. They are plain text, and never shown.
    #[serde(default)]
    data: BTreeMap<String, Text>,
    /// Files below `templates/` by key: their content is the value. Names that end in `.j2` are rendered.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Type of the Secret, such as `"kubernetes.io/tls"`; default: `"Opaque"`.
    #[serde(default = "opaque", rename = "type")]
    kind: String,
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

fn opaque() -> String {
    "Opaque".to_owned()
}

impl Define for Secret {
    const NAME: &'static str = "k8s.secret";
    const SUMMARY: &'static str = "Have a Secret in a cluster of Kubernetes";
    const MAIN_ARGUMENT: &'static str = "secret";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.secret"
secret = "database"
namespace = "shop"
data = { password = "{{ database_password }}" }
"#;
}

impl Operation for Secret {
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
        self.described().plan(context, |data| {
            let mut fields = data.of_secret();
            for fields in &mut fields {
                fields.insert("type".to_owned(), self.kind.clone().into());
            }
            fields
        })
    }
}

impl Secret {
    fn described(&self) -> WithData<'_> {
        WithData {
            argument: "secret",
            kind: "Secret",
            kubeconfig: self.kubeconfig.as_ref(),
            namespace: &self.namespace,
            name: &self.secret,
            data: &self.data,
            files: &self.files,
            immutable: self.immutable,
            if_exists: self.if_exists,
            present: self.present,
        }
    }
}
