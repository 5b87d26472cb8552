//! The objects of a release: what the API server would make of those that a chart renders.

use serde_json::Value;

use super::wish::Upgrade;
use crate::change::{Action, Attributed, Before, ResourceChange, ResourceId, ResourceKind, Risk, Stop};
use crate::facts::FactKey;
use crate::facts::helm::{RELEASE_NAME, RELEASE_NAMESPACE, Rendered};
use crate::facts::kubernetes::{Answer, Answers, Object, ObjectFact, ObjectId, ObjectKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::operations::PlanContext;
use crate::operations::k8s::decision::without_dropped;
use crate::operations::k8s::documents::turn;
use crate::operations::k8s::manifest::Manifest;
use crate::operations::k8s::questions::question;
use crate::operations::k8s::set::set_object;
use crate::operations::k8s::wish::{CustomKind, Described, Wish, placed};
use crate::operations::k8s::{refusal, shown};
use crate::secret::Secret;

/// The manager that Helm writes as.
const HELM: &str = "helm";
/// The annotation of an object that stays when it leaves its release.
const POLICY: &str = "helm.sh/resource-policy";
/// The label of an object that Helm made.
const MANAGED_BY: &str = "/metadata/labels/app.kubernetes.io~1managed-by";
/// What stands in reviews for a text that is another one whenever the chart is rendered.
const RANDOM: &str = "(new at each rendering)";

/// The objects that a release is to have, beside those that it had.
pub(super) struct Objects<'a> {
    pub(super) wanted: &'a [Rendered],
    /// As they were rendered last.
    pub(super) old: &'a [Rendered],
    /// Texts that may be in what there is.
    pub(super) secrets: Vec<Secret>,
    pub(super) kinds: &'a [CustomKind],
    pub(super) answers: &'a Answers,
    /// Whether they are those that the release has: then a Job that its TTL took away is done, and Helm does not make it again.
    pub(super) is_settled: bool,
}

