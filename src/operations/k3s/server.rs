//! `k3s.server`: a server of a Kubernetes cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k3s.server"
//! version = "v1.34.4+k3s1"
//! source = "https://github.com/k3s-io/k3s/releases/download/v1.34.4%2Bk3s1/k3s"
//! sha256 = "…"
//! token = "{{ k3s.token }}"
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

/// Parameters of `k3s.server`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Server {
    /// Version of k3s, such as `"v1.34.4+k3s1"`. It may be newer than that of the host by one minor version at most.
    version: String,
    /// Where the program comes from: a URL that the host downloads, a file of the project such as `"downloads/k3s"`, or `"lab"` on lab
    /// hosts.
    source: String,
    /// SHA-256 of the program, as `sha256sum` prints it. Not needed with `source = "lab"`.
    sha256: Option<String>,
    /// Password that nodes join with, without blanks and colons.
    token: Text,
    /// Password that only agents join with; default: `token`.
    agent_token: Option<Text>,
    /// Settings of k3s by the names of its flags, such as `{ secrets-encryption = true }`, for `config.yaml`.
    config: Option<Settings>,
    /// Further names and addresses under which the API server is reached.
    #[serde(default)]
    tls_san: Vec<String>,
    /// Parts of k3s that are left out, such as `["traefik"]`.
    #[serde(default)]
    disable: Vec<String>,
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
    /// `false` removes k3s from the host, with all data of the cluster.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Server {
    const NAME: &'static str = "k3s.server";
    const SUMMARY: &'static str = "Run a server of a Kubernetes cluster";
    const MAIN_ARGUMENT: &'static str = "version";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k3s.server"
version = "v1.34.4+k3s1"
source = "https://github.com/k3s-io/k3s/releases/download/v1.34.4%2Bk3s1/k3s"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
token = "{{ k3s.token }}"
tls_san = ["k3s.home.example"]
disable = ["traefik"]
config = { secrets-encryption = true }
"#;
}

impl Server {
    fn wish(&self) -> Wish<'_> {
        Wish {
            role: Role::Server,
            version: &self.version,
            source: &self.source,
            sha256: self.sha256.as_deref(),
            token: &self.token,
            agent_token: self.agent_token.as_ref(),
            server: None,
            config: self.config.as_ref(),
            tls_san: &self.tls_san,
            disable: &self.disable,
            node_name: self.node_name.as_deref(),
            labels: &self.labels,
            taints: &self.taints,
            images: &self.images,
            registries: self.registries.as_ref(),
            within: self.within.0,
            drain: None,
            present: self.present,
        }
    }
}

impl Operation for Server {
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
