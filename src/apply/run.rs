//! One host's plan, carried out segment by segment.
//!
//! A segment is all that can be sent without another look at the host. Where the plan could not know what an operation comes
//! to, the host is read again and the rest is planned anew; what comes of that must be within what was reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::events::{ApplyEvent, Failure, HostEnd, HostResult, OperationResult, ResourceEnd, ResourceResult};
use super::perform::{decides_on_host, take_away};
use super::segment::{SegmentEnd, Telling, perform_segment};
use crate::change::{Action, CheckState, Outcome, ResourceChange, ResourceId, ResourceKind, Step};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::PathFact;
use crate::facts::session::Session;
use crate::facts::unit::UnitFact;
use crate::facts::{Fact, FactKey, Facts};
use crate::gather::{GatherError, gather};
use crate::plan::{HostPlan, PlannedOperation, Snapshot, compare};
use crate::project::Selection;
use crate::remote::{RemoteError, Writer};
use crate::rounds::settle;
use crate::secret::DigestKey;

/// How long to wait before a check is tried again.
const CHECK_PAUSE: Duration = Duration::from_secs(1);

const AS_ROOT: &str = "log in as root (`connection.user = \"root\"`), or let the user become root (`connection.become = \"sudo\"` or `\"doas\"`)";

/// What applying one host needs.
pub(super) struct HostApply<'a> {
    pub(super) run: &'a Selection,
    pub(super) reviewed: &'a HostPlan,
    pub(super) snapshot: Snapshot,
    pub(super) digests: &'a DigestKey,
    pub(super) events: &'a UnboundedSender<ApplyEvent>,
    pub(super) live_output: bool,
    pub(super) stage: usize,
    pub(super) results: Vec<OperationResult>,
    /// What was shown as one line and turned out to be several operations, or one of another name.
    pub(super) spelt_out: BTreeSet<OperationId>,
    pub(super) notices: Vec<String>,
}

/// Why a host's apply ended before its plan did.
pub(super) struct Halt {
    pub(super) end: HostEnd,
    pub(super) failure: Option<Failure>,
}

