//! How a host ended: every reviewed operation with its end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::events::{ApplyEvent, HostEnd, HostResult, OperationResult, ResourceEnd, ResourceResult};
use super::halt::Halt;
use super::host::HostApply;
use crate::change::{Action, Outcome, ResourceId, ResourceKind};
use crate::facts::overlay::OperationId;
use crate::plan::PlannedOperation;

impl HostApply<'_> {
    /// The host's result: every reviewed operation with its end, also if it was not reached.
    pub(super) fn result(self, halt: Option<Halt>, round_trips: u32, took: Duration) -> HostResult {
        let mut operations = self.results;
        operations.extend(self.under_way);
        let told: BTreeSet<OperationId> = operations.iter().map(|result| result.operation.clone()).collect();
        let done = self.snapshot.done.get(&self.reviewed.host).cloned().unwrap_or_default();
        for operation in &self.reviewed.operations {
            let is_shown = operation.outcome != Outcome::Unchanged && !operation.is_covered();
            if told.contains(&operation.id) || !is_shown {
                continue;
            }
            if halt.is_none() && self.replaced.contains(&operation.id) {
                continue;
            }
            // A deferred operation that is not wanted after all is in no later plan of a finished host.
            let end = if halt.is_none() || done.contains(&operation.id) {
                ResourceEnd::AlreadySo
            } else {
                ResourceEnd::NotReached
            };
            let result = OperationResult {
                operation: operation.id.clone(),
                lines: lines_of(operation, end),
                failure: None,
                retried: self.retried.get(&operation.id).copied().unwrap_or_default(),
                took: Duration::ZERO,
            };
            let result = result.without_parts(operation.changes());
            // The files that notified it went back.
            let is_dropped = operation.handler.is_some() && !done.contains(&operation.id);
            if halt.is_none() && is_dropped && matches!(operation.outcome, Outcome::Change(_) | Outcome::Ensure { .. })
            {
                let _ = self.events.send(ApplyEvent::Finished {
                    host: self.reviewed.host.clone(),
                    result: result.clone(),
                });
            }
            operations.push(result);
        }
        // Operations that were found already done were reported after the rest.
        let reviewed_order = |result: &OperationResult| {
            let reviewed = &self.reviewed.operations;
            reviewed.iter().position(|operation| operation.id == result.operation)
        };
        operations.sort_by_key(reviewed_order);
        let (end, failure) = halt.map_or((HostEnd::Converged, None), |halt| {
            (halt.end, halt.failure.map(|failure| *failure))
        });
        HostResult {
            host: self.reviewed.host.clone(),
            end,
            operations,
            failure,
            notices: self.notices,
            round_trips,
            took,
        }
    }
}

/// A line for each reviewed change; a deferred operation is one line.
fn lines_of(operation: &PlannedOperation, end: ResourceEnd) -> Vec<ResourceResult> {
    if let Outcome::Check { what, .. } = &operation.outcome {
        return vec![ResourceResult::of_check(what, end)];
    }
    let lines: Vec<ResourceResult> = operation
        .changes()
        .iter()
        .map(|change| ResourceResult::of(change, end))
        .collect();
    if !lines.is_empty() {
        return lines;
    }
    let resource = ResourceId::new(ResourceKind::Operation, operation.id.slug());
    let action = Action::Update;
    vec![ResourceResult { resource, action, end }]
}
