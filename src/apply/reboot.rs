//! Restarts of a host: the run waits until the host has booted anew, and goes on through a new connection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::events::{ApplyEvent, Failure, HostEnd};
use super::halt::{Halt, lost};
use super::host::HostApply;
use crate::change::{Reboot, Step};
use crate::facts::overlay::OperationId;
use crate::facts::{Fact, FactKey, questions};
use crate::plan::PlannedOperation;
use crate::remote::{Connection, RemoteError, StepScript, Writer};

/// How long the host has to go down before it is tried.
const GOING_DOWN: Duration = Duration::from_secs(3);
/// The time between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
/// How long to wait for the units that a boot starts; they may take longer, or fail.
const UNITS: Duration = Duration::from_secs(60);
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The restart that an operation is, if it is one.
pub(super) fn reboot_of(operation: &PlannedOperation) -> Option<&Reboot> {
    let mut steps = operation.changes().iter().flat_map(|change| &change.steps);
    steps.find_map(|step| match step {
        Step::Reboot(reboot) => Some(reboot),
        _ => None,
    })
}

impl HostApply<'_> {
    /// Confirms what is guarded before the host restarts: a guard that is armed would take it back at boot.
    ///
    /// Errors: it is not loaded yet, so that the restart itself could lock the user out.
    pub(super) async fn settle_before_reboot(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
    ) -> Result<(), Halt> {
        let Some(operation) = segment.iter().find(|one| reboot_of(one).is_some()) else {
            return Ok(());
        };
        let Some(guarding) = self.keeping.guarding().cloned() else {
            return Ok(());
        };
        if self.not_loaded(&guarding).is_empty() {
            return self.settle_guard(writer.connection(), None).await;
        }
        Err(Halt {
            end: HostEnd::Failed,
            failure: Some(Box::new(Failure {
                attempted: format!("run `{}`", operation.id.slug()),
                cause: Some(
                    "a change that could lock you out is not loaded yet: the restart would load it unguarded"
                        .to_owned(),
                ),
                outcome: None,
                place: None,
                exit_code: None,
                output: String::new(),
                hint: Some(
                    "put the restart into a task or stage after that change, so that its handlers run first".to_owned(),
                ),
            })),
        })
    }

    /// Waits until the host has booted anew, takes its lock again, and goes on through the new connection.
    pub(super) async fn await_boot(
        &mut self,
        writer: &mut Writer<'_>,
        operation: &OperationId,
        reboot: &Reboot,
    ) -> Result<(), Halt> {
        self.send(ApplyEvent::Started {
            host: self.reviewed.host.clone(),
            operation: operation.clone(),
            doing: "waiting until the host has restarted".to_owned(),
        });
        let since = Instant::now();
        tokio::time::sleep(GOING_DOWN).await;
        let mut last: Option<RemoteError> = None;
        let booted = loop {
            match booted(writer.connection(), &reboot.boot_id).await {
                Ok(Some(connection)) => break connection,
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            if since.elapsed() >= reboot.within {
                return Err(not_back(reboot, last.as_ref()));
            }
            tokio::time::sleep(PAUSE).await;
        };
        let request = self
            .lock
            .clone()
            .unwrap_or_else(|| crate::remote::LockRequest::new("homelab"));
        writer.go_on_with(booted, &request).await.map_err(|error| lost(&error))
    }
}

/// A new connection to the host, if it has booted since it had this boot id.
async fn booted(connection: &Connection, boot_id: &str) -> Result<Option<Connection>, RemoteError> {
    let mut another = connection.another().await?;
    match is_new(&mut another, boot_id).await {
        Ok(true) => {
            let step = StepScript {
                body: format!(
                    "timeout {} systemctl is-system-running --wait >/dev/null 2>&1 || :",
                    UNITS.as_secs()
                ),
                limit: Some(UNITS * 2),
                ..StepScript::default()
            };
            another.perform_beside(&step).await?;
            Ok(Some(another))
        }
        Ok(false) => {
            another.close().await;
            Ok(None)
        }
        Err(error) => {
            another.close().await;
            Err(error)
        }
    }
}

async fn is_new(connection: &mut Connection, boot_id: &str) -> Result<bool, RemoteError> {
    let key = FactKey::KernelParameter(BOOT_ID.to_owned());
    let asked = questions(&BTreeSet::from([key]));
    let Some(question) = asked.first() else {
        return Ok(false);
    };
    let answers = connection.read(std::slice::from_ref(question.probe())).await?;
    let facts = answers
        .first()
        .and_then(|answer| question.parse(answer.status, &answer.stdout).ok());
    let now = facts.into_iter().flatten().find_map(|(_, fact)| match fact {
        Fact::KernelParameter(id) => id,
        _ => None,
    });
    Ok(now.is_some_and(|now| now != boot_id))
}

fn not_back(reboot: &Reboot, last: Option<&RemoteError>) -> Halt {
    let cause = last.map(|error| match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    });
    Halt {
        end: HostEnd::Unreachable,
        failure: Some(Box::new(Failure {
            attempted: format!(
                "reach the host again within {} s after its restart",
                reboot.within.as_secs()
            ),
            cause: Some(cause.unwrap_or_else(|| "it has not restarted: its boot id is the same".to_owned())),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some(
                "look at the console of the host; a rerun of the deploy goes on where this one ended".to_owned(),
            ),
        })),
    }
}
