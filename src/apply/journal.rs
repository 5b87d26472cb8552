//! The journal that a run keeps on the host. It is written by the scripts that make the changes: their first lines say what will be
//! changed, the host adds the end of each step, and the script with the last changes adds the end of the run.
//!
//! A run that ends otherwise tells that once more, if its connection still works. A run without an end was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::creations::Creations;
use super::events::{HostEnd, OperationResult, ResourceEnd};
use super::keeping::Keeping;
use super::owed::Records;
use super::prepared::Placed;
use crate::change::{Before, ResourceChange, ResourceId, Step};
use crate::facts::journal::{self, ChangeEnd, ChangeRecord, EndRecord, MadeUpRecord, RunRecord, Was};
use crate::facts::mark::Mark;
use crate::facts::overlay::OperationId;
use crate::facts::{Fact, FactKey, Facts};
use crate::plan::{PlannedOperation, recorded, shortened};
use crate::quote::quote;
use crate::remote::{Closing, Opening, StepGroup, StepRecord, StepScript};
use crate::secret::{DigestKey, redacted, sha256_hex};

/// Longer names are cut, which may be paths, in characters.
const LONGEST_NAME: usize = 4096;

/// The journal of a run on one host.
pub(super) struct Journal {
    path: String,
    /// The run's name.
    run: String,
    state_folder: String,
    mark: Mark,
    /// Whether an earlier run is open that this one makes up for.
    is_open: bool,
    key: DigestKey,
    /// Until the first change.
    first: Option<First>,
    next: u32,
    numbers: BTreeMap<(OperationId, ResourceId), u32>,
    creations: Creations,
    /// The end that the host has written, or will have.
    told: Option<HostEnd>,
}

/// What the first lines of a run need.
struct First {
    record: RunRecord,
    begin: String,
}

/// What a segment's lines need to know besides its operations.
pub(super) struct Around<'a> {
    /// Where the previous version of a path is kept that an operation is about to change.
    pub(super) keeping: &'a Keeping,
    /// The handlers that an operation notifies.
    pub(super) records: &'a Records,
    /// Whether no other step of the run comes after these.
    pub(super) is_last: bool,
}

