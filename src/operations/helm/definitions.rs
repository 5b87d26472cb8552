//! The CustomResourceDefinitions in `crds/` of a chart and of its dependencies: Helm makes them once and never updates them, so homelab applies them.

use super::dependencies::definitions;
use super::parameters::{Definitions, Release};
use super::wish::Upgrade;
use crate::change::{Outcome, ResourceChange, Stop};
use crate::operations::PlanContext;
use crate::operations::k8s::decision::{BY_CLIENT, Rules};
use crate::operations::k8s::documents::objects_of;
use crate::operations::k8s::manifest::Manifest;
use crate::operations::k8s::parameters::Wait;
use crate::operations::k8s::planned;
use crate::operations::k8s::set::Set;
use crate::operations::k8s::wish::{CustomKind, Described};

/// The definitions of a chart, and the kinds that they bring.
pub(super) struct ChartKinds {
    manifests: Vec<Manifest>,
    pub(super) kinds: Vec<CustomKind>,
}

impl ChartKinds {
    /// Errors: a file in `crds/` cannot be read.
    pub(super) fn of(upgrade: &Upgrade<'_>) -> Result<Self, Stop> {
        let context = upgrade.context;
        let mut manifests: Vec<Manifest> = Vec::new();
        if !upgrade.release.skip_crds {
            let files = definitions(&upgrade.chart.files, upgrade.values.real()).map_err(|why| {
                let title = format!("a dependency of `{}` cannot be read", upgrade.chart.title());
                context.refuse("chart", title, why).hint("correct the chart")
            })?;
            for (path, text) in files {
                let objects = objects_of(&path, &text, context.origin_of("chart"));
                let objects = objects.map_err(|why| {
                    let title = format!("`{path}` of the chart is not a manifest");
                    context
                        .refuse("chart", title, why)
                        .hint("correct the chart, or write `skip_crds = true`")
                })?;
                for object in objects {
                    // Helm makes the first of two as well.
                    if !manifests.iter().any(|one| one.id.is_same(&object.id)) {
                        manifests.push(object);
                    }
                }
            }
        }
        let kinds = manifests.iter().filter_map(|manifest| CustomKind::of(&manifest.object));
        Ok(Self {
            kinds: kinds.collect(),
            manifests,
        })
    }

    /// What becomes of them.
    ///
    /// Errors: something is not known, or the API server refuses one.
    pub(super) fn changes(
        &self,
        context: &PlanContext<'_>,
        upgrade: &Upgrade<'_>,
    ) -> Result<Vec<ResourceChange>, Stop> {
        if self.manifests.is_empty() {
            return Ok(Vec::new());
        }
        let adopt = [BY_CLIENT.to_owned(), "helm".to_owned()];
        let set = Set {
            api: upgrade.api.clone(),
            argument: "chart",
            name: None,
            namespace: None,
            rules: Rules {
                adopt: &adopt,
                recreate: &[],
            },
            wait: &Wait::All(false),
            within: upgrade.release.within.0,
        };
        let described = self.manifests.iter().map(|manifest| Described {
            manifest: manifest.clone(),
            is_kept: upgrade.release.keeps_definitions(),
            kept_fields: Vec::new(),
        });
        Ok(match planned::plan(&set, context, described.collect())? {
            Outcome::Change(changes) => changes,
            _ => Vec::new(),
        })
    }
}

impl Release {
    fn keeps_definitions(&self) -> bool {
        self.crds == Definitions::Keep
    }
}
