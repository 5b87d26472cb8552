//! The objects of clusters that operations are about: some mistakes are only seen in those of a whole run.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::error::Origin;
use crate::facts::kubernetes::{Answers, Api, ObjectId};

/// The objects of a cluster that an operation is about. By default nothing is known of them.
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
    /// The same as reviews show it.
    pub(super) masked: Value,
    /// Whether what the cluster has of it is left alone.
    pub(super) is_kept: bool,
    /// Where what a JSON pointer names is written.
    pub(super) places: Places,
}

/// Where parts of an object are written, by JSON pointers.
pub(super) type Places = Arc<dyn Fn(&str, Part) -> Origin + Send + Sync>;

/// What of an entry of a table is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}
