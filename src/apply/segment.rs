//! A segment of operations: one frame to the host, answers as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::events::{ApplyEvent, Failure, OperationResult, ResourceEnd, ResourceResult};
use super::journal::{Around, Journal};
use super::keeping::Keeping;
use super::owed::Records;
use super::perform::UNTRUE;
use super::prepared::{Kept, Placed, Prepared, prepare};
use crate::change::{NOT_BEGUN, NOT_NOTED, NOT_REVIEWED, PUT_BACK, PUT_BACK_PARTLY, Step};
use crate::facts::Probe;
use crate::facts::overlay::OperationId;
use crate::plan::PlannedOperation;
use crate::remote::{Answer, RemoteError, StepAnswer, StepEnd, StepNews, Writer};

/// The exit code of timeout(1) for a command that timed out.
const TIMED_OUT: i32 = 124;

/// How a segment ended.
pub(super) enum SegmentEnd {
    Through,
    /// A step failed; later steps were skipped.
    Failed,
    /// A step was refused before it did anything, for a reason on this machine.
    Refused,
    /// A step ended without an error and left something else than it should have; the index of its operation.
    Untrue(usize),
    /// The host changed since the review.
    Stale,
    /// The connection was lost.
    Lost {
        error: RemoteError,
        /// The running command, if it continues on the host without the connection.
        goes_on: Option<String>,
    },
}

/// A segment that was performed.
pub(super) struct Performed {
    pub(super) end: SegmentEnd,
    /// The answers to its probes, if the end is not `Lost`.
    pub(super) read: Vec<Answer>,
    /// The ends of operations as their steps tell them: whether they are true has to be found out.
    pub(super) held: Vec<OperationResult>,
}

/// What is read after the last step of a segment.
#[derive(Clone, Copy)]
pub(super) struct ReadAfter<'a> {
    pub(super) probes: &'a [Probe],
    /// The operations whose end the caller tells, by what was read.
    pub(super) judged: &'a [OperationId],
}

/// The ends of operations, kept by the caller: they are needed even if the performing is stopped halfway.
pub(super) struct Ends<'a> {
    pub(super) results: &'a mut Vec<OperationResult>,
    /// What was sent and has no end yet.
    pub(super) under_way: &'a mut Vec<OperationResult>,
}

/// What is kept of what a segment replaces, and what the journal says of it.
pub(super) struct KeepFor<'a> {
    pub(super) keeping: &'a mut Keeping,
    /// The operations before which something is kept, each with the units of which it changes files.
    pub(super) operations: &'a BTreeMap<OperationId, Vec<String>>,
    pub(super) journal: &'a mut Journal,
    /// Whether no other step of the run comes after the segment.
    pub(super) is_last: bool,
}

/// Where a segment runs, and where its events go.
#[derive(Clone, Copy)]
pub(super) struct EventSink<'a> {
    pub(super) host: &'a str,
    pub(super) events: &'a UnboundedSender<ApplyEvent>,
    /// Room for output that is sent as it arrives and waits to be shown; `None` if it is not sent.
    pub(super) live_output: Option<&'a Arc<Semaphore>>,
    /// How often operations were tried again.
    pub(super) retried: &'a BTreeMap<OperationId, u8>,
}

/// The state of the segment's steps so far.
struct Progress<'a> {
    sink: EventSink<'a>,
    segment: &'a [PlannedOperation],
    placed: Vec<Placed<'a>>,
    answers: Vec<StepAnswer>,
    ends: Ends<'a>,
    /// The operations that are read back before they are told.
    judged: &'a [OperationId],
    held: Vec<OperationResult>,
    since: Instant,
}

