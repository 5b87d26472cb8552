//! Operations as the project gives them for a host, before anything is read from it: what lints look at.

use crate::error::Origin;
use crate::operations::{ClusterObjects, Definition, Operation, PlacedObject, PlacedText, PlanContext};
use crate::value::Table;

/// An operation as the project gives it for a host.
#[derive(Debug)]
pub struct Rendered {
    pub host: String,
    pub definition: &'static Definition,
    /// Its parameters, with templates rendered.
    pub arguments: Table,
    /// Where its `op` is written.
    pub origin: Origin,
    /// What it puts on the host.
    pub texts: Vec<PlacedText>,
    /// The objects of a cluster that it is about.
    pub objects: Vec<PlacedObject>,
}

impl Rendered {
    /// What is known of an operation without its host.
    pub(super) fn of(
        host: &str,
        (definition, operation): (&'static Definition, &dyn Operation),
        (arguments, origin): (&Table, &Origin),
        context: &PlanContext<'_>,
    ) -> Self {
        let objects = operation.cluster_objects(context);
        Self {
            host: host.to_owned(),
            definition,
            arguments: arguments.clone(),
            origin: origin.clone(),
            texts: operation.texts(context),
            objects: objects.map(ClusterObjects::placed).unwrap_or_default(),
        }
    }
}
