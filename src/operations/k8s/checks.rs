//! What is known to fail before anything is applied: from the objects of the whole run and what the cluster has.
//!
//! Each check is a function of objects and facts. What only the cluster can say is not guessed.

mod claims;
mod devices;
mod fields;
mod ingress;
mod keys;
mod kinds;
mod node_ports;
mod pods;
mod references;
mod run;
mod schema;
mod selectors;
mod storage;

pub(super) use self::fields::meant;
pub(super) use self::kinds::served_instead;

use std::collections::{BTreeMap, BTreeSet};

use self::references::{missing, references};
use self::run::{Planned, Run};
use crate::error::Diagnostic;
use crate::facts::kubernetes::{Api, ObjectId};
use crate::operations::cluster_objects::{ClusterObject, ClusterObjects};

/// What pods and Ingresses of these objects need that is not among them.
pub(super) fn needed(objects: &[ClusterObject]) -> Vec<ObjectId> {
    let objects: Vec<Planned<'_>> = objects.iter().map(planned).collect();
    let run = Run {
        objects: &objects,
        is_whole: true,
        cluster: None,
    };
    let of_pods = references(&run).into_iter().map(|one| one.id);
    of_pods.chain(ingress::needed(&run)).collect()
}

/// The mistakes in the objects of a host's operations, and what to say about others, if they are among the `changed`, by their names.
/// Objects of another cluster count apart.
pub fn wrong_objects(all: &[ClusterObjects], changed: &BTreeSet<&str>) -> (Vec<Diagnostic>, Vec<String>) {
    let is_whole = all.iter().all(|one| one.objects.is_some());
    let mut clusters: BTreeMap<&Api, Vec<&ClusterObjects>> = BTreeMap::new();
    for one in all {
        clusters.entry(&one.api).or_default().push(one);
    }
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    for of_cluster in clusters.into_values() {
        let objects = of_cluster.iter().filter_map(|one| one.objects.as_ref()).flatten();
        let objects: Vec<Planned<'_>> = objects.map(planned).collect();
        let run = Run {
            objects: &objects,
            is_whole,
            cluster: of_cluster.iter().find_map(|one| one.cluster.as_ref()),
        };
        mistakes.extend(certain(&run));
        let is_absent = |id: &ObjectId| of_cluster.iter().any(|one| one.absent.contains(id));
        let needed = references(&run).into_iter().filter(|one| is_absent(&one.id));
        mistakes.extend(needed.map(|one| missing(&one)));
        // The namespace of an object that names none is only known when it is planned.
        let is_changed = |id: &ObjectId| {
            let own = format!("{}/{}", id.kind, id.name);
            let mut rests = changed.iter().filter_map(|name| name.strip_prefix(&own));
            rests.any(|rest| rest.is_empty() || rest.starts_with(" in "))
        };
        let shared = claims::shared_by_nodes(&run, &is_changed).into_iter();
        let unnamed = selectors::wrong_ports(&run).1.into_iter();
        let (wrong, nowhere) = ingress::wrong_backends(&run, &is_absent);
        mistakes.extend(wrong);
        let waiting = storage::unknown_classes(&run).1.into_iter();
        let all = shared.chain(unnamed).chain(nowhere).chain(waiting);
        notices.extend(all.map(|(text, place)| format!("{text} ({place})")));
    }
    (mistakes, notices)
}

fn planned(object: &ClusterObject) -> Planned<'_> {
    Planned {
        id: &object.id,
        object: &object.object,
        masked: &object.masked,
        is_kept: object.is_kept,
        places: &*object.places,
    }
}

/// What is certain to fail.
fn certain(run: &Run<'_>) -> Vec<Diagnostic> {
    let all = [
        fields::wrong_fields(run),
        schema::wrong_resources(run),
        selectors::unlike_pods(run),
        selectors::wrong_ports(run).0,
        keys::missing_keys(run),
        node_ports::taken(run),
        devices::lacking(run),
        claims::shared_by_pods(run),
        storage::unknown_classes(run).0,
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod testing;
