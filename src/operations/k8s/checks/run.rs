//! What checks know of a run.

use serde_json::Value;

use crate::error::Origin;
use crate::facts::kubernetes::{Answers, ObjectId};

/// An object of the run.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) object: &'a Value,
    /// Where what a JSON pointer names is written.
    pub(super) place: &'a dyn Fn(&str) -> Origin,
}

impl<'a> Planned<'a> {
    /// The namespace that it is in, if its kind is in one.
    pub(super) fn namespace(&self) -> &'a str {
        self.id.namespace.as_deref().unwrap_or("default")
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
