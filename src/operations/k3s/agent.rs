//! `k3s.agent`: an agent, which runs pods of a Kubernetes cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k3s.agent"
//! server = "https://k3s.home.example:6443"
//! version = "v1.34.4+k3s1"
//! source = "https://github.com/k3s-io/k3s/releases/download/v1.34.4%2Bk3s1/k3s"
//! sha256 = "…"
//! token = "{{ k3s.agent_token }}"
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::role::Role;
use super::wish::{Settings, Wish};
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::parameters::Span;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `k3s.agent`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Agent {
    /// URL of the server to join, such as `"https://k3s.home.example:6443"`.
    server: String,
    /// Version of k3s, such as `"v1.34.4+k3s1"`. It may be newer than that of the host by one minor version at most,
    /// and not newer than that of the server.
    version: String,
    /// Where the program comes from: a URL that the host downloads, a file of the project such as `"downloads/k3s"`, or `"lab"` on lab
    /// hosts.
    source: String,
    /// SHA-256 of the program, as `sha256sum` prints it. Not needed with `source = "lab"`.
    sha256: Option<String>,
    /// Password that the node joins with: `agent_token` of the server if it has one, otherwise its `token`.
    token: Text,
    /// Settings of k3s by the names of its flags, such as `{ kubelet-arg = ["max-pods=50"] }`, for `config.yaml`.
    config: Option<Settings>,
    /// Name of the node; default: the name of the host in the inventory.
    node_name: Option<String>,
    /// Labels that the node gets when it joins. Later ones are set by `k8s.node`.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Taints that the node gets when it joins, such as `["dedicated=gpu:NoSchedule"]`.
    #[serde(default)]
    taints: Vec<String>,
    /// Archives of images below `downloads/`, which k3s reads when it starts.
    #[serde(default)]
    images: Vec<String>,
    /// Mirrors and logins of registries, for `registries.yaml`; `{}`: none.
    registries: Option<Settings>,
    /// How long the node may take to become ready, such as `"10m"`.
    #[serde(default = "super::wish::patience")]
    within: Span,
    /// `true` moves pods to other nodes before k3s is restarted. Pods of a `DaemonSet` stay.
    #[serde(default)]
    drain: bool,
    /// How long pods may take to leave; after that nothing is restarted, and the node is used again.
    #[serde(default = "super::wish::patience")]
    drain_within: Span,
    /// `false` removes k3s from the host, with all its pods.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Agent {
    const NAME: &'static str = "k3s.agent";
    const SUMMARY: &'static str = "Run an agent, a node of a Kubernetes cluster";
    const MAIN_ARGUMENT: &'static str = "version";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k3s.agent"
server = "https://k3s.home.example:6443"
version = "v1.34.4+k3s1"
source = "https://github.com/k3s-io/k3s/releases/download/v1.34.4%2Bk3s1/k3s"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
token = "{{ k3s.agent_token }}"
drain = true
"#;
}

impl Agent {
    fn wish(&self) -> Wish<'_> {
        Wish {
            role: Role::Agent,
            version: &self.version,
            source: &self.source,
            sha256: self.sha256.as_deref(),
            token: &self.token,
            agent_token: None,
            server: Some(&self.server),
            config: self.config.as_ref(),
            tls_san: &[],
            disable: &[],
            node_name: self.node_name.as_deref(),
            labels: &self.labels,
            taints: &self.taints,
            images: &self.images,
            registries: self.registries.as_ref(),
            within: self.within.0,
            drain: self.drain.then_some(self.drain_within.0),
            present: self.present,
        }
    }
}

impl Operation for Agent {
    fn needs(&self) -> Vec<FactKey> {
        self.wish().needs()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.wish().touches()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        self.wish().demands()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.wish().plan(context)
    }
}
