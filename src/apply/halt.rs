//! Reasons to stop a host before its plan is finished.

use super::events::{Failure, HostEnd};
use crate::gather::GatherError;
use crate::remote::RemoteError;

/// Why a host was stopped before its plan was finished.
pub(super) struct Halt {
    pub(super) end: HostEnd,
    pub(super) failure: Option<Box<Failure>>,
}

impl Halt {
    fn because(end: HostEnd, attempted: impl Into<String>, cause: Option<String>, hint: Option<String>) -> Self {
        Self {
            end,
            failure: Some(Box::new(Failure {
                attempted: attempted.into(),
                cause,
                outcome: None,
                place: None,
                exit_code: None,
                output: String::new(),
                hint,
            })),
        }
    }
}

/// Too many other hosts failed for this one to start or to continue; `attempted` names them.
pub(super) fn held_back(attempted: &str, why: &str) -> Halt {
    Halt::because(HostEnd::HeldBack, attempted, Some(why.to_owned()), None)
}

pub(super) fn stale(what: &str) -> Halt {
    Halt::because(
        HostEnd::Stale,
        "apply the reviewed plan",
        Some(what.to_owned()),
        Some("rerun the deploy and review the new diff".to_owned()),
    )
}

/// Another run changed the host while this one waited for its lock.
pub(super) fn outdated(departures: &[String]) -> Halt {
    Halt::because(
        HostEnd::Outdated,
        "apply the reviewed plan",
        Some(format!(
            "the host changed while this run waited for its lock; nothing was done\n{}",
            departures.join("\n")
        )),
        Some("rerun the deploy and review the new diff".to_owned()),
    )
}

/// A connection that broke or could not be made.
pub(super) fn lost(error: &RemoteError) -> Halt {
    let end = match error {
        RemoteError::Locked { .. } => HostEnd::Locked,
        RemoteError::LockUnavailable { .. } => HostEnd::Failed,
        _ => HostEnd::Unreachable,
    };
    Halt::because(
        end,
        error.to_string(),
        std::error::Error::source(error).map(ToString::to_string),
        error.hint(),
    )
}

/// A connection that broke while a command may be running, which finishes on the host anyway.
pub(super) fn lost_at_work(error: &RemoteError, goes_on: Option<String>) -> Halt {
    let mut halt = lost(error);
    if let (Some(failure), Some(command)) = (&mut halt.failure, goes_on) {
        failure.hint = Some(format!(
            "if `{command}` had started, it continues on the host; rerun the deploy to wait for it and see how it ended"
        ));
    }
    halt
}

pub(super) fn gather_failed(error: &GatherError) -> Halt {
    match error {
        GatherError::Remote(error) => lost(error),
        GatherError::Unreadable { .. } => Halt::because(
            HostEnd::Failed,
            error.to_string(),
            std::error::Error::source(error).map(ToString::to_string),
            None,
        ),
    }
}

/// The user stopped the run.
pub(super) fn interrupted() -> Halt {
    Halt::because(
        HostEnd::Interrupted,
        "continue",
        Some("interrupted; the current step may have finished on the host, no later step was started".to_owned()),
        Some("rerun the deploy to continue".to_owned()),
    )
}