/// Runs `segment`, sends an event at the start and end of each operation, and keeps their ends.
///
/// With probes, which are run after the last step, the caller tells the ends of the operations that they judge.
pub(super) async fn perform_segment(
    writer: &mut Writer<'_>,
    sink: EventSink<'_>,
    segment: &[PlannedOperation],
    records: &Records,
    read_after: ReadAfter<'_>,
    keep: KeepFor<'_>,
    ends: Ends<'_>,
) -> Performed {
    let KeepFor {
        keeping,
        operations,
        journal,
        is_last,
    } = keep;
    let keep = Kept {
        keeping: &mut *keeping,
        operations,
        first: journal.next(),
    };
    let Prepared {
        placed,
        mut steps,
        mut groups,
    } = prepare(segment, records, sink.live_output.is_some(), keep);
    if steps.is_empty() {
        return Performed {
            end: SegmentEnd::Through,
            read: Vec::new(),
            held: Vec::new(),
        };
    }
    let ReadAfter { probes, judged } = read_after;
    let around = Around {
        keeping,
        records,
        is_last,
    };
    journal.record(segment, &placed, (&mut steps, &mut groups), &around);
    let mut progress = Progress {
        sink,
        segment,
        placed,
        answers: Vec::new(),
        ends,
        judged: if probes.is_empty() { &[] } else { judged },
        held: Vec::new(),
        since: Instant::now(),
    };
    progress.start(0);
    let performed = writer
        .perform_grouped(&steps, &groups, probes, &mut |_, news| progress.on_news(news))
        .await;
    let (end, read) = match performed {
        Ok((_, read)) => (progress.end(), read),
        Err(error) => {
            let goes_on = progress.supervised_under_way();
            progress.lost();
            (SegmentEnd::Lost { error, goes_on }, Vec::new())
        }
    };
    progress.leave_out_parts();
    let held = progress.held;
    if !matches!(end, SegmentEnd::Through) {
        journal.has_failed();
    }
    Performed { end, read, held }
}

