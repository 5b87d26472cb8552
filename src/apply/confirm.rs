//! Whether the host can still be reached after changes that could lock the user out: a new connection confirms them, or the host
//! takes them back.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::events::{ApplyEvent, Failure, HostEnd, ResourceEnd};
use super::halt::Halt;
use super::host::HostApply;
use super::keeping::Guarding;
use crate::change::NOT_ARMED;
use crate::plan::PlannedOperation;
use crate::remote::{Connection, RemoteError, StepAnswer, StepEnd, StepScript};

/// How long new connections are tried at most before the changes are taken back.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long going back may take, for units that start slowly.
const GOING_BACK: Duration = Duration::from_secs(120);
/// How long to wait for a host that has gone back.
const RETURN: Duration = Duration::from_secs(60);

/// How a new connection ended.
enum Attempt {
    Confirmed,
    /// The host was going back already.
    TooLate,
    Failed(RemoteError),
}

impl HostApply<'_> {
    /// Whether a guard is armed that has to be confirmed before `next` runs, or at the end.
    pub(super) fn is_guard_due(&self, next: Option<&PlannedOperation>) -> bool {
        let guarding = self.keeping.guarding();
        guarding.is_some_and(|guarding| next.is_none_or(|next| is_outside(&next.task, &guarding.task)))
    }

    /// Confirms an armed guard through a new connection.
    ///
    /// Errors: that did not work, and the host took back what is guarded.
    pub(super) async fn settle_guard(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let Some(guarding) = self.keeping.guarding().cloned() else {
            return Ok(());
        };
        if !self.may_be_armed(&guarding) {
            self.keeping.end_guard();
            return Ok(());
        }
        if let Some(last) = guarding.operations.last() {
            self.tell(ApplyEvent::Started {
                host: self.reviewed.host.clone(),
                operation: last.clone(),
                doing: "confirming with a new connection".to_owned(),
            });
        }
        let since = Instant::now();
        let patience = PATIENCE.min(guarding.guard.within() / 2);
        let mut last = None;
        let error = loop {
            match confirm(connection, &guarding).await {
                Attempt::Confirmed => {
                    self.keeping.end_guard();
                    return Ok(());
                }
                Attempt::TooLate => break last,
                Attempt::Failed(error) if since.elapsed() >= patience => break Some(error),
                Attempt::Failed(error) => {
                    last = Some(error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        let answer = go_back(connection, &guarding).await;
        self.keeping.end_guard();
        self.mark_taken_back(&guarding, &answer);
        Err(halt(&guarding, error.as_ref(), answer))
    }

    /// Whether a step of a guarded operation may have begun.
    fn may_be_armed(&self, guarding: &Guarding) -> bool {
        let ends = self.results.iter().chain(&self.under_way);
        let mut own = ends.filter(|result| guarding.operations.contains(&result.operation));
        own.any(|result| {
            let mut lines = result.lines.iter();
            lines.any(|line| {
                matches!(
                    line.end,
                    ResourceEnd::Applied | ResourceEnd::Failed | ResourceEnd::Unknown
                )
            })
        })
    }

    fn mark_taken_back(&mut self, guarding: &Guarding, answer: &Result<StepAnswer, RemoteError>) {
        let is_back = answer.as_ref().is_ok_and(|answer| answer.end == StepEnd::Done);
        let end = if is_back {
            ResourceEnd::PutBack
        } else {
            ResourceEnd::Unknown
        };
        let ends = self.results.iter_mut().chain(&mut self.under_way);
        for result in ends.filter(|result| guarding.operations.contains(&result.operation)) {
            let applied = |end| matches!(end, ResourceEnd::Applied | ResourceEnd::Unknown);
            for line in result.lines.iter_mut().filter(|line| applied(line.end)) {
                line.end = end;
            }
        }
    }
}

/// Whether a task is neither this one nor included by it.
pub(super) fn is_outside(task: &str, guarded: &str) -> bool {
    task.strip_prefix(guarded)
        .is_none_or(|rest| !rest.is_empty() && !rest.starts_with(" / "))
}

async fn confirm(connection: &Connection, guarding: &Guarding) -> Attempt {
    match through_another(connection, guarding.guard.confirm()).await {
        Ok(answer) => match answer.end {
            StepEnd::Failed { status: NOT_ARMED } => Attempt::TooLate,
            _ => Attempt::Confirmed,
        },
        Err(error) => Attempt::Failed(error),
    }
}

/// Makes the host go back, through the connection that is open, and if that is gone too, through a new one once the host went back by
/// itself.
async fn go_back(connection: &mut Connection, guarding: &Guarding) -> Result<StepAnswer, RemoteError> {
    let since = Instant::now();
    if let Ok(answer) = connection.perform_beside(&step(guarding.guard.give_up())).await {
        return Ok(answer);
    }
    let until = guarding.guard.within() + RETURN;
    loop {
        match through_another(connection, guarding.guard.collect()).await {
            Err(_) if since.elapsed() < until => tokio::time::sleep(PAUSE).await,
            end => return end,
        }
    }
}

async fn through_another(connection: &Connection, body: String) -> Result<StepAnswer, RemoteError> {
    let mut another = connection.another().await?;
    let end = another.perform_beside(&step(body)).await;
    another.close().await;
    end
}

fn step(body: String) -> StepScript {
    StepScript {
        body,
        limit: Some(GOING_BACK),
        ..StepScript::default()
    }
}

fn halt(guarding: &Guarding, error: Option<&RemoteError>, answer: Result<StepAnswer, RemoteError>) -> Halt {
    let mut cause = match error {
        Some(error) => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        }
        None => format!(
            "no new connection confirmed the changes within {} s",
            guarding.guard.within().as_secs()
        ),
    };
    let (output, hint) = match answer {
        Ok(answer) => {
            let hint = match answer.end {
                StepEnd::Done => {
                    cause.push_str("\nthe host is as before: its guard put back what these operations changed");
                    "fix the change and rerun the deploy; `guard = false` applies it without a way back"
                }
                StepEnd::Failed { status: NOT_ARMED } => {
                    cause.push_str(
                        "\nthe guard is not on the host any more: what these operations changed may have stayed",
                    );
                    "check what the host has now before you rerun the deploy"
                }
                _ => {
                    cause.push_str("\nthe host could not put everything back");
                    "put back what is left yourself: the previous files are below `/var/lib/homelab/previous`"
                }
            };
            (String::from_utf8_lossy(&answer.output).trim_end().to_owned(), hint)
        }
        Err(again) => {
            let _ = write!(cause, "\nthe host cannot be reached since: {again}");
            let hint = "its guard puts back the files by itself; the next run reports it, or use the host's console";
            (String::new(), hint)
        }
    };
    Halt {
        end: HostEnd::Failed,
        failure: Some(Failure {
            attempted: "confirm the changes with a new connection".to_owned(),
            cause: Some(cause),
            exit_code: None,
            output,
            hint: Some(hint.to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_lasts_to_the_end_of_its_task() {
        for (task, is_out) in [
            ("web / base", false),
            ("web / base / ssh", false),
            ("web / basement", true),
            ("web", true),
            ("db / base", true),
        ] {
            assert_eq!(is_outside(task, "web / base"), is_out, "{task}");
        }
    }
}
