//! Where k3s comes from in a plan.

use crate::facts::FactKey;
use crate::facts::node_images::{PROGRAM, UNITS};
use crate::facts::overlay::OperationId;
use crate::operations::PlanContext;

/// The earlier operation that brings or starts k3s on this host, if there is one.
pub(super) fn comes_with(context: &PlanContext<'_>) -> Option<OperationId> {
    let units = UNITS.iter().map(|unit| FactKey::Unit((*unit).to_owned()));
    let mut keys = units.chain([FactKey::K3s, FactKey::Path(PROGRAM.to_owned())]);
    keys.find_map(|key| context.predicted_by(&key))
}
