//! What every operation can do.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;

use super::cluster_objects::ClusterObjects;
use super::context::PlanContext;
use super::placed::PlacedText;
use crate::change::{Conduct, Outcome, ResourceId, ResourceKind, Stop};
use crate::error::Origin;
use crate::facts::FactKey;
use crate::facts::docker::Reference;
use crate::facts::kubernetes::Objects;
use crate::facts::overlay::FactScope;
use crate::secret::sha256_hex;
use crate::value::Text;

/// How one property of a resource has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The resource.
    pub resource: ResourceId,
    /// The property.
    pub property: Cow<'static, str>,
    /// The property's value, as text.
    pub value: String,
    /// What to do where another operation demands otherwise, if that is something special.
    pub hint: Option<&'static str>,
}

impl Demand {
    pub(super) fn new(
        kind: ResourceKind,
        name: &str,
        property: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        let name = name.to_owned();
        Self {
            resource: ResourceId { kind, name },
            property: property.into(),
            value: value.into(),
            hint: None,
        }
    }

    /// The same for a text that may be secret: of such a one only the digest is compared.
    pub(super) fn of_text(
        kind: ResourceKind,
        name: &str,
        property: impl Into<Cow<'static, str>>,
        value: &Text,
    ) -> Self {
        let value = if value.is_secret() {
            sha256_hex(value.expose().as_bytes())
        } else {
            value.expose().clone()
        };
        Self::new(kind, name, property, value)
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Whether a resource exists.
    pub(super) fn presence(kind: ResourceKind, name: &str, is_present: bool) -> Self {
        Self::new(kind, name, "present", is_present.to_string())
    }
}

/// Says whether a path below a directory, from there, stays where it is.
pub type Stays = Box<dyn Fn(&str) -> bool>;

/// A directory that an operation has files of its own in.
pub struct Tree {
    pub path: String,
    /// Its files, by their paths from there; `None` if only the host knows them.
    pub files: Option<Vec<String>>,
    /// What stays if it removes everything else there; `None` if it does not.
    pub stays: Option<Stays>,
    /// Files, by their paths from there, that it writes again whenever something else has changed them, as far as they are known.
    pub restores: Vec<String>,
}

/// An entry of a user's table of cron.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CronEntry {
    pub user: String,
    /// The name by which it is found again.
    pub name: String,
}

/// A Docker image that an operation uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUse {
    /// As it is written, or words for images that are not known.
    pub name: String,
    /// `None` if only compose, or only the host, can say which one it is.
    pub image: Option<Reference>,
    /// Whether it comes from the project, so that no registry has it.
    pub is_uploaded: bool,
    /// What uses it: `stack grafana`.
    pub used_by: String,
    /// Where the registry is said to be asked each time.
    pub asked_at: Option<Origin>,
}

impl ImageUse {
    /// That of an operation that names the image itself.
    pub(super) fn of(image: &str, operation: &str, asked_at: Option<&Origin>) -> Self {
        Self {
            name: image.to_owned(),
            image: Reference::parse(image).ok(),
            is_uploaded: false,
            used_by: operation.to_owned(),
            asked_at: asked_at.cloned(),
        }
    }
}

/// The web sites that an operation knows of, and the services that it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    pub sites: Vec<Site>,
    /// Hosts of sites of other machines, in the data `other_sites`.
    pub other_hosts: BTreeSet<String>,
    /// `None` if only compose, or only the host, can say which there are.
    pub services: Option<Vec<ServedService>>,
}

/// A web site of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub host: String,
    pub upstream: String,
    pub has_tls: bool,
    /// Whether it is only a part of the host.
    pub has_path: bool,
    pub host_at: Option<Origin>,
    pub upstream_at: Option<Origin>,
}

/// A service that could answer a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedService {
    pub name: String,
    /// All names by which others reach it, and those of machines that it knows.
    pub names: BTreeSet<String>,
    /// By their names on the host; `None` if they are not known.
    pub networks: Option<BTreeSet<String>>,
    /// Whether it has the port of web sites on the host.
    pub is_web: bool,
}

/// An operation with its parameters, ready to be planned.
pub trait Operation: Debug + Send + Sync {
    /// Facts that planning is known to need, so that one round is enough. The list does not have to be complete.
    fn needs(&self) -> Vec<FactKey>;

    /// Everything that it may change, whatever the facts are. Links in paths do not have to be followed.
    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope>;

    /// The operation within this one, which carries it out in another way. What this one does not say itself, that one says.
    fn within(&self) -> Option<&dyn Operation> {
        None
    }

