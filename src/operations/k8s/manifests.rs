//! `k8s.manifests`: the objects that files describe are in a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.manifests"
//! src = "shop"                                 # below templates/
//! ```
//!
//! What becomes of an object is said by the cluster's own API server, which is asked to try it (`--dry-run=server`).

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::decision::{BY_CLIENT, Rules};
use super::parameters::{Names, Wait};
use super::reach::api;
use super::read::read;
use super::set::Set;
use super::{planned, removal};
use crate::change::{Outcome, Stop};
use crate::content::Assets;
use crate::facts::FactKey;
use crate::facts::kubernetes::Api;
use crate::facts::overlay::FactScope;
use crate::operations::parameters::Span;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `k8s.manifests`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Manifests {
    /// Files or folders below `templates/`: a path, or a list of paths. Names that end in `.j2` are rendered; of a folder
    /// `.yaml`, `.yml` and `.json` are read, without sub-folders.
    src: Names,
    /// Name of the set that the objects are, unique in the cluster. Objects that leave the files are found by it. By default the last
    /// part of the first `src`.
    set: Option<String>,
    /// Namespace of objects that name none; by default `"default"`.
    namespace: Option<String>,
    /// Objects that are made if they are missing, and left alone once they are there, as `Kind/name`.
    #[serde(default)]
    keep: Vec<String>,
    /// Managers from whom fields may be taken; by default `["kubectl-client-side-apply"]`. Other fields that somebody else set to another
    /// value are an error.
    #[serde(default = "by_client")]
    adopt: Vec<String>,
    /// Objects that may be deleted and made again where a field cannot be changed, as `Kind/name`.
    #[serde(default)]
    recreate: Vec<String>,
    /// What to wait for: `true`, the default, for Deployments, StatefulSets, DaemonSets, CustomResourceDefinitions and APIServices;
    /// `false` for nothing; or a list of `Kind` or `Kind/name`, which may name Jobs.
    #[serde(default)]
    wait: Wait,
    /// How long to wait for them, such as `"10m"`; default: `"5m"`.
    #[serde(default = "five_minutes")]
    within: Span,
    /// `false` deletes all objects of the set.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// File on the host with which `kubectl` reaches the cluster; by default `k3s kubectl` is used.
    kubeconfig: Option<String>,
}

fn by_client() -> Vec<String> {
    vec![BY_CLIENT.to_owned()]
}

fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

impl Define for Manifests {
    const NAME: &'static str = "k8s.manifests";
    const SUMMARY: &'static str = "Have the objects of manifests in a cluster of Kubernetes";
    const MAIN_ARGUMENT: &'static str = "src";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k8s.manifests"
src = "shop"
namespace = "shop"
"#;
}

impl Operation for Manifests {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::KubernetesCluster(Api {
            kubeconfig: self.kubeconfig.clone(),
        })]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.needs().into_iter().map(FactScope::Key).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let set = Set {
            api: api(context, self.kubeconfig.as_deref())?,
            argument: "src",
            name: Some(self.set_name(context)?),
            namespace: self.namespace.as_deref(),
            keep: &self.keep,
            rules: Rules {
                adopt: &self.adopt,
                recreate: &self.recreate,
            },
            wait: &self.wait,
            within: self.within.0,
        };
        let manifests = match read(context, &self.src.0)? {
            Known::Yes(manifests) => manifests,
            Known::No(why) => {
                return Ok(Outcome::Deferred {
                    waits_for: Vec::new(),
                    why,
                    touches: self.touches(context),
                    preview: Vec::new(),
                });
            }
        };
        if self.present {
            planned::plan(&set, context, manifests)
        } else {
            removal::plan(&set, context, manifests)
        }
    }
}

impl Manifests {
    /// The name of the set.
    ///
    /// Errors: it cannot be part of the name of a ConfigMap.
    fn set_name(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        let Some(first) = self.src.0.first() else {
            return Err(context
                .refuse("src", "`src` names no file", "nothing to apply")
                .hint("write `src = \"FOLDER\"`, below `templates/`"));
        };
        let file = first.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let file = file.strip_suffix(Assets::TEMPLATE_SUFFIX).unwrap_or(file);
        let bare = file
            .rsplit_once('.')
            .filter(|(_, end)| matches!(*end, "yaml" | "yml" | "json"));
        let name = self
            .set
            .as_deref()
            .unwrap_or_else(|| bare.map_or(file, |(name, _)| name));
        let is_valid = !name.is_empty()
            && name.len() <= 200
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.ends_with(|last: char| last.is_ascii_alphanumeric());
        if is_valid {
            return Ok(name.to_owned());
        }
        let argument = if self.set.is_some() { "set" } else { "src" };
        let title = format!("`{name}` is not a valid name of a set");
        Err(context
            .refuse(argument, title, "use lower-case letters, digits and `-`")
            .hint("write `set = \"NAME\"`"))
    }
}
