//! `helm.release`: a release of a chart in a cluster, by the host's own `helm`.
//!
//! ```toml
//! [[operation]]
//! op = "helm.release"
//! release = "web"
//! namespace = "shop"
//! chart = "web"                                # below charts/
//! ```
//!
//! What becomes of its objects is said by the API server, which is asked to try what the chart renders.

mod chart;
mod definitions;
mod objects;
mod removal;
mod script;
mod upgrade;
mod values;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::chart::Chart;
use self::upgrade::Upgrade;
use self::values::Values;
use super::names::{check_name, check_namespace};
use super::reach::api;
use super::single::{needs, touches};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::kubernetes::Api;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::parameters::Span;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::{Known, Varied};

/// Helm takes no longer names.
const LONGEST_NAME: usize = 53;

/// Parameters of `helm.release`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Release {
    /// Name of the release.
    release: String,
    /// Namespace of the release. It has to be there: `k8s.namespace` makes it.
    namespace: String,
    /// Folder below `charts/` of the project, such as `"web"`, or an archive, such as `"web-1.2.3.tgz"`. Nothing is downloaded: put
    /// there what `helm pull` gives. Not needed with `present = false`.
    chart: Option<String>,
    /// Version that the chart must have.
    version: Option<String>,
    /// SHA-256 of an archive, as `sha256sum` prints it; a folder needs none.
    sha256: Option<String>,
    /// Values for the chart. They may be secrets, which are never shown.
    values: Option<Varied<Map<String, serde_json::Value>>>,
    /// Files of values below `templates/`, in YAML or JSON. A later one wins, and `values` over all. Names that end in `.j2` are rendered.
    #[serde(default)]
    values_files: Vec<String>,
    /// `true` leaves out the CustomResourceDefinitions in `crds/` of the chart.
    #[serde(default)]
    skip_crds: bool,
    /// What to do about CustomResourceDefinitions in `crds/` of the chart that are there: `"update"`, the default, or `"keep"`. Helm itself
    /// never updates them.
    #[serde(default)]
    crds: Definitions,
    /// `true`, the default, goes back to the last good revision if an upgrade fails, and if a run was cut off in one.
    #[serde(default = "crate::operations::parameters::yes")]
    rollback: bool,
    /// How long an upgrade may take until all is ready, such as `"10m"`; default: `"5m"`.
    #[serde(default = "five_minutes")]
    within: Span,
    /// `false` does not compare the objects in the cluster, as long as chart and values are the same.
    #[serde(default = "crate::operations::parameters::yes")]
    drift: bool,
    /// `false` uninstalls the release.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// File on the host with which the cluster is reached; by default that of k3s.
    kubeconfig: Option<String>,
}

/// What to do about definitions that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Definitions {
    #[default]
    Update,
    Keep,
}

fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

impl Define for Release {
    const NAME: &'static str = "helm.release";
    const SUMMARY: &'static str = "Have a release of a Helm chart in a cluster of Kubernetes";
    const MAIN_ARGUMENT: &'static str = "release";
    const TOLD_APART_BY: &'static [&'static str] = &["namespace"];
    const EXAMPLE: &'static str = r#"[[operation]]
op = "helm.release"
release = "web"
namespace = "shop"
chart = "web-1.2.3.tgz"
sha256 = "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8"
values = { replicas = 2 }
"#;
}

impl Operation for Release {
    fn needs(&self) -> Vec<FactKey> {
        needs(self.kubeconfig.as_ref())
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touches()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let name = format!("{} in {}", self.release, self.namespace);
        vec![Demand::presence(ResourceKind::HelmRelease, &name, self.present)]
    }

    fn cluster_objects(&self, _context: &PlanContext<'_>) -> Option<ClusterObjects> {
        // What a chart makes is not taken to be missing.
        Some(ClusterObjects {
            api: Api {
                kubeconfig: self.kubeconfig.clone(),
            },
            ..ClusterObjects::default()
        })
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_name(context, "release", &self.release, "a release")?;
        if self.release.len() > LONGEST_NAME {
            let title = format!("`{}` is too long for a release", self.release);
            return Err(context
                .refuse("release", title, format!("Helm takes {LONGEST_NAME} characters"))
                .hint("choose a shorter name"));
        }
        check_namespace(context, Some(&self.namespace))?;
        let api = api(context, self.kubeconfig.as_deref())?;
        if !self.present {
            return removal::plan(self, context, &api);
        }
        let chart = Chart::find(self, context)?;
        let values = match Values::read(context, self.values.as_ref(), &self.values_files)? {
            Known::Yes(values) => values,
            Known::No(why) => {
                return Ok(Outcome::Deferred {
                    waits_for: Vec::new(),
                    why,
                    touches: self.touches(context),
                    preview: Vec::new(),
                });
            }
        };
        let upgrade = Upgrade {
            release: self,
            context,
            api,
            chart,
            values,
        };
        upgrade.plan()
    }
}

/// What a table with secrets is: the type that `values` has.
type Given = Varied<Map<String, Value>>;
