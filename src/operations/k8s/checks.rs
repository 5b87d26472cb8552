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

pub(in crate::operations) use self::references::{Reference, missing, references};

use serde_json::Value;

use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::{Answers, ObjectId};

/// An object of the run.
#[derive(Clone, Copy)]
pub(in crate::operations) struct Planned<'a> {
    pub(in crate::operations) id: &'a ObjectId,
    pub(in crate::operations) object: &'a Value,
    /// Where what a JSON pointer names is written.
    pub(in crate::operations) place: &'a dyn Fn(&str) -> Origin,
}

impl Planned<'_> {
    /// The namespace that it is in, if its kind is in one.
    pub(super) fn namespace(&self) -> &str {
        self.id.namespace.as_deref().unwrap_or("default")
    }

    fn is(&self, group: &str, kind: &str) -> bool {
        self.id.group == group && self.id.kind == kind
    }
}

/// What the checks know.
pub(in crate::operations) struct Run<'a> {
    /// The objects of this operation and of all before it in the run.
    pub(in crate::operations) objects: &'a [Planned<'a>],
    /// Whether no operation before this one makes objects that are not known, as a chart does that cannot be rendered yet.
    pub(in crate::operations) is_whole: bool,
    pub(in crate::operations) cluster: Option<&'a Answers>,
}

impl<'a> Run<'a> {
    /// The cluster, if it was asked itself.
    fn asked(&self) -> Option<&'a Answers> {
        self.cluster.filter(|cluster| !cluster.is_predicted)
    }
}

/// What is certain to fail.
pub(in crate::operations) fn mistakes(run: &Run<'_>) -> Vec<Diagnostic> {
    let all = [
        kinds::not_served(run),
        schema::wrong_resources(run),
        node_ports::taken(run),
        devices::lacking(run),
        claims::shared_by_pods(run),
    ];
    all.into_iter().flatten().collect()
}

/// What fails if pods are put where their volume is not, with the places.
pub(in crate::operations) fn warnings(run: &Run<'_>) -> Vec<(String, Origin)> {
    claims::shared_by_nodes(run)
}

#[cfg(test)]
mod testing;
