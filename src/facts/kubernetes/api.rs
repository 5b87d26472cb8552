//! How a host reaches the API of a cluster.

use serde::{Deserialize, Serialize};

use crate::quote::quote;

/// The file with the credentials that k3s writes for root.
const K3S_CONFIG: &str = "/etc/rancher/k3s/k3s.yaml";

/// How a host reaches the API of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The file with the credentials for `kubectl`; without it `k3s kubectl` is used, which has those of root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
}

impl Api {
    /// The words of a shell that start `kubectl`. It keeps no cache, which it would write into a home directory in a dry run too.
    pub fn kubectl(&self) -> String {
        let cache = "--cache-dir=/dev/null/none";
        match &self.kubeconfig {
            None => format!("k3s kubectl {cache}"),
            Some(path) => format!("kubectl --kubeconfig={} {cache}", quote(path)),
        }
    }

    /// The words of a shell that start `helm`. It keeps nothing of its own on the host, and takes no setting of its caller.
    pub fn helm(&self) -> String {
        let config = self.kubeconfig.as_deref().unwrap_or(K3S_CONFIG);
        // What it writes cannot be made. What it reads is not there: it takes a path below a file for an error.
        format!(
            "env -u HELM_DRIVER -u HELM_NAMESPACE -u HELM_KUBECONTEXT HELM_CACHE_HOME=/dev/null/none KUBECACHEDIR=/dev/null/none \
             HELM_CONFIG_HOME=/nonexistent/homelab HELM_DATA_HOME=/nonexistent/homelab KUBECONFIG={} helm",
            quote(config)
        )
    }

    /// The same with a `PATH` that has the folder where k3s is.
    pub fn path() -> &'static str {
        "export PATH=\"$PATH:/usr/local/bin\"\n"
    }
}
