//! Checks among the operations: each is tried until it passes or its time is up.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::events::{ApplyEvent, Failure, HostEnd, OperationResult, ResourceEnd, ResourceResult};
use super::halt::Halt;
use super::host::HostApply;
use crate::change::{CheckState, Outcome};
use crate::facts::inquiry::{Inquiry, InquiryFact};
use crate::facts::overlay::OperationId;
use crate::facts::{Check, Fact, FactKey};
use crate::plan::PlannedOperation;
use crate::remote::Writer;

const AFTER_HANDLERS: &str = "if the check needs what a handler does, move the check to the end of the task of that handler: \
     handlers run before the checks at the end of their task";

/// How long to wait before a check is tried again.
const CHECK_PAUSE: Duration = Duration::from_secs(1);

impl HostApply<'_> {
    /// Reports the checks of a segment, all of which passed.
    pub(super) fn tell_checks(&mut self, segment: &[PlannedOperation]) {
        for operation in segment {
            if let Outcome::Check { what, .. } = &operation.outcome {
                self.results.push(OperationResult {
                    operation: operation.id.clone(),
                    lines: vec![ResourceResult::of_check(what, ResourceEnd::Holds)],
                    failure: None,
                    retried: self.retried.get(&operation.id).copied().unwrap_or_default(),
                    took: Duration::ZERO,
                });
                self.tell_last();
            }
        }
    }

    /// Tries the first remaining check until it passes or its time is up.
    pub(super) async fn await_check(
        &mut self,
        writer: &mut Writer<'_>,
        mut rest: Vec<PlannedOperation>,
    ) -> Result<Vec<PlannedOperation>, Halt> {
        let since = Instant::now();
        if let Some(check) = failing_check(&rest) {
            self.send(ApplyEvent::Started {
                host: self.reviewed.host.clone(),
                operation: check.id,
                doing: format!("waiting for {}", check.what),
            });
        }
        while let Some(check) = failing_check(&rest) {
            if since.elapsed() >= check.within {
                let FailingCheck {
                    id,
                    what,
                    why,
                    within,
                    asked,
                } = check;
                let waiting = self.waiting_handlers();
                let mut reviewed = self.reviewed.operations.iter();
                let check = reviewed.find(|operation| operation.id == id);
                let place = check.map(|operation| operation.written_at(None));
                let output = self.explained(writer, &asked).await?;
                self.results.push(OperationResult {
                    retried: self.retried.get(&id).copied().unwrap_or_default(),
                    operation: id,
                    lines: vec![ResourceResult::of_check(&what, ResourceEnd::Failed)],
                    failure: Some(Failure {
                        attempted: format!("verify {what}"),
                        cause: Some(format!("{why} (tried for {} s){}", within.as_secs(), not_run(&waiting))),
                        outcome: None,
                        place,
                        exit_code: None,
                        output,
                        hint: (!waiting.is_empty()).then(|| AFTER_HANDLERS.to_owned()),
                    }),
                    took: since.elapsed(),
                });
                self.tell_last();
                return Err(Halt {
                    end: HostEnd::Failed,
                    failure: None,
                });
            }
            self.pause_before_next_try(&check).await;
            rest = self.plan_again(writer).await?;
        }
        Ok(rest)
    }

    /// What the cluster says of the objects that a failed check is about.
    async fn explained(&mut self, writer: &mut Writer<'_>, asked: &BTreeSet<FactKey>) -> Result<String, Halt> {
        let objects = asked.iter().find_map(|key| match key {
            FactKey::Check(Check::Objects(check)) => Some(check.objects.clone()),
            _ => None,
        });
        let Some(objects) = objects else {
            return Ok(String::new());
        };
        let inquiry = Inquiry::Explanation(Box::new(objects));
        let facts = self
            .read(writer, &BTreeSet::from([FactKey::Inquiry(inquiry.clone())]))
            .await?;
        Ok(match facts.get(&FactKey::Inquiry(inquiry)) {
            Some(Fact::Inquiry(InquiryFact::Said(said))) => String::from_utf8_lossy(said).trim_end().to_owned(),
            _ => String::new(),
        })
    }

    /// Waits a moment, and forgets what the check was planned from.
    pub(super) async fn pause_before_next_try(&mut self, check: &FailingCheck) {
        tokio::time::sleep(CHECK_PAUSE).await;
        if let Some(facts) = self.snapshot.facts.get_mut(&self.reviewed.host) {
            let is_tried = |key: &&FactKey| matches!(key, FactKey::Check(_) | FactKey::Answer(_));
            for key in check.asked.iter().filter(is_tried) {
                facts.remove(key);
            }
        }
    }

    /// The handlers that have to run and come after this point.
    fn waiting_handlers(&self) -> Vec<String> {
        let due = self.records.due(|id| self.is_done(id), |id| self.has_changed(id));
        let is_shown = |id: &OperationId| {
            let reviewed = self.reviewed.operations.iter().find(|reviewed| reviewed.id == *id);
            !reviewed.is_some_and(PlannedOperation::is_covered)
        };
        due.into_iter()
            .filter(|(id, _)| is_shown(id))
            .map(|(_, name)| format!("`{name}`"))
            .collect()
    }
}

/// What a failed check leaves out.
fn not_run(handlers: &[String]) -> String {
    match handlers {
        [] => String::new(),
        [one] => format!("\nhandler {one} comes after this check: it has not run, and stays owed until it has"),
        several => format!(
            "\nhandlers {} come after this check: they have not run, and stay owed until they have",
            several.join(" and ")
        ),
    }
}

/// A check that does not pass yet.
pub(super) struct FailingCheck {
    id: OperationId,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) within: Duration,
    asked: BTreeSet<FactKey>,
}

impl FailingCheck {
    pub(super) fn of(operation: &PlannedOperation) -> Option<Self> {
        match &operation.outcome {
            Outcome::Check {
                what,
                state: CheckState::Fails(why),
                within,
            } => Some(Self {
                id: operation.id.clone(),
                what: what.clone(),
                why: why.clone(),
                within: *within,
                asked: operation.asked.clone(),
            }),
            _ => None,
        }
    }
}

fn failing_check(rest: &[PlannedOperation]) -> Option<FailingCheck> {
    FailingCheck::of(rest.first()?)
}
