//! Whether the host can still be reached after changes that could lock the user out: a new connection confirms them, or the host
//! takes them back.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::events::{ApplyEvent, Failure, HostEnd, OperationResult, ResourceEnd};
use super::halt::Halt;
use super::host::HostApply;
use super::keeping::Guarding;
use crate::change::{NOT_ARMED, Outcome, UNARMED};
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::facts::{Fact, FactKey};
use crate::plan::{PlannedOperation, Trigger};
use crate::quote::quote_all;
use crate::remote::{Connection, RemoteError, StepAnswer, StepEnd, StepScript};

/// How long new connections are tried at most before the changes are taken back.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long going back may take, for units that start slowly.
const GOING_BACK: Duration = Duration::from_secs(120);
/// How long to wait for a host that has gone back.
const RETURN: Duration = Duration::from_secs(60);

/// Why a host takes back what is guarded.
enum Reason {
    /// No new connection confirmed it; the last one's error.
    NoConnection(Option<RemoteError>),
    /// The run ended before the handlers that load it.
    NotLoaded(String),
    /// A check in the same task failed.
    Refuted(String),
}

/// How a new connection ended.
enum Attempt {
    /// What the guard says at its end.
    Confirmed(String),
    /// The host was going back already.
    TooLate,
    Failed(RemoteError),
}

