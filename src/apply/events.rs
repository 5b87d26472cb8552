//! What is told while a plan is applied, and how things ended. Reporters listen; nothing here prints.

use std::time::Duration;

use crate::change::{Action, ResourceChange, ResourceId, ResourceKind};
use crate::facts::overlay::OperationId;
use crate::plan::PlannedOperation;

/// Something that happened while a plan was applied.
#[derive(Clone, Debug)]
pub enum ApplyEvent {
    /// What was deferred, or could not be known at review, is known now and about to be done.
    Resolved {
        /// The host.
        host: String,
        /// The operation as it is planned now.
        operation: Box<PlannedOperation>,
    },
    /// A host's turn has come.
    HostStarted {
        /// The host.
        host: String,
    },
    /// An operation begins.
    Started {
        /// The host.
        host: String,
        /// The operation.
        operation: OperationId,
        /// What is done, in a few words: `apt-get upgrade`, or the operation's name.
        doing: String,
    },
    /// A step has written something, and goes on; told only where that is asked for.
    Output {
        /// The host.
        host: String,
        /// What it has written, not cut into lines.
        bytes: Vec<u8>,
    },
    /// A large content is on its way to the host.
    Sent {
        /// The host.
        host: String,
        /// How many bytes of it have been sent.
        bytes: u64,
        /// Of how many.
        size: u64,
    },
    /// A step waits for something on the host.
    Waits {
        /// The host.
        host: String,
        /// What the step attempts: "run `apt-get update`".
        attempt: String,
        /// What it waits for, in the host's words.
        words: String,
    },
    /// An operation is through.
    Finished {
        /// The host.
        host: String,
        /// How it ended.
        result: OperationResult,
    },
    /// A host is through.
    HostFinished {
        /// How it ended.
        result: HostResult,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationResult {
    /// The operation.
    pub operation: OperationId,
    /// Its changes as reviewed or resolved, each with its end.
    pub lines: Vec<ResourceResult>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// How long its steps took.
    pub took: Duration,
}

/// A reviewed change and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceResult {
    /// The resource.
    pub resource: ResourceId,
    /// What was to happen to it.
    pub action: Action,
    /// How that ended.
    pub end: ResourceEnd,
}

impl ResourceResult {
    /// The end of a change.
    pub(super) fn of(change: &ResourceChange, end: ResourceEnd) -> Self {
        Self {
            resource: change.id.clone(),
            action: change.action,
            end,
        }
    }

    /// The end of a check.
    pub(super) fn of_check(what: &str, end: ResourceEnd) -> Self {
        Self {
            resource: ResourceId {
                kind: ResourceKind::Check,
                name: what.to_owned(),
            },
            action: Action::RunEachTime,
            end,
        }
    }
}

/// How a reviewed change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceEnd {
    /// It was made.
    Applied,
    /// There was nothing left to do.
    AlreadySo,
    /// A check that passed.
    Holds,
    /// Its step failed; what it left is for the next run to see.
    Failed,
    /// Something before it failed or stopped the host.
    NotReached,
}

/// What went wrong with an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was attempted, such as "write `/etc/motd`".
    pub attempted: String,
    /// Why, where it is known in words.
    pub cause: Option<String>,
    /// The exit code of the command.
    pub exit_code: Option<i32>,
    /// The last of what it printed.
    pub output: String,
    /// A next step.
    pub hint: Option<String>,
}

/// How a host ended.
#[derive(Clone, Debug, PartialEq)]
pub struct HostResult {
    /// The host.
    pub host: String,
    /// How.
    pub end: HostEnd,
    /// Its operations that had anything to do, in order; also those not reached.
    pub operations: Vec<OperationResult>,
    /// What stopped it, beyond a failed operation: a lost connection, a lock, a departure from the review.
    pub failure: Option<Failure>,
    /// What else its owner should know: that a reboot is due.
    pub notices: Vec<String>,
    /// Round trips made to the host in all.
    pub round_trips: u32,
    /// How long applying took, without waiting for its turn.
    pub took: Duration,
}

/// How a host ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEnd {
    /// All was applied, or there was nothing to do.
    Converged,
    /// Changes are pending: the end of a dry run.
    Pending,
    /// An operation failed.
    Failed,
    /// It cannot be reached, or the connection was lost.
    Unreachable,
    /// Another run holds its lock.
    Locked,
    /// It is not as it was reviewed.
    Stale,
    /// The project or the call is wrong, or cannot be done to this host.
    Invalid,
    /// The user ended the run.
    Interrupted,
    /// Its turn did not come: too many of the hosts before it failed.
    HeldBack,
}

/// The one exit code of hosts with different ends: 130 > 3 > 1 > 6 > 5 > 4 > 2 > 0.
///
/// `Pending` counts as 2; who wants 0 for it decides that before.
pub fn exit_code(ends: impl IntoIterator<Item = HostEnd>) -> u8 {
    const RANKED: [(HostEnd, u8); 9] = [
        (HostEnd::Interrupted, 130),
        (HostEnd::Invalid, 3),
        (HostEnd::Failed, 1),
        (HostEnd::Stale, 6),
        (HostEnd::Locked, 5),
        (HostEnd::Unreachable, 4),
        // Never alone: what held it back ended otherwise.
        (HostEnd::HeldBack, 1),
        (HostEnd::Pending, 2),
        (HostEnd::Converged, 0),
    ];
    let ends: Vec<HostEnd> = ends.into_iter().collect();
    RANKED
        .iter()
        .find(|(end, _)| ends.contains(end))
        .map_or(0, |(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_decides() {
        use HostEnd::{Converged, Failed, Interrupted, Invalid, Locked, Pending, Stale, Unreachable};
        assert_eq!(exit_code([]), 0);
        assert_eq!(exit_code([Converged]), 0);
        assert_eq!(exit_code([Converged, Pending]), 2);
        assert_eq!(exit_code([Pending, Unreachable]), 4);
        assert_eq!(exit_code([HostEnd::HeldBack, Unreachable]), 4);
        assert_eq!(exit_code([Unreachable, Locked]), 5);
        assert_eq!(exit_code([Locked, Stale]), 6);
        assert_eq!(exit_code([Stale, Failed]), 1);
        assert_eq!(exit_code([Failed, Invalid]), 3);
        assert_eq!(exit_code([Invalid, Interrupted]), 130);
    }
}