impl Objects<'_> {
    /// What becomes of each, in the order in which Helm makes them.
    ///
    /// Errors: something is not known, the API server refuses an object, or it has another owner.
    pub(super) fn changes(&self, upgrade: &Upgrade<'_>) -> Result<Vec<ResourceChange>, Stop> {
        let context = upgrade.context;
        let wishes = self.wishes(upgrade, self.wanted);
        let old = self.wishes(upgrade, self.old);
        let gone: Vec<&Wish> = old
            .iter()
            .filter(|old| !wishes.iter().any(|wish| wish.id.is_same(&old.id)))
            .collect();
        // All of it in one round.
        let facts: Vec<_> = wishes
            .iter()
            .map(|wish| context.get(ObjectKey(&wish.question)))
            .collect();
        let asked: Vec<_> = gone
            .iter()
            .map(|wish| question(context, &upgrade.api, &wish.id, None, &[]))
            .collect();
        let left: Vec<_> = asked.iter().map(|question| context.get(ObjectKey(question))).collect();
        let mut changes = Vec::new();
        for ((wish, rendered), fact) in wishes.iter().zip(self.wanted).zip(facts) {
            let before = old.iter().find(|old| old.id.is_same(&wish.id));
            let before = before.map(|old| &old.manifest.masked);
            changes.extend(self.change(upgrade, wish, (rendered, before), fact?)?);
        }
        changes.sort_by_key(|(turn, _)| *turn);
        let mut changes: Vec<ResourceChange> = changes.into_iter().map(|(_, change)| change).collect();
        for ((wish, question), fact) in gone.into_iter().zip(&asked).zip(left) {
            if let ObjectFact::Asked(object) = fact?
                && let Some(live) = &object.live
                && !stays(live)
            {
                let mut change = removal(context, &wish.id, live);
                change.effects = vec![set_object(question, Object::default())];
                changes.push(change);
            }
        }
        Ok(changes)
    }

    /// The objects in their places.
    fn wishes(&self, upgrade: &Upgrade<'_>, all: &[Rendered]) -> Vec<Wish> {
        let context = upgrade.context;
        let place = context.origin_of("chart").clone();
        let described = all.iter().map(|rendered| {
            let body = rendered.body.0.as_ref();
            let object = body.and_then(|body| serde_json::from_str(body.expose()).ok());
            let whole = place.clone();
            Described {
                manifest: Manifest {
                    object: object.unwrap_or_else(|| rendered.object.clone()),
                    masked: rendered.object.clone(),
                    place: place.clone(),
                    places: std::sync::Arc::new(move |_, _| whole.clone()),
                    id: rendered.id.clone(),
                },
                is_kept: false,
                kept_fields: Vec::new(),
            }
        });
        let namespace = Some(upgrade.release.namespace.as_str());
        let mut wishes = placed(
            context,
            &upgrade.api,
            described.collect(),
            namespace,
            Some(self.answers),
        );
        for wish in &mut wishes {
            if self.scope(&wish.id) == Some(false) {
                wish.id.namespace = None;
                wish.question.0.id.namespace = None;
                for object in [&mut wish.manifest.object, &mut wish.manifest.masked] {
                    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                        metadata.shift_remove("namespace");
                    }
                }
            }
            wish.question.0.manager = Some(HELM.to_owned());
            wish.question.0.body.parts.clone_from(&self.secrets);
        }
        wishes
    }

    /// Whether objects of a kind that the chart itself brings are in namespaces.
    fn scope(&self, id: &ObjectId) -> Option<bool> {
        let kind = self
            .kinds
            .iter()
            .find(|one| one.group == id.group && one.kind == id.kind);
        kind.map(|kind| kind.is_namespaced)
    }

    fn change(
        &self,
        upgrade: &Upgrade<'_>,
        wish: &Wish,
        (rendered, before): (&Rendered, Option<&Value>),
        fact: ObjectFact,
    ) -> Result<Option<(usize, ResourceChange)>, Stop> {
        let context = upgrade.context;
        let wanted = with_random(&wish.manifest.masked, rendered);
        let id = ResourceId::new(ResourceKind::KubernetesObject, &wish.id.to_string());
        let new = |content| [("content", content)].into_iter().collect::<Attributed>();
        let object = match fact {
            ObjectFact::Asked(object) => object,
            ObjectFact::NotAsked => {
                self.check_served(upgrade, wish)?;
                Box::default()
            }
        };
        let Some(live) = &object.live else {
            if let Some(Answer::Refused(why)) = &object.answer {
                return Err(refused(context, wish, why));
            }
            if self.is_settled && is_taken_away(&wish.manifest.object) {
                return Ok(None);
            }
            let after = new(shown::removed(context, &wanted));
            let mut change = ResourceChange::new(id, Action::Create, Before::Absent, Some(after));
            change.effects = effects(wish, rendered, None);
            return Ok(Some((turn(&wish.id), change)));
        };
        check_owner(upgrade, wish, live, before.is_some())?;
        let mut after = match &object.answer {
            Some(Answer::Accepted(after)) => after.clone(),
            Some(Answer::Refused(why)) => return Err(refused(context, wish, why)),
            None => return Ok(None),
        };
        let is_asked_as_before = before.is_some_and(|before| with_random(before, rendered) == wanted);
        if let Some(before) = before {
            // Helm takes away what it wrote before and writes no more.
            without_dropped(&mut after, before, &wish.manifest.masked);
        }
        let after = with_random(&after, rendered);
        if after == *live {
            return Ok(None);
        }
        let (old, next) = shown::compared(context, live, &after);
        let mut change = ResourceChange::new(id, Action::Update, Before::Present(new(old)), Some(new(next)));
        change.effects = effects(wish, rendered, Some(after));
        change.is_asked_as_before = is_asked_as_before;
        Ok(Some((turn(&wish.id), change)))
    }

    /// Refuses an object of a kind that the cluster does not serve, or in a namespace that it does not have.
    fn check_served(&self, upgrade: &Upgrade<'_>, wish: &Wish) -> Result<(), Stop> {
        let (context, id) = (upgrade.context, &wish.id);
        let is_defined = self
            .wanted
            .iter()
            .filter_map(|one| CustomKind::of(&one.object))
            .any(|kind| kind.group == id.group && kind.kind == id.kind);
        if self.answers.serves(&id.group, &id.version, &id.kind).is_none() && self.scope(id).is_none() && !is_defined {
            let title = format!("the cluster does not serve the kind of `{id}`");
            return Err(context
                .refuse("chart", title, format!("{} of {}", id.kind, id.api_version()))
                .hint("install before what brings this kind, or turn it off in the values of the chart"));
        }
        let namespace = id.namespace.as_ref();
        match namespace.filter(|namespace| !self.answers.namespaces.contains(*namespace)) {
            Some(namespace) => Err(context
                .refuse(
                    "namespace",
                    format!("there is no namespace `{namespace}` for `{id}`"),
                    "not in the cluster, and no operation before makes it",
                )
                .hint("make it with `k8s.namespace`")),
            None => Ok(()),
        }
    }
}

