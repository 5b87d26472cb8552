//! Neighboring operations that one command carries out, such as packages that one run of apt installs.
//!
//! A run of apt takes two seconds, however little it installs. All of them are read back together. If the command fails, the operations
//! run one by one, so each tells its own end.

use std::ops::Range;

use super::owed::Records;
use super::together::is_pending;
use crate::change::{Command, Outcome};
use crate::plan::{PlannedOperation, Trigger};

/// Whether `from` goes on with an operation that one command carries out together with the last ones of `before`.
pub(super) fn go_on_joined(before: &[PlannedOperation], from: &[PlannedOperation], records: &Records) -> bool {
    let mut pending = before.iter().rev().filter(|one| is_pending(one));
    let last = pending.next().and_then(|last| joint(last, records));
    let next = from.iter().find(|one| is_pending(one));
    let next = next.and_then(|next| joint(next, records));
    last.zip(next).is_some_and(|(last, next)| last.joins(next)) && before.iter().all(|one| one.guards.is_empty())
}

/// The command that an operation runs, if it does nothing else, and nothing but the next operation depends on how that ends.
fn joint<'a>(operation: &'a PlannedOperation, records: &Records) -> Option<&'a Command> {
    let Outcome::Change(changes) = &operation.outcome else {
        return None;
    };
    let mut steps = changes.iter().flat_map(|change| &change.steps);
    let (step, None) = (steps.next()?, steps.next()) else {
        return None;
    };
    let is_plain = operation.conduct.is_usual()
        && operation.guards.is_empty()
        && operation.handler.is_none()
        && operation.trigger == Trigger::Always
        && changes.iter().all(|change| change.expect.is_empty())
        && records.notified_by(&operation.id).is_empty();
    step.command().filter(|command| is_plain && command.joint.is_some())
}

/// The ranges of neighbors that one command can carry out, each with that command.
pub(super) fn joined(commands: &[Option<&Command>]) -> Vec<(Range<usize>, Command)> {
    let mut all = Vec::new();
    let mut start = 0;
    while start < commands.len() {
        let first = commands[start];
        let with_first = commands[start..]
            .iter()
            .map_while(|command| command.filter(|command| first.is_some_and(|first| first.joins(command))));
        let own: Vec<&Command> = with_first.collect();
        let end = start + own.len().max(1);
        all.extend(Command::joined(&own).map(|command| (start..end, command)));
        start = end;
    }
    all
}

#[cfg(test)]
mod tests;