impl Journal {
    /// A journal below `state_folder` that begins with the first change. `clear` is shell text that runs along with that; `facts` are those
    /// of the host.
    pub(super) fn new(
        state_folder: &str,
        clear: &str,
        record: RunRecord,
        creations: Creations,
        facts: Option<&Facts>,
    ) -> Self {
        let path = journal::path(state_folder, &record.run);
        let key = DigestKey::random();
        let key_file = path.trim_end_matches("jsonl").to_owned() + "key";
        let mark = Mark::new(&record.inventory, &record.deploy, &record.filters);
        let begin = format!(
            "{}{clear}{}printf '%s\\n' {} >{} || exit\n{}",
            journal::begin(state_folder),
            journal::reserve(state_folder),
            key.hex(),
            quote(&key_file),
            mark.set(state_folder, &record.run),
        );
        let is_open = match facts.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => system.is_open(&mark),
            _ => false,
        };
        Self {
            path,
            run: record.run.clone(),
            state_folder: state_folder.to_owned(),
            mark,
            is_open,
            key,
            creations,
            first: Some(First { record, begin }),
            next: 0,
            numbers: BTreeMap::new(),
            told: None,
        }
    }

    /// Has `steps`, those of `segment`, say what they do. They are not empty.
    pub(super) fn record(
        &mut self,
        segment: &[PlannedOperation],
        placed: &[Placed<'_>],
        (steps, groups): (&mut [StepScript], &mut [StepGroup]),
        around: &Around<'_>,
    ) {
        let mut lines = String::new();
        let mut numbers = BTreeMap::new();
        let mut told = Vec::new();
        // The steps of files that are written together tell their ends one by one.
        let of_commands = groups.iter().filter(|group| group.not_begun.is_some());
        let joined: BTreeSet<(usize, usize)> = of_commands
            .flat_map(|group| &placed[group.of.clone()][1..])
            .map(|placed| (placed.operation, placed.change))
            .collect();
        for (index, operation) in segment.iter().enumerate() {
            for (place, change) in operation.changes().iter().enumerate() {
                let number = self.next;
                self.next += 1;
                numbers.insert((index, place), number);
                self.numbers.insert((operation.id.clone(), change.id.clone()), number);
                let record = self.change(number, operation, change, around);
                told.push(ChangeRecord {
                    joined: joined.contains(&(index, place)),
                    ..record
                });
            }
        }
        let begin = self.first.take().map(|First { mut record, begin }| {
            record.plan = sha256_hex(lines_of(&told).as_bytes());
            lines = line(&record);
            begin
        });
        lines.push_str(&lines_of(&told));
        let begin = [begin, self.creations.of(segment, &self.key)]
            .into_iter()
            .flatten()
            .reduce(|one, other| one + "\n" + &other);
        for (placed, step) in placed.iter().zip(&mut *steps) {
            let number = numbers.get(&(placed.operation, placed.change)).copied();
            step.record = Some(StepRecord {
                entry: number.unwrap_or_default().to_string(),
                ..StepRecord::default()
            });
        }
        for group in &mut *groups {
            let entries =
                [group.of.start, group.of.end - 1].map(|end| steps[end].record.clone().unwrap_or_default().entry);
            group.script.record = Some(StepRecord {
                entry: format!("[{}]", entries.join(",")),
                ..StepRecord::default()
            });
        }
        let opening = Opening {
            path: self.path.clone(),
            begin,
            lines,
        };
        let of_first = groups.first_mut().filter(|group| group.of.start == 0);
        let first = of_first.map(|group| &mut group.script).or(steps.first_mut());
        if let Some(record) = first.and_then(|first| first.record.as_mut()) {
            record.opening = Some(opening);
        }
        self.told = None;
        // A large step that is done already is not sent, nor what follows it.
        if around.is_last
            && steps
                .last()
                .is_some_and(|last| last.stage.is_none() || last.already.is_none())
        {
            self.told = Some(HostEnd::Converged);
            let closing = line(&EndRecord {
                ended: word(HostEnd::Converged).to_owned(),
                ends: Vec::new(),
                owed: Vec::new(),
            });
            let closing = Closing {
                line: closing.trim_end().to_owned(),
                mark: self.mark.path(&self.state_folder),
            };
            let of_last = groups.last_mut().filter(|group| group.of.end == steps.len());
            let ends = of_last
                .map(|group| &mut group.script)
                .into_iter()
                .chain(steps.last_mut());
            for record in ends.filter_map(|script| script.record.as_mut()) {
                record.closing = Some(closing.clone());
            }
        }
    }

    fn change(
        &self,
        number: u32,
        operation: &PlannedOperation,
        change: &ResourceChange,
        around: &Around<'_>,
    ) -> ChangeRecord {
        let (was, before) = match &change.before {
            Before::Absent => (Was::Absent, BTreeMap::new()),
            Before::Present(before) => (Was::Present, recorded(before)),
            Before::Unknown(_) => (Was::Unknown, BTreeMap::new()),
        };
        let digest = change.steps.iter().find_map(|step| match step {
            Step::WriteFile(file) => Some(self.key.digest(file.content.sha256()).0),
            _ => None,
        });
        ChangeRecord {
            change: number,
            operation: without_host(&operation.id).to_owned(),
            kind: change.id.kind.as_str().to_owned(),
            // A rollback finds it by that.
            name: change.id.name.chars().take(LONGEST_NAME).collect(),
            action: serde_json::to_value(change.action)
                .ok()
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default(),
            steps: change.steps.len(),
            was,
            before,
            after: change.after.as_ref().map(recorded).unwrap_or_default(),
            digest,
            kept: around.keeping.place_of(&operation.id, change),
            notifies: around.records.notified_by(&operation.id),
            by_handler: operation.handler.is_some(),
            joined: false,
        }
    }

    /// The number of a change that is about to be recorded.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// What the host still has to record about the run's end; `None` if its journal says it already, or there is none.
    pub(super) fn closing(
        &self,
        end: HostEnd,
        results: &[OperationResult],
        owed: impl IntoIterator<Item = String>,
    ) -> Option<StepScript> {
        if let Some(First { record, .. }) = &self.first {
            return self.made_up(end, record);
        }
        let mut ends: Vec<(u32, ChangeEnd)> = Vec::new();
        for result in results {
            for line in &result.lines {
                let number = self.numbers.get(&(result.operation.clone(), line.resource.clone()));
                ends.extend(number.copied().zip(unlike_its_steps(line.end)));
            }
        }
        let undone = self
            .creations
            .undone(results, end == HostEnd::Converged, &self.key)
            .unwrap_or_default();
        if self.told == Some(end) && ends.is_empty() && undone.is_empty() {
            return None;
        }
        let record = EndRecord {
            ended: word(end).to_owned(),
            ends,
            owed: owed.into_iter().map(|handler| shortened(&handler)).collect(),
        };
        let mark = if end == HostEnd::Converged {
            format!("rm -f -- {}", quote(&self.mark.path(&self.state_folder)))
        } else {
            self.mark.set(&self.state_folder, &self.run)
        };
        Some(StepScript {
            body: format!(
                "{undone}\nlost=$?\nprintf '%s\\n' {} >>{} || exit\n{mark}\nexit $lost",
                quote(line(&record).trim_end()),
                quote(&self.path)
            ),
            ..StepScript::default()
        })
    }

    /// What is noted of earlier runs if this one has changed nothing and found nothing left of them.
    fn made_up(&self, end: HostEnd, record: &RunRecord) -> Option<StepScript> {
        let made_up = MadeUpRecord {
            made_up: record.at.clone(),
        };
        (self.is_open && end == HostEnd::Converged).then(|| StepScript {
            body: self.mark.settle(
                &self.state_folder,
                &journal::folder(&self.state_folder),
                line(&made_up).trim_end(),
            ),
            ..StepScript::default()
        })
    }

    /// The steps did not come to their end, so neither did what follows them.
    pub(super) fn has_failed(&mut self) {
        self.told = None;
    }
}

