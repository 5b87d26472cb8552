//! The scripts of a segment, before they are sent.

use std::collections::BTreeMap;

use super::joined::joined;
use super::keeping::Keeping;
use super::owed::{Records, Turn};
use super::perform::{StepOptions, in_place, scripts, steps_with_paths, together as in_one_script};
use super::together::together;
use crate::change::{Command, NOT_BEGUN, OneOfMany, Outcome, ResolvedPath, ResourceChange, ResourceKind, Step, groups};
use crate::facts::overlay::OperationId;
use crate::plan::PlannedOperation;
use crate::remote::{StepGroup, StepScript};

/// What is kept of what a segment replaces.
pub(super) struct Kept<'a> {
    pub(super) keeping: &'a mut Keeping,
    pub(super) operations: &'a BTreeMap<OperationId, Vec<String>>,
    /// The number of the first change in the journal.
    pub(super) first: u32,
}

/// A step, with the index of its operation in the segment and of its change in the operation.
pub(super) struct Placed<'a> {
    pub(super) operation: usize,
    pub(super) change: usize,
    pub(super) step: &'a Step,
    /// The summary of the command that does this step and the next ones, and how many steps those are.
    pub(super) joined: Option<(String, usize)>,
}

impl Placed<'_> {
    /// The command that the step runs, alone or with its neighbors, as it is shown.
    pub(super) fn command(&self) -> Option<&str> {
        let own = self.step.command().map(|command| command.summary.as_str());
        self.joined.as_ref().map(|(summary, _)| summary.as_str()).or(own)
    }

    /// A phrase for what it waits for.
    pub(super) fn attempt(&self) -> String {
        let joined = self.joined.as_ref().map(|(summary, _)| format!("run `{summary}`"));
        joined.unwrap_or_else(|| self.step.attempt())
    }
}

/// The steps of a segment, and those of them that one script can perform together.
pub(super) struct Prepared<'s> {
    pub(super) placed: Vec<Placed<'s>>,
    pub(super) steps: Vec<StepScript>,
    pub(super) groups: Vec<StepGroup>,
}

/// The unit that a step starts or restarts, if it is no handler's.
fn started<'a>(operation: &'a PlannedOperation, step: &Step) -> Option<&'a str> {
    let recovers = step.command().is_some_and(|command| command.recovery.is_some());
    let is_own = |change: &&ResourceChange| change.id.kind == ResourceKind::Unit && change.steps.contains(step);
    let change = operation.changes().iter().find(is_own)?;
    (recovers && operation.handler.is_none()).then_some(change.id.name.as_str())
}

pub(super) fn prepare<'s>(
    segment: &'s [PlannedOperation],
    records: &Records,
    live: bool,
    keep: Kept<'_>,
) -> Prepared<'s> {
    let Kept {
        keeping,
        operations,
        first: first_number,
    } = keep;
    let together = together(segment);
    let mut next = first_number;
    let mut placed = Vec::new();
    let mut steps: Vec<StepScript> = Vec::new();
    let mut files: Vec<Option<OneOfMany<'s>>> = Vec::new();
    let mut commands: Vec<Option<&Command>> = Vec::new();
    for (operation_index, operation) in segment.iter().enumerate() {
        let ensure = matches!(operation.outcome, Outcome::Ensure { .. });
        let kept_for = operations.get(&operation.id);
        let is_kept = kept_for.is_some();
        let can_be_grouped = !ensure && operation.conduct.timeout.is_none();
        let first = steps.len();
        for (change_index, change) in operation.changes().iter().enumerate() {
            let number = next;
            next += 1;
            let mut is_alone = Vec::new();
            let mut is_bare = Vec::new();
            let mut keep = |step: &Step, resolved: Option<&ResolvedPath>| {
                keeping.number(number);
                let around = keeping.around(operation, change, (step, resolved), is_kept);
                is_bare.push(around.is_none());
                is_alone.push(around.as_ref().is_some_and(|around| !around.is_light));
                around
            };
            let options = StepOptions {
                ensure,
                live,
                timeout: operation.conduct.timeout,
            };
            steps.extend(scripts(change, options, &mut keep));
            files.extend(
                steps_with_paths(change)
                    .zip(is_alone)
                    .map(|((step, resolved), is_alone)| {
                        let file = OneOfMany::of(step, resolved, &change.expect);
                        file.filter(|_| can_be_grouped && !is_alone)
                    }),
            );
            let is_joint = can_be_grouped && change.expect.is_empty();
            commands.extend(change.steps.iter().zip(is_bare).map(|(step, is_bare)| {
                step.command()
                    .filter(|command| is_joint && is_bare && command.joint.is_some())
            }));
            placed.extend(change.steps.iter().map(|step| Placed {
                operation: operation_index,
                change: change_index,
                step,
                joined: None,
            }));
        }
        let own: Vec<_> = operation.changes().iter().flat_map(steps_with_paths).collect();
        let kept = keeping.folders(&operation.id);
        for (index, (step, resolved)) in own.iter().enumerate() {
            let turn = Turn {
                is_first: index == 0,
                is_last: index + 1 == own.len(),
                kept: &kept,
                changed: kept_for.map_or(&[], Vec::as_slice),
                starts: started(operation, step),
            };
            let script = &mut steps[first + index];
            let length = script.body.len();
            records.keep(operation, (*step, *resolved), turn, script);
            if together.contains(&operation_index) {
                script.together.get_or_insert_default();
            }
            if let Some(together) = &mut script.together {
                together.part = operation_index;
            }
            let is_plain = script.body.len() == length;
            files[first + index] = files[first + index].filter(|_| is_plain);
            commands[first + index] = commands[first + index].filter(|_| is_plain);
        }
    }
    let of_files = groups(&files).into_iter().map(|of| {
        let own: Vec<OneOfMany<'_>> = files[of.clone()].iter().flatten().copied().collect();
        for (placed, step) in placed[of.clone()].iter().zip(&mut steps[of.clone()]) {
            // Some may be in place already if they are written one by one after all.
            step.already = placed.step.already();
        }
        StepGroup {
            script: in_one_script(&own, Some(keeping.previous())),
            of,
            not_begun: None,
        }
    });
    let mut groups: Vec<StepGroup> = of_files.collect();
    groups.extend(groups_of_commands(&mut placed, &mut steps, &commands, live));
    groups.sort_by_key(|group| group.of.start);
    Prepared { placed, steps, groups }
}

/// The groups of steps that one command does.
fn groups_of_commands(
    placed: &mut [Placed<'_>],
    steps: &mut [StepScript],
    commands: &[Option<&Command>],
    live: bool,
) -> Vec<StepGroup> {
    let mut groups = Vec::new();
    for (of, command) in joined(commands) {
        for (placed, step) in placed[of.clone()].iter().zip(&mut steps[of.clone()]) {
            let joint = placed.step.command().and_then(|command| command.joint.as_ref());
            step.already = joint.map(|joint| joint.done.clone());
        }
        placed[of.start].joined = Some((command.summary.clone(), of.len()));
        groups.push(StepGroup {
            of,
            script: in_place(command, live),
            not_begun: Some(NOT_BEGUN),
        });
    }
    groups
}
