//! Going back after a restart whose unit did not stay active: the files that it was restarted for become what they were, and it
//! is started on them. What was only reloaded, and still runs, is reloaded again.
//!
//! These are the files that notified a handler of the unit, and the unit's own. The records of its handlers and of the unit say
//! what was kept, also by an earlier run that was cut off. The next deploy writes the files and notifies the handler again, so
//! nothing stays owed then.
//! Otherwise the record stays, and with it that the unit has to be started.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::events::{Failure, HostEnd, OperationResult, ResourceEnd};
use super::halt::{Halt, lost};
use super::host::HostApply;
use super::owed::HAS_STOPPED;
use crate::change::{ResourceKind, Step, has_stopped};
use crate::facts::FactKey;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::owed::Owed;
use crate::plan::PlannedOperation;
use crate::quote::quote;
use crate::remote::{StepEnd, StepScript, Writer};

/// What came of going back.
#[derive(Default)]
struct Ways {
    /// The paths that are as they were.
    back: BTreeSet<String>,
    /// Whether some are as they were before an earlier run.
    is_older: bool,
    /// What that run did not come to.
    awaited: &'static str,
    /// Whether the unit did not run any more.
    has_stopped: bool,
    /// What could not be done, with the reason.
    left: Vec<String>,
}

/// A restart that failed, or the start of a unit that an earlier run may have stopped.
struct Restart {
    operation: PlannedOperation,
    unit: String,
    verb: Verb,
    /// The operations of this run that changed what the unit uses.
    causes: Vec<OperationId>,
}

