//! What a release is planned to become.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::definitions::ChartKinds;
use super::objects::Objects;
use super::parameters::{Release, no_program};
use super::script::{Run, upgrade};
use super::wish::Upgrade;
use crate::change::{
    Action, Attribute, Attributed, Before, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::helm::{
    AskedRelease, Beside, CHART_LABEL, DESCRIPTION, Hook, Made, REVISION_LABEL, Release as Found, ReleaseBody,
    ReleaseFact, ReleaseKey, ReleaseQuestion, Rendered, Rendering, Revision, label,
};
use crate::facts::kubernetes::{Answers, Cluster, ClusterKey};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey};
use crate::operations::k8s::shown;
use crate::operations::k8s::single::touches;
use crate::secret::{Secret, sha256_hex};

/// Where operations put the program.
const PROGRAMS: [&str; 3] = ["/usr/local/bin/helm", "/usr/bin/helm", "/usr/local/sbin/helm"];
/// What stands for a value that others set and that is not shown: it may be a secret.
const NOT_SHOWN: &str = "(not shown)";

/// What happens to the release.
///
/// Errors: something is not known, the chart cannot be rendered, or an object is refused.
pub(super) fn plan(wish: &Upgrade<'_>) -> Result<Outcome, Stop> {
    wish.plan()
}

