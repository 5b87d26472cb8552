//! Starts and restarts that follow each other run together: first all of them, in order, and then all units are watched at the same
//! time.
//!
//! So any number of services takes the time of one. One that does not stay active does not keep the others from what changed: it
//! alone goes back.

use crate::change::{Command, OnError, Outcome, ResourceChange, ResourceKind, Step};
use crate::plan::PlannedOperation;

/// Whether `from` goes on with a restart that runs together with the last ones of `before`.
pub(super) fn go_on_together(before: &[PlannedOperation], from: &[PlannedOperation]) -> bool {
    let Some(next) = from.iter().find(|one| is_pending(one)).and_then(plain_restart) else {
        return false;
    };
    let mut restarts = last_restarts(before).map(|(_, unit)| unit).peekable();
    // A second restart of a unit depends on what came of the first.
    restarts.peek().is_some() && restarts.all(|unit| unit != next)
}

/// The operations of a segment that run together, by their places; none if only one could.
pub(super) fn together(segment: &[PlannedOperation]) -> Vec<usize> {
    let places: Vec<usize> = last_restarts(segment).map(|(place, _)| place).collect();
    if places.len() > 1 { places } else { Vec::new() }
}

/// The restarts at the end, the last one first, each with its place and unit.
fn last_restarts(operations: &[PlannedOperation]) -> impl Iterator<Item = (usize, &str)> {
    let pending = operations.iter().enumerate().rev();
    pending
        .filter(|(_, operation)| is_pending(operation))
        .map_while(|(place, operation)| Some((place, plain_restart(operation)?)))
}

pub(super) fn is_pending(operation: &PlannedOperation) -> bool {
    operation.outcome != Outcome::Unchanged
}

/// The unit that an operation starts, restarts or reloads, if it does nothing else, and nothing depends on how that ends.
fn plain_restart(operation: &PlannedOperation) -> Option<&str> {
    let Outcome::Change(changes) = &operation.outcome else {
        return None;
    };
    let [change] = &changes[..] else { return None };
    let stops_host = !operation.conduct.may_go_on() && operation.conduct.on_error == OnError::StopHost;
    let is_plain = stops_host && operation.guards.is_empty() && change.id.kind == ResourceKind::Unit;
    (is_plain && ends_with_restart(change)).then_some(change.id.name.as_str())
}

fn ends_with_restart(change: &ResourceChange) -> bool {
    let commands: Option<Vec<&Command>> = change.steps.iter().map(Step::command).collect();
    commands.is_some_and(|commands| {
        let mut own = commands.iter();
        own.all(|command| command.input.is_none() && !command.supervised)
            && commands.last().is_some_and(|last| last.recovery.is_some())
    })
}

#[cfg(test)]
mod tests;
