//! What an operation said it would do, read again after it ran.
//!
//! A step that can prove itself does so on the host, right after its work. What commands did is judged here: the facts
//! that the operation was planned from are read again, and planned over them it must have nothing left to do.

use std::collections::BTreeSet;
use std::time::Instant;

use super::checks::FailingCheck;
use super::differences::{differences, predicted_paths, refused, unlike_predicted};
use super::events::{Failure, HostEnd, OperationResult, ResourceEnd};
use super::halt::{Halt, gather_failed};
use super::host::HostApply;
use super::segment::found_nothing;
use crate::change::{Outcome, ResourceChange, ResourceId, ResourceKind};
use crate::error::Diagnostic;
use crate::facts::inquiry::Inquiry;
use crate::facts::{DependsOn, FactKey, Facts};
use crate::gather::gather;
use crate::plan::{PlannedOperation, plan_alone};
use crate::remote::Writer;
use crate::rounds::Rounds;

/// Whether only facts can show that an operation did what it said.
pub(super) fn is_read_back(operation: &PlannedOperation) -> bool {
    let (Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &operation.outcome else {
        return false;
    };
    let mut pending = changes.iter().filter(|change| change.action.is_pending()).peekable();
    if pending.peek().is_none() {
        return false;
    }
    operation.asked.iter().any(is_read_by_a_program)
        || pending
            .flat_map(|change| &change.steps)
            .any(|step| step.proof().is_none())
}

/// Whether a program of the host says what it makes of files: that they are written does not prove that it heeds them.
fn is_read_by_a_program(key: &FactKey) -> bool {
    matches!(key, FactKey::Inquiry(Inquiry::Sshd { .. } | Inquiry::Nftables { .. }))
}

/// The facts to read after an operation: those that it was planned from and that are not known any more.
///
/// What apt would do takes long to ask and is rarely needed.
pub(super) fn to_read_after(operation: &PlannedOperation, facts: &Facts) -> BTreeSet<FactKey> {
    let asked = operation.asked.iter().chain([&FactKey::System]);
    asked
        .filter(|key| facts.get(key).is_none() && key.depends_on() != DependsOn::Packages && !key.is_about_plan())
        .cloned()
        .collect()
}

/// An operation that was planned again after it ran.
enum Now {
    /// There is nothing left to do, as far as the host tells.
    Settled,
    /// It would still change this.
    Pending(Vec<ResourceChange>),
    Refused(Box<Diagnostic>),
}

impl HostApply<'_> {
    /// Ends the operations of a segment whose steps all ran without an error, and whose facts were read after them.
    ///
    /// Errors: the host is not as one of them says.
    pub(super) async fn read_back_all(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
        held: Vec<OperationResult>,
    ) -> Result<(), Halt> {
        let mut first = Ok(());
        for result in held {
            let Some(operation) = segment.iter().find(|operation| operation.id == result.operation) else {
                continue;
            };
            match self.read_back(writer, operation, result).await {
                Ok(()) => {
                    let done = self.snapshot.done.entry(self.reviewed.host.clone()).or_default();
                    done.insert(operation.id.clone());
                }
                Err(halt) if halt.end == HostEnd::Failed => first = first.and(Err(halt)),
                Err(halt) => return Err(halt),
            }
        }
        first
    }

    /// Ends an operation whose steps all ran without an error, and whose facts were read after it.
    ///
    /// Errors: the host is not as the operation says.
    pub(super) async fn read_back(
        &mut self,
        writer: &mut Writer<'_>,
        operation: &PlannedOperation,
        mut result: OperationResult,
    ) -> Result<(), Halt> {
        let now = self.plan_now(writer, operation).await?;
        let differences = self.differences(operation, &now);
        let is_left = |resource: &ResourceId| match &now {
            Now::Settled => false,
            Now::Pending(changes) => changes.iter().any(|change| change.id == *resource),
            Now::Refused(_) => true,
        };
        for line in result.lines.iter_mut().filter(|line| is_left(&line.resource)) {
            line.end = ResourceEnd::Failed;
        }
        if !differences.is_empty() {
            result.failure = Some(untrue(operation, &now, &differences));
        }
        let is_true = result.failure.is_none();
        self.end(operation, result);
        if is_true { Ok(()) } else { Err(failed()) }
    }

    /// Ends an operation of which a step ran and proved to have left something else: says what.
    pub(super) async fn explain(
        &mut self,
        writer: &mut Writer<'_>,
        operation: &PlannedOperation,
        mut result: OperationResult,
    ) -> Result<(), Halt> {
        let now = self.plan_now(writer, operation).await?;
        let mut differences = self.differences(operation, &now);
        if differences.is_empty() {
            differences = unlike_predicted(operation, self.read(writer, &predicted_paths(operation)).await?);
        }
        if !differences.is_empty() {
            result.failure = Some(untrue(operation, &now, &differences));
        }
        self.end(operation, result);
        Ok(())
    }

    /// Reads `keys` into what is known of the host; all of that.
    pub(super) async fn read(&mut self, writer: &mut Writer<'_>, keys: &BTreeSet<FactKey>) -> Result<&Facts, Halt> {
        let host = &self.reviewed.host;
        let facts = self.snapshot.facts.entry(host.clone()).or_default();
        gather(writer, host, keys, facts)
            .await
            .map_err(|error| gather_failed(&error))?;
        Ok(facts)
    }

    /// The operation as it would be planned now; reads what that takes.
    async fn plan_now(&mut self, writer: &mut Writer<'_>, operation: &PlannedOperation) -> Result<Now, Halt> {
        let host = self.reviewed.host.clone();
        let mut rounds = Rounds::default();
        let since = Instant::now();
        loop {
            let (build, now) = plan_alone(self.selection, &self.snapshot, self.digests, operation);
            if now.as_ref().is_some_and(|now| now.outcome == Outcome::Unchanged) {
                return Ok(Now::Settled);
            }
            if let Some(missing) = build.missing.get(&host).filter(|_| rounds.begin()) {
                self.read(writer, missing).await?;
                continue;
            }
            if let Some(mistake) = build.mistakes.into_iter().next() {
                return Ok(Now::Refused(Box::new(mistake.diagnostic)));
            }
            if let Some(check) = now.as_ref().and_then(FailingCheck::of) {
                if since.elapsed() >= check.within {
                    let title = format!("{}: {} (tried for {} s)", check.what, check.why, check.within.as_secs());
                    return Ok(Now::Refused(Box::new(Diagnostic::new(title))));
                }
                self.pause_before_next_try(&check).await;
                rounds = Rounds::default();
                continue;
            }
            // An operation that is no longer wanted, or that the host does not let anyone see, says nothing against it.
            let mut changes = match now.map(|now| now.outcome) {
                Some(Outcome::Change(changes) | Outcome::Ensure { changes, .. }) => changes,
                _ => Vec::new(),
            };
            changes.retain(|change| change.action.is_pending());
            return Ok(if changes.is_empty() {
                Now::Settled
            } else {
                Now::Pending(changes)
            });
        }
    }

    fn differences(&self, operation: &PlannedOperation, now: &Now) -> Vec<String> {
        let nothing = Facts::default();
        let facts = self.snapshot.facts.get(&self.reviewed.host).unwrap_or(&nothing);
        match now {
            Now::Settled => Vec::new(),
            Now::Pending(changes) => differences(operation, changes, facts),
            Now::Refused(mistake) => refused(mistake),
        }
    }

    fn end(&mut self, operation: &PlannedOperation, result: OperationResult) {
        self.under_way.retain(|one| one.operation != operation.id);
        if found_nothing(operation, &result) {
            return;
        }
        self.results.push(result);
        self.tell_last();
    }
}

