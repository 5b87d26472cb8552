//! What is known to fail before anything is applied: from the objects of the whole run and what the cluster has.
//!
//! Each check is a function of objects and facts. What only the cluster can say is not guessed.

mod claims;
mod devices;
mod kinds;
mod node_ports;
mod pods;
mod references;
mod schema;

pub(super) use self::kinds::served_instead;
pub(super) use self::references::references;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::references::missing;
use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::{Answers, Api, ObjectId};

/// The objects of a cluster that an operation is about.
#[derive(Default)]
pub struct ClusterObjects {
    pub(super) api: Api,
    /// `None` if they are not known.
    pub(super) objects: Option<Vec<ClusterObject>>,
    /// What the cluster is at the operation's place in the run, if that is known.
    pub(super) cluster: Option<Answers>,
    /// What pods of the objects need and the cluster is known not to have.
    pub(super) absent: BTreeSet<ObjectId>,
}

/// An object of an operation.
pub(super) struct ClusterObject {
    pub(super) id: ObjectId,
    pub(super) object: Value,
    /// Where what a JSON pointer names is written.
    pub(super) place: Box<dyn Fn(&str) -> Origin + Send + Sync>,
}

impl ClusterObject {
    fn planned(&self) -> Planned<'_> {
        Planned {
            id: &self.id,
            object: &self.object,
            place: &*self.place,
        }
    }
}

/// An object of the run.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) object: &'a Value,
    pub(super) place: &'a dyn Fn(&str) -> Origin,
}

impl<'a> Planned<'a> {
    /// The namespace that it is in, if its kind is in one.
    fn namespace(&self) -> &'a str {
        self.id.namespace.as_deref().unwrap_or("default")
    }

    fn is(&self, group: &str, kind: &str) -> bool {
        self.id.group == group && self.id.kind == kind
    }
}

/// What the checks know.
pub(super) struct Run<'a> {
    /// The objects of all operations of the run.
    objects: &'a [Planned<'a>],
    /// Whether there are no others, as of an operation that is not known yet.
    is_whole: bool,
    cluster: Option<&'a Answers>,
}

impl<'a> Run<'a> {
    /// The cluster, if it was asked itself.
    fn asked(&self) -> Option<&'a Answers> {
        self.cluster.filter(|cluster| !cluster.is_predicted)
    }
}

/// What pods of these objects need that is not among them.
pub(super) fn needed(objects: &[ClusterObject]) -> Vec<ObjectId> {
    let planned: Vec<Planned<'_>> = objects.iter().map(ClusterObject::planned).collect();
    let run = Run {
        objects: &planned,
        is_whole: true,
        cluster: None,
    };
    references(&run).into_iter().map(|one| one.id).collect()
}

/// The mistakes in the objects of a host's operations, and what to say about others. Objects of another cluster count apart.
pub fn wrong_objects(all: &[ClusterObjects]) -> (Vec<Diagnostic>, Vec<String>) {
    let is_whole = all.iter().all(|one| one.objects.is_some());
    let mut clusters: BTreeMap<&Api, Vec<&ClusterObjects>> = BTreeMap::new();
    for one in all {
        clusters.entry(&one.api).or_default().push(one);
    }
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    for of_cluster in clusters.into_values() {
        let objects = of_cluster.iter().filter_map(|one| one.objects.as_ref()).flatten();
        let objects: Vec<Planned<'_>> = objects.map(ClusterObject::planned).collect();
        let run = Run {
            objects: &objects,
            is_whole,
            cluster: of_cluster.iter().find_map(|one| one.cluster.as_ref()),
        };
        mistakes.extend(certain(&run));
        let is_absent = |id: &ObjectId| of_cluster.iter().any(|one| one.absent.contains(id));
        let needed = references(&run).into_iter().filter(|one| is_absent(&one.id));
        mistakes.extend(needed.map(|one| missing(&one)));
        let shared = claims::shared_by_nodes(&run).into_iter();
        notices.extend(shared.map(|(text, place)| format!("{text} ({place})")));
    }
    (mistakes, notices)
}

/// What is certain to fail.
fn certain(run: &Run<'_>) -> Vec<Diagnostic> {
    let all = [
        schema::wrong_resources(run),
        node_ports::taken(run),
        devices::lacking(run),
        claims::shared_by_pods(run),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod testing;
