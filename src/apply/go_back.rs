//! Going back after a handler whose unit did not stay active: the files that notified it become what they were, and the unit
//! is started on them. What was only reloaded, and still runs, is reloaded again.
//!
//! The handler's record says what was kept, also by an earlier run that was cut off. The next deploy writes the files and notifies
//! the handler again, so nothing stays owed then. Otherwise the record stays, and with it that the unit has to be started.

use std::collections::BTreeSet;

use super::events::{Failure, HostEnd, OperationResult, ResourceEnd};
use super::halt::{Halt, lost};
use super::host::HostApply;
use crate::change::Step;
use crate::facts::overlay::OperationId;
use crate::facts::{Fact, FactKey};
use crate::plan::{PlannedHandler, PlannedOperation};
use crate::remote::{StepEnd, StepScript, Writer};

/// What came of going back.
#[derive(Default)]
struct Ways {
    /// The paths that are as they were.
    back: BTreeSet<String>,
    /// Whether some are as they were before an earlier run.
    is_older: bool,
    /// Whether the unit did not run any more.
    has_stopped: bool,
    /// What could not be done, with the reason.
    left: Vec<String>,
}

impl HostApply<'_> {
    /// The handler of a failed segment whose unit did not stay active, and the operations that notified it in this run.
    fn failed_restart<'p>(&self, segment: &'p [PlannedOperation]) -> Option<(&'p PlannedOperation, Vec<OperationId>)> {
        let failed = self.results.iter().rev().find(|result| result.failure.is_some())?;
        let operation = segment.iter().find(|operation| operation.id == failed.operation)?;
        operation.handler.as_ref()?.unit.as_ref()?;
        let changed = self.snapshot.changed.get(&self.reviewed.host)?;
        let notifiers = self.records.notifiers(&operation.id).iter();
        let notifiers: Vec<OperationId> = notifiers.filter(|id| changed.contains(id)).cloned().collect();
        Some((operation, notifiers))
    }

    /// Goes back, if `halt` comes of a handler whose unit did not stay active; the end of the host.
    pub(super) async fn go_back(&mut self, writer: &mut Writer<'_>, segment: &[PlannedOperation], halt: Halt) -> Halt {
        if halt.end != HostEnd::Failed || halt.failure.is_some() {
            return halt;
        }
        match self.try_to_go_back(writer, segment).await {
            Ok(None) => halt,
            Ok(Some(failure)) => Halt {
                failure: Some(failure),
                ..halt
            },
            Err(lost) => lost,
        }
    }

    /// What came of going back; `None` if there is no reason to.
    async fn try_to_go_back(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
    ) -> Result<Option<Failure>, Halt> {
        let Some((operation, notifiers)) = self.failed_restart(segment) else {
            return Ok(None);
        };
        let Some(handler) = &operation.handler else {
            return Ok(None);
        };
        let (Some(unit), Some(put_back)) = (handler.unit.clone(), self.records.put_back(&operation.id)) else {
            return Ok(None);
        };
        let mut ways = match self.attempt(writer, put_back).await? {
            Ok(said) => self.ways(&said),
            Err(why) => Ways {
                left: vec![format!("what notified it cannot be put back: {why}")],
                ..Ways::default()
            },
        };
        let verb = Verb::of(handler);
        if ways.back.is_empty() && ways.left.is_empty() {
            return Ok(ways.has_stopped.then(|| stays_stopped(&unit, verb)));
        }
        self.mark_put_back(&notifiers, &ways.back);
        let runs = self.start_again(writer, operation).await?;
        if let Err(why) = &runs {
            let verb = verb.without_success();
            ways.left
                .push(format!("`{unit}` {verb} with what is there now either:\n{why}"));
        }
        for other in self.records.others(&operation.id, &notifiers) {
            if self.is_done(&other.id) {
                // What ran with the new files has to run with the old ones.
                if let Err(why) = self.start_again(writer, &other).await? {
                    ways.left
                        .push(format!("`{}` cannot run with them:\n{why}", other.id.slug()));
                }
            } else if !self.has_another_cause(&other, &notifiers) {
                self.forget(writer, &other).await?;
            }
        }
        if ways.left.is_empty() {
            self.forget(writer, operation).await?;
        }
        Ok(Some(told(&unit, verb, &ways, runs.is_ok())))
    }

    /// Whether a handler is owed for another reason than a change by `notifiers`.
    fn has_another_cause(&self, handler: &PlannedOperation, notifiers: &[OperationId]) -> bool {
        let host = &self.reviewed.host;
        let changed = self.snapshot.changed.get(host);
        let is_changed = |id: &&OperationId| changed.is_some_and(|changed| changed.contains(*id));
        let mut others = self.records.notifiers(&handler.id).iter().filter(is_changed);
        let facts = self
            .snapshot
            .facts
            .get(host)
            .and_then(|facts| facts.get(&FactKey::System));
        let was_owed = match (facts, &handler.handler) {
            (Some(Fact::System(system)), Some(own)) => {
                system.owed.iter().any(|owed| owed.handler == own.record.handler)
            }
            _ => false,
        };
        was_owed || others.any(|id| !notifiers.contains(id))
    }

    /// Reads what putting back printed.
    fn ways(&self, said: &str) -> Ways {
        let mut ways = Ways::default();
        let mut lines = said.lines();
        while let Some(line) = lines.next() {
            let mut next = || lines.next().unwrap_or_default().trim().to_owned();
            match line.split_once(' ') {
                Some(("unit", activity)) => {
                    ways.has_stopped = matches!(activity, "inactive" | "failed" | "deactivating");
                }
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

    /// Has a handler run with the old files.
    async fn start_again(
        &self,
        writer: &mut Writer<'_>,
        handler: &PlannedOperation,
    ) -> Result<Result<(), String>, Halt> {
        let commands = handler
            .changes()
            .iter()
            .flat_map(|change| &change.steps)
            .filter_map(Step::command);
        for command in commands {
            let step = StepScript {
                body: command.recovery(),
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

    /// The ends of operations whose files went back.
    fn mark_put_back(&mut self, notifiers: &[OperationId], back: &BTreeSet<String>) {
        let is_meant = |result: &&mut OperationResult| notifiers.contains(&result.operation);
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
    }
}

/// What was done to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Restart,
    Reload,
}

impl Verb {
    fn of(handler: &PlannedHandler) -> Self {
        let state = handler.record.parameters.as_ref().and_then(|all| all.get("state"));
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
        format!("use what changed: `{unit}` {} with it", self.without_success())
    }
}

fn told(unit: &str, verb: Verb, ways: &Ways, runs: bool) -> Failure {
    let paths: Vec<String> = ways.back.iter().map(|path| format!("`{path}`")).collect();
    let mut causes = Vec::new();
    if !paths.is_empty() {
        let is_as = if paths.len() == 1 {
            "is as it was"
        } else {
            "are as they were"
        };
        let since = if ways.is_older {
            "an earlier run, which ended before the handler"
        } else {
            "this run"
        };
        let again = match (runs, ways.has_stopped) {
            (false, _) => String::new(),
            (true, false) if verb == Verb::Reload => format!(", and `{unit}` still runs with that"),
            (true, _) => format!(", and `{unit}` runs again"),
        };
        causes.push(format!("{} {is_as} before {since}{again}", paths.join(", ")));
    }
    causes.extend(ways.left.iter().cloned());
    let hint = if runs || !ways.has_stopped {
        "fix the cause that its log shows, and rerun: the next deploy makes the changes again"
    } else {
        "fix the cause that its log shows, and rerun: the next deploy makes the changes again, and starts it"
    };
    Failure {
        attempted: verb.attempted(unit),
        cause: Some(causes.join("\n")),
        exit_code: None,
        output: String::new(),
        hint: Some(hint.to_owned()),
    }
}

/// Nothing could be put back.
fn stays_stopped(unit: &str, verb: Verb) -> Failure {
    Failure {
        attempted: verb.attempted(unit),
        cause: Some(format!(
            "nothing is kept of what notified the handler, so `{unit}` stays stopped"
        )),
        exit_code: None,
        output: String::new(),
        hint: Some("fix the cause that its log shows, and rerun: the next deploy starts it".to_owned()),
    }
}
