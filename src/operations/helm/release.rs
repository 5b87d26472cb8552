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

use super::chart::Chart;
use super::values::Values;
use super::wish::Upgrade;
use super::{removal, upgrade};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::kubernetes::Api;
use crate::facts::overlay::FactScope;
use crate::operations::cluster_objects::ClusterObjects;
use crate::operations::k8s::names::{check_name, check_namespace};
use crate::operations::k8s::reach::api;
use crate::operations::k8s::single::{needs, touches};
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::Known;

pub(in crate::operations) use super::parameters::Release;

/// Helm takes no longer names.
const LONGEST_NAME: usize = 53;

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
        let wish = Upgrade {
            release: self,
            context,
            api,
            chart,
            values,
        };
        upgrade::plan(&wish)
    }
}
