//! Handlers that an earlier run owed a host, and what becomes of them in this plan.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::bind::{Bound, BoundOperation, Ready};
use super::given::Given;
use super::position::Position;
use super::{Plan, PlannedOperation, Trigger};
use crate::error::{Origin, SourceFile};
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::operations::{Definition, Operation, RunAs, find};
use crate::template::Bindings;
use crate::value::{Kind, Table, Value, from_json, to_json};

/// Which of the owed handlers have a place in the plan.
#[derive(Default)]
pub(super) struct OwedHandlers {
    /// The files of their records.
    placed: RefCell<BTreeSet<String>>,
    /// Those of them that do not fit the host any more.
    refused: RefCell<BTreeSet<String>>,
    /// The names of handlers that the plan came to.
    seen: RefCell<BTreeSet<String>>,
}

/// Whether a handler may be owed, under this name or for an item. Only its parameters show whether it is the same one.
pub(super) fn may_be_owed(name: &str, given: &Given<'_>) -> bool {
    let with_item = format!("{name}[");
    given
        .owed()
        .iter()
        .any(|owed| owed.handler == name || owed.handler.starts_with(&with_item))
}

/// A handler as it is recorded on the host. What the host has of it already is in its file.
pub(super) fn record(handler: String, stage: usize, bound: &Bound, given: &Given<'_>) -> Owed {
    let (op, parameters, unit) = match bound {
        Bound::Ready(ready) => {
            let run_as = ready.run_as.written().clone();
            let all = run_as.into_iter().chain(ready.arguments.clone()).collect();
            (ready.definition.name, to_json(&all), ready.operation.restarts())
        }
        Bound::Partly(ready, _) => (ready.definition.name, None, None),
        Bound::Unknown(_) => ("", None, None),
    };
    let record = Owed {
        project: Some(given.selection.project.clone()),
        place: Some(given.place_of(stage)),
        handler,
        op: op.to_owned(),
        parameters,
        unit,
        ..Owed::default()
    };
    let known = given.owed().iter().find(|owed| is_of(owed, &record));
    match known {
        Some(known) => Owed {
            file: known.file.clone(),
            ..record
        },
        None => record.in_its_file(),
    }
}

/// Whether a record on the host is one of `handler`: both have the same name and do the same. A restart of the same unit is the same,
/// whichever project recorded it; a reload is not enough where a restart is owed. Other operations are the same with the same
/// parameters, since the project's folder may have got another name, and in the stage that recorded them: their parameters may have been
/// corrected since. A task that is used twice with other data has a handler for each.
fn is_of(record: &Owed, handler: &Owed) -> bool {
    let is_same_operation = record.op == handler.op || record.op.is_empty() || handler.op.is_empty();
    if record.handler != handler.handler || !is_same_operation {
        return false;
    }
    if let (Some(recorded), Some(unit)) = (unit_of(record), &handler.unit) {
        let is_enough = !record.is_restart() || handler.parameters.is_none() || handler.is_restart();
        return recorded == *unit && is_enough;
    }
    let is_of_project = handler.project.as_deref().is_some_and(|own| record.may_be_of(own));
    let is_in_place = record.place.is_none() || record.place == handler.place;
    is_of_project && is_in_place || record.parameters.is_some() && record.parameters == handler.parameters
}

impl OwedHandlers {
    /// Whether exactly this handler is owed and has no place yet; it has its place then.
    pub(super) fn take(&self, handler: &Owed, given: &Given<'_>) -> bool {
        self.seen.borrow_mut().insert(handler.handler.clone());
        let is_owed = given.owed().iter().any(|owed| owed.file == handler.file);
        is_owed && self.placed.borrow_mut().insert(handler.file.clone())
    }

    /// Those that have no place so far, and that `--owed` runs.
    pub(super) fn waiting<'o>(&'o self, given: &'o Given<'_>) -> impl Iterator<Item = &'o Owed> {
        given
            .owed()
            .iter()
            .filter(|owed| !self.has_place(owed) && owed.may_be_of(&given.selection.project))
    }

    /// Notes that a handler does not fit the host any more, such as one of a unit that is gone.
    pub(super) fn refuse(&self, owed: &Owed) {
        self.refused.borrow_mut().insert(owed.file.clone());
    }

    /// What is said of those that nothing in the plan runs or settles. What a run that is still going has recorded is its own.
    pub(super) fn elsewhere(&self, given: &Given<'_>, is_settled: impl Fn(&Owed) -> bool) -> Vec<String> {
        if given.is_beside_another_run() {
            return Vec::new();
        }
        let (refused, seen) = (self.refused.borrow(), self.seen.borrow());
        let others = given
            .owed()
            .iter()
            .filter(|owed| !self.has_place(owed) || refused.contains(&owed.file))
            .filter(|owed| !is_settled(owed));
        let told = others.map(|owed| {
            let is_other = seen.contains(&owed.handler) && !self.has_place(owed);
            given.owed_notice(owed, is_other)
        });
        told.collect()
    }

    fn has_place(&self, owed: &Owed) -> bool {
        self.placed.borrow().contains(&owed.file)
    }

    /// The next of those of the project that have no place in the plan, if the run is to run them (`--owed`).
    pub(super) fn next_of_others(
        &self,
        stage: usize,
        given: &Given<'_>,
        bindings: impl Fn() -> Bindings,
    ) -> Option<BoundOperation> {
        if !given.selection.runs_owed {
            return None;
        }
        let bound = self
            .waiting(given)
            .find_map(|owed| bound(owed, stage, given, bindings()))?;
        if let Some(owed) = &bound.handler {
            self.placed.borrow_mut().insert(owed.file.clone());
        }
        Some(bound)
    }
}