fn untrue(operation: &PlannedOperation, now: &Now, differences: &[String]) -> Failure {
    let mut steps = operation.changes().iter().flat_map(|change| &change.steps);
    let is_command = |change: &ResourceChange| change.id.kind == ResourceKind::Command;
    let hint = if matches!(now, Now::Pending(changes) if changes.iter().any(is_command)) {
        "correct the condition (`creates`, `removes`, `unless`, `only_if`), or the commands: the condition must no longer hold \
         once they have run"
    } else if steps.any(|step| step.command().is_some()) {
        "the commands succeeded; check on the host what ignores or reverts the change"
    } else {
        "every step succeeded; check on the host what ignores or reverts the change"
    };
    let hint = match now {
        // A check that still fails has no next step of its own.
        Now::Refused(mistake) => mistake.hint.as_deref().unwrap_or(hint),
        Now::Settled | Now::Pending(_) => hint,
    };
    Failure {
        attempted: format!("apply `{}`", operation.id.slug()),
        cause: Some(differences.join("\n")),
        outcome: None,
        place: Some(operation.written_at(None)),
        exit_code: None,
        output: String::new(),
        hint: Some(hint.to_owned()),
    }
}

fn failed() -> Halt {
    Halt {
        end: HostEnd::Failed,
        failure: None,
    }
}