impl HostApply<'_> {
    /// Whether a guard is armed that has to be confirmed before `rest` runs, or at the end.
    ///
    /// Until the handlers have run that guarded changes notified, a new connection shows nothing: the change is not loaded.
    pub(super) fn is_guard_due(&self, rest: &[PlannedOperation]) -> bool {
        let Some(guarding) = self.keeping.guarding() else {
            return false;
        };
        let is_to_come =
            |handler: &PlannedOperation| handler.stage > self.stage || rest.iter().any(|one| one.id == handler.id);
        rest.first().is_none_or(|next| is_outside(&next.task, &guarding.task))
            && !self.not_loaded(guarding).iter().any(is_to_come)
    }

    /// Confirms an armed guard through a new connection. `halt` is why the host stops early, if it does: then what no handler has
    /// loaded goes back, and so does what a check in the same task refutes. A new connection cannot see that, such as names that the
    /// host does not find any more.
    ///
    /// Errors: that did not work, and the host took back what is guarded.
    pub(super) async fn settle_guard(&mut self, connection: &mut Connection, halt: Option<&Halt>) -> Result<(), Halt> {
        let Some(guarding) = self.keeping.guarding().cloned() else {
            return Ok(());
        };
        if !self.may_be_armed(&guarding) {
            self.keeping.end_guard();
            return Ok(());
        }
        if let Some(halt) = halt {
            let not_loaded = self.not_loaded(&guarding);
            if !not_loaded.is_empty() && !self.ends_unchanged(connection, &guarding).await {
                let reason = Reason::NotLoaded(told_unloaded(&not_loaded, halt));
                return Err(self.take_back(connection, &guarding, reason, halt.end).await);
            }
            if let Some(told) = self.refuted(&guarding) {
                return Err(self
                    .take_back(connection, &guarding, Reason::Refuted(told), halt.end)
                    .await);
            }
        }
        if self.keeping.guarding().is_none() {
            return Ok(());
        }
        if let Some(last) = guarding.operations.last() {
            self.send(ApplyEvent::Started {
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
                Attempt::Confirmed(said) => {
                    self.notices.extend(said.lines().map(str::to_owned));
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
        let reason = Reason::NoConnection(error);
        Err(self.take_back(connection, &guarding, reason, HostEnd::Failed).await)
    }

    /// What is said of a check that ended the run and is in the task of the guarded operations.
    fn refuted(&self, guarding: &Guarding) -> Option<String> {
        let last = self.results.iter().chain(&self.under_way).last()?;
        let failure = last.failure.as_ref()?;
        let planned = self.planned_since.iter().flatten();
        let mut all = self.reviewed.operations.iter().chain(planned);
        let is_check = |one: &PlannedOperation| {
            one.id == last.operation
                && matches!(one.outcome, Outcome::Check { .. })
                && !is_outside(&one.task, &guarding.task)
        };
        let is_refuted = all.any(is_check);
        let cause = failure.cause.as_ref().map(|cause| format!(": {cause}"));
        is_refuted.then(|| format!("failed to {}{}", failure.attempted, cause.unwrap_or_default()))
    }

    /// Whether none of the guarded operations changed anything, such as a file that was refused: then the guard has ended.
    async fn ends_unchanged(&mut self, connection: &mut Connection, guarding: &Guarding) -> bool {
        let ends = self.results.iter().chain(&self.under_way);
        let mut own = ends.filter(|result| guarding.operations.contains(&result.operation));
        let may_stay = |end| matches!(end, ResourceEnd::Applied | ResourceEnd::Unknown);
        if own.any(|result| result.lines.iter().any(|line| may_stay(line.end))) || self.runs_commands(guarding) {
            return false;
        }
        let ended = connection.perform_beside(&step(guarding.guard.end_unchanged())).await;
        let is_over = ended.is_ok_and(|answer| answer.end == StepEnd::Done);
        if is_over {
            self.keeping.end_guard();
        }
        is_over
    }

    /// Whether any of the guarded operations runs commands, which may change what nothing is kept of.
    fn runs_commands(&self, guarding: &Guarding) -> bool {
        let planned = self.planned_since.iter().flatten();
        let all = self.reviewed.operations.iter().chain(planned);
        let guarded = all.filter(|operation| guarding.operations.contains(&operation.id));
        let mut steps = guarded.flat_map(|operation| operation.changes().iter().flat_map(|change| &change.steps));
        steps.any(|step| step.command().is_some())
    }

    /// Has the host take back what is guarded. `end` is how the run ends without that.
    async fn take_back(
        &mut self,
        connection: &mut Connection,
        guarding: &Guarding,
        reason: Reason,
        end: HostEnd,
    ) -> Halt {
        let records = self.records_only_of(guarding);
        // An interrupted channel still runs the step that was sent last.
        let beside = match end {
            HostEnd::Interrupted => {
                tokio::time::sleep(PAUSE).await;
                through_another(connection, and_forget(guarding.guard.give_up(), &records))
                    .await
                    .ok()
            }
            _ => None,
        };
        let answer = match beside {
            Some(answer) => Ok(answer),
            None => go_back(connection, guarding, &records).await,
        };
        self.keeping.end_guard();
        self.mark_taken_back(guarding, &answer);
        let works = works_again(connection).await;
        halt(guarding, &reason, answer, works)
    }

    /// Whether a step of a guarded operation may have begun.
    fn may_be_armed(&self, guarding: &Guarding) -> bool {
        let ends = self.results.iter().chain(&self.under_way);
        let own = ends.filter(|result| guarding.operations.contains(&result.operation));
        guarding.operations.iter().any(|own| self.may_have_changed(own)) && !never_armed(own)
    }

    /// The handlers that guarded changes notified and that have not run to their end.
    pub(super) fn not_loaded(&self, guarding: &Guarding) -> Vec<PlannedOperation> {
        let done = self.snapshot.done.get(&self.reviewed.host);
        let is_done = |handler: &PlannedOperation| done.is_some_and(|done| done.contains(&handler.id));
        let handlers = self.records.all().filter(|(handler, notifiers)| {
            let mut guarded = notifiers.iter().filter(|one| guarding.operations.contains(one));
            // One that is owed runs for whatever changes: which operations notify it is not planned.
            let is_owed = handler.trigger == Trigger::Owed
                && !handler.guards.is_empty()
                && !guarding.operations.contains(&handler.id)
                && !is_outside(&handler.task, &guarding.task);
            !is_done(handler) && (is_owed || guarded.any(|one| self.may_have_changed(one)))
        });
        handlers.map(|(handler, _)| handler.clone()).collect()
    }

    /// The records of handlers that are owed for guarded changes alone.
    fn records_only_of(&self, guarding: &Guarding) -> Vec<String> {
        let system = self.snapshot.facts.get(&self.reviewed.host);
        let was_owed = |record: &Owed| match system.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => system.owed.iter().any(|owed| owed.file == record.file),
            _ => false,
        };
        let handlers = self.records.all().filter(|(_, notifiers)| {
            let mut changed = notifiers.iter().filter(|one| self.may_have_changed(one)).peekable();
            changed.peek().is_some() && changed.all(|one| guarding.operations.contains(one))
        });
        let records = handlers.filter_map(|(handler, _)| Some(&handler.handler.as_ref()?.record));
        records
            .filter(|record| !was_owed(record))
            .map(|record| self.keeping.record(record))
            .collect()
    }

    fn may_have_changed(&self, operation: &OperationId) -> bool {
        let ends = self.results.iter().chain(&self.under_way);
        let mut own = ends.filter(|result| result.operation == *operation);
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
        // What went back notifies nothing any more.
        if let Some(changed) = self.snapshot.changed.get_mut(&self.reviewed.host).filter(|_| is_back) {
            changed.retain(|operation| !guarding.operations.contains(operation));
        }
    }
}

/// Whether the guard of these operations could not be armed, so that none of them changed anything.
fn never_armed<'r>(guarded: impl Iterator<Item = &'r OperationResult>) -> bool {
    let mut said = false;
    for result in guarded {
        let may_stay = |end| matches!(end, ResourceEnd::Applied | ResourceEnd::Unknown);
        if result.lines.iter().any(|line| may_stay(line.end)) {
            return false;
        }
        let failure = result.failure.as_ref();
        said |= failure.is_some_and(|failure| failure.output.contains(UNARMED));
    }
    said
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
            _ => Attempt::Confirmed(String::from_utf8_lossy(&answer.output).into_owned()),
        },
        Err(error) => Attempt::Failed(error),
    }
}

