//! Reasons to stop a host before its plan is finished.

use super::events::{Failure, HostEnd};
use crate::gather::GatherError;
use crate::remote::RemoteError;

/// Why a host was stopped before its plan was finished.
pub(super) struct Halt {
    pub(super) end: HostEnd,
    pub(super) failure: Option<Failure>,
}

/// Too many other hosts failed for this one to start or to go on; `attempted` says which.
pub(super) fn held_back(attempted: &str, why: &str) -> Halt {
    Halt {
        end: HostEnd::HeldBack,
        failure: Some(Failure {
            attempted: attempted.to_owned(),
            cause: Some(why.to_owned()),
            exit_code: None,
            output: String::new(),
            hint: None,
        }),
    }
}

pub(super) fn stale(what: &str) -> Halt {
    Halt {
        end: HostEnd::Stale,
        failure: Some(Failure {
            attempted: "go on with the reviewed plan".to_owned(),
            cause: Some(what.to_owned()),
            exit_code: None,
            output: String::new(),
            hint: Some("run the deploy again to review what is to do now".to_owned()),
        }),
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
        failure: Some(Failure {
            attempted: error.to_string(),
            cause: std::error::Error::source(error).map(ToString::to_string),
            exit_code: None,
            output: String::new(),
            hint: error.hint(),
        }),
    }
}

/// A connection that broke while a command may be running, which the host finishes by itself.
pub(super) fn lost_at_work(error: &RemoteError, goes_on: Option<String>) -> Halt {
    let mut halt = lost(error);
    if let (Some(failure), Some(command)) = (&mut halt.failure, goes_on) {
        failure.hint = Some(format!(
            "if `{command}` had begun, the host goes on with it by itself: run again, which waits for it and tells how it ended"
        ));
    }
    halt
}

pub(super) fn gather_failed(error: &GatherError) -> Halt {
    match error {
        GatherError::Remote(error) => lost(error),
        GatherError::Unreadable { .. } => Halt {
            end: HostEnd::Failed,
            failure: Some(Failure {
                attempted: error.to_string(),
                cause: std::error::Error::source(error).map(ToString::to_string),
                exit_code: None,
                output: String::new(),
                hint: None,
            }),
        },
    }
}

/// The user stopped the run.
pub(super) fn interrupted() -> Halt {
    Halt {
        end: HostEnd::Interrupted,
        failure: Some(Failure {
            attempted: "go on".to_owned(),
            cause: Some(
                "interrupted: the step under way may still have ended on the host, none began after it".to_owned(),
            ),
            exit_code: None,
            output: String::new(),
            hint: Some("run the deploy again: it finishes what is left".to_owned()),
        }),
    }
}
