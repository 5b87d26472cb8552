//! A set of objects, and how an operation treats it.

use std::time::Duration;

use super::decision::Rules;
use super::parameters::Wait;
use super::questions::question;
use super::record::{Record, id_of};
use super::script::delete;
use crate::change::{Outcome, Step, Stop};
use crate::facts::kubernetes::{Api, Cluster, Object, ObjectFact, ObjectId, ObjectKey, Question};
use crate::facts::overlay::Effect;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// Objects, and how an operation treats them.
pub(in crate::operations) struct Set<'a> {
    pub(in crate::operations) api: Api,
    /// The parameter that names them.
    pub(in crate::operations) argument: &'static str,
    /// The name under which the cluster remembers them; `None` for an object that is in no set.
    pub(in crate::operations) name: Option<String>,
    /// For objects that name none.
    pub(in crate::operations) namespace: Option<&'a str>,
    pub(in crate::operations) rules: Rules<'a>,
    pub(in crate::operations) wait: &'a Wait,
    pub(in crate::operations) within: Duration,
}

impl Set<'_> {
    /// What the cluster remembers of the set.
    pub(super) fn record(&self, context: &PlanContext<'_>) -> Result<Option<Record>, Stop> {
        let Some(name) = &self.name else { return Ok(None) };
        let question = question(context, &self.api, &id_of(name), None, &[]);
        Ok(match context.get(ObjectKey(&question))? {
            ObjectFact::Asked(object) => Record::of(&object),
            ObjectFact::NotAsked => None,
        })
    }

    /// A host on which no cluster answers.
    pub(super) fn without_cluster(&self, context: &PlanContext<'_>, cluster: &Cluster) -> Result<Outcome, Stop> {
        match cluster {
            Cluster::Silent { why } => Ok(Outcome::Deferred {
                waits_for: Vec::new(),
                why: format!("the API server does not answer: {why}"),
                touches: Vec::new(),
                preview: Vec::new(),
            }),
            _ => Err(context
                .refuse(self.argument, "there is no cluster of Kubernetes on this host", "needs its API server")
                .hint("make it in an earlier operation, with `k3s.server`, or name a file for `kubectl` with `kubeconfig`")),
        }
    }

    /// Refuses a set that another project has made.
    pub(super) fn check_project(&self, context: &PlanContext<'_>, record: Option<&Record>) -> Result<(), Stop> {
        let (Some(record), Some(name)) = (record, &self.name) else {
            return Ok(());
        };
        if record.project == context.project() {
            return Ok(());
        }
        let title = format!("the set `{name}` of this cluster is of another project");
        Err(context
            .refuse(self.argument, title, format!("written by project `{}`", record.project))
            .hint("give these objects another name with `set`"))
    }

    /// The step that deletes objects.
    pub(super) fn deletion(&self, ids: &[&ObjectId]) -> Step {
        delete(&self.api, self.within, ids)
    }
}

/// What is known of an object after it was changed.
pub(in crate::operations) fn set_object(question: &Question, object: Object) -> Effect {
    let fact = ObjectFact::Asked(Box::new(object));
    Effect::Set(
        FactKey::KubernetesObject(question.clone()),
        Fact::KubernetesObject(fact),
    )
}
