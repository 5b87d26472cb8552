//! A stage of one host's plan, applied segment by segment.
//!
//! A segment is everything that can be sent without reading the host again. Before a deferred operation, the host is
//! read again and the rest is planned anew; the new plan must stay within the review.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::confirm::{is_outside, through_another};
use super::events::{HostEnd, OperationResult, ResourceEnd};
use super::halt::{Halt, gather_failed, lost, lost_at_work};
use super::host::HostApply;
use super::joined::go_on_joined;
use super::keeping::Guarding;
use super::owed::Records;
use super::perform::take_away;
use super::read_back::{is_read_back, to_read_after};
use super::reboot::reboot_of;
use super::recovery::may_go_on;
use super::segment::{Ends, EventSink, KeepFor, ReadAfter, SegmentEnd, perform_segment};
use super::together::go_on_together;
use crate::change::{CheckState, Outcome, ResourceChange};
use crate::facts::overlay::OperationId;
use crate::facts::{Fact, FactKey, Facts};
use crate::gather::{FactProbes, gather};
use crate::plan::PlannedOperation;
use crate::remote::{Connection, StepScript, Writer};

/// How long reading the host may take while a guard is armed.
const READING: Duration = Duration::from_secs(300);

impl HostApply<'_> {
    /// Removes the files of finished and reported background jobs of earlier runs.
    pub(super) async fn take_away_jobs(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let facts = self.snapshot.facts.get(&self.reviewed.host);
        let Some(Fact::System(system)) = facts.and_then(|facts| facts.get(&FactKey::System)) else {
            return Ok(());
        };
        // The record of a user stays until its operation has created the user completely.
        let jobs = system.jobs.iter().filter(|job| job.unfinished_user().is_none());
        let told: Vec<&str> = jobs.map(|job| job.id.as_str()).collect();
        if told.is_empty() {
            return Ok(());
        }
        writer
            .perform(&[take_away(&told)], &mut |_, _| {})
            .await
            .map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Applies a stage. With `peers`, new facts of other hosts, its operations are planned again first.
    pub(super) async fn apply_stage(
        &mut self,
        writer: &mut Writer<'_>,
        stage: usize,
        peers: BTreeMap<String, Facts>,
    ) -> Result<(), Halt> {
        self.stage = stage;
        let mut rest = if peers.is_empty() {
            let planned = self.planned_since.as_ref().unwrap_or(&self.reviewed.operations);
            planned
                .iter()
                .filter(|operation| operation.stage == stage)
                .cloned()
                .collect()
        } else {
            self.snapshot.facts.extend(peers);
            self.plan_again(writer).await?
        };
        loop {
            self.check_stop()?;
            // An operation whose failure was ignored may have been the last of its task.
            if self.is_guard_due(&rest) {
                self.settle_guard(writer.connection(), None).await?;
            }
            let (segment, after) = split_at_barrier(rest, self.one_by_one, self.keeping.guarding(), &self.records);
            let progressed = !segment.is_empty();
            self.settle_before_reboot(writer, &segment).await?;
            if let Err(halt) = self.perform(writer, &segment, &after).await {
                rest = match self.go_on(writer, &segment, halt).await {
                    Ok(rest) => rest,
                    Err(halt) => return Err(self.go_back(writer, &segment, halt).await),
                };
                continue;
            }
            if self.is_guard_due(&after) {
                self.settle_guard(writer.connection(), None).await?;
            }
            let Some(barrier) = after.first() else {
                return self.settle_handlers(writer).await;
            };
            if !has_to_wait(&segment, barrier) {
                rest = after;
                continue;
            }
            let stuck = barrier.id.clone();
            self.put_off_guard(writer).await?;
            rest = self.plan_again(writer).await?;
            let first = rest.first().cloned();
            rest = match self.await_check(writer, rest).await {
                Ok(rest) => rest,
                Err(halt) => {
                    // It is tried again, or what comes after it goes on.
                    rest = self.go_on(writer, first.as_slice(), halt).await?;
                    continue;
                }
            };
            if !progressed && rest.first().is_some_and(|first| first.id == stuck && is_barrier(first)) {
                return Err(self.still_unknown(&rest[0]));
            }
        }
    }

    /// Removes the records of handlers that had nothing to do.
    async fn settle_handlers(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let settled = self
            .records
            .settled(self.stage, |id| self.is_done(id), |id| self.has_changed(id));
        if let Some(settled) = settled {
            writer
                .perform(&[settled], &mut |_, _| {})
                .await
                .map_err(|error| lost(&error))?;
        }
        Ok(())
    }

    /// Tells the journal how the run ended, if it does not say so yet and the host can be told.
    pub(super) async fn close_journal(&mut self, connection: &mut Connection, halt: Option<&Halt>) {
        let end = halt.map_or(HostEnd::Converged, |halt| halt.end);
        let results: Vec<OperationResult> = self.results.iter().chain(&self.under_way).cloned().collect();
        let due = self.records.due(|id| self.is_done(id), |id| self.has_changed(id));
        let owed = due.into_iter().map(|(_, handler)| handler.to_owned());
        if let Some(closing) = self.journal.closing(end, &results, owed.filter(|_| halt.is_some())) {
            // Without it, the run counts as cut off. What was confirmed may have ended the connection that is open.
            let told = connection.perform_beside(&closing).await;
            if told.is_err() && halt.is_none() {
                let _ = through_another(connection, closing.body).await;
            }
        }
    }

    /// Gives homelab time to read the host while a guard is armed.
    async fn put_off_guard(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        if let Some(body) = self.keeping.put_off(READING) {
            let step = StepScript {
                body,
                ..StepScript::default()
            };
            writer
                .perform(&[step], &mut |_, _| {})
                .await
                .map_err(|error| lost(&error))?;
        }
        Ok(())
    }

    async fn perform(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
        after: &[PlannedOperation],
    ) -> Result<(), Halt> {
        let first = self.results.len();
        // What is guarded has ended only when a new connection has confirmed it.
        let is_guarded = |one: &PlannedOperation| !one.guards.is_empty() && !one.changes().is_empty();
        let is_last = self.is_last_stage
            && after.iter().all(|one| one.outcome == Outcome::Unchanged)
            && self.keeping.guarding().is_none()
            && !segment.iter().any(is_guarded);
        let end = self.perform_and_read_back(writer, segment, is_last).await;
        // The end of an operation that is read back is known only now.
        let changed = self.snapshot.changed.entry(self.reviewed.host.clone()).or_default();
        changed.extend(changed_by(&self.results[first..]));
        end
    }

    async fn perform_and_read_back(
        &mut self,
        writer: &mut Writer<'_>,
        segment: &[PlannedOperation],
        is_last: bool,
    ) -> Result<(), Halt> {
        let host = &self.reviewed.host.clone();
        let kept_for = self.kept_for(segment);
        let facts = self.snapshot.facts.entry(host.clone()).or_default();
        // Before it runs, so that what is read right after it counts.
        let changes = segment.iter().flat_map(PlannedOperation::changes);
        let effects: Vec<_> = changes.flat_map(|change| &change.effects).collect();
        facts.forget_affected(&effects);
        let reboot = segment.last().and_then(|last| Some((&last.id, reboot_of(last)?)));
        // What is read before the host goes down says nothing of it.
        let judged = segment.iter().filter(|one| is_read_back(one) && reboot.is_none());
        let judged: Vec<&PlannedOperation> = judged.collect();
        let keys = judged.iter().flat_map(|operation| to_read_after(operation, facts));
        let probes = FactProbes::of(&keys.collect());
        let judged: Vec<OperationId> = judged.into_iter().map(|operation| operation.id.clone()).collect();
        let read_after = ReadAfter {
            probes: &probes.probes,
            judged: &judged,
        };
        let sink = EventSink {
            host,
            events: self.events,
            live_output: self.live_output.as_ref(),
            retried: &self.retried,
        };
        let ends = Ends {
            results: &mut self.results,
            under_way: &mut self.under_way,
        };
        let keep = KeepFor {
            keeping: &mut self.keeping,
            operations: &kept_for,
            journal: &mut self.journal,
            is_last,
        };
        let mut performed = perform_segment(writer, sink, segment, &self.records, read_after, keep, ends).await;
        let is_through = matches!(performed.end, SegmentEnd::Through);
        if let Some((operation, reboot)) = reboot.filter(|_| is_through) {
            self.await_boot(writer, operation, reboot).await?;
        }
        let is_known = is_through || matches!(performed.end, SegmentEnd::Failed | SegmentEnd::Stale);
        if is_known && !performed.held.is_empty() {
            let facts = self.snapshot.facts.entry(host.clone()).or_default();
            probes
                .keep(host, std::mem::take(&mut performed.read), facts)
                .map_err(|error| gather_failed(&error))?;
            let held = std::mem::take(&mut performed.held);
            self.read_back_all(writer, segment, held).await?;
        }
        if is_through {
            let done = self.snapshot.done.entry(host.clone()).or_default();
            done.extend(segment.iter().map(|operation| operation.id.clone()));
            self.tell_checks(segment);
        }
        self.is_refusal = matches!(performed.end, SegmentEnd::Refused);
        match performed.end {
            SegmentEnd::Through => Ok(()),
            SegmentEnd::Untrue(index) => {
                let operation = &segment[index];
                let mut held = performed.held.into_iter();
                if let Some(held) = held.find(|held| held.operation == operation.id) {
                    self.explain(writer, operation, held).await?;
                }
                Err(Halt {
                    end: HostEnd::Failed,
                    failure: None,
                })
            }
            SegmentEnd::Failed | SegmentEnd::Refused => Err(Halt {
                end: HostEnd::Failed,
                failure: None,
            }),
            SegmentEnd::Stale => Err(Halt {
                end: HostEnd::Stale,
                failure: None,
            }),
            SegmentEnd::Lost { error, goes_on } => Err(lost_at_work(&error, goes_on)),
        }
    }

    /// Reads the notices of the host again, if something ran that may have changed them.
    pub(super) async fn read_notices(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let ran_supervised = |operation: &PlannedOperation| {
            let steps = operation.changes().iter().flat_map(|change| &change.steps);
            steps
                .into_iter()
                .any(|step| step.command().is_some_and(|command| command.supervised))
        };
        if !self.reviewed.operations.iter().any(ran_supervised) {
            return Ok(());
        }
        let facts = self.snapshot.facts.entry(self.reviewed.host.clone()).or_default();
        gather(writer, &self.reviewed.host, &BTreeSet::from([FactKey::System]), facts)
            .await
            .map_err(|error| gather_failed(&error))?;
        if let Some(Fact::System(system)) = facts.get(&FactKey::System) {
            self.notices.extend(system.reboot_notice());
        }
        Ok(())
    }

    /// The facts of this host that other hosts use, read again.
    pub(super) async fn read_visible(
        &mut self,
        writer: &mut Writer<'_>,
        keys: &BTreeSet<FactKey>,
    ) -> Result<Facts, Halt> {
        let host = self.reviewed.host.clone();
        let facts = self.snapshot.facts.entry(host.clone()).or_default();
        gather(writer, &host, keys, facts)
            .await
            .map_err(|error| gather_failed(&error))?;
        Ok(facts.clone())
    }
}