/// What is known after an object was changed. What the server adds is known only later, and secrets are no facts.
fn effects(wish: &Wish, rendered: &Rendered, after: Option<Value>) -> Vec<Effect> {
    let brings_kind = CustomKind::of(&wish.manifest.object).is_some();
    let key = FactKey::KubernetesObject(wish.question.clone());
    let own = match after {
        _ if wish.is_secret() || !rendered.random.is_empty() => {
            Effect::Forget(FactScope::Key(key), "it is applied".to_owned())
        }
        after => {
            let after = after.unwrap_or_else(|| wish.manifest.object.clone());
            set_object(
                &wish.question,
                Object {
                    live: Some(after.clone()),
                    answer: Some(Answer::Accepted(after)),
                    ..Object::default()
                },
            )
        }
    };
    let api = wish.question.0.api.clone();
    let cluster = brings_kind.then(|| {
        let key = FactKey::KubernetesCluster(api);
        Effect::Forget(FactScope::Key(key), "a chart brings kinds".to_owned())
    });
    [own].into_iter().chain(cluster).collect()
}

/// An object that Helm removes.
pub(super) fn removal(context: &PlanContext<'_>, id: &ObjectId, live: &Value) -> ResourceChange {
    let before = [("content", shown::removed(context, live))].into_iter().collect();
    let name = ResourceId::new(ResourceKind::KubernetesObject, &id.to_string());
    let mut change = ResourceChange::new(name, Action::Remove, Before::Present(before), None);
    change.risk = Risk::Removal;
    change
}

/// Whether it is a Job that is deleted some time after its end.
fn is_taken_away(object: &Value) -> bool {
    object["kind"] == "Job" && !object["spec"]["ttlSecondsAfterFinished"].is_null()
}

/// Whether Helm leaves an object there.
pub(super) fn stays(live: &Value) -> bool {
    annotation(live, POLICY) == Some("keep")
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// An object with words for what is new at each rendering.
fn with_random(object: &Value, rendered: &Rendered) -> Value {
    let mut object = object.clone();
    for pointer in &rendered.random {
        if let Some(value) = object.pointer_mut(pointer) {
            *value = RANDOM.into();
        }
    }
    object
}

/// Refuses an object that is not of this release. Of those that it had, Helm does not ask for the label.
fn check_owner(upgrade: &Upgrade<'_>, wish: &Wish, live: &Value, was_ours: bool) -> Result<(), Stop> {
    let release = upgrade.release;
    let owner = annotation(live, RELEASE_NAME).zip(annotation(live, RELEASE_NAMESPACE));
    let is_labelled = live.pointer(MANAGED_BY).is_some_and(|by| by == "Helm");
    let (title, hint) = match owner {
        Some(owner) if owner == (&release.release, &release.namespace) && (was_ours || is_labelled) => return Ok(()),
        Some((name, namespace)) if owner != Some((&release.release, &release.namespace)) => (
            format!("`{}` is of the release `{name}` in `{namespace}`", wish.id),
            "give it another name in the values of one of the charts",
        ),
        _ => (
            format!("`{}` is there already, and of no release", wish.id),
            "delete it, or turn it off in the values of the chart",
        ),
    };
    let label = format!("the chart of `{}` makes it too", release.release);
    Err(upgrade.context.refuse("release", title, label).hint(hint))
}

fn refused(context: &PlanContext<'_>, wish: &Wish, why: &str) -> Stop {
    let is_busy = refusal::is_no_answer(why);
    let verb = if is_busy {
        "does not say whether it takes"
    } else {
        "refuses"
    };
    let title = format!("the API server {verb} `{}`", wish.id);
    let hint = if is_busy {
        refusal::BUSY
    } else if refusal::is_immutable(why) {
        "this field cannot be changed: delete the object first, or keep the value that it has"
    } else {
        "correct the values, or the chart"
    };
    context
        .refuse("chart", title, "the chart makes it")
        .because(refusal::plain(why))
        .hint(hint)
}
