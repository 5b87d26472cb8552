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

use super::single::{Data, IfExists, Single, cluster_objects, needs, touches};
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::{Known, Text};

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
    /// `true` lets nobody change the values: for others it has to be deleted.
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
        let object = ("Secret", Some(self.namespace.as_str()), self.secret.as_str());
        let keys: Vec<&str> = self.data.keys().chain(self.files.keys()).map(String::as_str).collect();
        let is_kept = self.if_exists == IfExists::Keep;
        Some(cluster_objects(
            context,
            self.kubeconfig.as_ref(),
            object,
            &keys,
            (self.present, is_kept),
        ))
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let data = match Data::read(context, &self.data, &self.files)? {
            Known::Yes(data) => data,
            Known::No(why) => {
                return Ok(Outcome::Deferred {
                    waits_for: Vec::new(),
                    why,
                    touches: self.touches(context),
                    preview: Vec::new(),
                });
            }
        };
        let mut fields = data.of_secret();
        for fields in &mut fields {
            fields.insert("type".to_owned(), self.kind.clone().into());
            if self.immutable {
                fields.insert("immutable".to_owned(), true.into());
            }
        }
        let single = Single {
            argument: "secret",
            kubeconfig: self.kubeconfig.as_deref(),
            kind: "Secret",
            namespace: Some(&self.namespace),
            name: &self.secret,
            fields,
            is_kept: self.if_exists == IfExists::Keep,
            present: self.present,
        };
        single.plan(context)
    }
}
