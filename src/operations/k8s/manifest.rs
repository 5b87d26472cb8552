//! An object as a file of the project describes it.

use serde_json::Value;

use crate::error::Origin;
use crate::facts::kubernetes::ObjectId;
use crate::operations::cluster_objects::Places;

/// An object that is to be in a cluster.
#[derive(Clone)]
pub(in crate::operations) struct Manifest {
    /// The object itself, to send it to a host.
    pub(in crate::operations) object: Value,
    /// The same as reviews show it: with `[secret]` for what came from secrets, and for all of the data of a Secret.
    pub(in crate::operations) masked: Value,
    /// Where its document begins.
    pub(in crate::operations) place: Origin,
    /// Where parts of it are written.
    pub(in crate::operations) places: Places,
    /// Its name. The namespace is that of the document; what is in no namespace, or names none, has none here.
    pub(in crate::operations) id: ObjectId,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Manifest({})", self.id)
    }
}