/// Makes the host go back, through the connection that is open, and if that is gone too, through a new one once the host went back by
/// itself.
async fn go_back(
    connection: &mut Connection,
    guarding: &Guarding,
    records: &[String],
) -> Result<StepAnswer, RemoteError> {
    let since = Instant::now();
    if let Ok(answer) = connection
        .perform_beside(&step(and_forget(guarding.guard.give_up(), records)))
        .await
    {
        return Ok(answer);
    }
    let until = guarding.guard.within() + RETURN;
    loop {
        match through_another(connection, and_forget(guarding.guard.collect(), records)).await {
            Err(_) if since.elapsed() < until => tokio::time::sleep(PAUSE).await,
            end => return end,
        }
    }
}

/// Shell text that has the host go back with `going_back`, and then forgets `records`: what went back needs no handler.
fn and_forget(going_back: String, records: &[String]) -> String {
    if records.is_empty() {
        return going_back;
    }
    let records = quote_all(records.iter().map(String::as_str));
    format!("(\n{going_back}\n) || exit\nrm -f -- {records}")
}

/// Whether a new connection works after the host went back.
async fn works_again(connection: &Connection) -> Result<(), RemoteError> {
    let since = Instant::now();
    loop {
        match through_another(connection, ":".to_owned()).await {
            Ok(_) => return Ok(()),
            Err(error) if since.elapsed() >= PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Runs shell text through a new connection.
pub(super) async fn through_another(connection: &Connection, body: String) -> Result<StepAnswer, RemoteError> {
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

/// What is said of handlers that did not run before the host stopped.
fn told_unloaded(handlers: &[PlannedOperation], halt: &Halt) -> String {
    let names: Vec<String> = handlers
        .iter()
        .map(|handler| format!("`{}`", handler.id.slug()))
        .collect();
    let why = match &halt.failure {
        _ if halt.end == HostEnd::Interrupted => ": it was interrupted".to_owned(),
        Some(failure) => {
            let cause = failure.cause.as_deref().or(failure.outcome.as_deref());
            let cause = cause.map(|cause| format!(": {cause}"));
            format!("\nfailed to {}{}", failure.attempted, cause.unwrap_or_default())
        }
        None => String::new(),
    };
    let verb = if names.len() == 1 { "handler" } else { "handlers" };
    format!("the run ended before {verb} {} had run{why}", names.join(", "))
}

fn halt(
    guarding: &Guarding,
    reason: &Reason,
    answer: Result<StepAnswer, RemoteError>,
    works: Result<(), RemoteError>,
) -> Halt {
    let mut outcome = String::new();
    let cause = match reason {
        Reason::NotLoaded(told) | Reason::Refuted(told) => told.clone(),
        Reason::NoConnection(Some(error)) => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        }
        Reason::NoConnection(None) => format!(
            "no new connection confirmed the changes within {} s",
            guarding.guard.within().as_secs()
        ),
    };
    let (output, mut hint) = match answer {
        Ok(answer) => {
            let (said, hint) = match (answer.end, reason) {
                (StepEnd::Done, Reason::NotLoaded(_)) => (
                    "the guard put back what these operations changed",
                    "fix the cause and rerun the deploy: it makes the changes again and runs the handlers",
                ),
                (StepEnd::Done, Reason::Refuted(_)) => (
                    "the guard put back what these operations changed",
                    "fix the change, or the check, and rerun the deploy",
                ),
                (StepEnd::Done, Reason::NoConnection(_)) => (
                    "the guard put back what these operations changed",
                    "fix the change and rerun the deploy; `guard = false` applies it without a way back",
                ),
                (StepEnd::Failed { status: NOT_ARMED }, _) => (
                    "the guard is not on the host any more: what these operations changed may have stayed",
                    "check what the host has now before you rerun the deploy",
                ),
                _ => (
                    "the host could not put everything back",
                    "put back what is left yourself: the previous files are below `/var/lib/homelab/previous`",
                ),
            };
            outcome.push_str(said);
            (String::from_utf8_lossy(&answer.output).trim_end().to_owned(), hint)
        }
        Err(again) => {
            let _ = write!(outcome, "homelab could not have the guard go back: {again}");
            let hint = "the guard puts back the files by itself; the next run reports it, or use the host's console";
            (String::new(), hint)
        }
    };
    match works {
        Ok(()) => outcome.push_str("\na new connection works"),
        Err(again) => {
            let _ = write!(outcome, "\nno new connection works since: {again}");
            hint = "use the host's console: the previous files are below `/var/lib/homelab/previous`";
        }
    }
    Halt {
        end: HostEnd::Failed,
        failure: Some(Box::new(Failure {
            attempted: match reason {
                Reason::NotLoaded(_) => "have guarded changes loaded".to_owned(),
                Reason::Refuted(_) => "keep guarded changes: a check in their task failed".to_owned(),
                Reason::NoConnection(_) => "confirm the changes with a new connection".to_owned(),
            },
            cause: Some(cause),
            outcome: Some(outcome),
            place: None,
            exit_code: None,
            output,
            hint: Some(hint.to_owned()),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::events::ResourceResult;
    use crate::change::{Action, ResourceId, ResourceKind};

    #[test]
    fn a_guard_that_was_never_armed_has_nothing_to_put_back() {
        let result = |end, output: &str| OperationResult {
            operation: OperationId("web / base / ssh".to_owned()),
            lines: vec![ResourceResult {
                resource: ResourceId {
                    kind: ResourceKind::File,
                    name: "/etc/ssh/sshd_config".to_owned(),
                },
                action: Action::Update,
                end,
            }],
            failure: Some(Failure {
                attempted: "write it".to_owned(),
                cause: None,
                outcome: None,
                place: None,
                exit_code: Some(1),
                output: output.to_owned(),
                hint: None,
            }),
            retried: 0,
            took: Duration::ZERO,
        };
        let said = format!("no systemd-run\n{UNARMED}");
        let unarmed = || result(ResourceEnd::Failed, &said);
        for (results, expected) in [
            (vec![unarmed()], true),
            (vec![result(ResourceEnd::Failed, "no space left")], false),
            (vec![result(ResourceEnd::Applied, ""), unarmed()], false),
            (vec![result(ResourceEnd::Unknown, ""), unarmed()], false),
            (vec![], false),
        ] {
            assert_eq!(never_armed(results.iter()), expected, "{results:?}");
        }
    }

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