impl HostApply<'_> {
    /// The restarts that a segment failed with: those of handlers, or of units whose files may have changed.
    fn failed_restarts(&self, segment: &[PlannedOperation]) -> Vec<Restart> {
        let restarts = segment.iter().filter_map(|operation| {
            let result = self.results.iter().rfind(|result| result.operation == operation.id)?;
            let is = |end: ResourceEnd| result.lines.iter().any(|line| line.end == end);
            // One that was not begun says nothing of the files.
            let is_tried = is(ResourceEnd::Failed) || !is(ResourceEnd::NotReached);
            (result.failure.is_some() && is_tried && !is(ResourceEnd::Ignored)).then_some(operation)
        });
        restarts.filter_map(|operation| self.restart_by(operation)).collect()
    }

    fn restart_by(&self, operation: &PlannedOperation) -> Option<Restart> {
        let (operation, unit) = match &operation.handler {
            Some(handler) => (operation, handler.unit.clone()?),
            // After a first attempt, the unit does not run any more.
            None => [Some(operation), self.reviewed_as(operation)]
                .into_iter()
                .flatten()
                .find_map(|operation| Some((operation, renewed(operation)?.to_owned())))?,
        };
        let mut causes = self.keeping.writers_of(&unit);
        for handler in self.records.of_unit(&unit) {
            causes.extend(self.records.notifiers(&handler.id).iter().cloned());
        }
        causes.retain(|id| self.has_changed(id));
        Some(Restart {
            operation: operation.clone(),
            verb: Verb::of(operation),
            unit,
            causes: causes.into_iter().collect(),
        })
    }

    /// Goes back, if `halt` comes of a restart whose unit did not stay active; the end of the host.
    pub(super) async fn go_back(&mut self, writer: &mut Writer<'_>, segment: &[PlannedOperation], halt: Halt) -> Halt {
        if halt.end != HostEnd::Failed {
            return halt;
        }
        match self.try_to_go_back(writer, segment).await {
            Ok(None) => halt,
            Ok(Some(mut failure)) => {
                if let Some(why) = halt.failure {
                    let cause = why.cause.map_or_else(String::new, |cause| format!(": {cause}"));
                    let text = format!("it was not tried again: failed to {}{cause}", why.attempted);
                    failure.outcome = Some(failure.outcome.map_or(text.clone(), |told| format!("{told}\n{text}")));
                }
                Halt {
                    failure: Some(Box::new(failure)),
                    ..halt
                }
            }
            Err(lost) => lost,
        }
    }

    /// Goes back after a failed restart that does not stop the host; the failure then says what came of it.
    pub(super) async fn go_back_and_on(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
    ) -> Result<(), Halt> {
        let Some(told) = self.try_to_go_back(writer, segment).await? else {
            return Ok(());
        };
        let failed = self.results.iter_mut().rev().find_map(|result| result.failure.as_mut());
        if let Some(failure) = failed {
            failure.outcome = told.outcome;
            failure.hint = told.hint;
        }
        Ok(())
    }

    /// What came of going back; `None` if there is no reason to.
    async fn try_to_go_back(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
    ) -> Result<Option<Failure>, Halt> {
        let mut restarts = Vec::new();
        for restart in self.failed_restarts(segment) {
            let ways = self.put_back(writer, &restart).await?;
            restarts.push((restart, ways));
        }
        // All files first: what one unit is started with may have gone back because of another one.
        self.share(&mut restarts);
        let mut seen: BTreeSet<OperationId> = restarts.iter().map(|(one, _)| one.operation.id.clone()).collect();
        for (restart, ways) in &restarts {
            self.mark_put_back(&restart.causes, &ways.back, &restart.unit);
        }
        let mut told = Vec::new();
        for (restart, mut ways) in restarts {
            if !ways.back.is_empty() || !ways.left.is_empty() {
                let runs = self.run_on_old_files(writer, &restart, &mut ways, &mut seen).await?;
                told.push((restart.operation, tell(&restart.unit, restart.verb, &ways, runs)));
            } else if ways.has_stopped && restart.operation.handler.is_some() {
                told.push((restart.operation, stays_stopped(restart.unit, restart.verb)));
            }
        }
        Ok(failure(&told))
    }

    /// Puts back what a unit was restarted for.
    async fn put_back(&self, writer: &mut Writer<'_>, restart: &Restart) -> Result<Ways, Halt> {
        let Restart { operation, unit, .. } = restart;
        // For what no handler restarts, the unit's record tells whether it ran before.
        let writers = operation.handler.as_ref().map(|_| self.keeping.writers_of(unit));
        let writers = writers.into_iter().flatten();
        let folders: Vec<String> = writers.flat_map(|writer| self.keeping.folders(&writer)).collect();
        let put_back = self.records.put_back(unit, &folders);
        let mut ways = match self.attempt(writer, put_back).await? {
            Ok(said) => self.ways(&said),
            Err(why) => Ways {
                left: vec![format!("what changed cannot be put back: {why}")],
                ..Ways::default()
            },
        };
        ways.awaited = if operation.handler.is_some() {
            "handler"
        } else {
            "restart"
        };
        Ok(ways)
    }

    /// A file goes back once, but for all units that were restarted for it.
    fn share(&self, restarts: &mut [(Restart, Ways)]) {
        let back: BTreeSet<String> = restarts.iter().flat_map(|(_, ways)| &ways.back).cloned().collect();
        for (restart, ways) in restarts {
            let own = self
                .results
                .iter()
                .filter(|result| restart.causes.contains(&result.operation));
            let names = own.flat_map(|result| &result.lines).map(|line| &line.resource.name);
            ways.back.extend(names.filter(|name| back.contains(*name)).cloned());
        }
    }

    /// Has a unit run with the files that went back, and whatever else was run for them; whether the unit runs. `seen` are the
    /// operations that have their turn by themselves, or had it.
    async fn run_on_old_files(
        &mut self,
        writer: &mut Writer<'_>,
        restart: &Restart,
        ways: &mut Ways,
        seen: &mut BTreeSet<OperationId>,
    ) -> Result<bool, Halt> {
        let Restart {
            operation,
            unit,
            verb,
            causes,
        } = restart;
        let started = self.start_again(writer, operation).await?;
        let runs = started.is_ok();
        if let Err(why) = started {
            ways.left.push(format!(
                "`{unit}` {} with what is there now either:\n{why}",
                verb.without_success()
            ));
        }
        let mut of_unit = vec![operation.clone()];
        for other in self.records.others(&operation.id, unit, causes) {
            if !seen.insert(other.id.clone()) {
                continue;
            }
            let is_of_unit = other
                .handler
                .as_ref()
                .is_some_and(|handler| handler.unit.as_deref() == Some(unit));
            if is_of_unit {
                of_unit.push(other);
            } else if self.is_done(&other.id) {
                // What ran with the new files has to run with the old ones. What did not run stays stopped.
                if let Err(why) = self.run_again(writer, &other).await? {
                    ways.left
                        .push(format!("`{}` cannot run with them:\n{why}", other.id.slug()));
                }
            } else if !self.has_another_cause(&other, causes) {
                self.forget(writer, &other).await?;
            }
        }
        if ways.left.is_empty() {
            for handler in &of_unit {
                self.forget(writer, handler).await?;
            }
            self.attempt(writer, self.records.removal_of_unit(unit)).await?.ok();
        }
        Ok(runs)
    }

    /// Whether a handler is owed for another reason than a change by `notifiers`.
    fn has_another_cause(&self, handler: &PlannedOperation, notifiers: &[OperationId]) -> bool {
        let host = &self.reviewed.host;
        let changed = self.snapshot.changed.get(host);
        let is_changed = |id: &&OperationId| changed.is_some_and(|changed| changed.contains(*id));
        let mut others = self.records.notifiers(&handler.id).iter().filter(is_changed);
        let is_own = |owed: &Owed| {
            let own = handler.handler.as_ref();
            own.is_some_and(|own| owed.file == own.record.file)
        };
        let was_owed = self.owed().iter().any(is_own);
        was_owed || others.any(|id| !notifiers.contains(id))
    }

    /// Reads what putting back printed.
    fn ways(&self, said: &str) -> Ways {
        let mut ways = Ways::default();
        let mut lines = said.lines();
        while let Some(line) = lines.next() {
            let mut next = || lines.next().unwrap_or_default().trim().to_owned();
            match line.split_once(' ') {
                Some(("unit", activity)) => ways.has_stopped = activity == HAS_STOPPED,
                Some(("back", folder)) => {
                    ways.is_older |= !self.keeping.is_own(folder);
                    ways.back.insert(next());
                }
                Some(("left", path)) => ways.left.push(format!("`{path}` stays as it is: {}", next())),
                _ => {}
            }
        }
        ways
    }

    /// Runs a step, also after one that failed: what it printed, or why it failed.
    async fn attempt(&self, writer: &mut Writer<'_>, step: StepScript) -> Result<Result<String, String>, Halt> {
        writer.resume().await.map_err(|error| lost(&error))?;
        let answers = writer
            .perform(&[step], &mut |_, _| {})
            .await
            .map_err(|error| lost(&error))?;
        Ok(answers.first().map_or(Ok(String::new()), |answer| {
            let said = String::from_utf8_lossy(&answer.output).trim().to_owned();
            if answer.end == StepEnd::Done {
                Ok(said)
            } else {
                Err(said)
            }
        }))
    }

    /// Has a unit run with the old files, also if it has stopped.
    async fn start_again(
        &self,
        writer: &mut Writer<'_>,
        handler: &PlannedOperation,
    ) -> Result<Result<(), String>, Halt> {
        self.recover(writer, handler, "").await
    }

    /// Runs a handler once more. A unit that it did not restart may have stopped long before.
    async fn run_again(&self, writer: &mut Writer<'_>, handler: &PlannedOperation) -> Result<Result<(), String>, Halt> {
        let unit = handler.handler.as_ref().and_then(|own| own.unit.as_deref());
        let unless_stopped = match unit {
            Some(unit) if !self.has_changed(&handler.id) => format!("{} && exit\n", has_stopped(&quote(unit))),
            _ => String::new(),
        };
        self.recover(writer, handler, &unless_stopped).await
    }

    async fn recover(
        &self,
        writer: &mut Writer<'_>,
        handler: &PlannedOperation,
        first: &str,
    ) -> Result<Result<(), String>, Halt> {
        let commands = handler
            .changes()
            .iter()
            .flat_map(|change| &change.steps)
            .filter_map(Step::command)
            .filter(|command| handler.handler.is_some() || command.recovery.is_some());
        for command in commands {
            let step = StepScript {
                body: format!("{first}{}", command.recovery()),
                limit: Some(command.timeout),
                ..StepScript::default()
            };
            if let Err(why) = self.attempt(writer, step).await? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    async fn forget(&self, writer: &mut Writer<'_>, handler: &PlannedOperation) -> Result<(), Halt> {
        if let Some(removal) = self.records.removal(&handler.id) {
            self.attempt(writer, removal).await?.ok();
        }
        Ok(())
    }

    /// The ends of operations whose files went back. They notify nothing any more, and what was read of the files is out of date.
    fn mark_put_back(&mut self, causes: &[OperationId], back: &BTreeSet<String>, unit: &str) {
        let is_meant = |result: &&mut OperationResult| causes.contains(&result.operation);
        for line in self
            .results
            .iter_mut()
            .filter(is_meant)
            .flat_map(|result| &mut result.lines)
        {
            if line.end == ResourceEnd::Applied && back.contains(&line.resource.name) {
                line.end = ResourceEnd::PutBack;
            }
        }
        let host = &self.reviewed.host;
        let is_applied = |result: &OperationResult| result.lines.iter().any(|line| line.end == ResourceEnd::Applied);
        if let Some(changed) = self.snapshot.changed.get_mut(host) {
            for result in self.results.iter().filter(|result| !is_applied(result)) {
                changed.remove(&result.operation);
            }
        }
        let keys = back.iter().cloned().map(FactKey::Path);
        let effects: Vec<Effect> = keys
            .chain([FactKey::Unit(unit.to_owned())])
            .map(|key| Effect::Forget(FactScope::Key(key), "it was put back".to_owned()))
            .collect();
        if let Some(facts) = self.snapshot.facts.get_mut(host) {
            facts.forget_affected(&effects.iter().collect::<Vec<_>>());
        }
    }
}

/// The unit that an operation starts or restarts.
fn renewed(operation: &PlannedOperation) -> Option<&str> {
    let mut changes = operation
        .changes()
        .iter()
        .filter(|change| change.id.kind == ResourceKind::Unit);
    let recovers = |step: &Step| step.command().is_some_and(|command| command.recovery.is_some());
    let change = changes.find(|change| change.steps.iter().any(recovers))?;
    Some(&change.id.name)
}

/// What was done to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Restart,
    Reload,
}

