//! Which operations something is kept for.

use std::collections::BTreeSet;

use super::host::HostApply;
use crate::facts::overlay::OperationId;
use crate::plan::{PlannedOperation, Trigger};

impl HostApply<'_> {
    /// The operations before which something is kept: a change of theirs runs a handler, which may fail.
    pub(super) fn kept_for(&self) -> BTreeSet<OperationId> {
        let planned = self.planned_since.iter().flatten();
        let triggers = self.reviewed.operations.iter().chain(planned);
        triggers.flat_map(notifiers).cloned().collect()
    }
}

fn notifiers(operation: &PlannedOperation) -> &[OperationId] {
    match &operation.trigger {
        Trigger::NotifiedBy(notifiers) => notifiers,
        Trigger::Always | Trigger::Owed => &[],
    }
}