impl Upgrade<'_> {
    /// What happens to the release.
    ///
    /// Errors: something is not known, the chart cannot be rendered, or an object is refused.
    fn plan(&self) -> Result<Outcome, Stop> {
        let context = self.context;
        let kinds = ChartKinds::of(self)?;
        // All of it in one round.
        let cluster = context.get(ClusterKey(&self.api));
        let question = self.question(false);
        let found = context.get(ReleaseKey(&question));
        let definitions = kinds.changes(context, self);
        let answers = match cluster {
            Ok(Cluster::Answers(answers)) if answers.is_predicted => {
                let by = context.predicted_by(&FactKey::KubernetesCluster(self.api.clone()));
                return Ok(self.later(by, "the cluster is made in this run", true));
            }
            Ok(Cluster::Answers(answers)) => *answers,
            Ok(Cluster::Silent { why }) => {
                return Ok(self.later(None, &format!("the API server does not answer: {why}"), false));
            }
            Ok(Cluster::Absent) => {
                return Err(context
                    .refuse(
                        "release",
                        "there is no cluster of Kubernetes on this host",
                        "needs its API server",
                    )
                    .hint("make it in an earlier operation, with `k3s.server`, or name a file with `kubeconfig`"));
            }
            Err(stop) => return self.since(stop),
        };
        let found = match found {
            Ok(ReleaseFact::Asked(found)) => *found,
            Ok(ReleaseFact::NotAsked) => return Ok(self.later(None, "the API server does not answer", false)),
            Err(stop) => return self.since(stop),
        };
        if found.program.is_none() {
            let mut earlier = PROGRAMS.iter().filter_map(|path| context.brought_by(path));
            if let Some(by) = earlier.next() {
                return Ok(self.later(Some(by), "`helm` comes in this run", found.last.is_none()));
            }
            return Err(no_program(context));
        }
        let definitions = definitions?;
        let digests = self.values.with_digests(context);
        let settled = found
            .last
            .as_ref()
            .filter(|last| last.has(&self.chart.digest) && last.values == digests);
        if let Some(last) = settled
            && definitions.is_empty()
        {
            let old = last.objects.as_deref().unwrap_or_default();
            if !self.release.drift {
                return Ok(Outcome::Unchanged);
            }
            let mut objects = self.objects(&answers, &kinds, &found, (old, old));
            objects.is_settled = true;
            if objects.changes(self)?.is_empty() {
                return Ok(Outcome::Unchanged);
            }
        }
        self.changed(&answers, &kinds, found, definitions)
    }

    /// The objects to compare.
    fn objects<'b>(
        &self,
        answers: &'b Answers,
        kinds: &'b ChartKinds,
        found: &'b Found,
        (wanted, old): (&'b [Rendered], &'b [Rendered]),
    ) -> Objects<'b> {
        let last = found.last.iter().flat_map(|last| last.secrets.0.iter().cloned());
        Objects {
            wanted,
            old,
            secrets: self.values.secrets().into_iter().chain(last).collect(),
            kinds: &kinds.kinds,
            answers,
            is_settled: false,
        }
    }

    /// The upgrade, as the chart is rendered now.
    fn changed(
        &self,
        answers: &Answers,
        kinds: &ChartKinds,
        mut found: Found,
        mut changes: Vec<ResourceChange>,
    ) -> Result<Outcome, Stop> {
        let context = self.context;
        self.check_pending(&found)?;
        if found.rendering.is_none() {
            let question = self.question(true);
            if let ReleaseFact::Asked(again) = context.get(ReleaseKey(&question))? {
                found.rendering = again.rendering;
            }
        }
        let made = match found.rendering.take() {
            Some(Rendering::Made(made)) => made,
            Some(Rendering::Refused(why)) => {
                let title = format!("Helm cannot render `{}`", self.chart.title());
                return Err(context
                    .refuse("chart", title, "used here")
                    .because(why)
                    .hint("correct the values, or the chart"));
            }
            None => return Ok(self.later(None, "`helm` did not render the chart", false)),
        };
        if made.is_apart {
            self.tell_apart(&found);
        }
        let old = found
            .last
            .as_ref()
            .and_then(|last| last.objects.clone())
            .unwrap_or_default();
        let objects = self
            .objects(answers, kinds, &found, (&made.objects, &old))
            .changes(self)?;
        changes.push(self.release_change(&found, &made, &objects));
        changes.extend(objects);
        Ok(Outcome::Change(changes))
    }

    /// Tells that the server had no part in a rendering, and what the chart asks it for in vain.
    fn tell_apart(&self, found: &Found) {
        let mut text = format!(
            "objects of `{}` as they are rendered apart from the server: it lacks a kind, or a revision is not finished",
            self.release.release
        );
        let is_three = found.program.as_ref().is_some_and(|version| version.starts_with("v3."));
        for (word, lack, is_so) in [
            (
                "KubeVersion",
                "`.Capabilities.KubeVersion` has no build there, such as `+k3s1`",
                true,
            ),
            ("lookup", "`lookup` finds nothing there", !is_three),
        ] {
            if is_so && self.chart.files.mentions(word) {
                let _ = write!(text, "; {lack}, and the chart uses it");
            }
        }
        self.context.tell(text);
    }

    /// Refuses a release that another run of Helm did not finish.
    fn check_pending(&self, found: &Found) -> Result<(), Stop> {
        let Some(last) = found.last.as_ref().filter(|last| last.is_pending()) else {
            return Ok(());
        };
        if last.is_ours() && self.release.rollback {
            return Ok(());
        }
        let Release { release, namespace, .. } = self.release;
        let title = format!("revision {} of `{release}` is not finished", last.number);
        let back = back_to(found).map(|number| format!(" {number}")).unwrap_or_default();
        let whose = if last.is_ours() {
            "a run was cut off in it"
        } else {
            "another client works on it, or did not finish"
        };
        Err(self
            .context
            .refuse("release", title, format!("{}: {whose}", last.status))
            .hint(format!(
                "if no client does any more, run `helm rollback -n {namespace} {release}{back}` on the host"
            )))
    }

    /// The change of the release itself, which has the step for all of it.
    fn release_change(&self, found: &Found, made: &Made, objects: &[ResourceChange]) -> ResourceChange {
        let last = found.last.as_ref();
        let is_pending = last.is_some_and(Revision::is_pending);
        let number = last.map_or(0, |last| last.number) + 1 + u32::from(is_pending);
        let after = self.attributes(made, last);
        let (action, before) = match last {
            None => (Action::Create, Before::Absent),
            Some(last) => (Action::Update, Before::Present(self.before(last))),
        };
        let mut change = ResourceChange::new(self.id(), action, before, Some(after));
        if objects.iter().any(|object| object.risk == Risk::Removal) {
            change.risk = Risk::Removal;
        }
        let run = Run {
            reviewed: last.map(|last| format!("{} {}", last.number, last.status)),
            first_back_to: is_pending.then(|| back_to(found)).flatten(),
            deployed: self.release.rollback.then(|| deployed(found)).flatten(),
            number,
            is_server_side: last.is_none_or(|last| last.is_server_side),
            made,
        };
        change.steps = vec![upgrade(self, &run)];
        change.effects = self.effects(found, made, number);
        change
    }

    fn id(&self) -> ResourceId {
        let Release { release, namespace, .. } = self.release;
        ResourceId::new(ResourceKind::HelmRelease, &format!("{release} in {namespace}"))
    }

    fn attributes(&self, made: &Made, last: Option<&Revision>) -> Attributed {
        let mut after = self.wanted(last);
        if !made.hooks.is_empty() {
            let hooks: Vec<String> = made.hooks.iter().map(hook).collect();
            after.insert("hooks", Attribute::known(hooks.join(", ")));
        }
        after
    }

    /// What is known of the release before the chart is rendered.
    fn wanted(&self, last: Option<&Revision>) -> Attributed {
        let new = self.values.with_digests(self.context);
        let old = last.map_or(Value::Null, |last| Self::old_values(last, &new));
        let (_, values) = shown::compared(self.context, &old, &new);
        let mut after: Attributed = [
            ("chart", Attribute::known(self.chart.title())),
            ("digest", Attribute::known(label(&self.chart.digest))),
            ("values", values),
        ]
        .into_iter()
        .collect();
        if last.is_some_and(|last| last.status != "deployed") {
            after.insert("status", Attribute::known("deployed"));
        }
        after
    }

    /// What the release is now.
    fn before(&self, last: &Revision) -> Attributed {
        let new = self.values.with_digests(self.context);
        let (values, _) = shown::compared(self.context, &Self::old_values(last, &new), &new);
        let digest = last.labels.get(CHART_LABEL).filter(|_| last.is_ours());
        let unknown = if last.labels.contains_key(REVISION_LABEL) {
            // What `helm rollback` makes has the labels of the revision before, and another number.
            "not known: a later revision than homelab's"
        } else {
            "not known: not installed by homelab"
        };
        let mut before: Attributed = [
            ("chart", Attribute::known(&last.chart)),
            ("digest", Attribute::known(digest.map_or(unknown, String::as_str))),
            ("values", values),
        ]
        .into_iter()
        .collect();
        if last.status != "deployed" {
            before.insert("status", Attribute::known(&last.status));
        }
        before
    }

    /// The values that a revision has. Which of them are secret is only known of those that homelab set.
    fn old_values(last: &Revision, new: &Value) -> Value {
        if last.description.starts_with(DESCRIPTION) {
            last.values.clone()
        } else {
            common(&last.values, new)
        }
    }

    fn effects(&self, found: &Found, made: &Made, number: u32) -> Vec<Effect> {
        let mut revisions = found.revisions.clone();
        revisions.insert(number, "deployed".to_owned());
        let labels = [
            (CHART_LABEL.to_owned(), label(&self.chart.digest).to_owned()),
            (REVISION_LABEL.to_owned(), number.to_string()),
        ];
        let after = Found {
            program: found.program.clone(),
            revisions,
            last: Some(Revision {
                number,
                status: "deployed".to_owned(),
                chart: self.chart.title(),
                labels: BTreeMap::from(labels),
                description: self.description(),
                is_server_side: applies_on_server(found),
                values: self.values.with_digests(self.context),
                objects: Some(made.objects.clone()),
                secrets: Beside(self.values.secrets()),
            }),
            rendering: None,
        };
        let key = |always| FactKey::HelmRelease(self.question(always));
        let again = FactScope::Key(key(true));
        vec![
            Effect::Set(key(false), Fact::HelmRelease(ReleaseFact::Asked(Box::new(after)))),
            Effect::Forget(again, "it is upgraded".to_owned()),
        ]
    }

    fn question(&self, always: bool) -> ReleaseQuestion {
        let values = self.values.json();
        ReleaseQuestion(Box::new(AskedRelease {
            api: self.api.clone(),
            namespace: self.release.namespace.clone(),
            release: self.release.release.clone(),
            chart: self.chart.digest.clone(),
            values: self.context.digests().digest(&sha256_hex(values.as_bytes())).0,
            always,
            body: Beside(ReleaseBody {
                chart: self.chart.packed.clone(),
                values: Some(Secret::new(values)),
                secret_values: self.values.secret.clone(),
                key: Some(Secret::new(self.context.digests().hex())),
            }),
        }))
    }

    /// The release where a fact is only known after an earlier operation.
    fn since(&self, stop: Stop) -> Result<Outcome, Stop> {
        match stop {
            Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            } => Ok(self.later(Some(operation), &why, true)),
            stop => Err(stop),
        }
    }

    /// The release before anything can render its chart: what its objects are is not known. `is_new` if there is none yet; of a cluster
    /// that does not answer, it is unknown.
    fn later(&self, by: Option<OperationId>, why: &str, is_new: bool) -> Outcome {
        let after = self.wanted(None);
        let release = ResourceChange::new(self.id(), Action::Create, Before::Absent, Some(after));
        Outcome::Deferred {
            waits_for: by.into_iter().collect(),
            why: format!("{why}; its objects are known when the chart is rendered"),
            touches: touches(),
            preview: is_new.then_some(release).into_iter().collect(),
        }
    }
}

