//! Events of applying a plan, and the results. Nothing here prints.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::change::{Action, ResourceChange, ResourceId, ResourceKind};
use crate::facts::overlay::OperationId;
use crate::plan::{Place, PlannedOperation};

/// Something that happened while a plan was applied.
#[derive(Clone, Debug)]
pub enum ApplyEvent {
    /// A deferred operation, or one that was not known at review, is planned now and about to run.
    Resolved {
        host: String,
        /// The operation as it is planned now.
        operation: Box<PlannedOperation>,
    },
    /// A host's turn has come.
    HostStarted { host: String },
    /// An operation begins.
    Started {
        host: String,
        operation: OperationId,
        /// `apt-get upgrade`, or the operation's name.
        doing: String,
    },
    /// A step printed something and is still running; sent only if requested.
    Output {
        host: String,
        /// Its output, not split into lines.
        bytes: Vec<u8>,
        /// Room in the queue, until the event has been dealt with.
        room: Option<Arc<OwnedSemaphorePermit>>,
    },
    /// A step printed more than is shown; sent only if output is.
    OutputLeftOut { host: String, bytes: u64 },
    /// Large content is being sent to the host.
    Sent {
        host: String,
        /// Bytes sent so far.
        bytes: u64,
        size: u64,
    },
    /// A step waits for something on the host.
    Waits {
        host: String,
        /// What the step attempts: "run `apt-get update`".
        attempt: String,
        /// What it waits for, as text from the host.
        words: String,
    },
    /// An operation is finished.
    Finished { host: String, result: OperationResult },
    /// An operation failed and is tried again after a pause.
    Retries {
        host: String,
        operation: OperationId,
        /// Which retry this is, counted from 1.
        retry: u8,
        /// How many there are at most.
        of: u8,
        pause: Duration,
        failure: Failure,
    },
    /// An operation failed, and the host goes on.
    Ignored { host: String, operation: OperationId },
    /// A host is finished.
    HostFinished { result: HostResult },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationResult {
    pub operation: OperationId,
    /// Its changes as reviewed or planned later, each with its end.
    pub lines: Vec<ResourceResult>,
    pub failure: Option<Failure>,
    /// How often it was tried again after a failure.
    pub retried: u8,
    pub took: Duration,
}

impl OperationResult {
    /// Leaves out directories that are made only for another one of `changes`, its changes, unless they failed.
    pub(super) fn without_parts(mut self, changes: &[ResourceChange]) -> Self {
        let parts = changes.iter().enumerate().filter_map(|(place, change)| {
            let is_part = change.part_of(&changes[place + 1..]).is_some();
            is_part.then_some(&change.id)
        });
        let parts: BTreeSet<&ResourceId> = parts.collect();
        let has_failed = |line: &ResourceResult| matches!(line.end, ResourceEnd::Failed | ResourceEnd::Unknown);
        self.lines
            .retain(|line| has_failed(line) || !parts.contains(&line.resource));
        self
    }
}

/// A reviewed change and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceResult {
    pub resource: ResourceId,
    pub action: Action,
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
            resource: ResourceId::new(ResourceKind::Check, what),
            action: Action::RunEachTime,
            end,
        }
    }
}

/// How a reviewed change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceEnd {
    Applied,
    /// There was nothing left to do.
    AlreadySo,
    /// A check that passed.
    Holds,
    /// It was made, and taken back: the handler that it notified failed, or no new connection worked after it.
    PutBack,
    /// Its step failed; the next run finds what it left.
    Failed,
    /// The same, and the host went on, as `on_error = "ignore"` says.
    Ignored,
    /// It was under way when the run or the connection ended: only the next run can tell what it did.
    Unknown,
    /// Something before it failed or stopped the host.
    NotReached,
}

/// What went wrong with an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Such as "write `/etc/motd`".
    pub attempted: String,
    /// Where the project asks for it.
    pub place: Option<Box<Place>>,
    /// Why, if known.
    pub cause: Option<String>,
    /// What came of it on the host, such as what was put back.
    pub outcome: Option<String>,
    pub exit_code: Option<i32>,
    /// The last lines of its output.
    pub output: String,
    pub hint: Option<String>,
}

/// How a host ended.
#[derive(Clone, Debug, PartialEq)]
pub struct HostResult {
    pub host: String,
    pub end: HostEnd,
    /// Operations with something to do, in order, including those not reached.
    pub operations: Vec<OperationResult>,
    /// What stopped it, other than a failed operation: a lost connection, a lock, a host that is not as reviewed.
    pub failure: Option<Failure>,
    /// What else the user should know, such as a pending reboot.
    pub notices: Vec<String>,
    /// Round trips to the host in total.
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
    Failed,
    /// It cannot be reached, or the connection was lost.
    Unreachable,
    Locked,
    /// It changed since the review.
    Stale,
    /// It changed while this run waited for its lock: nothing was done, and the new plan goes beyond the review.
    Outdated,
    /// The project or the command line has a mistake, or the plan does not fit this host.
    Invalid,
    Interrupted,
    /// Too many of the hosts before it failed.
    HeldBack,
}

/// The one exit code of hosts with different ends: 130 > 3 > 1 > 6 > 5 > 4 > 2 > 0.
///
/// `Pending` counts as 2; callers that want 0 for it decide that before.
pub fn exit_code(ends: impl IntoIterator<Item = HostEnd>) -> u8 {
    const RANKED: [(HostEnd, u8); 10] = [
        (HostEnd::Interrupted, 130),
        (HostEnd::Invalid, 3),
        (HostEnd::Failed, 1),
        (HostEnd::Stale, 6),
        (HostEnd::Outdated, 6),
        (HostEnd::Locked, 5),
        (HostEnd::Unreachable, 4),
        // Never alone: the hosts that held it back ended differently.
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
    use crate::change::{Attributes, Before, MakeDirectory, Step};

    #[test]
    fn a_part_of_another_change_has_no_line_unless_it_failed() {
        let make = |path: &str| ResourceChange {
            steps: vec![Step::MakeDirectory(MakeDirectory {
                path: path.to_owned(),
                attributes: Attributes {
                    owner: "root".to_owned(),
                    group: "root".to_owned(),
                    mode: 0o755,
                },
                keeps: true,
            })],
            ..ResourceChange::new(
                ResourceId::new(ResourceKind::Directory, path),
                Action::Create,
                Before::Absent,
                None,
            )
        };
        let changes = [make("/a"), make("/a/b")];
        for (ends, told) in [
            ([ResourceEnd::AlreadySo, ResourceEnd::Applied], &["/a/b"][..]),
            ([ResourceEnd::Applied, ResourceEnd::Applied], &["/a/b"]),
            ([ResourceEnd::NotReached, ResourceEnd::NotReached], &["/a/b"]),
            ([ResourceEnd::Failed, ResourceEnd::NotReached], &["/a", "/a/b"]),
            ([ResourceEnd::Unknown, ResourceEnd::NotReached], &["/a", "/a/b"]),
        ] {
            let lines = changes
                .iter()
                .zip(ends)
                .map(|(change, end)| ResourceResult::of(change, end));
            let result = OperationResult {
                operation: OperationId("web / t / files.directory /a/b".to_owned()),
                lines: lines.collect(),
                failure: None,
                retried: 0,
                took: Duration::ZERO,
            };
            let result = result.without_parts(&changes);
            let names: Vec<&str> = result.lines.iter().map(|line| &*line.resource.name).collect();
            assert_eq!(names, told, "{ends:?}");
        }
    }

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
