//! Reads journals as a host prints them.

use std::collections::{BTreeMap, BTreeSet};

use super::probe::ODD;
use super::{ChangeEnd, ChangeRecord, EndRecord, Line, Numbers, RunRecord, Was};

/// A run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub record: RunRecord,
    /// Its changes, in order.
    pub changes: Vec<Taken>,
    pub end: RunEnd,
    /// The handlers that it owed the host at its end.
    pub owed: Vec<String>,
    /// When a later run found nothing left to do, so that this one's end does not matter any more.
    pub made_up: Option<String>,
    /// Lines that could not be read: the last one of a run that was cut off may be torn.
    pub unreadable: usize,
}

/// A change and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub record: ChangeRecord,
    pub end: ChangeEnd,
}

/// How a run ended on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// In a word: `converged`, `failed`.
    Ended(String),
    /// It was cut off.
    Interrupted,
    /// It has not ended yet.
    Running,
}

impl RunEnd {
    /// The end in a word.
    pub fn word(&self) -> &str {
        match self {
            Self::Ended(word) => word,
            Self::Interrupted => "interrupted",
            Self::Running => "running",
        }
    }

    /// Whether it did all that it had to do.
    pub fn is_good(&self) -> bool {
        self.word() == "converged"
    }
}

impl Run {
    /// How many of its changes ended so.
    pub fn count(&self, end: ChangeEnd) -> usize {
        self.changes.iter().filter(|change| change.end == end).count()
    }

    /// Whether something of it is left to do, as far as its own journal tells.
    pub fn is_unfinished(&self) -> bool {
        !self.end.is_good() && self.made_up.is_none()
    }

    /// Whether it changed anything that is still there.
    pub fn has_applied(&self) -> bool {
        self.count(ChangeEnd::Applied) + self.count(ChangeEnd::Unknown) > 0
    }
}

/// The journals in the answer to [`probe`](super::probe), in its order, each with its key.
///
/// A file whose first line cannot be read is left out: the host may have been cut off right then, and nothing was changed.
pub fn parse(answer: &str) -> Vec<(Run, Option<String>)> {
    let mut files: Vec<(Option<String>, Vec<&str>)> = Vec::new();
    for line in answer.lines() {
        match line.strip_prefix("journal ") {
            Some(key) => files.push((Some(key.trim().to_owned()).filter(|key| !key.is_empty()), Vec::new())),
            None if line.is_empty() || line.starts_with(ODD) => {}
            None => {
                if let Some((_, lines)) = files.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    let runs = files.into_iter();
    runs.filter_map(|(key, lines)| Some((run(&lines)?, key))).collect()
}

/// The paths of files in the answer that look like journals, and are none.
pub fn odd(answer: &str) -> Vec<String> {
    let odd = answer.lines().filter_map(|line| line.strip_prefix(ODD));
    odd.map(str::to_owned).collect()
}

/// The answers to the steps of a change: whether it was one of a group, and the end.
type Answers = BTreeMap<u32, Vec<(bool, String)>>;

fn run(lines: &[&str]) -> Option<Run> {
    let mut lines = lines.iter();
    let Ok(Line::Run(record)) = serde_json::from_str(lines.next()?) else {
        return None;
    };
    let mut changes: Vec<Taken> = Vec::new();
    let mut answers = Answers::new();
    let mut back = BTreeSet::new();
    let mut ended: Option<EndRecord> = None;
    let mut made_up = None;
    let mut unreadable = 0;
    for line in lines {
        match serde_json::from_str::<Line>(line) {
            Ok(Line::Change(change)) => {
                // What follows an end goes on after it.
                ended = None;
                changes.push(Taken {
                    record: *change,
                    end: ChangeEnd::NotReached,
                });
            }
            Ok(Line::Step(step)) => {
                ended = None;
                let (numbers, of_group) = match step.step {
                    Numbers::One(number) => (number..=number, false),
                    Numbers::Range(first, last) => (first..=last, true),
                };
                // A line that a host made up names no more changes than there are.
                let most = changes.iter().map(|one| one.record.change).max();
                for number in numbers.take_while(|number| Some(*number) <= most) {
                    let own = answers.entry(number).or_default();
                    let mut end = step.end.clone();
                    if !of_group && own.iter().any(|(of_group, _)| *of_group) {
                        own.retain(|(of_group, _)| !of_group);
                        // It was not so before the run: the script of the group did it before it failed.
                        if end == "already" {
                            "done".clone_into(&mut end);
                        }
                    }
                    own.push((of_group, end));
                }
            }
            Ok(Line::Absent(note)) => {
                for change in changes.iter_mut().filter(|one| one.record.change == note.absent) {
                    change.record.was = Was::Absent;
                }
            }
            Ok(Line::PutBack(note)) => {
                back.insert(note.put_back);
            }
            Ok(Line::MadeUp(note)) => made_up = Some(note.made_up),
            Ok(Line::End(end)) => ended = Some(end),
            Ok(Line::Run(_)) | Err(_) => unreadable += 1,
        }
    }
    settle(&mut changes, &answers, &back, ended.as_ref());
    Some(Run {
        record,
        changes,
        owed: ended.as_ref().map(|end| end.owed.clone()).unwrap_or_default(),
        end: ended.map_or(RunEnd::Interrupted, |end| RunEnd::Ended(end.ended)),
        made_up,
        unreadable,
    })
}

fn settle(changes: &mut [Taken], answers: &Answers, back: &BTreeSet<u32>, ended: Option<&EndRecord>) {
    let mut is_under_way = ended.is_none();
    let mut before = ChangeEnd::NotReached;
    for change in changes {
        let own = answers
            .get(&change.record.change)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let told = ended.into_iter().flat_map(|end| &end.ends);
        let told = told.rev().find(|(number, _)| *number == change.record.change);
        let is_begun = change.record.joined && before == ChangeEnd::Unknown;
        let end = match told {
            Some((_, end)) => *end,
            None if back.contains(&change.record.change) => {
                // If it has no answer, it was the one under way.
                is_under_way &= of_steps(change.record.steps, own).is_some();
                ChangeEnd::PutBack
            }
            None if change.record.steps == 0 => before,
            None => match of_steps(change.record.steps, own) {
                Some(end) => end,
                // The first one without an answer was under way, unless the run says that it ended.
                None if ended.is_none() && (std::mem::take(&mut is_under_way) || is_begun || !own.is_empty()) => {
                    ChangeEnd::Unknown
                }
                None => ChangeEnd::NotReached,
            },
        };
        if end == ChangeEnd::Failed {
            is_under_way = false;
        }
        (change.end, before) = (end, end);
    }
}

/// How a change with so many steps ended by the answers to them; `None` if some are missing.
fn of_steps(steps: usize, answers: &[(bool, String)]) -> Option<ChangeEnd> {
    let is = |word: &str| answers.iter().any(|(_, end)| end == word);
    let is_of_group = answers.iter().any(|(of_group, _)| *of_group);
    if is_of_group && (is("failed") || is("stale")) {
        // Then each step has an answer of its own, unless it was skipped.
        None
    } else if is("failed") {
        Some(ChangeEnd::Failed)
    } else if is("stale") {
        Some(ChangeEnd::NotReached)
    } else if answers.len() < steps && !is_of_group {
        None
    } else if is("done") {
        Some(ChangeEnd::Applied)
    } else {
        Some(ChangeEnd::AlreadySo)
    }
}