/// Whether `helm` applies objects on the server's side: Helm 4 does, unless it was done otherwise before.
fn applies_on_server(found: &Found) -> bool {
    let is_three = found.program.as_ref().is_some_and(|version| version.starts_with("v3."));
    !is_three && found.last.as_ref().is_none_or(|last| last.is_server_side)
}

/// The last good revision.
fn deployed(found: &Found) -> Option<u32> {
    let is_good = |(_, status): &(&u32, &String)| *status == "deployed";
    found.revisions.iter().rev().find(is_good).map(|(number, _)| *number)
}

/// The revision to go back to before an upgrade: the last good one, or the one that was not finished.
fn back_to(found: &Found) -> Option<u32> {
    deployed(found).or_else(|| found.last.as_ref().map(|last| last.number))
}

/// `Job/migrate (pre-upgrade)`
fn hook(hook: &Hook) -> String {
    format!("{}/{} ({})", hook.id.kind, hook.id.name, hook.events.join(", "))
}

/// What `old` has of the keys that `new` has. What else is there stands as words: it may be a secret.
fn common(old: &Value, new: &Value) -> Value {
    match (old, new) {
        (Value::Object(fields), Value::Object(others)) => {
            let of = |(name, field): (&String, &Value)| {
                let field = others
                    .get(name)
                    .map_or_else(|| NOT_SHOWN.into(), |other| common(field, other));
                (name.clone(), field)
            };
            Value::Object(fields.iter().map(of).collect())
        }
        (Value::Object(_) | Value::Array(_), _) if old != new => NOT_SHOWN.into(),
        (old, _) => old.clone(),
    }
}