/// The end of a change, if the ends of its steps do not say it.
fn unlike_its_steps(end: ResourceEnd) -> Option<ChangeEnd> {
    match end {
        ResourceEnd::Applied | ResourceEnd::AlreadySo | ResourceEnd::Holds | ResourceEnd::NotReached => None,
        ResourceEnd::PutBack => Some(ChangeEnd::PutBack),
        ResourceEnd::Failed => Some(ChangeEnd::Failed),
        ResourceEnd::Ignored => Some(ChangeEnd::Ignored),
        ResourceEnd::Unknown => Some(ChangeEnd::Unknown),
    }
}

fn word(end: HostEnd) -> &'static str {
    match end {
        HostEnd::Converged | HostEnd::Pending => "converged",
        HostEnd::Failed | HostEnd::Invalid => "failed",
        HostEnd::Unreachable => "unreachable",
        HostEnd::Locked => "locked",
        HostEnd::Stale | HostEnd::Outdated => "stale",
        HostEnd::Interrupted => "interrupted",
        HostEnd::HeldBack => "held back",
    }
}

fn lines_of(records: &[ChangeRecord]) -> String {
    records.iter().map(line).collect()
}

fn line(record: &impl serde::Serialize) -> String {
    // They have no map with keys that are no strings.
    let text = serde_json::to_string(record).unwrap_or_default();
    let mut text = redacted(&text).into_owned();
    let _ = writeln!(text);
    text
}

/// An operation's id without its first part, the host.
fn without_host(id: &OperationId) -> &str {
    id.0.split_once(" / ").map_or(id.0.as_str(), |(_, rest)| rest)
}
