//! What checks know of a run.

use serde_json::Value;

use crate::error::Origin;
use crate::facts::kubernetes::{Answers, ObjectId};
use crate::operations::cluster_objects::Part;

/// An object of the run.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) object: &'a Value,
    /// The same as reviews show it.
    pub(super) masked: &'a Value,
    /// Whether what the cluster has of it is left alone.
    pub(super) is_kept: bool,
    /// Where what a JSON pointer names is written.
    pub(super) places: &'a dyn Fn(&str, Part) -> Origin,
}

impl<'a> Planned<'a> {
    /// The namespace that it is in, if its kind is in one.
    pub(super) fn namespace(&self) -> &'a str {
        self.id.namespace.as_deref().unwrap_or("default")
    }

    /// Where the value that a JSON pointer names is written.
    pub(super) fn place(&self, pointer: &str) -> Origin {
        (self.places)(pointer, Part::Value)
    }

    /// Where the key that a JSON pointer ends with is written.
    pub(super) fn key_place(&self, pointer: &str) -> Origin {
        (self.places)(pointer, Part::Key)
    }

    /// `Deployment/web`
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.id.kind, self.id.name)
    }

    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.id.group == group && self.id.kind == kind
    }
}

/// The run.
pub(super) struct Run<'a> {
    /// The objects of all its operations.
    pub(super) objects: &'a [Planned<'a>],
    /// Whether there are no others, as of an operation that is not known yet.
    pub(super) is_whole: bool,
    pub(super) cluster: Option<&'a Answers>,
}

impl<'a> Run<'a> {
    /// The cluster, if it was asked itself.
    pub(super) fn asked(&self) -> Option<&'a Answers> {
        self.cluster.filter(|cluster| !cluster.is_predicted)
    }
}
