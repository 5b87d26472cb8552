//! Which operations something is kept for.

use std::collections::BTreeSet;

use super::host::HostApply;
use crate::change::{Action, ResourceKind};
use crate::facts::overlay::OperationId;
use crate::facts::unit::is_file_of;
use crate::plan::{PlannedOperation, Trigger};

impl HostApply<'_> {
    /// The operations of `segment` and of the plan before which something is kept: a change of theirs runs a handler or restarts a
    /// unit, which may fail.
    pub(super) fn kept_for(&self, segment: &[PlannedOperation]) -> BTreeSet<OperationId> {
        let planned = self.planned_since.iter().flatten();
        let all: Vec<&PlannedOperation> = self.reviewed.operations.iter().chain(planned).chain(segment).collect();
        let units: BTreeSet<&str> = all.iter().flat_map(|operation| concerned(operation)).collect();
        let writers = all.iter().filter(|operation| writes_file_of(operation, &units));
        let notifiers = all.iter().flat_map(|operation| notifiers(operation));
        notifiers
            .chain(writers.map(|operation| &operation.id))
            .cloned()
            .collect()
    }
}

fn notifiers(operation: &PlannedOperation) -> &[OperationId] {
    match &operation.trigger {
        Trigger::NotifiedBy(notifiers) => notifiers,
        Trigger::Always | Trigger::Owed => &[],
    }
}

/// The units that exist before the operation and that it may restart.
fn concerned(operation: &PlannedOperation) -> impl Iterator<Item = &str> {
    let of_handler = operation.handler.as_ref().and_then(|handler| handler.unit.as_deref());
    let units = operation
        .changes()
        .iter()
        .filter(|change| change.id.kind == ResourceKind::Unit && change.action != Action::Create);
    of_handler
        .into_iter()
        .chain(units.map(|change| change.id.name.as_str()))
}

fn writes_file_of(operation: &PlannedOperation, units: &BTreeSet<&str>) -> bool {
    let mut steps = operation.changes().iter().flat_map(|change| &change.steps);
    steps.any(|step| {
        step.path()
            .is_some_and(|path| units.iter().any(|unit| is_file_of(unit, path)))
    })
}
