//! Errors of D-Bus, by what can be done about them.

use axum::http::StatusCode;

use crate::server::Problem;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// logind does not run, and cannot be started.
    LoginAbsent,
    /// polkit is not installed, so nothing can be allowed.
    PolicyAbsent,
    /// The rules of polkit do not allow it.
    Denied,
    /// There is no such unit.
    NoSuchUnit,
    /// Another job of the same unit is in the way.
    Conflict,
    /// The bus itself cannot be reached, or there is no answer.
    Unreachable,
    /// Anything else.
    Other,
}

/// An error of D-Bus. Its detail is for the journal, not for those who ask.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    pub kind: FaultKind,
    pub detail: String,
}

impl Fault {
    /// An error of some kind.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// What an error's name and message mean.
    pub fn of_reply(name: &str, message: &str) -> Self {
        let has = |text: &str| message.contains(text);
        let kind = match name.rsplit('.').next().unwrap_or(name) {
            // systemd tells why logind could not be started on behalf of the bus only in words.
            _ if has("dbus-org.freedesktop.login1.service") || has("org.freedesktop.login1 was not provided") => {
                FaultKind::LoginAbsent
            }
            _ if has("org.freedesktop.PolicyKit1") || has("polkit.service") => FaultKind::PolicyAbsent,
            "AccessDenied" | "InteractiveAuthorizationRequired" | "AuthFailed" => FaultKind::Denied,
            "NoSuchUnit" | "LoadFailed" => FaultKind::NoSuchUnit,
            "TransactionIsDestructive"
            | "TransactionJobsConflicting"
            | "TransactionOrderIsCyclic"
            | "OperationInProgress" => FaultKind::Conflict,
            "ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "Timeout" | "TimedOut" | "Disconnected" | "NoServer"
            | "LimitsExceeded" => FaultKind::Unreachable,
            _ => FaultKind::Other,
        };
        Self::new(kind, format!("{name}: {message}"))
    }

    /// The answer to the caller. `what` is what was attempted, such as `schedule a shutdown`.
    pub fn problem(&self, what: &str) -> Problem {
        let unavailable = |why: &str, hint: &str| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("Cannot {what}: {why}")).with_hint(hint)
        };
        match self.kind {
            FaultKind::LoginAbsent => unavailable(
                "logind is not running on the host",
                "Run `systemctl unmask systemd-logind.service`, and install libpam-systemd",
            ),
            FaultKind::PolicyAbsent => unavailable("polkit is not installed on the host", "Install polkitd"),
            FaultKind::Denied => unavailable(
                "the host does not allow it",
                "Put the agent's rules into /etc/polkit-1/rules.d, and run the agent as the user that they name",
            ),
            FaultKind::Unreachable => unavailable(
                "the system bus does not answer",
                "Look at `systemctl status dbus.service` and at the agent's journal",
            ),
            FaultKind::NoSuchUnit => Problem::new(
                StatusCode::BAD_GATEWAY,
                format!("Cannot {what}: the host has no unit for it"),
            )
            .with_hint("Install the unit `model@.service`"),
            FaultKind::Conflict => Problem::new(
                StatusCode::CONFLICT,
                format!("Cannot {what}: another job of the unit is running"),
            ),
            FaultKind::Other => Problem::new(StatusCode::BAD_GATEWAY, format!("Cannot {what}"))
                .with_hint("The agent's journal says why"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind};

    #[test]
    fn errors_of_hosts_are_told_apart() {
        const BUS: &str = "org.freedesktop.DBus.Error";
        for (name, message, kind, code) in [
            (
                "org.freedesktop.systemd1.BadUnitSetting".to_owned(),
                "Unit dbus-org.freedesktop.login1.service failed to load properly, please adjust/correct and reload",
                FaultKind::LoginAbsent,
                503,
            ),
            (
                format!("{BUS}.ServiceUnknown"),
                "The name org.freedesktop.login1 was not provided by any .service files",
                FaultKind::LoginAbsent,
                503,
            ),
            (
                format!("{BUS}.ServiceUnknown"),
                "The name org.freedesktop.PolicyKit1 was not provided by any .service files",
                FaultKind::PolicyAbsent,
                503,
            ),
            (format!("{BUS}.AccessDenied"), "Access denied", FaultKind::Denied, 503),
            (
                format!("{BUS}.InteractiveAuthorizationRequired"),
                "Interactive authentication required.",
                FaultKind::Denied,
                503,
            ),
            (
                format!("{BUS}.NoReply"),
                "Did not receive a reply",
                FaultKind::Unreachable,
                503,
            ),
            (
                "org.freedesktop.systemd1.NoSuchUnit".to_owned(),
                "Unit model@tiny.service not found.",
                FaultKind::NoSuchUnit,
                502,
            ),
            (
                "org.freedesktop.systemd1.TransactionIsDestructive".to_owned(),
                "Transaction for model@tiny.service/start is destructive",
                FaultKind::Conflict,
                409,
            ),
            (
                format!("{BUS}.InvalidArgs"),
                "Invalid value for mode",
                FaultKind::Other,
                502,
            ),
        ] {
            let fault = Fault::of_reply(&name, message);
            let problem = fault.problem("do it");
            assert_eq!((fault.kind, problem.code().as_u16()), (kind, code), "{name} {message}");
            assert!(!problem.message().contains(message), "{}", problem.message());
        }
    }
}
