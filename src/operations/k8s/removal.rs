//! Objects of a set that go: those that left the files, or all of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decision::foreign;
use super::documents::turn;
use super::questions::question;
use super::record::{Record, id_of};
use super::set::{Set, set_object};
use super::shown;
use super::wish::{Described, placed};
use crate::change::{Action, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop};
use crate::facts::kubernetes::{Cluster, ClusterKey, Object, ObjectFact, ObjectId, ObjectKey, Question};
use crate::operations::PlanContext;

/// Kinds that hold data, or everything that is in them: they leave the files and stay.
const STAY: [&str; 4] = [
    "Namespace",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
];

/// Whether an object stays when it leaves the files.
pub(super) fn stays(id: &ObjectId) -> bool {
    STAY.contains(&id.kind.as_str())
}

/// What becomes of objects of the record that are in no file any more.
///
/// Errors: it is not known which of them are there.
pub(super) fn left(
    set: &Set<'_>,
    context: &PlanContext<'_>,
    ids: &BTreeMap<ObjectId, String>,
    record: Option<&Record>,
) -> Result<Vec<ResourceChange>, Stop> {
    let Some(record) = record else { return Ok(Vec::new()) };
    let is_left = |id: &&ObjectId| !ids.keys().any(|own| own.is_same(id));
    let left: Vec<&ObjectId> = record.objects.keys().filter(is_left).collect();
    if !context.prunes() {
        for id in left {
            let why = if stays(id) { "it stays" } else { "`--prune` removes it" };
            context.tell(format!("{id} is no longer in the files; {why}"));
        }
        return Ok(Vec::new());
    }
    let gone: Vec<&ObjectId> = left.into_iter().filter(|id| !stays(id)).collect();
    removed(set, context, &gone)
}

/// Plans that all objects of a set go, `keep` as well.
pub(super) fn plan(set: &Set<'_>, context: &PlanContext<'_>, described: Vec<Described>) -> Result<Outcome, Stop> {
    let cluster = context.get(ClusterKey(&set.api));
    let answers = match &cluster {
        Ok(Cluster::Answers(answers)) => Some(&**answers),
        _ => None,
    };
    let wishes = placed(context, &set.api, described, set.namespace, answers);
    let record = set.record(context);
    let asked: Vec<&ObjectId> = wishes.iter().map(|wish| &wish.id).collect();
    let own = removed(set, context, &asked);
    match cluster? {
        Cluster::Answers(_) => {}
        Cluster::Absent => return Ok(Outcome::Unchanged),
        silent @ Cluster::Silent { .. } => return set.without_cluster(context, &silent),
    }
    own?;
    let record = record?;
    set.check_project(context, record.as_ref())?;
    let mut all: Vec<ObjectId> = asked.into_iter().cloned().collect();
    for id in record.iter().flat_map(|record| record.objects.keys()) {
        if !all.iter().any(|own| own.is_same(id)) {
            all.push(id.clone());
        }
    }
    // The record goes last.
    let of_record = record.as_ref().and(set.name.as_deref()).map(id_of);
    let mut changes = removed(set, context, &all.iter().collect::<Vec<_>>())?;
    if let Some(id) = &of_record {
        match changes.last_mut() {
            Some(last) => {
                last.steps.push(set.deletion(&[id]));
                let record = question(context, &set.api, id, None, &[]);
                last.effects.push(set_object(&record, Object::default()));
            }
            None => changes.extend(removed(set, context, &[id])?),
        }
    }
    Ok(if changes.is_empty() {
        Outcome::Unchanged
    } else {
        Outcome::Change(changes)
    })
}

/// The removal of those that are there, in the reverse of the order in which they are made. One command deletes all of them.
fn removed(set: &Set<'_>, context: &PlanContext<'_>, ids: &[&ObjectId]) -> Result<Vec<ResourceChange>, Stop> {
    let mut ids: Vec<&ObjectId> = ids.to_vec();
    ids.sort_by_key(|id| std::cmp::Reverse(turn(id)));
    let questions: Vec<_> = ids
        .iter()
        .map(|id| question(context, &set.api, id, None, &[]))
        .collect();
    // All of it in one round.
    let facts: Vec<_> = questions
        .iter()
        .map(|question| context.get(ObjectKey(question)))
        .collect();
    let mut changes = Vec::new();
    let mut there: Vec<ObjectId> = Vec::new();
    for ((id, question), fact) in ids.iter().zip(&questions).zip(facts) {
        if let ObjectFact::Asked(object) = fact?
            && let Some(live) = &object.live
        {
            if let Some(tool) = foreign(live, &object.managers) {
                context.tell(format!("{id} is left alone: {tool} takes care of it"));
                continue;
            }
            changes.push(deleted(context, id, live, question));
            // By the version that is served, which may be another than the one that was applied.
            let version = object.other_version(id).unwrap_or(&id.version).to_owned();
            there.push(ObjectId {
                version,
                ..(*id).clone()
            });
        }
    }
    let mut at = 0;
    while at < there.len() {
        // What everything else is in goes when that has gone.
        let is_last = |id: &ObjectId| turn(id) < 2;
        let end = at
            + there[at..]
                .iter()
                .take_while(|id| is_last(id) == is_last(&there[at]))
                .count();
        changes[at]
            .steps
            .push(set.deletion(&there[at..end].iter().collect::<Vec<_>>()));
        at = end;
    }
    Ok(changes)
}

/// An object that is deleted.
fn deleted(context: &PlanContext<'_>, id: &ObjectId, live: &Value, question: &Question) -> ResourceChange {
    let before = [("content", shown::removed(context, live))].into_iter().collect();
    let name = ResourceId::new(ResourceKind::KubernetesObject, &id.to_string());
    let mut change = ResourceChange::new(name, Action::Remove, Before::Present(before), None);
    change.risk = if stays(id) { Risk::DataLoss } else { Risk::Removal };
    change.effects = vec![set_object(question, Object::default())];
    change
}
