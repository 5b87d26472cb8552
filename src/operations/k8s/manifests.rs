//! `k8s.manifests`: the objects that files describe are in a cluster.
//!
//! ```toml
//! [[operation]]
//! op = "k8s.manifests"
//! src = "shop"                                 # below templates/
//! ```
//!
//! What becomes of an object is said by the cluster's own API server, which is asked to try it (`--dry-run=server`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::checks::needed;
use super::decision::{BY_CLIENT, Rules};
use super::documents::{Documents, Wanted, read, set_of};
use super::parameters::{Names, Wait};
use super::questions::question;
use super::reach::api;
use super::set::Set;
use super::single::{needs, touches};
use super::wish::Described;
use super::{planned, removal};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::kubernetes::{Api, Cluster, ClusterKey, ObjectFact, ObjectId, ObjectKey};
use crate::facts::overlay::FactScope;
use crate::facts::{Fact, FactKey};
use crate::operations::cluster_objects::{ClusterObject, ClusterObjects};
use crate::operations::parameters::Span;
use crate::operations::{AGENT, Define, Demand, Operation, PlanContext};
use crate::value::Varied;

/// Parameters of `k8s.manifests`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Manifests {
    /// Files or folders below `templates/`: a path, or a list of paths. Names that end in `.j2` are rendered; of a folder
    /// `.yaml`, `.yml` and `.json` are read, without sub-folders.
    src: Names,
    /// Name of the set that the objects are, unique in the cluster: `--prune` finds objects that left the files by it. By default the
    /// last part of the first `src`.
    set: Option<String>,
    /// Namespace of objects that name none; by default `"default"`.
    namespace: Option<String>,
    /// Files of `src` that are left out, by their paths below `templates/`.
    #[serde(default)]
    exclude: Vec<String>,
    /// What is made if it is missing, and left alone once it is there: objects, as `Kind/name`, or fields of objects, as
    /// `Kind/name:/pointer`.
    #[serde(default)]
    keep: Vec<String>,
    /// Images to use instead of those in the files: the name without tag or digest, and the image that stands in its place;
    /// `"agent:image"` is that of the on-host agent, which `k3s.image` takes to nodes.
    #[serde(default)]
    images: BTreeMap<String, String>,
    /// Values to put into objects, by `Kind/name:/pointer`, such as `{ "Deployment/web:/spec/replicas" = 2 }`. They may be secrets.
    set_fields: Option<Varied<Map<String, Value>>>,
    /// Groups to use instead of those in the files: `group/version` and `group/version`.
    #[serde(default)]
    rename_groups: BTreeMap<String, String>,
    /// Managers from whom fields may be taken; by default `["kubectl-client-side-apply"]`. Fields that another manager set to another
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

/// What to do where two operations have one set.
const ONE_SET: &str = "give one of them another `set`: each set has a name of its own in the cluster";

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
        let names_agent = self.images.values().any(|image| image.starts_with(AGENT));
        let system = names_agent.then_some(FactKey::System);
        needs(self.kubeconfig.as_ref()).into_iter().chain(system).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touches()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let set = set_of(self.set.as_deref(), &self.src.0);
        // Each would take the objects of the other for what left its files.
        let objects = format!(
            "{} in {}",
            self.src.0.join(", "),
            self.namespace.as_deref().unwrap_or("default")
        );
        let demand = |set: String| Demand::new(ResourceKind::KubernetesSet, &set, "src", objects).hint(ONE_SET);
        set.map(demand).into_iter().collect()
    }

    fn cluster_objects(&self, context: &PlanContext<'_>) -> Option<ClusterObjects> {
        let api = Api {
            kubeconfig: self.kubeconfig.clone(),
        };
        let cluster = match context.known_fact(&FactKey::KubernetesCluster(api.clone())) {
            Some(Fact::KubernetesCluster(Cluster::Answers(answers))) => Some(*answers),
            _ => None,
        };
        let documents = self.documents(context, &api).ok();
        let documents = documents.filter(|documents| documents.later.is_empty());
        let objects = match &documents {
            _ if !self.present => Some(Vec::new()),
            documents => documents.as_ref().map(cluster_objects),
        };
        let is_absent = |id: &ObjectId| match context.known_fact(&FactKey::KubernetesObject(question(
            context,
            &api,
            id,
            None,
            &[],
        ))) {
            Some(Fact::KubernetesObject(ObjectFact::Asked(object))) => object.live.is_none(),
            Some(Fact::KubernetesObject(ObjectFact::NotAsked)) => true,
            _ => false,
        };
        // What a cluster of this run has is known without asking.
        let is_new = cluster.as_ref().is_some_and(|cluster| cluster.is_predicted);
        let needed = cluster.as_ref().and(objects.as_deref()).map(needed).unwrap_or_default();
        let absent = needed.into_iter().filter(|id| is_new || is_absent(id)).collect();
        Some(ClusterObjects {
            api,
            objects,
            cluster,
            absent,
        })
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let api = api(context, self.kubeconfig.as_deref())?;
        let documents = self.documents(context, &api)?;
        if let Some(later) = documents.later.first() {
            return Ok(Outcome::Deferred {
                waits_for: Vec::new(),
                why: later.why.clone(),
                touches: self.touches(context),
                preview: Vec::new(),
            });
        }
        if self.present {
            // What pods need beside them is asked for in the same round.
            for id in needed(&cluster_objects(&documents)) {
                drop(context.get(ObjectKey(&question(context, &api, &id, None, &[]))));
            }
        }
        let mut described = Vec::new();
        for document in documents.objects {
            described.push(Described {
                manifest: document.manifest,
                is_kept: document.keep.is_whole,
                kept_fields: document.keep.fields,
            });
        }
        let set = Set {
            api,
            argument: "src",
            name: Some(documents.set),
            namespace: self.namespace.as_deref(),
            rules: Rules {
                adopt: &self.adopt,
                recreate: &self.recreate,
            },
            wait: &self.wait,
            within: self.within.0,
        };
        if self.present {
            planned::plan(&set, context, described)
        } else {
            removal::plan(&set, context, described)
        }
    }
}

/// The objects as the checks of the whole run see them.
fn cluster_objects(documents: &Documents) -> Vec<ClusterObject> {
    let objects = documents.objects.iter();
    objects
        .map(|document| ClusterObject {
            id: document.manifest.id.clone(),
            object: document.manifest.object.clone(),
            masked: document.manifest.masked.clone(),
            is_kept: document.keep.is_whole,
            places: Arc::clone(&document.manifest.places),
        })
        .collect()
}

impl Manifests {
    /// The images in the place of others; that of the agent by its name.
    fn wished_images(&self, context: &PlanContext<'_>) -> Result<BTreeMap<String, String>, Stop> {
        let mut images = self.images.clone();
        for image in images.values_mut().filter(|image| image.starts_with(AGENT)) {
            *image = context.agent_image("images")?;
        }
        Ok(images)
    }

    fn documents(&self, context: &PlanContext<'_>, api: &Api) -> Result<Documents, Stop> {
        let cluster = context.get(ClusterKey(api));
        let scope = |id: &ObjectId| match &cluster {
            Ok(Cluster::Answers(answers)) => answers.serves(&id.group, &id.version, &id.kind),
            _ => None,
        };
        let wanted = Wanted {
            src: &self.src.0,
            set: self.set.as_deref(),
            namespace: self.namespace.as_deref(),
            exclude: &self.exclude,
            keep: &self.keep,
            images: self.wished_images(context)?,
            set_fields: self.set_fields.as_ref(),
            rename_groups: self.rename_groups.clone(),
        };
        read(context, &wanted, &scope)
    }
}
