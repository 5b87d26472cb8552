//! Reasons to stop a host before its plan is finished.

use super::events::{Failure, HostEnd};
use crate::gather::GatherError;
use crate::remote::RemoteError;

/// Why a host was stopped before its plan was finished.
pub(super) struct Halt {
    pub(super) end: HostEnd,
    pub(super) failure: Option<Box<Failure>>,
}

/// Too many other hosts failed for this one to start or to continue; `attempted` names them.
pub(super) fn held_back(attempted: &str, why: &str) -> Halt {
    Halt {
        end: HostEnd::HeldBack,
        failure: Some(Box::new(Failure {
            attempted: attempted.to_owned(),
            cause: Some(why.to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: None,
        })),
    }
}

pub(super) fn stale(what: &str) -> Halt {
    Halt {
        end: HostEnd::Stale,
        failure: Some(Box::new(Failure {
            attempted: "apply the reviewed plan".to_owned(),
            cause: Some(what.to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some("rerun the deploy and review the new diff".to_owned()),
        })),
    }
}

/// Another run changed the host while this one waited for its lock.
pub(super) fn outdated(departures: &[String]) -> Halt {
    Halt {
        end: HostEnd::Outdated,
        failure: Some(Box::new(Failure {
            attempted: "apply the reviewed plan".to_owned(),
            cause: Some(format!(
                "the host changed while this run waited for its lock; nothing was done\n{}",
                departures.join("\n")
            )),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some("rerun the deploy and review the new diff".to_owned()),
        })),
    }
}

/// A connection that broke or could not be made.
pub(super) fn lost(error: &RemoteError) -> Halt {
    let end = match error {
        RemoteError::Locked { .. } => HostEnd::Locked,
        RemoteError::LockUnavailable { .. } => HostEnd::Failed,
        _ => HostEnd::Unreachable,
    };
    Halt {
        end,
        failure: Some(Box::new(Failure {
            attempted: error.to_string(),
            cause: std::error::Error::source(error).map(ToString::to_string),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: error.hint(),
        })),
    }
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
        GatherError::Unreadable { .. } => Halt {
            end: HostEnd::Failed,
            failure: Some(Box::new(Failure {
                attempted: error.to_string(),
                cause: std::error::Error::source(error).map(ToString::to_string),
                outcome: None,
                place: None,
                exit_code: None,
                output: String::new(),
                hint: None,
            })),
        },
    }
}

/// The user stopped the run.
pub(super) fn interrupted() -> Halt {
    Halt {
        end: HostEnd::Interrupted,
        failure: Some(Box::new(Failure {
            attempted: "continue".to_owned(),
            cause: Some(
                "interrupted; the current step may have finished on the host, no later step was started".to_owned(),
            ),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some("rerun the deploy to continue".to_owned()),
        })),
    }
}
