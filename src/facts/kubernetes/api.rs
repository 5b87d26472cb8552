//! How a host reaches the API of a cluster.

use serde::{Deserialize, Serialize};

use crate::quote::quote;

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

    /// The same with a `PATH` that has the folder where k3s is.
    pub fn path() -> &'static str {
        "export PATH=\"$PATH:/usr/local/bin\"\n"
    }
}
