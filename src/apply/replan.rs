//! Plans the rest of a host again from its present state, and compares the new plan with the review.

use super::events::{ApplyEvent, Failure, HostEnd};
use super::halt::{Halt, gather_failed, outdated, stale};
use super::host::HostApply;
use crate::change::{Outcome, ResourceChange};
use crate::plan::{PlannedOperation, Trigger, compare};
use crate::remote::Writer;
use crate::rounds::{await_jobs, running_job, settle};

const AS_ROOT: &str =
    "log in as `root` (`connection.user = \"root\"`), or set `connection.become` to `\"sudo\"` or `\"doas\"`";

impl HostApply<'_> {
    /// Reads what may have changed and plans the rest.
    ///
    /// Errors: the new plan goes beyond the review.
    pub(super) async fn plan_again(&mut self, writer: &mut Writer<'_>) -> Result<Vec<PlannedOperation>, Halt> {
        let mut operations = self.plan_rest(writer).await?;
        operations.retain(|operation| operation.stage == self.stage);
        for now in &mut operations {
            self.check_against_review(now)?;
            // What starts its unit may have run by now, so the new plan does not say so.
            let covered_by = self.reviewed_as(now).and_then(PlannedOperation::covered_by).cloned();
            if let Some(handler) = &mut now.handler {
                handler.covered_by = covered_by;
            }
        }
        Ok(operations)
    }

    /// Reads what the plan of all that is left lacks, and makes it.
    async fn plan_rest(&mut self, writer: &mut Writer<'_>) -> Result<Vec<PlannedOperation>, Halt> {
        let build = settle(writer, self.selection, &mut self.snapshot, self.digests, &|_| {})
            .await
            .map_err(|error| gather_failed(&error))?;
        if let Some(mistake) = build.mistakes.first() {
            return Err(Halt {
                end: HostEnd::Failed,
                failure: Some(Box::new(Failure {
                    attempted: format!("plan the remaining operations: {}", mistake.diagnostic),
                    cause: mistake.diagnostic.labels.first().map(|label| label.text.clone()),
                    outcome: None,
                    place: None,
                    exit_code: None,
                    output: mistake.diagnostic.causes.join("\n"),
                    hint: mistake.diagnostic.hint.clone(),
                })),
            });
        }
        let plan = build.plan.hosts.into_iter().next();
        let mut operations = plan.map(|plan| plan.operations).unwrap_or_default();
        self.records.keep_files(&mut operations);
        self.records.note(&operations);
        Ok(operations)
    }

    /// Reads and plans the whole host again, which may have changed while this run waited for its lock.
    ///
    /// Errors: the new plan goes beyond the review.
    pub(super) async fn look_again(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let host = self.reviewed.host.clone();
        self.snapshot.facts.remove(&host);
        let mut operations = self.plan_rest(writer).await?;
        // That run may have been killed, and its guard is about to go back.
        if let Some(words) = running_job(&self.snapshot, &host) {
            self.send(ApplyEvent::Waits {
                host: host.clone(),
                attempt: "apply the reviewed plan".to_owned(),
                words,
            });
            await_jobs(writer, &host, &mut self.snapshot)
                .await
                .map_err(|error| gather_failed(&error))?;
            operations = self.plan_rest(writer).await?;
        }
        let owed = self.owed().to_vec();
        self.records.begin_again(&owed, &operations);
        let departures: Vec<String> = operations
            .iter()
            .filter_map(|now| match self.reviewed_as(now) {
                Some(reviewed) => compare(reviewed, now).err().map(|departure| departure.to_string()),
                None => (now.outcome != Outcome::Unchanged).then(|| not_reviewed(now)),
            })
            .collect();
        if !departures.is_empty() {
            return Err(outdated(&departures));
        }
        self.planned_since = Some(operations);
        Ok(())
    }

    fn check_against_review(&mut self, now: &PlannedOperation) -> Result<(), Halt> {
        let Some(reviewed) = self.reviewed_as(now) else {
            return Err(stale(&not_reviewed(now)));
        };
        compare(reviewed, now).map_err(|departure| stale(&departure.to_string()))?;
        let was_shown = || {
            let mut changes = now.changes().iter();
            changes.all(|change| reviewed.changes().iter().any(|shown| change.is_as_reviewed(shown)))
        };
        let was_open = match &reviewed.outcome {
            Outcome::Deferred { .. } => reviewed.trigger != Trigger::Always || !was_shown(),
            Outcome::Ensure { .. } => !was_shown(),
            _ => false,
        };
        if reviewed.id != now.id {
            let shown = reviewed.id.clone();
            self.replaced.insert(shown);
        }
        let is_known = was_open && matches!(now.outcome, Outcome::Change(_) | Outcome::Ensure { .. });
        if is_known && self.is_news(now) {
            self.send(ApplyEvent::Resolved {
                host: self.reviewed.host.clone(),
                operation: Box::new(now.clone()),
            });
        }
        Ok(())
    }

    /// Whether what is known now was not told before: the rest is planned again whenever something has to be read, and what
    /// was known may be unknown in between.
    fn is_news(&mut self, now: &PlannedOperation) -> bool {
        let shown: Vec<ResourceChange> = now.changes().iter().map(ResourceChange::as_shown).collect();
        let told = self.told.entry(now.id.clone()).or_default();
        let is_news = !told.contains(&shown);
        if is_news {
            told.push(shown);
        }
        is_news
    }

    /// What the review showed for an operation. If its name depended on something unknown, it is found by its position.
    pub(super) fn reviewed_as(&self, now: &PlannedOperation) -> Option<&PlannedOperation> {
        let operations = &self.reviewed.operations;
        operations.iter().find(|reviewed| reviewed.id == now.id).or_else(|| {
            operations
                .iter()
                .find(|reviewed| matches!(reviewed.outcome, Outcome::Deferred { .. }) && is_below(now, reviewed))
        })
    }

    /// Stops the host: the operation cannot be planned even in its turn, or the login user may not do it.
    pub(super) fn still_unknown(&self, operation: &PlannedOperation) -> Halt {
        let why = match &operation.outcome {
            Outcome::Deferred { why, .. } => why.clone(),
            _ => "the host does not report it".to_owned(),
        };
        let is_root = self.session().is_none_or(|session| session.unprivileged.is_none());
        Halt {
            end: HostEnd::Failed,
            failure: Some(Box::new(Failure {
                attempted: format!("run `{}`", operation.id.slug()),
                cause: Some(why),
                outcome: None,
                place: Some(operation.written_at(None)),
                exit_code: None,
                output: String::new(),
                hint: (!is_root).then(|| AS_ROOT.to_owned()),
            })),
        }
    }
}

fn not_reviewed(now: &PlannedOperation) -> String {
    format!("`{}` was not in the review", now.id.slug())
}

/// Whether `shown`, a deferred operation or task, stands for this operation.
fn is_below(now: &PlannedOperation, shown: &PlannedOperation) -> bool {
    now.stage == shown.stage && (now.origin == shown.origin || now.within.contains(&shown.origin))
}
