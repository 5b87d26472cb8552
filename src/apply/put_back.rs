//! Which operations something is kept for.

use std::collections::{BTreeMap, BTreeSet};

use super::host::HostApply;
use crate::change::{Action, ResourceKind, Step};
use crate::facts::overlay::OperationId;
use crate::facts::unit::is_file_of;
use crate::plan::{PlannedOperation, Trigger};

impl HostApply<'_> {
    /// The operations of `segment` and of the plan before which something is kept: a change of theirs runs a handler or restarts a
    /// unit, which may fail. With each, the units of which it changes files.
    pub(super) fn kept_for(&self, segment: &[PlannedOperation]) -> BTreeMap<OperationId, Vec<String>> {
        let planned = self.planned_since.iter().flatten();
        let all: Vec<&PlannedOperation> = self.reviewed.operations.iter().chain(planned).chain(segment).collect();
        let units: BTreeSet<&str> = all.iter().flat_map(|operation| concerned(operation)).collect();
        let notifiers = all.iter().flat_map(|operation| notifiers(operation));
        let mut kept: BTreeMap<OperationId, Vec<String>> = notifiers.map(|id| (id.clone(), Vec::new())).collect();
        for operation in &all {
            let changed = changed_by(operation, &units);
            if !changed.is_empty() {
                kept.insert(operation.id.clone(), changed);
            }
        }
        kept
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

/// Those of `units` of which the operation changes files.
fn changed_by(operation: &PlannedOperation, units: &BTreeSet<&str>) -> Vec<String> {
    let steps = operation.changes().iter().flat_map(|change| &change.steps);
    let paths: Vec<&str> = steps.filter_map(Step::path).collect();
    let is_changed = |unit: &&&str| paths.iter().any(|path| is_file_of(unit, path));
    units.iter().filter(is_changed).map(|unit| (*unit).to_owned()).collect()
}