/// The operations that can be sent now, and the rest. What comes after an operation that is read back waits for that, unless both
/// are restarts that run together, or one command does both.
///
/// So does what comes after one whose failure may be ignored or tried again. `one_by_one` ends after each operation.
fn split_at_barrier(
    mut operations: Vec<PlannedOperation>,
    one_by_one: bool,
    guarding: Option<&Guarding>,
    records: &Records,
) -> (Vec<PlannedOperation>, Vec<PlannedOperation>) {
    let ends = |before: &PlannedOperation| {
        reboot_of(before).is_some() || may_go_on(before) || (one_by_one && before.outcome != Outcome::Unchanged)
    };
    let go_on = |before: &[PlannedOperation], from: &[PlannedOperation]| {
        go_on_together(before, from) || (guarding.is_none() && go_on_joined(before, from, records))
    };
    let is_end = |index: &usize| {
        let (before, from) = operations.split_at(*index);
        has_to_wait(before, &from[0])
            || (!before.is_empty() && reboot_of(&from[0]).is_some())
            || before.last().is_some_and(ends)
            || (is_read_back_last(before) && !go_on(before, from))
            || ends_guard(guarding, before, &from[0])
    };
    let end = (0..operations.len()).find(is_end).unwrap_or(operations.len());
    let after = operations.split_off(end);
    (operations, after)
}