    /// What its parameters, and the files of the project that they name, say about resources. No two operations of a deploy may demand
    /// different things.
    fn demands(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        self.within().map_or_else(Vec::new, |within| within.demands(context))
    }

    /// The directories that it has files of its own in. No other operation of a deploy may write what it removes or writes again.
    fn trees(&self, context: &PlanContext<'_>) -> Vec<Tree> {
        self.within().map_or_else(Vec::new, |within| within.trees(context))
    }

    /// The Docker images that it uses.
    fn images(&self, context: &PlanContext<'_>) -> Vec<ImageUse> {
        self.within().map_or_else(Vec::new, |within| within.images(context))
    }

    /// The web sites and services that it is about, if it is about any.
    fn served(&self, context: &PlanContext<'_>) -> Option<Served> {
        self.within().and_then(|within| within.served(context))
    }

    /// The objects of a cluster that it is about, if it is about any.
    fn cluster_objects(&self, context: &PlanContext<'_>) -> Option<ClusterObjects> {
        self.within().and_then(|within| within.cluster_objects(context))
    }

    /// The texts that it puts on the host, as far as the project alone says them.
    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        self.within().map_or_else(Vec::new, |within| within.texts(context))
    }

    /// The entry of a table of cron that it is about.
    fn cron_entry(&self) -> Option<CronEntry> {
        self.within().and_then(Operation::cron_entry)
    }

    /// What it would change.
    ///
    /// Errors: a fact is not known, or the operation is refused.
    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop>;

    /// How it is carried out. Only the keys that every operation can have say that.
    fn conduct(&self) -> Conduct {
        self.within().map_or_else(Conduct::default, Operation::conduct)
    }

    /// The unit that it restarts or reloads, if that is what it does.
    fn restarts(&self) -> Option<String> {
        self.within().and_then(Operation::restarts)
    }

    /// The workloads of a cluster whose pods it restarts, if that is what it does.
    fn restarted_workloads(&self) -> Option<Objects> {
        self.within().and_then(Operation::restarted_workloads)
    }
}

#[cfg(test)]
mod tests {
    use crate::operations::testing::Bench;

    /// All that an operation says beside its plan.
    fn said(op: &str, parameters: &str) -> [String; 9] {
        Bench::named(op, parameters)
            .asset("x/f", b"f")
            .ask(|operation, context| {
                [
                    format!("{:?}", operation.demands(context)),
                    operation.trees(context).len().to_string(),
                    format!("{:?}", operation.images(context)),
                    format!("{:?}", operation.cron_entry()),
                    format!("{:?}", operation.restarts()),
                    format!("{:?}", operation.restarted_workloads()),
                    format!("{:?}", operation.served(context).is_some()),
                    format!("{:?}", operation.cluster_objects(context).is_some()),
                    operation.texts(context).len().to_string(),
                ]
            })
    }

    #[test]
    fn an_operation_that_is_carried_out_in_another_way_says_the_same_of_itself() {
        let image = "image = 'caddy:2'";
        let cron = "cron_name = 'a'\ncommand = 'true'\nhour = 3";
        let restart = "service = 'x'\nstate = 'restarted'";
        let directory = "path = '/x'\nmode = '0700'";
        let project = "project_directory = '/opt/web'";
        let tree = "src = 'x'\ndest = '/x'";
        let namespace = "namespace = 'shop'";
        let workload = "objects = ['Deployment/web']\nnamespace = 'shop'";
        for (op, parameters, way, number) in [
            ("files.directory", directory, "timeout = '1m'", 0),
            ("files.directory", directory, "become_user = 'anna'", 0),
            ("files.sync", tree, "timeout = '1m'", 1),
            ("files.sync", tree, "become_user = 'anna'", 1),
            ("docker.image", image, "retries = 2", 2),
            ("crontab.crontab", cron, "timeout = '1m'", 3),
            ("systemd.service", restart, "timeout = '1m'", 4),
            ("k8s.restart", workload, "timeout = '1m'", 5),
            ("docker.compose", project, "timeout = '1m'", 6),
            ("k8s.namespace", namespace, "timeout = '1m'", 7),
            ("files.sync", tree, "timeout = '1m'", 8),
            ("files.sync", tree, "become_user = 'anna'", 8),
        ] {
            let own = said(op, parameters);
            assert!(
                !matches!(own[number].as_str(), "[]" | "None" | "0" | "false"),
                "{op} says nothing: {own:?}"
            );
            assert_eq!(said(op, &format!("{parameters}\n{way}")), own, "{op} {way}");
        }
    }
}