impl HostApply<'_> {
    /// Tells that the host's turn has come.
    pub(super) fn begin(&self) {
        self.tell(ApplyEvent::HostStarted {
            host: self.reviewed.host.clone(),
        });
    }

    /// Takes away what earlier runs left of work whose end has been told.
    pub(super) async fn take_away_jobs(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let facts = self.snapshot.facts.get(&self.reviewed.host);
        let Some(Fact::System(system)) = facts.and_then(|facts| facts.get(&FactKey::System)) else {
            return Ok(());
        };
        let told: Vec<&str> = system.jobs.iter().map(|job| job.id.as_str()).collect();
        if told.is_empty() {
            return Ok(());
        }
        writer
            .perform(&[take_away(&told)], &mut |_, _| {})
            .await
            .map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Applies a stage; with `peers`, what is read of other hosts since the review, its operations are planned again first.
    pub(super) async fn apply(
        &mut self,
        writer: &mut Writer<'_>,
        stage: usize,
        peers: BTreeMap<String, Facts>,
    ) -> Result<(), Halt> {
        self.stage = stage;
        let mut rest = if peers.is_empty() {
            let reviewed = self.reviewed.operations.iter();
            reviewed.filter(|operation| operation.stage == stage).cloned().collect()
        } else {
            self.snapshot.facts.extend(peers);
            self.plan_again(writer).await?
        };
        loop {
            let (segment, after) = split(rest);
            let progressed = !segment.is_empty();
            self.perform(writer, segment).await?;
            let Some(barrier) = after.first() else {
                return Ok(());
            };
            let stuck = barrier.id.clone();
            rest = self.plan_again(writer).await?;
            rest = self.await_check(writer, rest).await?;
            if !progressed && rest.first().is_some_and(|first| first.id == stuck && is_barrier(first)) {
                return Err(self.still_unknown(&rest[0]));
            }
        }
    }

    async fn perform(&mut self, writer: &mut Writer<'_>, segment: Vec<PlannedOperation>) -> Result<(), Halt> {
        let host = &self.reviewed.host;
        let telling = Telling {
            host,
            events: self.events,
            live_output: self.live_output,
        };
        let end = perform_segment(writer, telling, &segment, &mut self.results).await;
        if matches!(end, SegmentEnd::Through) {
            let done = self.snapshot.done.entry(host.clone()).or_default();
            done.extend(segment.iter().map(|operation| operation.id.clone()));
        }
        if let Some(facts) = self.snapshot.facts.get_mut(host) {
            for operation in &segment {
                forget_affected(facts, operation);
            }
        }
        if matches!(end, SegmentEnd::Through) {
            self.tell_checks(&segment);
        }
        match end {
            SegmentEnd::Through => Ok(()),
            SegmentEnd::Failed => Err(Halt {
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

    fn tell_checks(&mut self, segment: &[PlannedOperation]) {
        for operation in segment {
            if let Outcome::Check { what, .. } = &operation.outcome {
                self.results.push(OperationResult {
                    operation: operation.id.clone(),
                    lines: vec![check_line(what, ResourceEnd::Holds)],
                    failure: None,
                    took: Duration::ZERO,
                });
                self.tell_last();
            }
        }
    }

    /// Tries a check at the head of the rest until it holds or its time is up.
    async fn await_check(
        &mut self,
        writer: &mut Writer<'_>,
        mut rest: Vec<PlannedOperation>,
    ) -> Result<Vec<PlannedOperation>, Halt> {
        let since = Instant::now();
        if let Some(check) = failing_check(&rest) {
            self.tell(ApplyEvent::Started {
                host: self.reviewed.host.clone(),
                operation: check.id,
                doing: format!("waiting for {}", check.what),
            });
        }
        while let Some(FailingCheck {
            id,
            what,
            why,
            within,
            asked,
        }) = failing_check(&rest)
        {
            if since.elapsed() >= within {
                self.results.push(OperationResult {
                    operation: id,
                    lines: vec![check_line(&what, ResourceEnd::Failed)],
                    failure: Some(Failure {
                        attempted: format!("verify {what}"),
                        cause: Some(format!("{why}, after {} s of trying", within.as_secs())),
                        exit_code: None,
                        output: String::new(),
                        hint: None,
                    }),
                    took: since.elapsed(),
                });
                self.tell_last();
                return Err(Halt {
                    end: HostEnd::Failed,
                    failure: None,
                });
            }
            tokio::time::sleep(CHECK_PAUSE).await;
            if let Some(facts) = self.snapshot.facts.get_mut(&self.reviewed.host) {
                for key in asked.iter().filter(|key| matches!(key, FactKey::Check(_))) {
                    facts.remove(key);
                }
            }
            rest = self.plan_again(writer).await?;
        }
        Ok(rest)
    }

    fn tell_last(&self) {
        if let Some(result) = self.results.last() {
            self.tell(ApplyEvent::Finished {
                host: self.reviewed.host.clone(),
                result: result.clone(),
            });
        }
    }

    /// Reads what the host's owner should know now, if something ran that may have changed it.
    pub(super) async fn read_notices(&mut self, writer: &mut Writer<'_>) -> Result<(), Halt> {
        let ran_supervised = |operation: &PlannedOperation| {
            let steps = operation.changes().iter().flat_map(|change| &change.steps);
            steps
                .into_iter()
                .any(|step| matches!(step, Step::Run(run) if run.supervised))
        };
        if !self.reviewed.operations.iter().any(ran_supervised) {
            return Ok(());
        }
        let facts = self.snapshot.facts.entry(self.reviewed.host.clone()).or_default();
        gather(writer, &self.reviewed.host, &BTreeSet::from([FactKey::System]), facts)
            .await
            .map_err(|error| gather_failed(&error))?;
        if let Some(Fact::System(system)) = facts.get(&FactKey::System) {
            self.notices = system.reboot_notice().into_iter().collect();
        }
        Ok(())
    }

    /// Reads what has changed and plans what is left, against the review.
    async fn plan_again(&mut self, writer: &mut Writer<'_>) -> Result<Vec<PlannedOperation>, Halt> {
        let build = settle(writer, self.run, &mut self.snapshot, self.digests)
            .await
            .map_err(|error| gather_failed(&error))?;
        if let Some(mistake) = build.mistakes.first() {
            return Err(Halt {
                end: HostEnd::Failed,
                failure: Some(Failure {
                    attempted: format!("plan the rest: {}", mistake.diagnostic),
                    cause: mistake.diagnostic.labels.first().map(|label| label.text.clone()),
                    exit_code: None,
                    output: mistake.diagnostic.causes.join("\n"),
                    hint: mistake.diagnostic.hint.clone(),
                }),
            });
        }
        let operations = build
            .plan
            .hosts
            .into_iter()
            .next()
            .map(|plan| plan.operations)
            .unwrap_or_default();
        let operations: Vec<PlannedOperation> = operations
            .into_iter()
            .filter(|operation| operation.stage == self.stage)
            .collect();
        for now in &operations {
            self.check_against_review(now)?;
        }
        Ok(operations)
    }

    /// What other hosts of the run see of this one, read anew.
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

    fn check_against_review(&mut self, now: &PlannedOperation) -> Result<(), Halt> {
        let Some(reviewed) = self.reviewed_as(now) else {
            return Err(stale(&format!("`{}` was not in the review", now.id.slug())));
        };
        compare(reviewed, now).map_err(|departure| stale(&departure.to_string()))?;
        let was_open = matches!(reviewed.outcome, Outcome::Deferred { .. });
        if reviewed.id != now.id {
            let shown = reviewed.id.clone();
            self.spelt_out.insert(shown);
        }
        if was_open && matches!(now.outcome, Outcome::Change(_) | Outcome::Ensure { .. }) {
            self.tell(ApplyEvent::Resolved {
                host: self.reviewed.host.clone(),
                operation: Box::new(now.clone()),
            });
        }
        Ok(())
    }

    /// What was shown for an operation. One whose name hung on something unknown was shown under its place.
    fn reviewed_as(&self, now: &PlannedOperation) -> Option<&PlannedOperation> {
        let operations = &self.reviewed.operations;
        operations.iter().find(|reviewed| reviewed.id == now.id).or_else(|| {
            operations
                .iter()
                .find(|reviewed| matches!(reviewed.outcome, Outcome::Deferred { .. }) && is_below(now, reviewed))
        })
    }

    /// What cannot be planned even in its turn, or not carried out by whoever works here.
    fn still_unknown(&self, operation: &PlannedOperation) -> Halt {
        let why = match &operation.outcome {
            Outcome::Deferred { why, .. } => why.clone(),
            _ => "the host does not tell".to_owned(),
        };
        let is_root = self.session().is_none_or(|session| session.unprivileged.is_none());
        Halt {
            end: HostEnd::Failed,
            failure: Some(Failure {
                attempted: format!("carry out `{}`", operation.id.slug()),
                cause: Some(why),
                exit_code: None,
                output: String::new(),
                hint: (!is_root).then(|| AS_ROOT.to_owned()),
            }),
        }
    }

    fn session(&self) -> Option<&Session> {
        match self.snapshot.facts.get(&self.reviewed.host)?.get(&FactKey::System)? {
            Fact::System(system) => Some(&system.session),
            _ => None,
        }
    }

    /// Where the lock lies, if not in its usual place: who is not root has it in a folder of theirs.
    pub(super) fn lock_path(&self) -> Option<String> {
        Some(self.session()?.unprivileged.as_ref()?.lock_path())
    }

    fn tell(&self, event: ApplyEvent) {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(event);
    }

    /// The host's result: every reviewed operation with its end, those not reached too.
    pub(super) fn result(self, halt: Option<Halt>, round_trips: u32, took: Duration) -> HostResult {
        let told: BTreeSet<OperationId> = self.results.iter().map(|result| result.operation.clone()).collect();
        let mut operations = self.results;
        let done = self.snapshot.done.get(&self.reviewed.host).cloned().unwrap_or_default();
        for operation in &self.reviewed.operations {
            if told.contains(&operation.id) || operation.outcome == Outcome::Unchanged {
                continue;
            }
            if halt.is_none() && self.spelt_out.contains(&operation.id) {
                continue;
            }
            // What was open and turned out not to be wanted is in no later plan of a host that came to its end.
            let end = if halt.is_none() || done.contains(&operation.id) {
                ResourceEnd::AlreadySo
            } else {
                ResourceEnd::NotReached
            };
            operations.push(OperationResult {
                operation: operation.id.clone(),
                lines: lines_of(operation, end),
                failure: None,
                took: Duration::ZERO,
            });
        }
        // Those that another look found to be so already were told of after the rest.
        let place = |result: &OperationResult| {
            let reviewed = &self.reviewed.operations;
            reviewed.iter().position(|operation| operation.id == result.operation)
        };
        operations.sort_by_key(place);
        let (end, failure) = halt.map_or((HostEnd::Converged, None), |halt| (halt.end, halt.failure));
        HostResult {
            host: self.reviewed.host.clone(),
            end,
            operations,
            failure,
            notices: self.notices,
            round_trips,
            took,
        }
    }
}

/// Whether an operation is the one, or of the task, that was shown as one line since it was not known what it comes to.
fn is_below(now: &PlannedOperation, shown: &PlannedOperation) -> bool {
    now.stage == shown.stage && (now.origin == shown.origin || now.within.contains(&shown.origin))
}

/// A line for each reviewed change; what was deferred was shown as one.
fn lines_of(operation: &PlannedOperation, end: ResourceEnd) -> Vec<ResourceResult> {
    if let Outcome::Check { what, .. } = &operation.outcome {
        return vec![check_line(what, end)];
    }
    let lines: Vec<ResourceResult> = operation.changes().iter().map(|change| line(change, end)).collect();
    if !lines.is_empty() {
        return lines;
    }
    let resource = ResourceId {
        kind: ResourceKind::Operation,
        name: operation.id.slug().to_owned(),
    };
    let action = Action::Update;
    vec![ResourceResult { resource, action, end }]
}

pub(super) fn line(change: &ResourceChange, end: ResourceEnd) -> ResourceResult {
    ResourceResult {
        resource: change.id.clone(),
        action: change.action,
        end,
    }
}

/// A check that does not hold.
struct FailingCheck {
    id: OperationId,
    what: String,
    why: String,
    within: Duration,
    asked: BTreeSet<FactKey>,
}

fn failing_check(rest: &[PlannedOperation]) -> Option<FailingCheck> {
    let first = rest.first()?;
    match &first.outcome {
        Outcome::Check {
            what,
            state: CheckState::Fails(why),
            within,
        } => Some(FailingCheck {
            id: first.id.clone(),
            what: what.clone(),
            why: why.clone(),
            within: *within,
            asked: first.asked.clone(),
        }),
        _ => None,
    }
}

fn check_line(what: &str, end: ResourceEnd) -> ResourceResult {
    ResourceResult {
        resource: ResourceId {
            kind: ResourceKind::Check,
            name: what.to_owned(),
        },
        action: Action::RunEachTime,
        end,
    }
}

/// The operations that can be sent now, and those from the first barrier on.
fn split(mut operations: Vec<PlannedOperation>) -> (Vec<PlannedOperation>, Vec<PlannedOperation>) {
    let end = operations.iter().position(is_barrier).unwrap_or(operations.len());
    let after = operations.split_off(end);
    (operations, after)
}

/// Whether the host must be read again before the operation can be done.
fn is_barrier(operation: &PlannedOperation) -> bool {
    match &operation.outcome {
        Outcome::Unchanged | Outcome::Change(_) => false,
        Outcome::Check { state, .. } => *state != CheckState::Holds,
        Outcome::Ensure { changes, .. } => !changes.iter().flat_map(|change| &change.steps).all(decides_on_host),
        Outcome::Deferred { .. } => true,
    }
}

/// Takes out of `facts` what an operation may have changed, so that it is read again if it is asked for again.
fn forget_affected(facts: &mut Facts, operation: &PlannedOperation) {
    let effects: Vec<&Effect> = operation.changes().iter().flat_map(|change| &change.effects).collect();
    let affected: Vec<FactKey> = facts
        .keys()
        .filter(|key| effects.iter().any(|effect| is_affected(effect, key, facts)))
        .cloned()
        .collect();
    for key in &affected {
        facts.remove(key);
    }
}

fn is_affected(effect: &Effect, key: &FactKey, facts: &Facts) -> bool {
    match effect {
        // Any change may decide a check.
        _ if matches!(key, FactKey::Check(_)) => true,
        // What apt would do changes with every package.
        Effect::Set(FactKey::Package(_), _) if matches!(key, FactKey::Installation(_)) => true,
        Effect::Set(set, _) => FactScope::Key(set.clone()).covers(key),
        Effect::Forget(scope @ (FactScope::AbsentTree(_) | FactScope::AbsentUnits), _) => {
            scope.covers(key) && is_absent(key, facts)
        }
        Effect::Forget(scope, _) => scope.covers(key),
    }
}

fn is_absent(key: &FactKey, facts: &Facts) -> bool {
    let asked = match key {
        FactKey::Content(path) => FactKey::Path(path.clone()),
        other => other.clone(),
    };
    !matches!(
        facts.get(&asked),
        Some(Fact::Path(PathFact::Present(_)) | Fact::Unit(UnitFact::Present(_)))
    )
}

/// That too many other hosts failed for this one to begin, or to go on: what was `attempted`.
pub(super) fn held_back(attempted: &str, why: &str) -> Halt {
    Halt {
        end: HostEnd::HeldBack,
        failure: Some(Failure {
            attempted: attempted.to_owned(),
            cause: Some(why.to_owned()),
            exit_code: None,
            output: String::new(),
            hint: None,
        }),
    }
}

fn stale(what: &str) -> Halt {
    Halt {
        end: HostEnd::Stale,
        failure: Some(Failure {
            attempted: "go on with the reviewed plan".to_owned(),
            cause: Some(what.to_owned()),
            exit_code: None,
            output: String::new(),
            hint: Some("run the deploy again to review what is to do now".to_owned()),
        }),
    }
}

/// A connection that broke, or never came to be, as the end of a host.
pub(super) fn lost(error: &RemoteError) -> Halt {
    let end = match error {
        RemoteError::Locked { .. } => HostEnd::Locked,
        RemoteError::LockUnavailable { .. } => HostEnd::Failed,
        _ => HostEnd::Unreachable,
    };
    Halt {
        end,
        failure: Some(Failure {
            attempted: error.to_string(),
            cause: std::error::Error::source(error).map(ToString::to_string),
            exit_code: None,
            output: String::new(),
            hint: error.hint(),
        }),
    }
}

/// What a host does as a job of its own is not lost with the connection.
fn lost_at_work(error: &RemoteError, goes_on: Option<String>) -> Halt {
    let mut halt = lost(error);
    if let (Some(failure), Some(command)) = (&mut halt.failure, goes_on) {
        failure.hint = Some(format!(
            "if `{command}` had begun, the host goes on with it by itself: run again, which waits for it and tells how it ended"
        ));
    }
    halt
}

pub(super) fn gather_failed(error: &GatherError) -> Halt {
    match error {
        GatherError::Remote(error) => lost(error),
        GatherError::Unreadable { .. } => Halt {
            end: HostEnd::Failed,
            failure: Some(Failure {
                attempted: error.to_string(),
                cause: std::error::Error::source(error).map(ToString::to_string),
                exit_code: None,
                output: String::new(),
                hint: None,
            }),
        },
    }
}