/// Whether the last operation that does something is read back.
fn is_read_back_last(operations: &[PlannedOperation]) -> bool {
    let mut pending = operations.iter().rev().filter(|one| one.outcome != Outcome::Unchanged);
    pending.next().is_some_and(is_read_back)
}

/// Whether a guard that is armed, or that one of `before` arms, is confirmed before `next` runs.
fn ends_guard(guarding: Option<&Guarding>, before: &[PlannedOperation], next: &PlannedOperation) -> bool {
    let mut guarded = before
        .iter()
        .filter(|one| !one.guards.is_empty() && !one.changes().is_empty());
    let armed = guarding.map(|guarding| &guarding.task);
    let task = armed.or_else(|| guarded.next().map(|first| &first.task));
    !before.is_empty() && task.is_some_and(|task| is_outside(&next.task, task))
}

/// Whether the host must be read again before `operation` can run, if `before` runs right before it.
fn has_to_wait(before: &[PlannedOperation], operation: &PlannedOperation) -> bool {
    is_barrier(operation) || operation.trigger.waits_for(before)
}

/// The operations that changed something.
fn changed_by(results: &[OperationResult]) -> impl Iterator<Item = OperationId> {
    let changed = results
        .iter()
        .filter(|result| result.lines.iter().any(|line| line.end == ResourceEnd::Applied));
    changed.map(|result| result.operation.clone())
}

/// Whether the host must be read again before the operation can run.
fn is_barrier(operation: &PlannedOperation) -> bool {
    match &operation.outcome {
        Outcome::Unchanged => false,
        Outcome::Change(changes) => changes.iter().any(ResourceChange::is_outline),
        Outcome::Check { state, .. } => *state != CheckState::Holds,
        Outcome::Ensure { changes, .. } => changes.iter().any(|change| {
            change.is_open() || change.is_outline() || change.steps.iter().any(|step| step.already().is_none())
        }),
        Outcome::Deferred { .. } => true,
    }
}

#[cfg(test)]
mod tests;