impl Verb {
    fn of(operation: &PlannedOperation) -> Self {
        let handler = operation.handler.as_ref();
        let parameters = handler.and_then(|handler| handler.record.parameters.as_ref());
        let state = parameters.and_then(|all| all.get("state"));
        if state.is_some_and(|state| state == "reloaded") {
            Self::Reload
        } else {
            Self::Restart
        }
    }

    fn without_success(self) -> &'static str {
        match self {
            Self::Restart => "does not run",
            Self::Reload => "does not reload",
        }
    }

    fn attempted(self, unit: &str) -> String {
        format!("`{unit}` {} with it", self.without_success())
    }
}

/// What there is to say of a unit that did not stay active.
struct Told {
    unit: String,
    attempted: String,
    outcome: String,
    /// What the next deploy does.
    next: String,
}

fn tell(unit: &str, verb: Verb, ways: &Ways, runs: bool) -> Told {
    let paths: Vec<String> = ways.back.iter().map(|path| format!("`{path}`")).collect();
    let mut outcomes = Vec::new();
    if !paths.is_empty() {
        let is_as = if paths.len() == 1 {
            "is as it was"
        } else {
            "are as they were"
        };
        let since = if ways.is_older {
            &format!("an earlier run, which ended before the {}", ways.awaited)
        } else {
            "this run"
        };
        let again = match (runs, ways.has_stopped) {
            (false, _) => String::new(),
            (true, false) if verb == Verb::Reload => format!(", and `{unit}` still runs with that"),
            (true, _) => format!(", and `{unit}` runs again"),
        };
        outcomes.push(format!("{} {is_as} before {since}{again}", paths.join(", ")));
    }
    outcomes.extend(ways.left.iter().cloned());
    let starts = if runs || !ways.has_stopped {
        ""
    } else {
        ", and starts it"
    };
    Told {
        unit: unit.to_owned(),
        attempted: verb.attempted(unit),
        outcome: outcomes.join("\n"),
        next: format!("makes the changes again{starts}"),
    }
}

