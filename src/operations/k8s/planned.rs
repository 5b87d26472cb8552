//! What a set of objects is planned to become.

use std::collections::BTreeMap;

use super::as_written::{reduced, with_digests};
use super::checks::{meant, served_instead};
use super::decision::{Decision, decide};
use super::documents::turn;
use super::keep::KeptFields;
use super::questions::question;
use super::record::{Record, digest_of, id_of};
use super::redefined::Redefined;
use super::script::{Applied, apply, establish, version_line, wait};
use super::set::{Set, set_object};
use super::wish::{CustomKind, Described, Wish, placed};
use super::{redefined, refusal, removal, shown, trial};
use crate::change::{
    Action, Attribute, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::error::{ChangedByOthers, Diagnostic, Origin};
use crate::facts::kubernetes::{
    Answer, Answers, Cluster, ClusterKey, FieldPath, Held, Object, ObjectFact, ObjectId, ObjectKey, Question,
    ServedKind,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::cluster_objects::Part;

/// What is planned for one object.
struct Planned {
    wish: Wish,
    change: ResourceChange,
    /// The version that the review saw, if fields are taken from others.
    forced: Option<String>,
    is_recreated: bool,
    /// Whether it is made again when one that is being deleted is gone.
    is_awaited: bool,
    /// Fields that homelab gives up: those of a new object after it is made, others before.
    released: Vec<Held>,
    /// Whether this run changes what objects of its kind are.
    is_redefined: bool,
}

impl Planned {
    fn new(wish: Wish, change: ResourceChange) -> Self {
        Self {
            wish,
            change,
            forced: None,
            is_recreated: false,
            is_awaited: false,
            released: Vec::new(),
            is_redefined: false,
        }
    }

    /// Which command applies it: definitions of kinds come before their objects.
    fn group(&self, has_definitions: bool) -> (usize, bool) {
        (
            usize::from(has_definitions && turn(&self.wish.id) > 1),
            self.forced.is_some(),
        )
    }
}

/// Plans that these objects are there.
///
/// Errors: something is not known, or the API server refuses an object.
pub(in crate::operations) fn plan(
    set: &Set<'_>,
    context: &PlanContext<'_>,
    described: Vec<Described>,
) -> Result<Outcome, Stop> {
    set.plan(context, described)
}

/// A new object in the place of one that was deleted and is not gone yet.
fn made_again(mut planned: Planned) -> Planned {
    let after = planned.change.after.get_or_insert_default();
    let text = "made again when the one that is being deleted is gone";
    after.insert("object", Attribute::known(text));
    planned.is_awaited = true;
    planned
}

impl Set<'_> {
    fn plan(&self, context: &PlanContext<'_>, described: Vec<Described>) -> Result<Outcome, Stop> {
        let cluster = context.get(ClusterKey(&self.api));
        let answers = match &cluster {
            Ok(Cluster::Answers(answers)) => Some(&**answers),
            _ => None,
        };
        let wishes = placed(context, &self.api, described, self.namespace, answers);
        // All of it in one round.
        let record = self.record(context);
        let facts: Vec<Result<ObjectFact, Stop>> = wishes
            .iter()
            .map(|wish| context.get(ObjectKey(&wish.question)))
            .collect();
        let answers = match cluster? {
            Cluster::Answers(answers) => *answers,
            other => return self.without_cluster(context, &other),
        };
        let record = record?;
        self.check_project(context, record.as_ref())?;
        if answers.is_predicted {
            context.tell("objects as written: no API server has seen them".to_owned());
        }
        let (wishes, facts): (Vec<Wish>, Vec<Result<ObjectFact, Stop>>) = wishes
            .into_iter()
            .zip(facts)
            .map(|(wish, fact)| {
                let fact = if answers.is_predicted {
                    Ok(ObjectFact::NotAsked)
                } else {
                    fact
                };
                wish.settled(context, &self.api, fact)
            })
            .unzip();
        let mut known = answers.clone();
        let (mut planned, mut ids) = (Vec::new(), BTreeMap::new());
        let custom: Vec<CustomKind> = wishes
            .iter()
            .filter_map(|wish| CustomKind::of(&wish.manifest.object))
            .collect();
        for definition in self.redefined(&wishes, &facts, record.as_ref()) {
            definition.tell(context);
            known.redefined.insert(definition.kind, definition.versions);
        }
        // What is made again is tried as a new one, all of it in one round.
        for (wish, fact) in wishes.iter().zip(&facts) {
            if let Ok(ObjectFact::Asked(object)) = fact
                && decide(wish, object, record.as_ref(), &self.rules) == Decision::Recreate
                && let Some(question) = trial::question(context, &self.api, wish)
            {
                drop(context.get(ObjectKey(&question)));
            }
        }
        for (wish, fact) in wishes.into_iter().zip(facts) {
            ids.insert(wish.id.clone(), digest_of(&wish.manifest.masked));
            let fact = fact?;
            let versions = known.redefined.get(&kind_of(&wish.id));
            let is_redefined = versions.is_some() || is_in_other_version(&wish, &fact);
            let fact = if is_redefined {
                redefined::foreseen(context, &wish, fact, versions)
            } else {
                fact
            };
            let one = self.planned(context, wish, &fact, (&mut known, &custom), record.as_ref())?;
            planned.extend(one.map(|one| Planned { is_redefined, ..one }));
        }
        self.outcome(context, planned, &ids, record.as_ref())
    }

    /// Kinds of which another definition is applied.
    fn redefined(
        &self,
        wishes: &[Wish],
        facts: &[Result<ObjectFact, Stop>],
        record: Option<&Record>,
    ) -> Vec<Redefined> {
        let of = |(wish, fact): (&Wish, &Result<ObjectFact, Stop>)| {
            let kind = CustomKind::of(&wish.manifest.object)?;
            let Ok(ObjectFact::Asked(object)) = fact else {
                return None;
            };
            let Decision::Update { after, .. } = decide(wish, object, record, &self.rules) else {
                return None;
            };
            let (old, new) = (object.live.as_ref()?.get("spec"), after.get("spec"));
            let versions = wish.manifest.object.pointer("/spec/versions")?;
            (old != new).then(|| Redefined::of(&kind.kind, &kind.group, (old, new), versions))
        };
        wishes.iter().zip(facts).filter_map(of).collect()
    }

    /// What happens to one object.
    fn planned(
        &self,
        context: &PlanContext<'_>,
        wish: Wish,
        fact: &ObjectFact,
        (known, custom): (&mut Answers, &[CustomKind]),
        record: Option<&Record>,
    ) -> Result<Option<Planned>, Stop> {
        let ObjectFact::Asked(object) = fact else {
            self.check_served(context, &wish, known, custom)?;
            return Ok(Some(created(context, wish, known)));
        };
        if object.other_version(&wish.id).is_some() {
            self.check_served(context, &wish, known, custom)?;
        }
        let decision = decide(&wish, object, record, &self.rules);
        if let Some(field) = object
            .undivided
            .as_ref()
            .filter(|_| !matches!(decision, Decision::Foreign(_)))
        {
            return Err(self.undivided(context, &wish, field));
        }
        Ok(match decision {
            Decision::Unchanged => None,
            Decision::Foreign(tool) => {
                context.tell(format!("{} is left alone: {tool} takes care of it", wish.id));
                None
            }
            Decision::Create => Some(created(context, wish, known)),
            Decision::Going => Some(made_again(created(context, wish, known))),
            Decision::Recreate => {
                if let Some(why) = trial::refusal(context, &self.api, &wish)? {
                    return Err(self.refused(context, &wish, (&why, false), known));
                }
                let live = object.live.clone().unwrap_or_default();
                let mut wish = wish;
                if !wish.renew(&live) {
                    let title = format!("`{}` cannot be made again with the fields that `keep` names", wish.id);
                    let hint = "remove `recreate`, or delete the object yourself";
                    return Err(self.at(context, &wish, title, "their values are secret", hint));
                }
                // What the server adds comes back, so it is shown in neither.
                let wanted = with_digests(context, &wish.manifest);
                let before = reduced(&live, Some(&wanted), object.own.as_ref());
                let (old, new) = shown::compared(context, &before, &wanted);
                let before = [("content", old)];
                let mut after = attributes(new);
                after.insert("object", Attribute::known("deleted and made again"));
                let mut change = changed(
                    &wish,
                    Action::Update,
                    Before::Present(before.into_iter().collect()),
                    after,
                );
                change.risk = Risk::Removal;
                let released = wish.kept.as_ref().map(KeptFields::held).into_iter().collect();
                Some(Planned {
                    is_recreated: true,
                    released,
                    ..Planned::new(wish, change)
                })
            }
            Decision::Update {
                after,
                takes_over,
                force,
                gives_up,
            } => {
                let live = object.live.clone().unwrap_or_default();
                let (old, new) = shown::compared(context, &live, &after);
                let mut attributes = attributes(new);
                if let Some((count, managers)) = takes_over {
                    let fields = if count == 1 { "field" } else { "fields" };
                    let text = format!("{count} {fields} from {}", managers.join(", "));
                    attributes.insert("takes over", Attribute::known(text));
                }
                if let Some(kept) = wish.kept.as_ref().filter(|_| gives_up) {
                    let names: Vec<String> = kept.paths.iter().map(FieldPath::to_string).collect();
                    attributes.insert("no longer owns", Attribute::known(names.join(", ")));
                }
                let before = Before::Present([("content", old)].into_iter().collect());
                let mut change = changed(&wish, Action::Update, before, attributes);
                let applied = record.and_then(|record| record.digest(&wish.id));
                // The record has no digests of secrets.
                change.is_asked_as_before = !wish.is_secret() && applied == Some(&digest_of(&wish.manifest.masked));
                let left = Object {
                    live: Some(after.clone()),
                    answer: Some(Answer::Accepted(after)),
                    ..Object::default()
                };
                change.effects = vec![set_object(&wish.question, left)];
                change.effects.extend(brought(known, &wish));
                Some(Planned {
                    forced: object.resource_version.clone().filter(|_| force),
                    released: object.held.clone(),
                    ..Planned::new(wish, change)
                })
            }
            Decision::Conflict(fields) => return Err(self.conflict(context, &wish, (fields, object))),
            Decision::Refused { why, is_immutable } => {
                return Err(self.refused(context, &wish, (&why, is_immutable), known));
            }
        })
    }

    /// Refuses an object of a kind that the cluster does not serve, or in a namespace that it does not have.
    fn check_served(
        &self,
        context: &PlanContext<'_>,
        wish: &Wish,
        known: &Answers,
        custom: &[CustomKind],
    ) -> Result<(), Stop> {
        let id = &wish.id;
        let is_own =
            |one: &CustomKind| one.group == id.group && one.kind == id.kind && one.versions.contains(&id.version);
        if known.serves(&id.group, &id.version, &id.kind).is_none() && !custom.iter().any(is_own) {
            let title = format!("the cluster does not serve the kind of `{id}`");
            let label = format!("{} of {}", id.kind, id.api_version());
            return Err(self.at(context, wish, title, label, &served_instead(id, known)));
        }
        match &id.namespace {
            Some(namespace) if known.terminating.contains(namespace) => {
                let title = format!("the namespace `{namespace}` of `{id}` is being deleted");
                Err(self.at(
                    context,
                    wish,
                    title,
                    "goes with its namespace, and no operation before makes that again",
                    "add it with `k8s.namespace` or to the manifests, which wait until it is gone, or rerun later",
                ))
            }
            Some(namespace) if !known.namespaces.contains(namespace) => {
                let title = format!("there is no namespace `{namespace}` for `{id}`");
                Err(self.at(
                    context,
                    wish,
                    title,
                    "not in the cluster, and no operation before makes it",
                    "make it with `k8s.namespace`, or add it to the manifests",
                ))
            }
            _ => Ok(()),
        }
    }

    /// A mistake of an object as a whole.
    fn at(&self, context: &PlanContext<'_>, wish: &Wish, title: String, label: impl Into<String>, hint: &str) -> Stop {
        let used = context.origin_of(self.argument);
        let mistake = Diagnostic::new(title).at(&wish.manifest.place, label).hint(hint);
        used_by(mistake, used)
    }

    /// Refuses to keep a field that cannot be owned by another than what is around it.
    fn undivided(&self, context: &PlanContext<'_>, wish: &Wish, field: &FieldPath) -> Stop {
        let title = format!("`{field}` of `{}` cannot be kept by itself", wish.id);
        let hint = "name the field around it in `keep`, or the whole object";
        self.at(
            context,
            wish,
            title,
            "the API server replaces what is around it as a whole",
            hint,
        )
    }

    fn conflict(
        &self,
        context: &PlanContext<'_>,
        wish: &Wish,
        (fields, object): (Vec<(String, String)>, &Object),
    ) -> Stop {
        let title = format!("fields of `{}` belong to another manager", wish.id);
        let named: Vec<String> = fields
            .iter()
            .map(|(field, manager)| format!("{field} ({manager})"))
            .collect();
        let manager = fields.first().map(|(_, manager)| manager.as_str()).unwrap_or_default();
        let hint = format!(
            "remove these fields from the manifest, leave them alone with `keep`, or take them over with `adopt = [\"{manager}\"]`"
        );
        // What homelab never wrote was not changed since: the project is the first to ask for it.
        let is_ours = object.managers.iter().any(|manager| manager == "homelab");
        let changed = is_ours.then(|| ChangedByOthers {
            name: wish.id.to_string(),
            fields,
        });
        match self.at(context, wish, title, named.join(", "), &hint) {
            Stop::Refused(mistake) => Stop::Refused(Box::new(mistake.changed_by_others(changed))),
            stop => stop,
        }
    }

    fn refused(
        &self,
        context: &PlanContext<'_>,
        wish: &Wish,
        (why, is_immutable): (&str, bool),
        known: &Answers,
    ) -> Stop {
        if refusal::is_no_answer(why) {
            let title = format!("the API server does not say whether it takes `{}`", wish.id);
            return self
                .at(context, wish, title, "described here", refusal::BUSY)
                .because(refusal::plain(why));
        }
        let title = format!("the API server refuses `{}`", wish.id);
        let hint = if is_immutable && self.name.is_none() {
            "delete the object first, with `present = false`".to_owned()
        } else if is_immutable {
            format!(
                "write `recreate = [\"{}/{}\"]` to have it deleted and made again",
                wish.id.kind, wish.id.name
            )
        } else {
            "correct the manifest".to_owned()
        };
        let of_claim = refusal::of_claim(&wish.id, why);
        let hint = of_claim.map_or(hint, str::to_owned);
        let mut named = refusal::fields(why, &wish.manifest.object);
        if named.is_empty() && of_claim.is_some() {
            // What forbids another size does not name the field.
            named.push(refusal::Named {
                pointer: refusal::SIZE.to_owned(),
                is_unknown: false,
            });
        }
        if is_immutable || named.is_empty() {
            return self
                .at(context, wish, title, "described here", &hint)
                .because(refusal::plain(why));
        }
        let (mut mistake, mut near) = (Diagnostic::new(title), None);
        for field in &named {
            let (part, label) = if field.is_unknown {
                near = near.or_else(|| meant(&wish.id, &field.pointer));
                (Part::Key, "no such field")
            } else {
                (Part::Value, "the server does not take this")
            };
            let owner = wish
                .manifest
                .object
                .pointer(&field.pointer)
                .filter(|_| field.pointer.ends_with("/nodePort"));
            let owner = owner.and_then(|port| known.node_ports.get(&u16::try_from(port.as_u64()?).ok()?));
            let label = owner.map_or_else(
                || label.to_owned(),
                |owner| format!("Service `{owner}` of the cluster has it"),
            );
            mistake = mistake.at(&(wish.manifest.places)(&field.pointer, part), label);
        }
        let hint = near.map_or(hint, |near| format!("did you mean `{near}`?"));
        let mistake = mistake.because(refusal::plain(why)).hint(hint);
        used_by(mistake, context.origin_of(self.argument))
    }

    /// All changes with their steps.
    fn outcome(
        &self,
        context: &PlanContext<'_>,
        mut planned: Vec<Planned>,
        ids: &BTreeMap<ObjectId, String>,
        record: Option<&Record>,
    ) -> Result<Outcome, Stop> {
        let gone = removal::left(self, context, ids, record)?;
        let has_definitions = planned.iter().any(|one| one.wish.id.kind == "CustomResourceDefinition");
        planned.sort_by_key(|one| (one.group(has_definitions), turn(&one.wish.id)));
        let new = self.name.as_ref().map(|_| Record {
            project: context.project().to_owned(),
            objects: remembered(ids, record, context.prunes()),
            is_finished: true,
        });
        let is_finished = record.is_none_or(|record| record.is_finished);
        if planned.is_empty() && gone.is_empty() && is_finished {
            return Ok(Outcome::Unchanged);
        }
        let waited: Vec<ObjectId> = {
            let all = ids.keys().filter(|_| !is_finished);
            let changed = planned.iter().map(|one| &one.wish.id);
            let mut waited: Vec<ObjectId> = all
                .chain(changed)
                .filter(|id| self.wait.covers(&id.kind, &id.name))
                .cloned()
                .collect();
            waited.sort();
            waited.dedup();
            waited
        };
        self.add_steps(context, &mut planned, has_definitions, (record, new.as_ref()));
        let mut changes: Vec<ResourceChange> = planned.into_iter().map(|one| one.change).collect();
        changes.extend(gone);
        if changes.is_empty() {
            changes.push(self.unfinished());
        }
        let body = new
            .as_ref()
            .zip(self.name.as_ref())
            .map(|(record, name)| record.object(name));
        if !waited.is_empty()
            && !changes
                .iter()
                .any(|change| change.id.kind == ResourceKind::KubernetesSet)
        {
            changes.push(self.rollout(&waited));
        }
        if (!waited.is_empty() || body.is_some())
            && let Some(last) = changes.last_mut()
        {
            let waited: Vec<&ObjectId> = waited.iter().collect();
            last.steps.push(wait(&self.api, self.within, &waited, body.as_ref()));
            if let (Some(body), Some(name)) = (body, &self.name) {
                let left = Object {
                    live: Some(body),
                    ..Object::default()
                };
                let record = question(context, &self.api, &id_of(name), None, &[]);
                last.effects.push(set_object(&record, left));
            }
        }
        Ok(Outcome::Change(changes))
    }

    /// What is waited for when all objects are there: it fails by itself, not with an object that was applied.
    fn rollout(&self, waited: &[ObjectId]) -> ResourceChange {
        let names: Vec<String> = waited.iter().map(|id| format!("{}/{}", id.kind, id.name)).collect();
        let after = [("waits for", Attribute::known(names.join(", ")))];
        ResourceChange::new(
            ResourceId::new(ResourceKind::KubernetesSet, self.name.as_deref().unwrap_or_default()),
            Action::Update,
            Before::Present(Attributed::default()),
            Some(after.into_iter().collect()),
        )
    }

    /// The set whose last run did not come to its end.
    fn unfinished(&self) -> ResourceChange {
        let state = |text: &str| [("rollout", Attribute::known(text))].into_iter().collect();
        ResourceChange::new(
            ResourceId::new(ResourceKind::KubernetesSet, self.name.as_deref().unwrap_or_default()),
            Action::Update,
            Before::Present(state("not finished")),
            Some(state("finished")),
        )
    }

    /// Gives the first change of each group the step that applies all of the group.
    fn add_steps(
        &self,
        context: &PlanContext<'_>,
        planned: &mut [Planned],
        has_definitions: bool,
        (old, new): (Option<&Record>, Option<&Record>),
    ) {
        // Written with old and new names before the first object: a run that ends early leaves nothing unknown.
        let begun = new.zip(self.name.as_ref()).map(|(new, name)| {
            let mut begun = new.clone();
            begun.is_finished = false;
            // A Job counts as done only when it is.
            begun
                .objects
                .iter_mut()
                .filter(|(id, _)| id.kind == "Job")
                .for_each(|(_, digest)| "-".clone_into(digest));
            for (id, digest) in old.iter().flat_map(|old| &old.objects) {
                if id.kind == "Job" || new.digest(id).is_none() {
                    begun.objects.insert(id.clone(), digest.clone());
                }
            }
            begun.object(name)
        });
        let mut begun = begun.as_ref();
        let mut at = 0;
        while at < planned.len() {
            let group = planned[at].group(has_definitions);
            let end = at
                + planned[at..]
                    .iter()
                    .take_while(|one| one.group(has_definitions) == group)
                    .count();
            let step = {
                let members = &planned[at..end];
                let mut applied = Applied::default();
                // The record takes no manager's fields.
                if !group.1 {
                    applied.objects.extend(begun.take());
                }
                for one in members {
                    applied.objects.push(&one.wish.manifest.object);
                    applied.has_secrets |= one.wish.is_secret();
                    applied.is_redefined |= one.is_redefined;
                    if one.is_recreated {
                        applied.deleted.push(&one.wish.id);
                    }
                    if one.is_awaited {
                        applied.awaited.push(&one.wish.id);
                    }
                    let is_new = one.is_recreated || one.change.action == Action::Create;
                    let released = one.released.iter().map(|held| (&one.wish.id, held));
                    let list = if is_new {
                        &mut applied.released_after
                    } else {
                        &mut applied.released_before
                    };
                    list.extend(released);
                }
                if group.1 {
                    let line = |one: &Planned| Some(version_line(&one.wish.id, one.forced.as_deref()?));
                    applied.reviewed = Some(members.iter().filter_map(line).collect());
                }
                apply(context, &self.api, self.within, &applied)
            };
            planned[at].change.steps.push(step);
            if has_definitions && group.0 == 0 && planned.get(end).is_none_or(|next| next.group(has_definitions).0 == 1)
            {
                let names: Vec<String> = planned[..end]
                    .iter()
                    .filter(|one| one.wish.id.kind == "CustomResourceDefinition")
                    .map(|one| one.wish.id.name.clone())
                    .collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let step = establish(&self.api, self.within, &names);
                planned[end - 1].change.steps.push(step);
            }
            at = end;
        }
    }
}

/// A mistake in an object, with the operation that uses it.
fn used_by(mistake: Diagnostic, used: &Origin) -> Stop {
    let is_there = mistake.labels.iter().any(|label| label.origin == *used);
    let mistake = if is_there {
        mistake
    } else {
        mistake.at(used, "used here")
    };
    Stop::Refused(Box::new(mistake))
}

/// The objects of the new record: those of the files, and those that left them and are there.
fn remembered(ids: &BTreeMap<ObjectId, String>, old: Option<&Record>, prunes: bool) -> BTreeMap<ObjectId, String> {
    let mut all = ids.clone();
    for (id, digest) in old.iter().flat_map(|old| &old.objects) {
        let is_left = !ids.keys().any(|own| own.is_same(id));
        if is_left && (!prunes || removal::stays(id)) {
            all.insert(id.clone(), digest.clone());
        }
    }
    all
}

fn attributes(content: Attribute) -> Attributed {
    [("content", content)].into_iter().collect()
}

fn changed(wish: &Wish, action: Action, before: Before, after: Attributed) -> ResourceChange {
    let id = ResourceId::new(ResourceKind::KubernetesObject, &wish.id.to_string());
    let mut change = ResourceChange::new(id, action, before, Some(after));
    let left = Object {
        live: Some(wish.manifest.object.clone()),
        answer: Some(Answer::Accepted(wish.manifest.object.clone())),
        ..Object::default()
    };
    // What the server adds is known only later, and secrets are no facts.
    let after = |question: &Question| {
        if wish.is_secret() {
            let key = FactKey::KubernetesObject(question.clone());
            Effect::Forget(FactScope::Key(key), "it is applied".to_owned())
        } else {
            set_object(question, left.clone())
        }
    };
    let later = wish.kept.as_ref().map(|kept| &kept.later);
    let questions = [Some(&wish.question), later.filter(|later| **later != wish.question)];
    change.effects = questions.into_iter().flatten().map(after).collect();
    change
}

/// A new object, which may bring a namespace or kinds.
fn created(context: &PlanContext<'_>, wish: Wish, known: &mut Answers) -> Planned {
    let after = attributes(shown::written(context, &wish.manifest.object, &wish.manifest.masked));
    let mut change = changed(&wish, Action::Create, Before::Absent, after);
    change.effects.extend(brought(known, &wish));
    let released = wish.kept.as_ref().map(KeptFields::held).into_iter().collect();
    Planned {
        released,
        ..Planned::new(wish, change)
    }
}

/// `Kind.group`, as `kubectl` names kinds.
fn kind_of(id: &ObjectId) -> String {
    format!("{}.{}", id.kind, id.group)
}

/// Whether the server has it in a version that the manifest does not name, and does not serve the one that it does.
fn is_in_other_version(wish: &Wish, fact: &ObjectFact) -> bool {
    matches!(fact, ObjectFact::Asked(object) if object.answer.is_none() && object.other_version(&wish.id).is_some())
}

/// What later operations know of the cluster after this object, if it brings anything.
fn brought(known: &mut Answers, wish: &Wish) -> Option<Effect> {
    bring(known, wish).then(|| {
        let key = FactKey::KubernetesCluster(wish.question.0.api.clone());
        Effect::Set(key, Fact::KubernetesCluster(Cluster::Answers(Box::new(known.clone()))))
    })
}

/// Adds what an object brings to a cluster; whether it brings anything.
fn bring(known: &mut Answers, wish: &Wish) -> bool {
    if wish.id.kind == "Namespace" && wish.id.group.is_empty() {
        known.terminating.remove(&wish.id.name);
        return known.namespaces.insert(wish.id.name.clone());
    }
    let Some(custom) = CustomKind::of(&wish.manifest.object) else {
        return false;
    };
    for version in custom.versions {
        known.versions.insert(format!("{}/{version}", custom.group));
        known.kinds.insert(ServedKind {
            group: custom.group.clone(),
            version,
            kind: custom.kind.clone(),
            is_namespaced: custom.is_namespaced,
        });
    }
    true
}