impl Progress<'_> {
    /// The end of the segment: that of its first step that did not succeed.
    fn end(&self) -> SegmentEnd {
        let mut steps = self.placed.iter().zip(&self.answers);
        let end = steps.find_map(|(placed, answer)| match answer.end {
            StepEnd::Failed { .. } if is_untrue(placed.step, answer.end) => Some(SegmentEnd::Untrue(placed.operation)),
            StepEnd::Failed { .. } if answer.cause.is_some() => Some(SegmentEnd::Refused),
            StepEnd::Failed { .. } => Some(SegmentEnd::Failed),
            StepEnd::Stale => Some(SegmentEnd::Stale),
            StepEnd::Done | StepEnd::Already | StepEnd::Skipped => None,
        });
        end.unwrap_or(SegmentEnd::Through)
    }

    fn on_news(&mut self, news: StepNews<'_>) {
        match news {
            StepNews::Through(answer) => self.answered(answer.clone()),
            StepNews::Waits(words) => self.waits(words),
            StepNews::Sent(bytes, size) => {
                let _ = self.sink.events.send(ApplyEvent::Sent {
                    host: self.sink.host.to_owned(),
                    bytes,
                    size,
                });
            }
            StepNews::Output(output) => self.output(output),
            StepNews::LeftOut(bytes) => self.leave_out(bytes),
        }
    }

    /// Output that is shown too slowly is left out, so that it does not pile up.
    fn output(&self, output: &[u8]) {
        let Some(room) = self.sink.live_output else {
            return;
        };
        let length = u32::try_from(output.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(room).try_acquire_many_owned(length) else {
            return self.leave_out(output.len() as u64);
        };
        let _ = self.sink.events.send(ApplyEvent::Output {
            host: self.sink.host.to_owned(),
            bytes: output.to_vec(),
            room: Some(Arc::new(room)),
        });
    }

    fn leave_out(&self, bytes: u64) {
        if self.sink.live_output.is_some() {
            let _ = self.sink.events.send(ApplyEvent::OutputLeftOut {
                host: self.sink.host.to_owned(),
                bytes,
            });
        }
    }

    /// The connection was lost: the host may have gone on with everything that it was sent.
    fn lost(&mut self) {
        for result in self.ends.under_way.iter_mut() {
            mark(result, ResourceEnd::NotReached, ResourceEnd::Unknown);
        }
        let begun = self.placed.get(self.answers.len());
        let later = begun.map_or(self.segment.len(), |begun| begun.operation + 1);
        for index in later..self.segment.len() {
            if self.placed.iter().any(|placed| placed.operation == index) {
                let mut result = self.result(index, Duration::ZERO);
                mark(&mut result, ResourceEnd::NotReached, ResourceEnd::Unknown);
                self.ends.under_way.push(result);
            }
        }
    }

    /// Keeps the end of the operation under way as it would be told if nothing more were heard of it.
    fn keep_under_way(&mut self, operation: usize) {
        let mut result = self.result(operation, self.since.elapsed());
        if let Some(line) = self.placed.get(self.answers.len()).map(|placed| placed.change) {
            // Changes without steps of their own are made by the one before them.
            let own = self.segment[operation].changes();
            let next = (line + 1..own.len()).find(|at| !own[*at].steps.is_empty());
            for line in &mut result.lines[line..next.unwrap_or(own.len())] {
                line.end = ResourceEnd::Unknown;
            }
        }
        // A command may have done any of the next steps too.
        let (step, joined) = (self.answers.len(), self.placed.get(self.answers.len()));
        let steps = joined
            .and_then(|placed| placed.joined.as_ref())
            .map_or(1, |(_, steps)| *steps);
        let next = self.placed.iter().skip(step + 1).take(steps - 1);
        let next: Vec<usize> = next.map(|placed| placed.operation).collect();
        let next = next.into_iter().map(|operation| {
            let mut result = self.result(operation, Duration::ZERO);
            mark(&mut result, ResourceEnd::NotReached, ResourceEnd::Unknown);
            result
        });
        let under_way: Vec<OperationResult> = [result].into_iter().chain(next).collect();
        self.has_no_end_yet(under_way);
    }

    /// Keeps as under way what is read back, and `others`.
    fn has_no_end_yet(&mut self, others: impl IntoIterator<Item = OperationResult>) {
        let mut unread = self.held.clone();
        for result in &mut unread {
            mark(result, ResourceEnd::Applied, ResourceEnd::Unknown);
        }
        unread.extend(others);
        *self.ends.under_way = unread;
    }

    /// What is left under way is told without what is a part of other changes.
    fn leave_out_parts(&mut self) {
        for result in std::mem::take(self.ends.under_way) {
            let operation = self.segment.iter().find(|operation| operation.id == result.operation);
            let changes = operation.map_or(&[][..], PlannedOperation::changes);
            self.ends.under_way.push(result.without_parts(changes));
        }
    }

    /// The same after the answer to a step that is not the operation's last: only the lines of this and of the next step differ.
    fn go_on_under_way(&mut self, answered: usize) {
        let (operation, change) = (self.placed[answered].operation, self.placed[answered].change);
        let changes = self.segment[operation].changes();
        let next = self.placed[answered + 1].change;
        let first = self.placed[..answered]
            .iter()
            .rposition(|placed| (placed.operation, placed.change) != (operation, change));
        let ends = self.answers[first.map_or(0, |before| before + 1)..=answered]
            .iter()
            .map(|answer| answer.end);
        let after = (next + 1..changes.len()).find(|at| !changes[*at].steps.is_empty());
        let after = after.unwrap_or(changes.len());
        let Some(result) = self.ends.under_way.last_mut() else {
            return;
        };
        result.took = self.since.elapsed();
        result.failure = result.failure.take().or_else(|| {
            describe(
                &self.segment[operation],
                self.placed[answered].step,
                &self.answers[answered],
            )
        });
        let end = line_end(ends);
        for line in &mut result.lines[change..next.max(change)] {
            line.end = end;
        }
        for line in &mut result.lines[next..after] {
            line.end = ResourceEnd::Unknown;
        }
    }

    fn supervised_under_way(&self) -> Option<String> {
        let placed = self.placed.get(self.answers.len())?;
        let is_supervised = placed.step.command().is_some_and(|command| command.supervised);
        placed.command().filter(|_| is_supervised).map(str::to_owned)
    }

    fn waits(&self, words: &str) {
        let Some(placed) = self.placed.get(self.answers.len()) else {
            return;
        };
        let _ = self.sink.events.send(ApplyEvent::Waits {
            host: self.sink.host.to_owned(),
            attempt: placed.attempt(),
            words: words.to_owned(),
        });
    }

    fn answered(&mut self, mut answer: StepAnswer) {
        let index = self.answers.len();
        let command = self.placed[index].step.command();
        if answer.end == (StepEnd::Failed { status: NOT_REVIEWED }) && command.is_some_and(|command| command.supervised)
        {
            answer.end = StepEnd::Stale;
        }
        self.answers.push(answer);
        let own = self.placed[index].operation;
        match self.placed.get(index + 1) {
            Some(next) if next.operation == own => {
                // It may take minutes after files that took none.
                if next.step.command().is_some_and(|command| command.supervised) {
                    self.tell(index + 1);
                }
                self.go_on_under_way(index);
            }
            next => {
                let next = next.map(|_| index + 1);
                self.finish(own);
                if let Some(next) = next {
                    self.start(next);
                }
            }
        }
    }

    fn start(&mut self, step: usize) {
        self.since = Instant::now();
        self.tell(step);
        self.keep_under_way(self.placed[step].operation);
    }

    /// Says what is done now.
    fn tell(&self, step: usize) {
        let operation = &self.segment[self.placed[step].operation];
        // Events without a receiver do not stop the work.
        let _ = self.sink.events.send(ApplyEvent::Started {
            host: self.sink.host.to_owned(),
            operation: operation.id.clone(),
            doing: doing(&self.placed[step], operation),
        });
    }

    fn finish(&mut self, operation: usize) {
        let result = self.result(operation, self.since.elapsed());
        let is_held = self.is_held(operation, &result);
        let result = result.without_parts(self.segment[operation].changes());
        self.held.extend(is_held.then(|| result.clone()));
        self.has_no_end_yet([]);
        if is_held {
            return;
        }
        if found_nothing(&self.segment[operation], &result) {
            return;
        }
        let _ = self.sink.events.send(ApplyEvent::Finished {
            host: self.sink.host.to_owned(),
            result: result.clone(),
        });
        self.ends.results.push(result);
    }

    /// Whether the operation's end is known only after its facts were read.
    fn is_held(&self, operation: usize, result: &OperationResult) -> bool {
        let own = self.placed.iter().zip(&self.answers);
        let is_untrue = own
            .filter(|(placed, _)| placed.operation == operation)
            .any(|(placed, answer)| is_untrue(placed.step, answer.end));
        let is_judged = self.judged.contains(&self.segment[operation].id);
        let is_fine = |line: &ResourceResult| matches!(line.end, ResourceEnd::Applied | ResourceEnd::AlreadySo);
        is_untrue || is_judged && result.lines.iter().all(is_fine)
    }

    fn result(&self, index: usize, took: Duration) -> OperationResult {
        let operation = &self.segment[index];
        let first = self.placed.partition_point(|placed| placed.operation < index);
        let mut own = self.placed.iter().zip(&self.answers).skip(first).peekable();
        let mut end = ResourceEnd::NotReached;
        let mut failure = None;
        let mut lines = Vec::new();
        for (change_index, change) in operation.changes().iter().enumerate() {
            let is_own = |(placed, _): &(&Placed<'_>, _)| placed.operation == index && placed.change == change_index;
            let answered: Vec<_> = std::iter::from_fn(|| own.next_if(is_own)).collect();
            // A change without steps is made by the change before it.
            if !change.steps.is_empty() {
                end = line_end(answered.iter().map(|(_, answer)| answer.end));
            }
            failure = failure.or_else(|| {
                answered
                    .iter()
                    .find_map(|(placed, answer)| describe(operation, placed.step, answer))
            });
            lines.push(ResourceResult::of(change, end));
            mark_put_back(&mut lines, &answered);
        }
        OperationResult {
            operation: operation.id.clone(),
            lines,
            failure,
            retried: self.sink.retried.get(&operation.id).copied().unwrap_or_default(),
            took,
        }
    }
}

/// Whether it is a handler of which the review says nothing, and that had nothing to do.
pub(super) fn found_nothing(operation: &PlannedOperation, result: &OperationResult) -> bool {
    operation.is_covered() && result.lines.iter().all(|line| line.end == ResourceEnd::AlreadySo)
}

fn mark(result: &mut OperationResult, from: ResourceEnd, to: ResourceEnd) {
    for line in result.lines.iter_mut().filter(|line| line.end == from) {
        line.end = to;
    }
}

/// The ends of what a command put back after it failed.
fn mark_put_back(lines: &mut [ResourceResult], answered: &[(&Placed<'_>, &StepAnswer)]) {
    let back: BTreeSet<&String> = answered
        .iter()
        .filter_map(|(placed, answer)| Some((placed.step.command()?, answer.end)))
        .flat_map(|(command, end)| match end {
            StepEnd::Failed { status: PUT_BACK } => command.puts_back.as_slice(),
            StepEnd::Failed {
                status: PUT_BACK_PARTLY,
            } => &command.puts_back_surely,
            _ => &[],
        })
        .collect();
    let lines = lines.iter_mut().filter(|line| line.end == ResourceEnd::Applied);
    for line in lines.filter(|line| back.contains(&line.resource.name)) {
        line.end = ResourceEnd::PutBack;
    }
}

/// A command is shown as its own text, any other step as the name of its operation.
fn doing(placed: &Placed<'_>, operation: &PlannedOperation) -> String {
    placed.command().unwrap_or(operation.id.slug()).to_owned()
}

fn line_end(ends: impl Iterator<Item = StepEnd>) -> ResourceEnd {
    let ends: Vec<StepEnd> = ends.collect();
    // A step that was not begun is no failure of what it is about.
    let is_unbegun = |end: &StepEnd| *end == StepEnd::Failed { status: NOT_NOTED };
    if ends.is_empty() || (ends.iter().any(is_unbegun) && !ends.contains(&StepEnd::Done)) {
        ResourceEnd::NotReached
    } else if ends.iter().any(|end| matches!(end, StepEnd::Failed { .. })) {
        ResourceEnd::Failed
    } else if ends.iter().any(|end| matches!(end, StepEnd::Stale | StepEnd::Skipped)) {
        ResourceEnd::NotReached
    } else if ends.iter().all(|end| *end == StepEnd::Already) {
        ResourceEnd::AlreadySo
    } else {
        ResourceEnd::Applied
    }
}

/// Whether a step ended without an error and left something else than it should have.
fn is_untrue(step: &Step, end: StepEnd) -> bool {
    end == StepEnd::Failed { status: UNTRUE } && step.proof().is_some()
}

fn describe(operation: &PlannedOperation, step: &Step, answer: &StepAnswer) -> Option<Failure> {
    let attempted = step.attempt();
    let place = || Some(operation.written_at(Some(step)));
    let output = String::from_utf8_lossy(&answer.output).trim_end().to_owned();
    let output = match answer.cut {
        0 => output,
        bytes => format!("{output}\n[{bytes} bytes before these were left out]"),
    };
    match answer.end {
        end @ StepEnd::Failed { .. } if is_untrue(step, end) => Some(Failure {
            attempted,
            cause: Some("the step succeeded, but the host is not as planned".to_owned()),
            outcome: None,
            place: place(),
            exit_code: None,
            output,
            hint: None,
        }),
        StepEnd::Failed { .. } if answer.cause.is_some() => Some(Failure {
            attempted,
            cause: answer.cause.clone(),
            outcome: None,
            place: place(),
            exit_code: None,
            output,
            hint: Some("nothing was replaced; rerun the deploy and review the new diff".to_owned()),
        }),
        StepEnd::Failed { status: NOT_NOTED } => Some(Failure {
            attempted,
            cause: Some("homelab could not note it on the host first".to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output,
            hint: Some("make room there, then rerun: what was not done yet is done then".to_owned()),
        }),
        StepEnd::Failed {
            status: status @ (PUT_BACK | PUT_BACK_PARTLY),
        } => Some(Failure {
            attempted,
            cause: None,
            outcome: None,
            place: place(),
            exit_code: None,
            output,
            hint: Some(if status == PUT_BACK {
                "fix the cause and rerun; what this operation changed is as before".to_owned()
            } else {
                "fix the cause and rerun; the last line says what is not as before".to_owned()
            }),
        }),
        StepEnd::Failed { status } => Some(Failure {
            cause: match step.command() {
                Some(command) if status == TIMED_OUT => {
                    Some(format!("timed out after {} s", command.limit().as_secs().max(1)))
                }
                _ => None,
            },
            attempted,
            outcome: None,
            place: Some(operation.blamed_at(step, status)),
            exit_code: Some(status).filter(|status| *status != NOT_BEGUN && step.blames(*status).is_none()),
            output,
            hint: None,
        }),
        StepEnd::Stale => Some(Failure {
            attempted,
            cause: Some("the host changed since the review; nothing was done".to_owned()),
            outcome: None,
            place: place(),
            exit_code: None,
            output,
            hint: Some("rerun the deploy and review the new diff".to_owned()),
        }),
        StepEnd::Done | StepEnd::Already | StepEnd::Skipped => None,
    }
}