/// Nothing could be put back.
fn stays_stopped(unit: String, verb: Verb) -> Told {
    Told {
        attempted: verb.attempted(&unit),
        outcome: format!("nothing is kept of what notified the handler, so `{unit}` stays stopped"),
        next: "starts it".to_owned(),
        unit,
    }
}

/// The failure of restarts, at the place of the first one.
fn failure(told: &[(PlannedOperation, Told)]) -> Option<Failure> {
    let (first, _) = told.first()?;
    let mut steps = first.changes().iter().flat_map(|change| &change.steps);
    let restart = steps.find(|step| step.command().is_some_and(|command| command.recovery.is_some()));
    let place = Some(first.written_at(restart));
    let joined = |of: fn(&Told) -> &str, between: &str| {
        let all: IndexSet<&str> = told.iter().map(|(_, told)| of(told)).collect();
        all.into_iter().collect::<Vec<_>>().join(between)
    };
    Some(Failure {
        attempted: format!("use what changed: {}", joined(|told| &told.attempted, "; ")),
        cause: None,
        outcome: Some(joined(|told| &told.outcome, "\n")),
        place,
        exit_code: None,
        output: String::new(),
        hint: Some(format!(
            "fix the cause, which `journalctl -u {}` on the host may show, and rerun: the next deploy {}",
            joined(|told| &told.unit, " -u "),
            joined(|told| &told.next, ", or ")
        )),
    })
}