impl Plan {
    /// Whether applying would do nothing at all but what a run that is changing the host may still come to.
    pub fn is_idle_beside_another_run(&self) -> bool {
        let is_of_other = |operation: &PlannedOperation| {
            let handler = operation.handler.as_ref();
            operation.trigger == Trigger::Owed && handler.is_some_and(|own| own.is_beside_another_run)
        };
        let mut operations = self.hosts.iter().flat_map(|host| &host.operations);
        operations.all(|one| is_of_other(one) || (!one.is_pending() && one.changes().is_empty()))
    }
}

/// What to do about handlers that are owed since an earlier run, and about those that were notified and come later.
pub(super) fn first(owed: &[&str], notified: &BTreeSet<&str>) -> Option<String> {
    let named = |names: Vec<String>| match &names[..] {
        [one] => format!("handler {one}"),
        several => format!("handlers {}", several.join(" and ")),
    };
    let quoted = |name: &&str| format!("`{name}`");
    if !owed.is_empty() {
        let it = if owed.len() == 1 { "it" } else { "them" };
        return Some(format!(
            "run {} first with `--owed`: an earlier run owes {it}, which may be why",
            named(owed.iter().map(quoted).collect())
        ));
    }
    (!notified.is_empty()).then(|| {
        format!(
            "move this operation to the end of the task if it needs {}, which comes after it",
            named(notified.iter().map(quoted).collect())
        )
    })
}

/// The unit that an owed handler restarts or reloads, if it is known.
pub fn unit_of(owed: &Owed) -> Option<String> {
    owed.unit.clone().or_else(|| {
        let (_, operation, ..) = parsed(owed)?;
        operation.restarts()
    })
}

type Parsed = (&'static Definition, Box<dyn Operation>, Table, Arc<RunAs>);

/// An owed handler's operation; `None` if its parameters were not known, or do not fit this version.
fn parsed(owed: &Owed) -> Option<Parsed> {
    let definition = find(&owed.op)?;
    let mut arguments = from_json(owed.parameters.as_ref()?);
    let run_as = Arc::new(RunAs::take(&mut arguments));
    let operation = definition
        .parse(&Value::new(Kind::Table(arguments.clone())), &run_as)
        .ok()?;
    Some((definition, operation, arguments, run_as))
}

/// An owed handler with a place in the plan.
fn bound(owed: &Owed, stage: usize, given: &Given<'_>, bindings: Bindings) -> Option<BoundOperation> {
    let (definition, operation, arguments, run_as) = parsed(owed)?;
    let position = Position {
        path: "owed".to_owned(),
        in_stage: "owed".to_owned(),
        ..Position::of_stage(stage, None)
    };
    let record = SourceFile::new(owed.path(None), owed.line());
    Some(BoundOperation {
        id: OperationId(format!("{} / owed / {}", given.host_name(), owed.handler)),
        is_whole_task: false,
        has_services: definition.has_services(),
        task: "owed".to_owned(),
        origin: Origin::new(&record, 0..1),
        position: Arc::new(position),
        asked: BTreeSet::new(),
        peers: super::PeerKeys::new(),
        trigger: Trigger::Owed,
        handler: Some(Owed {
            unit: operation.restarts(),
            ..owed.clone()
        }),
        is_only_owed: true,
        guard: None,
        stand_ins: None,
        bound: Bound::Ready(Box::new(Ready {
            definition,
            operation,
            arguments,
            run_as,
            bindings,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_of_the_handler_that_does_the_same() {
        let handler = |project: &str, unit: Option<&str>, state: Option<&str>| Owed {
            project: Some(project.to_owned()),
            place: Some("site".to_owned()),
            handler: "t / x".to_owned(),
            op: "systemd.service".to_owned(),
            parameters: state.map(|state| serde_json::Map::from_iter([("state".to_owned(), state.into())])),
            unit: unit.map(str::to_owned),
            ..Owed::default()
        };
        let (restarted, reloaded) = (Some("restarted"), Some("reloaded"));
        let record = handler("p", Some("a"), restarted);
        for (other, expected) in [
            (handler("q", Some("a"), restarted), true),
            (handler("q", Some("b"), restarted), false),
            (handler("p", Some("a"), reloaded), false),
            (handler("p", Some("a"), None), true),
        ] {
            assert_eq!(is_of(&record, &other), expected, "{other:?}");
        }
        // A restart does what a reload would do.
        assert!(is_of(
            &handler("p", Some("a"), reloaded),
            &handler("q", Some("a"), restarted)
        ));
        let command = handler("p", None, restarted);
        assert!(is_of(&command, &handler("p", None, reloaded)) && is_of(&command, &handler("q", None, restarted)));
        assert!(!is_of(&command, &handler("q", None, reloaded)));
        // In another stage, other parameters are no correction.
        let elsewhere = |state| Owed {
            place: Some("site / second".to_owned()),
            ..handler("p", None, state)
        };
        assert!(is_of(&command, &elsewhere(restarted)) && !is_of(&command, &elsewhere(reloaded)));
    }
}
